//! Runs a command under `strace`, which kills it, lies to it or writes down what it does.
//!
//! As root the command gets a process table of its own: it reads `/proc` to find nodes, and how many
//! files that opens must not depend on what else runs on the machine. Elsewhere calls of `openat`
//! cannot be counted and are left out.

use crate::lab::Lab;
use e2e::Result;
use e2e::process::{self, Finished};
use nix::unistd::geteuid;
use std::path::Path;
use std::process::Command;

/// Every call that changes a file system, by the names of any architecture, and the flushes.
pub const CHANGES: [&str; 38] = [
    "open",
    "openat",
    "openat2",
    "creat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "copy_file_range",
    "sendfile",
    "splice",
    "ftruncate",
    "truncate",
    "fallocate",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fsync",
    "fdatasync",
    "syncfs",
    "sync_file_range",
    "ioctl",
];

/// What happens to the n-th call of a name, counted in each thread.
#[derive(Debug, Clone, Copy)]
pub struct Injection<'a> {
    /// The system call.
    pub call: &'a str,
    /// `signal=KILL` or `error=ENOSPC`.
    pub what: &'a str,
    /// Which call, from 1.
    pub when: u32,
}

/// Whether `openat` and other calls that a look at `/proc` makes can be counted.
#[must_use]
pub fn can_count_opens() -> bool {
    geteuid().is_root()
}

/// Runs a command with one of its calls disturbed, and tells whether that call came.
pub fn disturbed(
    lab: &Lab,
    words: &[String],
    injection: Injection<'_>,
) -> Result<(Finished, bool)> {
    disturbed_program(lab, &lab.site().join("base/bin/emqx"), words, injection)
}

/// The same with a program that need not be in the site.
pub fn disturbed_program(
    lab: &Lab,
    program: &Path,
    words: &[String],
    injection: Injection<'_>,
) -> Result<(Finished, bool)> {
    let Injection { call, what, when } = injection;
    let said = lab.path("disturbed");
    let mut command = strace();
    command
        .arg("-o")
        .arg(&said)
        .arg("-e")
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:{what}:when={when}"));
    let finished = run(lab, command, program, words)?;
    if finished.stderr.contains("invalid system call") {
        // An architecture without such a call.
        return Ok((finished, false));
    }
    let hit = was_killed(&finished) || fs_err::read_to_string(said)?.contains("(INJECTED)");
    Ok((finished, hit))
}

/// Runs a command and writes all its changes with their data into a file.
pub fn recorded(lab: &Lab, words: &[String], into: &Path) -> Result<Finished> {
    let mut command = strace();
    command
        .args(["-y", "-xx", "-s", "10000000", "-o"])
        .arg(into)
        .arg("-e")
        .arg(recorded_calls());
    run(lab, command, &lab.site().join("base/bin/emqx"), words)
}

/// What a recording needs: the changes, and where in a file the next one goes.
#[must_use]
pub fn recorded_calls() -> String {
    let names = CHANGES.iter().chain(&["lseek"]);
    let names: Vec<String> = names.map(|name| format!("?{name}")).collect();
    format!("trace={}", names.join(","))
}

/// Whether it was killed.
fn was_killed(finished: &Finished) -> bool {
    // The first process of a process table of its own passes it on as an exit code.
    finished.signal == Some(9) || finished.code == Some(137)
}

fn strace() -> Command {
    let mut command;
    if can_count_opens() {
        command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "strace"]);
    } else {
        command = Command::new("strace");
    }
    // Without `--seccomp-bpf`: strace 6.1 injects nothing with it.
    command.args(["-f", "-qq"]);
    command
}

fn run(lab: &Lab, mut command: Command, program: &Path, words: &[String]) -> Result<Finished> {
    command.arg("--").arg(program).args(words);
    lab.clean(&mut command);
    process::run(&mut command, process::HANG)
}
