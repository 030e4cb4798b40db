//! The commands that talk to the running node. No VM is started for any of them.

use std::ffi::OsString;
use std::time::Duration;

use shims::command::{self as node, CommandOutcome};
use shims::eval;
use shims::io_server::Console;

use crate::command::Command;
use crate::error::Error;
use crate::message;
use crate::node::target::Contact;
use crate::release::dialect::Dialect;

/// How long `rpc` and `rpcterms` wait for the call.
const RPC_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a question to the node may take that it answers from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The shell's code for a program that ended because nobody read its output.
const CLOSED_PIPE: u8 = 141;

/// Runs `ping`, `pid`, `ctl`, `eval`, `rpc` or `rpcterms` and gives the exit code.
///
/// # Errors
/// The node does not answer, or the call failed there.
pub fn run(contact: &Contact, command: Command, words: &[OsString]) -> Result<u8, Error> {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut connection = contact.connect()?;
    let dist = |error| contact.not_responding(error);
    let mut console = Console::stdio();
    let outcome = match command {
        Command::Ping => {
            message::answer("pong");
            return Ok(0);
        }
        Command::Pid => {
            let pid = node::os_pid(&mut connection, ANSWER_TIMEOUT).map_err(dist)?;
            message::answer(&pid.to_string());
            return Ok(0);
        }
        Command::Ctl => node::ctl(&mut connection, &words, &mut console),
        Command::Eval if words.is_empty() => return Err(Error::Usage(command)),
        Command::Eval => {
            let evaluate = match contact.dialect {
                Dialect::Hocon => eval::eval,
                Dialect::Cuttlefish => eval::eval_by_erl_eval,
            };
            evaluate(&mut connection, &words, None, &mut console)
        }
        Command::Rpc => {
            let (module, function, args) = mfa(command, &words)?;
            node::rpc(
                &mut connection,
                module,
                function,
                args,
                RPC_TIMEOUT,
                &mut console,
            )
        }
        Command::Rpcterms => {
            let (module, function, args) = mfa(command, &words)?;
            let text = terms_text(args);
            node::rpc_terms(
                &mut connection,
                module,
                function,
                &text,
                RPC_TIMEOUT,
                &mut console,
            )
        }
        other => return Err(Error::Usage(other)),
    };
    let code = finish(contact, command, outcome.map_err(dist)?)?;
    Ok(if console.is_closed() {
        CLOSED_PIPE
    } else {
        code
    })
}

fn mfa(command: Command, words: &[String]) -> Result<(&str, &str, &[String]), Error> {
    match words {
        [module, function, args @ ..] => Ok((module, function, args)),
        [] | [_] => Err(Error::Usage(command)),
    }
}

/// The terms as one text: a shell splits a term at its blanks, and people forget the last dot.
fn terms_text(args: &[String]) -> String {
    let text = args.join(" ");
    if text.trim().is_empty() || text.trim_end().ends_with('.') {
        text
    } else {
        text + "."
    }
}

/// The exit code of a call that came back, by the rules of the old tool.
fn finish(contact: &Contact, command: Command, outcome: CommandOutcome) -> Result<u8, Error> {
    let name = contact.name.to_string();
    match outcome {
        CommandOutcome::Ok => {
            // `eval` and `rpcterms` print what they get, and `ok` is a value like others.
            if matches!(command, Command::Eval | Command::Rpcterms) {
                message::answer("ok");
            }
            Ok(0)
        }
        CommandOutcome::Value(text) => {
            if matches!(command, Command::Eval | Command::Rpcterms) {
                message::answer(text.trim_end_matches('\n'));
                return Ok(0);
            }
            Err(Error::Answer {
                name,
                reason: format!("unexpected result {text}"),
            })
        }
        // The command table has already printed its usage for an unknown command.
        CommandOutcome::Error(reason) if command == Command::Ctl && reason == "cmd_not_found" => {
            Ok(1)
        }
        CommandOutcome::Error(reason) => Err(Error::Answer { name, reason }),
        CommandOutcome::BadRpc(reason) => Err(Error::Rpc { name, reason }),
        CommandOutcome::Syntax(error) => Err(Error::Syntax(format!("syntax error at {error}"))),
        CommandOutcome::NodeDown => Err(Error::Rpc {
            name,
            reason: "nodedown".into(),
        }),
        CommandOutcome::Timeout => Err(Error::Rpc {
            name,
            reason: "timeout".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_joined_and_end_in_a_dot() {
        let check = |args: &[&str], expected: &str| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(terms_text(&args), expected);
        };
        check(&["[3,1]"], "[3,1].");
        check(&["1.", "2."], "1. 2.");
        check(&["{a,", "b}."], "{a, b}.");
        check(&[], "");
    }
}
