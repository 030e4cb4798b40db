//! A child process as one complete value, and the only place where this process becomes another.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::execve;

use crate::error::Error;
use crate::host::environment::Environment;
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

/// Becomes another program without changing anything else: the working directory stays. The system
/// call itself is made, because the usual way gives a file that is no program to a shell.
pub fn exec_in_place(program: &Path, args: &[OsString], env: &Environment) -> std::io::Error {
    let text = |bytes: &OsStr| CString::new(bytes.as_bytes());
    let prepared = || {
        let path = text(program.as_os_str())?;
        let words =
            std::iter::once(program.as_os_str()).chain(args.iter().map(OsString::as_os_str));
        let args = words.map(text).collect::<Result<Vec<_>, _>>()?;
        let pairs = env.iter().map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            text(&pair)
        });
        Ok::<_, std::ffi::NulError>((path, args, pairs.collect::<Result<Vec<_>, _>>()?))
    };
    match prepared() {
        Ok((path, args, env)) => match execve(&path, &args, &env) {
            Ok(never) => match never {},
            Err(errno) => errno.into(),
        },
        Err(error) => error.into(),
    }
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
