//! Releases with Elixir: whether its shell is asked for, and its programs.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command::Command;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::release::Release;

/// Whether the caller asks for an Elixir shell.
///
/// # Errors
/// Any other word.
pub fn wants_iex(env: &Environment, command: Command, words: &[OsString]) -> Result<bool, Error> {
    match words {
        [] => Ok(env.get("EMQX_CONSOLE_FLAVOR") == Some("iex")),
        [word] if word == "--iex" => Ok(true),
        [..] => Err(Error::Usage(command)),
    }
}

/// A program that only releases with Elixir have.
///
/// # Errors
/// When it is not there.
pub fn elixir_program(release: &Release, what: &'static str) -> Result<PathBuf, Error> {
    let path = release.rel_dir().join(what);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::NoElixir { what, path })
    }
}
