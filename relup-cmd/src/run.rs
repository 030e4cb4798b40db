//! From words to an exit code: parses, calls the command, prints what it has to say.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::{logs, measure, paths, rollback, status, trees, upgrade};

/// Wrong usage.
const USAGE: u8 = 2;

/// Runs one `relup` command and prints what it has to say.
///
/// `args` is what follows the word `relup`. The return value is the exit code:
/// 0 done, 1 refused or failed with nothing changed, 2 usage, 3 failed after the VM was changed and
/// then restored, 4 failed and the VM needs attention.
#[must_use]
pub fn run(args: &[OsString], install: &Install, node: &mut dyn Node) -> u8 {
    let command = match parse(args, &install.invocation) {
        Ok(command) => command,
        Err(error) => {
            // Help goes to standard output and is no error; clap knows which is which. That nobody
            // reads it changes nothing.
            let _ = error.print();
            return if error.exit_code() == 0 { 0 } else { USAGE };
        }
    };
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut console = Console::new(&mut out, &mut err, command.json()).with_terminal();
    perform(&command, install, node, &mut console, &Interrupt::listen())
}

/// The command in `args`, or clap's own message.
pub(crate) fn parse(args: &[OsString], invocation: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once(OsString::from(invocation)).chain(args.iter().cloned());
    let matches = Cli::command()
        .name("relup")
        .bin_name(invocation)
        .try_get_matches_from(words)?;
    Ok(Cli::from_arg_matches(&matches)?.command)
}

/// Runs a parsed command. Returns the exit code.
pub(crate) fn perform(
    command: &Command,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> u8 {
    let result: Result<Answer, Error> = match command {
        Command::Upgrade(args) => upgrade::run(args, install, node, console, interrupt),
        Command::ListSupportedPaths(_) => Ok(paths::run(install, node, console)),
        Command::Status(_) => status::run(install, node, console),
        Command::Logs(_) => logs::run(install, node, console),
        Command::LogsClear(_) => logs::clear(install, node, console),
        Command::Rollback(args) => rollback::run(args, install, node),
        Command::List(_) => trees::run(install, node),
        Command::Stage(args) => measure::run(args, interrupt),
    };
    match result {
        Ok(answer) => {
            console.answer(answer);
            0
        }
        Err(error) => {
            console.error(&error);
            error.exit_code()
        }
    }
}
