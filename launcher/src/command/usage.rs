//! What `help` prints: all commands in groups, or one of them with all that is said about it.

use crate::command::Command;

/// The usage that lists every command.
pub fn usage(program: &str) -> String {
    let groups: [(&str, &[Command]); 7] = [
        (
            "Boot and stop:",
            &[
                Command::Start,
                Command::Stop,
                Command::Restart,
                Command::Foreground,
                Command::Console,
                Command::ConsoleClean,
                Command::StartBoot,
                Command::ConsoleBoot,
            ],
        ),
        ("Administer:", &[Command::Ctl, Command::Relup]),
        (
            "Releases of OTP's release handler:",
            &[
                Command::Versions,
                Command::Unpack,
                Command::Install,
                Command::Upgrade,
                Command::Downgrade,
                Command::Uninstall,
            ],
        ),
        (
            "Look:",
            &[
                Command::Ping,
                Command::Pid,
                Command::RootDir,
                Command::Ertspath,
            ],
        ),
        ("Shell:", &[Command::Remote, Command::Attach]),
        (
            "Advanced:",
            &[
                Command::CheckConfig,
                Command::Escript,
                Command::Eval,
                Command::EvalEx,
                Command::Rpc,
                Command::Rpcterms,
            ],
        ),
        (
            "About this program:",
            &[
                Command::Itself,
                Command::Version,
                Command::Completions,
                Command::Man,
            ],
        ),
    ];
    let mut lines = vec![format!("Usage: {program} COMMAND [help]")];
    for (title, commands) in groups {
        lines.extend([String::new(), title.to_owned()]);
        for command in commands {
            let explanation = command.explanation();
            let call = format!("{} {}", explanation.names[0], explanation.arguments);
            lines.push(format!(
                "  {:<34} {}",
                call.trim_end(),
                explanation.about[0]
            ));
        }
    }
    lines.extend([
        String::new(),
        format!("`{program} COMMAND help` tells more about a command."),
    ]);
    lines.join("\n")
}

/// The usage of one command.
pub fn command_usage(program: &str, command: Command) -> String {
    let explanation = command.explanation();
    let calls = explanation
        .names
        .iter()
        .map(|name| format!("Usage: {program} {name} {}", explanation.arguments));
    let about = explanation.about.iter().map(|line| (*line).to_owned());
    calls
        .chain(about)
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::COMMANDS;

    #[test]
    fn every_command_is_listed_in_the_usage() {
        let usage = usage("emqx");
        for explanation in COMMANDS {
            assert!(
                usage.contains(explanation.names[0]),
                "{}",
                explanation.names[0]
            );
            assert_eq!(explanation.command.explanation().names, explanation.names);
        }
    }
}
