//! A child process as one complete value, and the only place where this process becomes another.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
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
    ///
    /// # Errors
    /// The program is none for this machine.
    pub fn command(&self) -> std::io::Result<Command> {
        check_program(&self.program)?;
        tracing::trace!("execute {}", shown_words(&self.words()).join(" "));
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter())
            .current_dir(&self.cwd);
        Ok(command)
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

/// Refuses what the kernel would refuse. The C library gives such a file to a shell instead: that makes
/// sense of an empty one, and words of its own of a program for another machine.
fn check_program(program: &Path) -> std::io::Result<()> {
    if !program.is_absolute() {
        return Ok(());
    }
    let mut start = [0; 20];
    let Ok(mut file) = fs_err::File::open(program) else {
        // It may be executable and not readable; what is not there is told when it is started.
        return Ok(());
    };
    let length = file.read(&mut start)?;
    let is_script = start.starts_with(b"#!");
    let is_program = length == start.len() && start.starts_with(b"\x7fELF");
    // Both numbers are little-endian on the machines that are known here.
    let machine = u16::from_le_bytes([start[18], start[19]]);
    if is_script || is_program && MACHINE.is_none_or(|own| own == machine) {
        return Ok(());
    }
    Err(Errno::ENOEXEC.into())
}

/// This machine's number in the header of an ELF file, where it is known.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else {
    None
};

/// Becomes the program: same process id, same open streams. Signals that Rust's runtime ignores
/// are back at their defaults, as the VM expects them.
///
/// # Errors
/// Only when it could not be done.
pub fn exec(spec: &ExecSpec) -> Result<Infallible, Error> {
    let source = match spec.command() {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    };
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
        let mut command = spec.command().expect("a program of this machine");
        let output = command.output().expect("env is everywhere");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ONLY=this\n");
        assert_eq!(spec.line(), "/usr/bin/env");
    }

    #[test]
    fn only_scripts_and_programs_for_this_machine_are_started() {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("program");
        let own = fs_err::read("/bin/sh").expect("every machine has one");
        let mut foreign = own[..64].to_vec();
        foreign[18..20].copy_from_slice(&[0xfe, 0xfe]);
        for (content, runs) in [
            (&own[..], true),
            (b"#!/bin/sh\n", true),
            (&own[..19], false),
            (&foreign, false),
            (b"", false),
            (b"echo hello\n", false),
        ] {
            fs_err::write(&program, content).expect("written");
            let checked = check_program(&program);
            assert_eq!(checked.is_ok(), runs, "{} bytes", content.len());
        }
        check_program(Path::new("/no/such/program")).expect("told when it is started");
    }
}
