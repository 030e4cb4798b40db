//! The words after a command's name as clap knows them, read from its usage in the table.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ValueHint};

use crate::command::{Command, Explanation};

/// The words after a command's name, as its usage writes them: `[--iex]`, `PATH`, `[ARGS...]`,
/// `bash|zsh|fish`, `[--dir DIR]`.
pub fn arguments(explanation: &Explanation) -> Vec<Arg> {
    let text = explanation.arguments;
    let parts = text.split_inclusive(']').flat_map(|part| {
        // Brackets hold one argument, whatever blanks are in it.
        if part.trim().starts_with('[') {
            vec![part.trim()]
        } else {
            part.split_whitespace().collect()
        }
    });
    parts
        .map(|part| argument(explanation.command, part))
        .collect()
}

fn argument(command: Command, part: &str) -> Arg {
    let inner = part.trim_start_matches('[').trim_end_matches(']');
    let optional = inner.len() < part.len();
    let name = inner.trim_end_matches("...").to_owned();
    let many = name.len() < inner.len();
    if let Some(option) = name.strip_prefix("--") {
        let (long, value) = option.split_once(' ').unwrap_or((option, ""));
        let arg = Arg::new(long.to_owned()).long(long.to_owned());
        let arg = arg.help(meaning(command, long));
        return match value {
            "" => arg.action(ArgAction::SetTrue),
            "DIR" => arg.value_name("DIR").value_hint(ValueHint::DirPath),
            other => arg.value_name(other.to_owned()),
        };
    }
    let arg = Arg::new(name.clone())
        .value_name(name.clone())
        .required(!optional)
        .help(meaning(command, &name));
    let arg = match name.as_str() {
        "PATH" => arg.value_hint(ValueHint::FilePath),
        several if several.contains('|') => arg
            .hide_possible_values(true)
            .value_parser(PossibleValuesParser::new(choices(several))),
        _ => arg.value_hint(ValueHint::Other),
    };
    if many { arg.num_args(0..) } else { arg }
}

/// The words that may stand for one: `a|b`.
pub fn choices(text: &str) -> impl Iterator<Item = String> {
    text.split('|').map(str::to_owned)
}

/// What an argument means: a sentence without its full stop, as clap has them.
fn meaning(command: Command, name: &str) -> &'static str {
    match (command, name) {
        (_, "iex") => "Give an Elixir shell, where the release has one",
        (_, "dir") => "Write all pages into this directory, which is made where it is missing",
        (_, "no-permanent") => "Let the next start boot the release that was permanent before",
        (_, "repair") => "Rebuild the records of the releases where they are damaged",
        (_, "json") => "Print one JSON object",
        (_, "VERSION") => "The release's version",
        (_, "PATH") => "The escript, relative to the release's root",
        (_, "bash|zsh|fish") => "The shell",
        (_, "BOOTFILE") => "A boot file without its suffix",
        (_, "MODULE") => "The Erlang module",
        (_, "FUNCTION") => "One of its exported functions",
        (_, "TERMS") => "The arguments, an Erlang term each",
        (Command::EvalEx, "EXPRESSION") => "An Elixir expression",
        (_, "EXPRESSION") => "Erlang expressions; words are joined by blanks",
        (Command::Ctl, "ARGS") => "The administration command and its words",
        (Command::Escript, "ARGS") => "What the escript is given",
        (Command::Rpc, "ARGS") => "The strings of the list that is the argument",
        (Command::Man, "COMMAND") => {
            "The command, for example `relup upgrade`; the program without"
        }
        (_, _) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::COMMANDS;

    #[test]
    fn every_word_of_a_usage_is_an_argument_with_a_meaning() {
        for explanation in COMMANDS {
            for arg in arguments(explanation) {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                // These bring their own model along.
                let own = matches!(explanation.command, Command::Relup | Command::Itself);
                assert!(
                    own || !help.is_empty(),
                    "{:?}: {arg:?}",
                    explanation.command
                );
            }
        }
    }

    #[test]
    fn usages_are_read_into_flags_options_and_positionals() {
        let check = |text: &'static str, expected: &[(&str, bool, bool)]| {
            let explanation = Explanation {
                command: Command::Man,
                names: &["x"],
                arguments: text,
                about: &["X."],
            };
            let found: Vec<_> = arguments(&explanation)
                .iter()
                .map(|arg| {
                    (
                        arg.get_id().to_string(),
                        arg.is_positional(),
                        arg.is_required_set(),
                    )
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(id, positional, required)| ((*id).to_owned(), *positional, *required))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check("[--iex]", &[("iex", false, false)]);
        check(
            "PATH [ARGS...]",
            &[("PATH", true, true), ("ARGS", true, false)],
        );
        check(
            "[--dir DIR] [COMMAND...]",
            &[("dir", false, false), ("COMMAND", true, false)],
        );
        check("a|b", &[("a|b", true, true)]);
    }
}
