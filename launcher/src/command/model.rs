//! The command line as clap knows it, for completions and manual pages: built from the table of
//! commands and from the types of `relup` and `self`. Nothing is parsed with it: what words mean is decided in
//! `invocation`, because most commands take any words at all.

use clap::{Arg, ArgAction};

use crate::command::arguments::{arguments, choices};
use crate::command::{COMMANDS, Command, Explanation};
use crate::version::VERSION;

/// What a model is wanted for: shells want every word that may follow, manuals want what has a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For a shell's completions.
    Completions,
    /// For manual pages.
    Manual,
}

/// What the program is, for its manual page.
const ABOUT: &str = "\
emqx boots the release tree that relup/current names, or the one that it
was installed with. Boot commands end in the Erlang VM of that release;
the others talk to the running node by themselves, without starting a VM.

The commands of relup upgrade the running node without a restart.
";

/// The whole program.
pub fn model(purpose: Purpose) -> clap::Command {
    // What only old releases have would be in the way of what every release has.
    let is_wanted = |explanation: &Explanation| {
        purpose == Purpose::Manual || !explanation.command.is_of_cuttlefish()
    };
    let commands = COMMANDS
        .iter()
        .filter(|explanation| is_wanted(explanation))
        .enumerate()
        .map(|(order, explanation)| of(explanation, purpose).display_order(order));
    let mut program = clap::Command::new("emqx")
        .about("Boot, administer and hot-upgrade the EMQX broker")
        .long_about(ABOUT)
        .version(VERSION)
        .override_usage("emqx COMMAND [help]")
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("COMMANDS")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(help_flag("Print the usage"))
        .subcommands(commands);
    if purpose == Purpose::Completions {
        program = program.subcommand(help("Print the usage"));
    }
    // Only a built command knows the full names of those below it.
    program.build();
    program
}

fn of(explanation: &Explanation, purpose: Purpose) -> clap::Command {
    let [name, second_names @ ..] = explanation.names else {
        return clap::Command::new("");
    };
    let about = explanation.about[0].trim_end_matches('.');
    let usage = explanation.names.iter().map(|name| {
        format!("emqx {name} {}", explanation.arguments)
            .trim_end()
            .to_owned()
    });
    let model = match explanation.command {
        Command::Relup | Command::Itself => shown_part(&own_model(explanation.command)).name(*name),
        _ => clap::Command::new(*name)
            .override_usage(usage.collect::<Vec<_>>().join("\n"))
            .args(arguments(explanation)),
    };
    let mut model = model
        .about(about)
        .long_about(explanation.about.join("\n"))
        .visible_aliases(second_names)
        .disable_help_flag(true)
        .disable_help_subcommand(true);
    // What stands behind `ctl` goes to the node as it is.
    if explanation.command != Command::Ctl {
        model = model.arg(help_flag("Tell more about the command"));
    }
    if purpose == Purpose::Manual {
        return model;
    }
    model = match explanation.command {
        // What else follows is known to the node only.
        Command::Ctl => clap::Command::new("ctl")
            .about(about)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .allow_external_subcommands(true)
            .subcommand(shown_part(&relup_cmd::command_line())),
        // zsh would offer a positional argument's words in place of those of a command.
        Command::Man => clap::Command::new("man")
            .about(about)
            .disable_help_flag(true)
            .disable_help_subcommand(true)
            .args(model.get_arguments().filter(|arg| !arg.is_positional()))
            .subcommands(pages()),
        // fish completes commands and options, but no arguments.
        Command::Completions => clap::Command::new("completions")
            .about(about)
            .disable_help_subcommand(true)
            .subcommands(choices(explanation.arguments).map(word)),
        _ => model,
    };
    // Beside arguments of any kind the word would only be in the way.
    if model.get_positionals().next().is_none() {
        model = model.subcommand(help("Tell more about the command"));
    }
    model
}

/// A command without what is hidden in it: the generators of completions would show it.
fn shown_part(command: &clap::Command) -> clap::Command {
    let mut shown = clap::Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("COMMANDS")
        .subcommands(
            command
                .get_subcommands()
                .filter(|below| !below.is_hide_set())
                .map(|below| {
                    let above = command.get_name();
                    let usage = format!("emqx {above} {}{}", below.get_name(), words_of(below));
                    let help = help_flag("Tell more about the command");
                    below.clone().override_usage(usage).arg(help)
                }),
        );
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    match command.get_after_help() {
        Some(after) => shown.after_help(after.clone()),
        None => shown,
    }
}

/// The commands below one that has such.
fn own_model(command: Command) -> clap::Command {
    match command {
        Command::Itself => relup_cmd::program::command_line(),
        _ => relup_cmd::command_line(),
    }
}

/// What may follow a command of `relup`, as a synopsis writes it.
fn words_of(command: &clap::Command) -> String {
    let word = |arg: &Arg| {
        let value = arg.get_value_names().map_or_else(
            || arg.get_id().to_string().to_uppercase(),
            |names| names.join(" "),
        );
        match arg.get_long() {
            None => format!(" {value}"),
            Some(long) if arg.is_required_set() => format!(" --{long} {value}"),
            Some(long) if arg.get_action().takes_values() => format!(" [--{long} {value}]"),
            Some(long) => format!(" [--{long}]"),
        }
    };
    let (positional, options): (Vec<_>, Vec<_>) = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .partition(|arg| arg.is_positional());
    options.into_iter().chain(positional).map(word).collect()
}

/// The commands that have a page, as words after `man`.
fn pages() -> Vec<clap::Command> {
    COMMANDS
        .iter()
        // fish would take the command `man` for its argument and offer nothing more.
        .filter(|explanation| explanation.command != Command::Man)
        .flat_map(|explanation| {
            let below: Vec<_> = match explanation.command {
                Command::Relup | Command::Itself => shown_part(&own_model(explanation.command))
                    .get_subcommands()
                    .map(|command| word(command.get_name().to_owned()))
                    .collect(),
                _ => Vec::new(),
            };
            explanation
                .names
                .iter()
                .map(move |name| word((*name).to_owned()).subcommands(below.clone()))
        })
        .collect()
}

/// clap's own would speak of a longer and a shorter help.
fn help_flag(about: &'static str) -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help(about)
}

fn help(about: &'static str) -> clap::Command {
    word("help".into()).about(about)
}

/// A word behind which nothing comes.
fn word(name: String) -> clap::Command {
    clap::Command::new(name)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_holds_together_for_every_purpose() {
        for purpose in [Purpose::Completions, Purpose::Manual] {
            let program = model(purpose);
            program.clone().debug_assert();
            let relup = program.find_subcommand("relup").expect("it is there");
            assert!(relup.find_subcommand("upgrade").is_some());
            assert!(relup.find_subcommand("stage").is_none(), "it is hidden");
            let own = program.find_subcommand("self").expect("it is there");
            assert!(own.find_subcommand("install").is_some());
            assert!(program.find_subcommand("remote_console").is_some());
        }
    }
}
