//! A command on a pseudo-terminal, by way of script(1).
//!
//! Shells of the VM behave otherwise on a pipe than on a terminal, so what is meant for people is
//! tried on a terminal. Absent where script(1) is not installed.

use crate::error::Result;
use crate::install::Install;
use crate::process::{Finished, HANG, Running};
use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

/// A command whose standard streams are a terminal.
#[derive(Debug)]
pub struct Terminal {
    running: Running,
    keyboard: Option<ChildStdin>,
}

impl Terminal {
    /// Whether this machine can do it.
    #[must_use]
    pub fn is_available() -> bool {
        which::which("script").is_ok()
    }

    /// Runs `bin/emqx COMMAND` on a terminal.
    pub fn run(install: &Install, command: &str) -> Result<Self> {
        let program = install
            .path("bin/emqx")
            .to_string_lossy()
            .replace('\'', "'\\''");
        Self::run_line(install.command("script"), &format!("'{program}' {command}"))
    }

    /// Runs a line of a shell on a terminal; `script` is script(1) without arguments, with the
    /// environment and directory that the line is to have.
    pub fn run_line(mut script: Command, line: &str) -> Result<Self> {
        // On a dumb terminal the VM opens a plain shell of its own, whatever it was asked for.
        script.args(["-q", "-e", "-f", "-c", line, "/dev/null"]);
        let mut running = Running::spawn(script.env("TERM", "vt100").stdin(Stdio::piped()))?;
        let keyboard = running.stdin();
        Ok(Self { running, keyboard })
    }

    /// Types a text.
    pub fn types(&mut self, text: &str) -> Result<()> {
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.write_all(text.as_bytes())?;
            keyboard.flush()?;
        }
        Ok(())
    }

    /// Waits until the screen shows a text.
    pub fn shows(&mut self, text: &str) -> Result<()> {
        self.running.wait_for(text, HANG)
    }

    /// Everything that the screen has shown.
    #[must_use]
    pub fn screen(&self) -> String {
        self.running.stdout_so_far()
    }

    /// Waits for the end of the command.
    pub fn ends(mut self) -> Result<Finished> {
        let finished = self.running.wait(HANG);
        drop(self.keyboard.take());
        finished
    }
}
