//! Peak memory of one command.
//!
//! The kernel tells it only to the parent that waits, as the maximum over all children so far. So
//! a fresh copy of the benchmark does nothing but run the one command and tell what it needed.

use crate::error::{Error, Result};
use nix::sys::resource::{UsageWho, getrusage};
use std::ffi::OsString;
use std::process::{Command, Stdio};

/// The hidden first argument that makes the benchmark such a copy.
const FLAG: &str = "--tell-peak-of";
const MARK: &str = "peak-kib=";

/// When the process was started as such a copy: runs the command and tells its peak. `None` when
/// this is an ordinary start.
#[must_use]
pub fn run_and_tell_peak(words: &[OsString]) -> Option<Result<()>> {
    let (flag, command) = words.split_first()?;
    let (program, args) = command.split_first()?;
    (flag == FLAG).then(|| {
        let status = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .status()?;
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
            .map_err(|errno| Error::Unexpected(format!("getrusage: {errno}")))?;
        eprintln!("{MARK}{}", usage.max_rss());
        if status.success() {
            return Ok(());
        }
        Err(Error::Unexpected(format!(
            "{} ended with {status}",
            program.display()
        )))
    })
}

/// Runs a command in a fresh copy of this program; gives its peak in KiB and its standard output.
pub(super) fn peak_of(command: &Command) -> Result<(u64, String)> {
    let mut copy = Command::new(std::env::current_exe()?);
    copy.arg(FLAG)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    let output = copy.stdin(Stdio::null()).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told = stderr
        .lines()
        .find_map(|line| line.strip_prefix(MARK)?.parse().ok());
    match (output.status.success(), told) {
        (true, Some(peak)) => Ok((peak, String::from_utf8_lossy(&output.stdout).into_owned())),
        _ => Err(Error::Unexpected(format!("{command:?}: {stderr}"))),
    }
}
