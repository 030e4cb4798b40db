//! Which nodes of this installation are running, read from the process table: the arguments of a
//! running VM are the truth about its name, cookie, transport and data directory.
//!
//! A path in an argument means what it means to that process: a container's VM has a `/opt/emqx` of
//! its own, and whoever traces a VM has its arguments as well. Both are told apart where the system
//! lets this process look; where it does not, the arguments stand.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::host::process::{self, Process, process_table};
use crate::node::distribution::Distribution;
use crate::node::vm_options::VmOptions;
use crate::release::Release;

/// A VM that runs a release below the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningNode {
    /// Its process id.
    pub pid: i32,
    /// `emqx@127.0.0.1`, or without `@` for a short name.
    pub name: String,
    /// The root of the tree that it was booted from.
    pub root: PathBuf,
    /// Its cookie, where the command line has one.
    pub cookie: Option<String>,
    /// The way to it.
    pub distribution: Distribution,
    /// `kernel net_ticktime` in seconds.
    pub net_ticktime: Option<String>,
    /// The data directory.
    pub data_dir: Option<PathBuf>,
}

/// The running nodes of the installation that a release belongs to, by name.
pub fn nodes_of(release: &Release) -> Vec<RunningNode> {
    let base = release.install.base.path();
    // The directory of the program, which `BASE_RUNNER_ROOT_DIR` may set apart from the base.
    let own = release.launcher.ancestors().nth(2).unwrap_or(base);
    let mut nodes = running_nodes(&process_table(), &[base, own]);
    nodes.retain(|node| process::sees_as_we_do(node.pid, &node.root) != Some(false));
    // One program may serve several bases; a node works in its own.
    nodes.retain(|node| {
        node.root.starts_with(base) || process::cwd_of(node.pid).is_none_or(|cwd| cwd == base)
    });
    let nodes = without_copies(nodes, |pid| {
        // A tracer is a parent with the same arguments, but another program.
        let parent = process::parent_of(pid)?;
        (process::exe_of(parent)? == process::exe_of(pid)?).then_some(parent)
    });
    without_onlookers(nodes, |node| {
        process::exe_of(node.pid).is_some_and(|exe| is_vm(&exe))
    })
}

/// The nodes among the processes whose `-root` is one of the places or below it.
fn running_nodes(processes: &[Process], places: &[&Path]) -> Vec<RunningNode> {
    let mut nodes: Vec<RunningNode> = processes
        .iter()
        .filter_map(|process| node_of(process, places))
        .collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name).then(a.pid.cmp(&b.pid)));
    nodes
}

/// Leaves out the children of VMs that have not become another program yet: until then they look
/// like their parent.
fn without_copies(
    nodes: Vec<RunningNode>,
    original_of: impl Fn(i32) -> Option<i32>,
) -> Vec<RunningNode> {
    if nodes.len() < 2 {
        return nodes;
    }
    let pids: Vec<i32> = nodes.iter().map(|node| node.pid).collect();
    let is_copy = |node: &RunningNode| original_of(node.pid).is_some_and(|pid| pids.contains(&pid));
    nodes.into_iter().filter(|node| !is_copy(node)).collect()
}

/// Leaves out processes that only carry a VM's arguments (`strace`, `gdb --args`) while the VM runs.
/// An emulated machine shows its emulator as every program: then nothing is left out.
fn without_onlookers(
    nodes: Vec<RunningNode>,
    is_vm: impl Fn(&RunningNode) -> bool,
) -> Vec<RunningNode> {
    if nodes.len() < 2 {
        return nodes;
    }
    let vms: Vec<(String, bool)> = nodes
        .iter()
        .map(|node| (node.name.clone(), is_vm(node)))
        .collect();
    let has_vm = |name: &str| vms.iter().any(|(vm, is_vm)| *is_vm && vm == name);
    let keep = |(node, (_, is_vm)): &(RunningNode, &(String, bool))| *is_vm || !has_vm(&node.name);
    nodes
        .into_iter()
        .zip(&vms)
        .filter(keep)
        .map(|(node, _)| node)
        .collect()
}

/// Whether a program is the VM. The name of a file that an upgrade has removed ends in ` (deleted)`.
fn is_vm(exe: &Path) -> bool {
    exe.file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b"beam"))
}

fn node_of(process: &Process, places: &[&Path]) -> Option<RunningNode> {
    let args = VmOptions::of(&process.args);
    let root = PathBuf::from(args.value("-root")?);
    // Whole components are compared: /opt/emqx2 is not below /opt/emqx.
    let is_below = places.iter().any(|place| root.starts_with(place));
    if !is_below || args.has("-remsh") || args.is_escript() {
        return None;
    }
    let name = args.text("-name").or_else(|| args.text("-sname"))?;
    if name.starts_with("remsh") {
        return None;
    }
    Some(RunningNode {
        pid: process.pid,
        name,
        root,
        cookie: args.text("-setcookie").map(|cookie| unquote(&cookie)),
        distribution: Distribution::of_arguments(args, "inet_tcp", None),
        net_ticktime: args.text2("-kernel", "net_ticktime"),
        data_dir: args.rest("-emqx_data_dir").map(PathBuf::from),
    })
}

