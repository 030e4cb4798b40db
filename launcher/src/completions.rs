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
    Ok(String::from_utf8_lossy(&script).into_owned())
}
