//! From words to an exit code: parses, calls the command, prints what it has to say.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use crate::author::{appup, lint, make, otp_relup};
use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::{
    cold, logs, measure, paths, plan, prune, recovery, rollback, status, trees, upgrade, verify,
};

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
        Err(error) => return print(&error),
    };
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut console = Console::new(&mut out, &mut err, command.json()).with_terminal();
    perform(&command, install, node, &mut console, &Interrupt::listen())
}

/// Runs a command that needs no installation, prints what it has to say, and gives the exit code;
/// `None` for every other. Help and wrong usage count as well: see [`explain`].
#[must_use]
pub fn run_alone(args: &[OsString], invocation: &str) -> Option<u8> {
    let command = match parse(args, invocation) {
        Ok(command) => command,
        Err(error) => return Some(print(&error)),
    };
    let asks_node = matches!(&command, Command::Lint(args) if lint::asks_node(args));
    if !command.is_for_authors() || asks_node {
        return None;
    }
    Some(alone(&command))
}

/// The same where there is no installation, also for commands that would have asked its node.
#[must_use]
pub fn run_without_installation(args: &[OsString], invocation: &str) -> Option<u8> {
    let command = parse(args, invocation).ok()?;
    command.is_for_authors().then(|| alone(&command))
}

fn alone(command: &Command) -> u8 {
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let mut console = Console::new(&mut out, &mut err, command.json()).with_terminal();
    author(command, None, &mut console, &Interrupt::listen())
}

/// Prints help where `args` ask for it, and what is wrong with them where something is, and gives
/// the exit code; `None` for a command that can be run. Needs no installation.
#[must_use]
pub fn explain(args: &[OsString], invocation: &str) -> Option<u8> {
    parse(args, invocation).err().map(|error| print(&error))
}

/// Help goes to standard output and is no error; clap knows which is which. That nobody reads it
/// changes nothing.
pub(crate) fn print(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.exit_code() == 0 { 0 } else { USAGE }
}

/// The command line of `relup` as clap knows it, for completions and manual pages.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command().name("relup")
}

/// The command in `args`, or clap's own message.
pub(crate) fn parse(args: &[OsString], invocation: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once(OsString::from(invocation)).chain(args.iter().cloned());
    let matches = command_line()
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
    if command.is_for_authors() {
        return author(command, Some(node), console, interrupt);
    }
    if command.only_shows() {
        recovery::tidy(install, node);
    }
    let result: Result<Answer, Error> = match command {
        Command::Plan(args) => plan::run(args, install, node, console, interrupt),
        Command::Upgrade(args) if args.dry_run => {
            plan::run(args, install, node, console, interrupt)
        }
        Command::Upgrade(args) if args.cold => cold::run(args, install, node, console, interrupt),
        Command::Upgrade(args) => upgrade::run(args, install, node, console, interrupt),
        Command::ListSupportedPaths(_) => Ok(paths::run(install, node, console)),
        Command::Path(args) => paths::run_shortest(args, install, node, console),
        Command::Status(status) if status.cluster => status::cluster(node),
        Command::Status(_) => status::run(install, node, console),
        Command::Logs(_) => logs::run(install, node, console),
        Command::LogsClear(_) => logs::clear(install, node, console),
        Command::Rollback(args) => rollback::run(args, install, node, console, interrupt),
        Command::List(_) => trees::run(install, node),
        Command::Verify(args) => verify::run(args, install, console, interrupt),
        Command::Prune(args) => prune::run(args, install, node, console, interrupt),
        Command::Stage(args) => measure::run(args, interrupt),
        Command::Make(args) => make::run(args, console, interrupt),
        Command::Appup(args) => appup::run(args, console, interrupt),
        Command::Relup(args) => otp_relup::run(args, console, interrupt),
        Command::Lint(args) => lint::run(args, Some(node), console, interrupt),
    };
    end(result, console)
}

/// Runs a parsed command that needs no installation.
fn author(
    command: &Command,
    node: Option<&mut dyn Node>,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> u8 {
    match command {
        Command::Make(args) => end(make::run(args, console, interrupt), console),
        Command::Appup(args) => end(appup::run(args, console, interrupt), console),
        Command::Relup(args) => end(otp_relup::run(args, console, interrupt), console),
        Command::Lint(args) => end(lint::run(args, node, console, interrupt), console),
        // Guarded by [`Command::is_for_authors`].
        _ => USAGE,
    }
}

pub(crate) fn end(result: Result<Answer, Error>, console: &mut Console<'_>) -> u8 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEW, Release, Site};

    fn words(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn wrong_usage_is_told_from_a_call_for_help() {
        for (args, code) in [
            (&["--help"][..], 0),
            (&["upgrade", "--help"], 0),
            (&[], USAGE),
            (&["upgrade"], USAGE),
            (&["upgrade", "a", "b"], USAGE),
            (&["upgrade", "a", "--fast"], USAGE),
            (&["rollback", "--to", "../x"], USAGE),
            (&["downgrade"], USAGE),
            (&["path", "5.10.4"], USAGE),
            (&["path", "5.10.4", "../x"], USAGE),
            (&["upgrade", "a", "--via", "b", "--cold"], USAGE),
            (&["upgrade", "a", "--via", "b", "--relup", "c"], USAGE),
            (&["plan", "a", "--via", "b", "--cold"], USAGE),
        ] {
            let site = Site::new();
            let before = site.snapshot();
            assert_eq!(
                run(&words(args), &site.install, &mut site.node()),
                code,
                "{args:?}"
            );
            assert_eq!(site.snapshot(), before);
        }
    }

    #[test]
    fn usage_names_the_command_as_it_was_called() {
        for invocation in ["emqx relup", "emqx ctl relup"] {
            let error = parse(&words(&["upgrade", "--help"]), invocation).map(drop);
            let text = error.map_or_else(|error| error.to_string(), |()| String::new());
            assert!(
                text.contains(&format!("Usage: {invocation} upgrade")),
                "{text}"
            );
            let error = parse(&words(&["--help"]), invocation).map(drop);
            let text = error.map_or_else(|error| error.to_string(), |()| String::new());
            assert!(
                text.contains("list-supported-paths") && !text.contains("stage"),
                "{text}"
            );
        }
    }

    #[test]
    fn staging_alone_deploys_a_whole_tree_and_prints_its_figures() {
        let site = Site::new();
        let into = site.outside().join("into");
        fs_err::create_dir(&into).expect("made");
        let tarball = site.tarball(&Release::of(NEW));
        let args = [
            "stage".into(),
            tarball.into_os_string(),
            "--into".into(),
            into.clone().into(),
        ];
        let said = site.run(&mut site.node(), &args);
        assert_eq!(said.code, 0, "{said:?}");
        let json = said.json();
        assert_eq!(
            json["files"],
            serde_json::json!(Release::of(NEW).entries.len() - 1)
        );
        assert!(
            json["total_s"].is_f64() && json["peak_memory_kib"].is_u64(),
            "{json}"
        );
        let names = crate::release::names_in(&into.join("relup")).expect("readable");
        assert_eq!(names, [NEW, "5.10.5.manifest"]);
    }
}
