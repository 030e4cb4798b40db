//! From words to meaning: what the caller asks for. Total and pure; every argument vector has an
//! answer, and nothing is looked up.

use std::ffi::{OsStr, OsString};

use crate::command::Command;
use crate::readiness;

/// What the caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// The usage. Without any argument that is a mistake (exit 1), after `help` it is the answer.
    Usage {
        /// True for `help`.
        asked: bool,
    },
    /// The usage of one command.
    CommandHelp(Command),
    /// A command with the words after its name.
    Run(Command, Vec<OsString>),
    /// What a boot leaves behind for a service manager; nobody types it.
    Announce(Vec<OsString>),
    /// A name that is no command.
    Unknown(String),
}

/// Reads the words after the program's name. `called_as` is the name itself: `emqx_ctl` is
/// `emqx ctl` under another name.
pub fn parse(called_as: &OsStr, words: &[OsString]) -> Invocation {
    if called_as == "emqx_ctl" {
        return ctl(words);
    }
    let Some((name, rest)) = words.split_first() else {
        return Invocation::Usage { asked: false };
    };
    if name == readiness::WORD {
        return Invocation::Announce(rest.to_vec());
    }
    if is_call_for_help(name) {
        return Invocation::Usage { asked: true };
    }
    let name = name.to_string_lossy();
    if matches!(name.as_ref(), "--version" | "-V") {
        return Invocation::Run(Command::Version, Vec::new());
    }
    let Some(command) = Command::by_name(&name) else {
        return Invocation::Unknown(name.into_owned());
    };
    match command {
        // These have help of their own.
        Command::Ctl => ctl(rest),
        Command::Relup | Command::Itself => Invocation::Run(command, rest.to_vec()),
        // An option that asks for help must never boot or stop anything.
        other if rest.first().is_some_and(is_call_for_help) => Invocation::CommandHelp(other),
        other => Invocation::Run(other, rest.to_vec()),
    }
}

fn is_call_for_help(word: &OsString) -> bool {
    word == "help" || word == "--help" || word == "-h"
}

/// `ctl relup ...` is `relup ...`: the documents of the plugin that this replaces say it so.
fn ctl(words: &[OsString]) -> Invocation {
    match words.split_first() {
        Some((first, rest)) if first == "relup" => Invocation::Run(Command::Relup, rest.to_vec()),
        Some(_) | None => Invocation::Run(Command::Ctl, words.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(called_as: &str, words: &[&str], expected: &Invocation) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(
            &parse(OsStr::new(called_as), &words),
            expected,
            "{called_as} {words:?}"
        );
    }

    fn run(command: Command, words: &[&str]) -> Invocation {
        Invocation::Run(command, words.iter().map(OsString::from).collect())
    }

    #[test]
    fn every_argument_vector_has_a_meaning() {
        check("emqx", &[], &Invocation::Usage { asked: false });
        check("emqx", &["help"], &Invocation::Usage { asked: true });
        check(
            "emqx",
            &["start", "help"],
            &Invocation::CommandHelp(Command::Start),
        );
        for word in ["help", "--help", "-h"] {
            check(
                "emqx",
                &["stop", word],
                &Invocation::CommandHelp(Command::Stop),
            );
        }
        check("emqx", &["ctl", "help"], &run(Command::Ctl, &["help"]));
        for word in ["version", "--version", "-V"] {
            check("emqx", &[word], &run(Command::Version, &[]));
        }
        check(
            "emqx",
            &["nonsense"],
            &Invocation::Unknown("nonsense".into()),
        );
        check("emqx", &["remote_console"], &run(Command::Remote, &[]));
        check(
            "emqx",
            &["eval", "1", "+", "1"],
            &run(Command::Eval, &["1", "+", "1"]),
        );
        check(
            "emqx",
            &["ctl", "relup", "status"],
            &run(Command::Relup, &["status"]),
        );
        check(
            "emqx",
            &["self", "--help"],
            &run(Command::Itself, &["--help"]),
        );
        check(
            "emqx_ctl",
            &["relup", "logs"],
            &run(Command::Relup, &["logs"]),
        );
        check("emqx_ctl", &["status"], &run(Command::Ctl, &["status"]));
        check("emqx_ctl", &[], &run(Command::Ctl, &[]));
    }
}
