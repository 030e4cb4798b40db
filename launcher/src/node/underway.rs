//! Boots that have no VM yet: this launcher's own processes that check, generate and will become
//! the VM, or start the daemon that does. A `stop` that looked for VMs alone would find nothing and
//! leave a node that comes up a moment later.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::host::process::{Process, exe_of, process, process_table, sees_as_we_do, variable_of};
use crate::host::read_optional;
use crate::node::pipe::{Daemon, vm_of};
use crate::node::stopped::plain_values;
use crate::release::Release;

/// The commands that lead to a VM, in the order in which `stop` ends them: the console of a daemon
/// before the `start` that waits for it and then says why nothing came of it.
const COMMANDS: [&str; 8] = [
    "console",
    "console_clean",
    "console_boot",
    "foreground",
    "start",
    "start_boot",
    "restart",
    "reboot",
];

/// Something that will be a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Underway {
    /// A process that SIGTERM ends.
    Process(i32),
    /// A `run_erl` that has no child yet, or one that has just become the VM.
    Daemon(i32),
}

impl Underway {
    /// The process that is there now.
    pub fn pid(self) -> i32 {
        match self {
            Underway::Process(pid) | Underway::Daemon(pid) => pid,
        }
    }
}

/// What of this installation is about to boot the node of that name, or any; what has to end first
/// comes first.
pub fn observe(release: &Release, name: Option<&str>) -> Vec<Underway> {
    let base = release.install.base.path();
    // The directory of the program, which `BASE_RUNNER_ROOT_DIR` may set apart from the base.
    let own = release.launcher.ancestors().nth(2).unwrap_or(base);
    let configured = || {
        let conf = read_optional(&release.etc_dir.join("emqx.conf")).ok()??;
        plain_values(&String::from_utf8_lossy(&conf))
            .get("node.name")
            .cloned()
    };
    let is_meant = |process: &Process| {
        let Some(name) = name else { return true };
        let told = variable_of(process.pid, "EMQX_NODE__NAME")
            .or_else(|| variable_of(process.pid, "EMQX_NODE_NAME"));
        let told = told.or_else(|| {
            let daemon = Daemon::of(process).or_else(|| Daemon::of_vm(process.pid))?;
            daemon.pipe_dir.file_name().map(OsStr::to_owned)
        });
        told.or_else(|| configured().map(OsString::from))
            .is_none_or(|told| told == name)
    };
    let mut found: Vec<(usize, Underway)> = process_table()
        .iter()
        .filter_map(|process| {
            let rank = rank(process, &[base, own], exe_of)?;
            let is_it = is_of_base(process.pid, base, own) && is_meant(process);
            is_it.then(|| (rank, stage(process)))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, underway)| underway).collect()
}

/// Whatever `run_erl` has as its child becomes the VM.
fn stage(found: &Process) -> Underway {
    if Daemon::of(found).is_none() {
        return Underway::Process(found.pid);
    }
    let child = vm_of(found.pid).and_then(process);
    match child.filter(|child| !child.args.iter().any(|arg| arg == "-root")) {
        Some(child) => Underway::Process(child.pid),
        None => Underway::Daemon(found.pid),
    }
}

/// A container has a launcher of its own under the same name, and one program may serve several
/// bases.
fn is_of_base(pid: i32, base: &Path, own: &Path) -> bool {
    let told = variable_of(pid, "BASE_RUNNER_ROOT_DIR").map(PathBuf::from);
    let its_base = told.and_then(|dir| fs_err::canonicalize(dir).ok());
    its_base.as_deref().unwrap_or(own) == base && sees_as_we_do(pid, base) != Some(false)
}

/// The place of a process in the order of ends; none for what leads to no VM.
fn rank(
    process: &Process,
    places: &[&Path],
    exe: impl Fn(i32) -> Option<PathBuf>,
) -> Option<usize> {
    let exe = exe(process.pid)?;
    if !places.iter().any(|place| exe.starts_with(place)) {
        return None;
    }
    // A file that was replaced meanwhile shows as `emqx (deleted)`.
    let program = exe.file_name()?.to_str()?.split(' ').next()?;
    let has = |word: &str| process.args.iter().any(|arg| arg == word);
    match program {
        "run_erl" => Daemon::of(process).map(|_| 0),
        // The helper VMs have no data directory.
        "erlexec" => has("-emqx_data_dir").then_some(1),
        name if name.starts_with("emqx") => {
            let command = process.args.get(1)?;
            let at = COMMANDS.iter().position(|name| command == name)?;
            Some(at + 2)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_launchers_of_the_base_with_a_boot_command_count() {
        let check = |args: &[&str], exe: &str, expected: Option<usize>| {
            let process = Process {
                pid: 7,
                args: args.iter().map(OsString::from).collect(),
            };
            let found = rank(&process, &[Path::new("/opt/emqx")], |_| Some(exe.into()));
            assert_eq!(found, expected, "{args:?} {exe}");
        };
        let exe = "/opt/emqx/bin/emqx";
        check(&["emqx", "foreground"], exe, Some(5));
        check(&["/usr/bin/emqx", "console", "--iex"], exe, Some(2));
        check(&["emqx", "start"], "/opt/emqx/bin/emqx (deleted)", Some(6));
        let bin = |program: &str| format!("/opt/emqx/erts-13/bin/{program}");
        let words = [
            "run_erl",
            "-daemon",
            "/data/n@h/",
            "/log",
            "exec emqx console",
        ];
        check(&words, &bin("run_erl"), Some(0));
        check(&words, "/usr/bin/run_erl", None);
        check(
            &["erlexec", "-boot", "x", "-emqx_data_dir", "/data"],
            &bin("erlexec"),
            Some(1),
        );
        check(&["erlexec", "-boot", "start_clean"], &bin("erlexec"), None);
        check(
            &["emqx", "start"],
            "/opt/emqx/relup/5.10.5/bin/emqx",
            Some(6),
        );
        check(&["emqx", "start"], "/opt/emqx2/bin/emqx", None);
        check(&["emqx", "ctl", "start"], exe, None);
        check(&["emqx"], exe, None);
        check(&["sh", "start"], "/opt/emqx/erts-13/bin/beam.smp", None);
    }
}
