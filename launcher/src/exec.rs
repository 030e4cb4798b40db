//! A child process as one complete value, and the only place where this process becomes another.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::environment::Environment;
use crate::error::Error;
use crate::redact::shown_words;

/// Program, arguments, whole environment and working directory of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSpec {
    /// The program's path.
    pub program: PathBuf,
    /// The arguments, the program's own name not among them.
    pub args: Vec<OsString>,
    /// Everything the child finds in its environment.
    pub env: Environment,
    /// The directory it runs in.
    pub cwd: PathBuf,
}

impl ExecSpec {
    /// The child as `std` starts it, with nothing inherited but what the value says.
    pub fn command(&self) -> Command {
        tracing::trace!("execute {}", shown_words(&self.words()).join(" "));
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter())
            .current_dir(&self.cwd);
        command
    }

    /// The program and its arguments.
    pub fn words(&self) -> Vec<OsString> {
        std::iter::once(self.program.clone().into_os_string())
            .chain(self.args.iter().cloned())
            .collect()
    }

    /// The command line for the log, words joined by blanks.
    pub fn line(&self) -> String {
        let words = std::iter::once(self.program.as_os_str())
            .chain(self.args.iter().map(OsString::as_os_str));
        words
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Becomes the program: same process id, same open streams. Signals that Rust's runtime ignores
/// are back at their defaults, as the VM expects them.
///
/// # Errors
/// Only when it could not be done.
pub fn exec(spec: &ExecSpec) -> Result<Infallible, Error> {
    let source = spec.command().exec();
    Err(Error::Exec {
        program: spec.program.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_the_whole_environment_and_nothing_more() {
        let mut env = Environment::default();
        env.set("ONLY", "this");
        let spec = ExecSpec {
            program: "/usr/bin/env".into(),
            args: Vec::new(),
            env,
            cwd: "/".into(),
        };
        let output = spec.command().output().expect("env is everywhere");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ONLY=this\n");
        assert_eq!(spec.line(), "/usr/bin/env");
    }
}
