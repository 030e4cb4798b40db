//! The most memory that a command took, as the kernel counts it.
//!
//! A child counts what its parent held when it was started, and a test holds whole archives. So the
//! command is started by a fresh copy of the test program, which holds nothing.

use e2e::process::{self, Finished, HANG};
use e2e::{Error, Result};
use nix::sys::resource::{UsageWho, getrusage};
use std::ffi::OsString;
use std::process::{Command, ExitCode};

const FLAG: &str = "--measure-the-peak-of";
const MARK: &str = "peak-kib=";

/// When this process was started to measure: runs the command, tells its peak on the last line of
/// standard error, and ends as it ended. `None` in any other process.
#[must_use]
pub fn measure_if_asked() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [flag, program, args @ ..] = words.as_slice() else {
        return None;
    };
    if flag != FLAG {
        return None;
    }
    let status = Command::new(program).args(args).status();
    let code = status.ok().and_then(|status| status.code());
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
    eprintln!("{MARK}{peak}");
    let code = code.and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs a command to its end. Also its peak in KiB.
pub fn run(command: &Command) -> Result<(Finished, u64)> {
    let mut copy = Command::new(std::env::current_exe()?);
    copy.arg(FLAG).arg(command.get_program());
    copy.args(command.get_args());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("EMQX_") || text == "DEBUG" {
            copy.env_remove(&name);
        }
    }
    let mut finished = process::run(&mut copy, HANG)?;
    let text = std::mem::take(&mut finished.stderr);
    let (said, peak) = text
        .rsplit_once(MARK)
        .ok_or_else(|| Error::Unexpected(format!("no peak was told\n{finished}\n{text}")))?;
    said.clone_into(&mut finished.stderr);
    let peak = peak
        .trim()
        .parse()
        .map_err(|_| Error::Unexpected(format!("no peak was told: {peak:?}")))?;
    Ok((finished, peak))
}
