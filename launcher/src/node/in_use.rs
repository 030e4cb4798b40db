//! Which directories running VMs were booted from: what must not go while they run.
//!
//! More than the nodes that commands talk to: remote shells and escripts run from a tree as well, and
//! so do nodes of other bases that the same program serves. A boot that has no VM yet has read the
//! marker already.

use std::path::{Path, PathBuf};

use crate::host::process::{cwd_of, exe_of, process_table, sees_as_we_do};
use crate::node::running::{RunningNode, nodes_of};
use crate::node::underway::{self, Underway};
use crate::node::vm_options::VmOptions;
use crate::release::Release;

/// What runs from the trees of an installation.
#[derive(Debug)]
pub struct InUse {
    /// The roots of all VMs.
    pub roots: Vec<PathBuf>,
    /// The nodes among them that can be asked what they load code from.
    pub nodes: Vec<RunningNode>,
    /// A process that is about to become a VM.
    pub booting: Option<i32>,
    /// A node that works in another base, and so can't be asked.
    pub stranger: Option<i32>,
}

/// Looks at the process table.
pub fn observe(release: &Release) -> InUse {
    let (home, base) = (release.install.home.path(), release.install.base.path());
    let nodes = nodes_of(release);
    let mut roots: Vec<PathBuf> = nodes.iter().map(|node| node.root.clone()).collect();
    let mut stranger = None;
    for process in process_table() {
        let options = VmOptions::of(&process.args);
        let Some(root) = options.value("-root").map(PathBuf::from) else {
            continue;
        };
        if !root.starts_with(home) || sees_as_we_do(process.pid, &root) == Some(false) {
            continue;
        }
        let is_known = nodes.iter().any(|node| node.pid == process.pid);
        if !is_known && options.has("-emqx_data_dir") && works_elsewhere(process.pid, base) {
            stranger = Some(process.pid);
        }
        roots.push(root);
    }
    let booting = underway::observe(release, None)
        .into_iter()
        .find_map(|found| match found {
            Underway::Process(pid) => Some(pid),
            // Its VM is among the nodes.
            Underway::Daemon(_) => None,
        });
    InUse {
        roots,
        nodes,
        booting,
        stranger,
    }
}

/// A child that has not become another program yet looks like its VM, but stands where that stands;
/// and a tracer is no VM.
fn works_elsewhere(pid: i32, base: &Path) -> bool {
    let is_vm = exe_of(pid).is_some_and(|exe| {
        exe.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("beam"))
    });
    is_vm && cwd_of(pid).is_some_and(|cwd| cwd != base)
}
