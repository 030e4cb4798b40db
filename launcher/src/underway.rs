//! Boots that have no VM yet: this launcher's own processes that check, generate and will become
//! the VM, or start the daemon that does. A `stop` that looked for VMs alone would find nothing and
//! leave a node that comes up a moment later.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::host::{Process, exe_of, process_table, read_optional, sees_as_we_do, variable_of};
use crate::pipe::Daemon;
use crate::release::Release;
use crate::stopped::plain_values;

/// The commands that lead to a VM, in the order in which `stop` ends them: the console of a daemon
/// before the `start` that waits for it and then says why nothing came of it.
const COMMANDS: [&str; 5] = ["console", "console_clean", "foreground", "start", "restart"];

/// The launchers of this installation that are about to boot the node of that name, or any.
pub fn observe(release: &Release, name: Option<&str>) -> Vec<i32> {
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
            let daemon = Daemon::of_vm(process.pid)?;
            daemon.pipe_dir.file_name().map(OsStr::to_owned)
        });
        told.or_else(|| configured().map(OsString::from))
            .is_none_or(|told| told == name)
    };
    let mut launchers: Vec<(usize, i32)> = process_table()
        .iter()
        .filter_map(|process| {
            let rank = rank(process, &[base, own], exe_of)?;
            (is_of_base(process.pid, base, own) && is_meant(process)).then_some((rank, process.pid))
        })
        .collect();
    launchers.sort_unstable();
    launchers.into_iter().map(|(_, pid)| pid).collect()
}

/// A container has a launcher of its own under the same name, and one program may serve several
/// bases.
fn is_of_base(pid: i32, base: &Path, own: &Path) -> bool {
    let told = variable_of(pid, "BASE_RUNNER_ROOT_DIR").map(PathBuf::from);
    let its_base = told.and_then(|dir| fs_err::canonicalize(dir).ok());
    its_base.as_deref().unwrap_or(own) == base && sees_as_we_do(pid, base) != Some(false)
}

/// The place of the process's command among [`COMMANDS`]; none for any other process.
fn rank(
    process: &Process,
    places: &[&Path],
    exe: impl Fn(i32) -> Option<PathBuf>,
) -> Option<usize> {
    let command = process.args.get(1)?;
    let rank = COMMANDS.iter().position(|name| command == name)?;
    let exe = exe(process.pid)?;
    // A binary that was replaced meanwhile shows as `emqx (deleted)`.
    let is_launcher = exe.file_name()?.as_bytes().starts_with(b"emqx");
    let is_below = places.iter().any(|place| exe.starts_with(place));
    (is_launcher && is_below).then_some(rank)
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
        check(&["emqx", "foreground"], exe, Some(2));
        check(&["/usr/bin/emqx", "console", "--iex"], exe, Some(0));
        check(&["emqx", "start"], "/opt/emqx/bin/emqx (deleted)", Some(3));
        check(
            &["emqx", "start"],
            "/opt/emqx/relup/5.10.5/bin/emqx",
            Some(3),
        );
        check(&["emqx", "start"], "/opt/emqx2/bin/emqx", None);
        check(&["emqx", "ctl", "start"], exe, None);
        check(&["emqx"], exe, None);
        check(&["sh", "start"], "/opt/emqx/erts-13/bin/beam.smp", None);
    }
}