/// An atom as the args file writes it, without its quotes.
fn unquote(atom: &str) -> String {
    atom.strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(atom)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::distribution::Listens;
    use std::ffi::OsString;

    fn process(pid: i32, args: &[&str]) -> Process {
        Process {
            pid,
            args: args.iter().map(OsString::from).collect(),
        }
    }

    fn vm(pid: i32, root: &str, name: &str) -> Process {
        process(
            pid,
            &[
                "emqx",
                "--",
                "-root",
                root,
                "-name",
                name,
                "-setcookie",
                "'a-b'",
                "-kernel",
                "net_ticktime",
                "120",
                "-start_epmd",
                "false",
                "-epmd_module",
                "ekka_epmd",
                "-proto_dist",
                "ekka",
                "--",
                "-ekka_proto_dist",
                "inet_tcp",
                "-emqx_data_dir",
                "/var/lib/e mqx",
            ],
        )
    }

    #[test]
    fn only_nodes_at_or_below_the_base_count() {
        let check = |process: Process, base: &str, expected: Option<&str>| {
            let nodes = running_nodes(&[process], &[Path::new(base)]);
            assert_eq!(nodes.first().map(|node| node.name.as_str()), expected);
        };
        check(vm(1, "/opt/emqx", "emqx@h"), "/opt/emqx", Some("emqx@h"));
        check(
            vm(1, "/opt/emqx/relup/5.10.5", "emqx@h"),
            "/opt/emqx",
            Some("emqx@h"),
        );
        check(vm(1, "/opt/emqx2", "emqx@h"), "/opt/emqx", None);
        check(vm(1, "/opt/e mqx", "emqx@h"), "/opt/e mqx", Some("emqx@h"));
        check(vm(1, "/opt/emqx", "remsh12@h"), "/opt/emqx", None);
        check(
            process(1, &["beam.smp", "-root", "/opt/emqx"]),
            "/opt/emqx",
            None,
        );
        check(process(1, &["sh", "-c", "x"]), "/opt/emqx", None);
        let root = ["beam.smp", "--", "-root", "/opt/emqx"];
        let escript = ["-run", "escript", "start", "-name", "emqx@h"];
        check(
            process(1, &[&root[..], &escript].concat()),
            "/opt/emqx",
            None,
        );
        let words = ["-extra", "bin/nodetool", "-name", "emqx@h"];
        check(process(1, &[&root[..], &words].concat()), "/opt/emqx", None);
    }

    #[test]
    fn the_arguments_tell_all_that_a_connection_needs() {
        let table = [vm(7, "/opt/emqx", "emqx@h")];
        let nodes = running_nodes(&table, &[Path::new("/opt/emqx")]);
        let [node] = &nodes[..] else {
            panic!("{nodes:?}");
        };
        assert_eq!((node.pid, node.name.as_str()), (7, "emqx@h"));
        assert_eq!(node.root, Path::new("/opt/emqx"));
        assert_eq!(node.cookie.as_deref(), Some("a-b"));
        assert_eq!(node.distribution.proto_dist, "inet_tcp");
        assert_eq!(node.distribution.listens, Listens::ByName { base: 4370 });
        assert_eq!(node.net_ticktime.as_deref(), Some("120"));
        assert_eq!(node.data_dir.as_deref(), Some(Path::new("/var/lib/e mqx")));
    }

    #[test]
    fn whoever_carries_the_arguments_of_a_running_vm_is_no_node() {
        let table = [
            vm(1, "/opt/emqx", "a@h"),
            vm(2, "/opt/emqx", "a@h"),
            vm(3, "/opt/emqx", "b@h"),
        ];
        let check = |vms: &[i32], expected: &[i32]| {
            let nodes = running_nodes(&table, &[Path::new("/opt/emqx")]);
            let left = without_onlookers(nodes, |node| vms.contains(&node.pid));
            let pids: Vec<i32> = left.iter().map(|node| node.pid).collect();
            assert_eq!(pids, expected, "{vms:?}");
        };
        check(&[1, 3], &[1, 3]);
        check(&[1], &[1, 3]);
        // Nothing is known: all of them may be VMs.
        check(&[], &[1, 2, 3]);
    }

    #[test]
    fn a_child_that_still_looks_like_its_vm_is_no_node() {
        let table = [
            vm(1, "/opt/emqx", "a@h"),
            vm(2, "/opt/emqx", "a@h"),
            vm(3, "/opt/emqx", "b@h"),
        ];
        let check = |child: i32, parent: i32, expected: &[i32]| {
            let nodes = running_nodes(&table, &[Path::new("/opt/emqx")]);
            let left = without_copies(nodes, |pid| (pid == child).then_some(parent));
            let pids: Vec<i32> = left.iter().map(|node| node.pid).collect();
            assert_eq!(pids, expected, "{parent} -> {child}");
        };
        check(2, 1, &[1, 3]);
        check(2, 7, &[1, 2, 3]);
    }

    #[test]
    fn a_removed_vm_is_still_one() {
        for (exe, expected) in [
            ("/opt/emqx/erts-13.1.5/bin/beam.smp", true),
            ("/opt/emqx/erts-13.1.5/bin/beam.smp (deleted)", true),
            ("/usr/bin/strace", false),
        ] {
            assert_eq!(is_vm(Path::new(exe)), expected, "{exe}");
        }
    }
}
