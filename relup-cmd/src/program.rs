//! `emqx self ...`: this program's own place in an installation.
//!
//! An installation that was unpacked from a tarball gets the launcher by `install` and loses it by
//! `uninstall`; packages put it there by themselves, and tell it of an upgrade by `package-installed`.
//! Names in `bin/` change by renames, so that whoever starts `bin/emqx` meanwhile finds one whole
//! program, the old one or the new one.

mod arrival;
mod cli;
pub(crate) mod error;
mod install;
mod package;
mod site;
mod uninstall;
mod unit;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::error::Error;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::run::{end, print};
use cli::{Command, parse};

/// The running program, and how programs of its kind are told.
pub struct Program<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Its version.
    pub version: &'a str,
    /// The version of the launcher in a file; `None` for anything else, and an error for what can't
    /// be read.
    pub version_of: &'a dyn Fn(&Path) -> io::Result<Option<String>>,
}

/// Runs a command that only has to do with files of `bin/`, prints what it has to say, and gives the
/// exit code; `None` for the command that works on the installation around the program. Help and
/// wrong usage count as well.
///
/// 0 done, or there was nothing to do; 1 refused or failed; 2 wrong usage.
#[must_use]
pub fn run_alone(words: &[OsString], program: &Program<'_>) -> Option<u8> {
    let command = match parse(words) {
        Ok(command) => command,
        Err(error) => return Some(print(&error)),
    };
    let act = |act: &dyn Fn(&mut Console<'_>) -> Result<Answer, Error>| {
        let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
        let mut console = Console::new(&mut out, &mut err, command.json());
        end(act(&mut console), &mut console)
    };
    match &command {
        Command::Install(args) => Some(act(&|console| install::run(args, program, console))),
        Command::Uninstall(args) => Some(act(&|console| uninstall::run(args, program, console))),
        Command::PackageInstalled(_) => None,
    }
}

/// Runs the command that works on the installation around the program.
#[must_use]
pub fn run(words: &[OsString], install: &crate::Install, node: &mut dyn Node) -> u8 {
    let command = match parse(words) {
        Ok(command) => command,
        Err(error) => return print(&error),
    };
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut console = Console::new(&mut out, &mut err, command.json());
    end(package::run(install, node, &mut console), &mut console)
}

pub use cli::command_line;

#[cfg(test)]
mod tests;
