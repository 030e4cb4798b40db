//! Completions for a shell, made from the model of the command line. Needs no release and no node:
//! what `ctl` offers is known to the node only and is not completed.

use std::ffi::OsString;

use clap_complete::{Shell, generate};

use crate::command::{Command, Purpose, model};
use crate::error::Error;

/// The script that a shell loads.
///
/// # Errors
/// No shell, or one that there are no completions for.
pub fn script(words: &[OsString]) -> Result<String, Error> {
    let [shell] = words else {
        return Err(Error::Usage(Command::Completions));
    };
    let shell = match shell.to_str() {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        Some(_) | None => {
            return Err(Error::NoSuchShell {
                shell: shell.to_string_lossy().into_owned(),
            });
        }
    };
    let mut script = Vec::new();
    generate(shell, &mut model(Purpose::Completions), "emqx", &mut script);
    // The generators write nothing but the model's own text.
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(match shell {
        Shell::Fish => named_alike(&script),
        _ => script,
    })
}

/// For fish a subcommand has been given once its name is anywhere on the line, which below `relup` is
/// true of `relup relup` from the start.
fn named_alike(script: &str) -> String {
    const BELOW: &str = "__fish_emqx_using_subcommand relup; and ";
    const GIVEN: &str = "__fish_seen_subcommand_from relup\"";
    let mut text = String::with_capacity(script.len());
    for line in script.lines() {
        match line.split_once(BELOW) {
            Some((start, rest)) if rest.starts_with("not ") => {
                let rest = rest.replacen(" relup ", " ", 1);
                text.extend([start, BELOW, &rest]);
            }
            Some((start, rest)) => {
                let third = "contains relup (commandline -opc)[3..]\"";
                text.extend([start, BELOW, &rest.replacen(GIVEN, third, 1)]);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
