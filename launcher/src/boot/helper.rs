//! The one VM that prepares a boot, as a process: started once, asked several things, ended when
//! nothing is left to ask. It writes no file and leaves no crash dump.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use shims::boot_helper::{Answer, Dialogue};

use crate::error::Error;
use crate::host::environment::Environment;
use crate::message;
use crate::release::Release;
use crate::small_vm::plan_small_vm;

/// How long children of a helper VM that has ended may hold its output open.
const LAST_BREATH: Duration = Duration::from_millis(500);

/// A helper VM that waits for requests.
#[derive(Debug)]
pub struct HelperVm {
    dialogue: Dialogue,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaints: Receiver<String>,
    /// The environment as the VM has it.
    env: Environment,
}

/// The VM ended before it answered. What it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended(pub String);

impl HelperVm {
    /// Starts the VM.
    ///
    /// # Errors
    /// When its program cannot be run.
    pub fn start(release: &Release, env: &Environment) -> Result<HelperVm, Error> {
        let dialogue = Dialogue::new(fastrand::u64(..));
        let spec = plan_small_vm(release, env, &dialogue.program());
        tracing::debug!(program = %spec.program.display(), "helper VM");
        let failed = |source| Error::Exec {
            program: spec.program.clone(),
            source,
        };
        let mut command = spec.command().map_err(failed)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut requests), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        // A VM that is already gone is noticed when it should answer.
        let _ = requests.write_all(Dialogue::source().as_bytes());
        Ok(HelperVm {
            dialogue,
            child,
            requests,
            answers: BufReader::new(stdout),
            complaints: lines_of(stderr),
            env: env.clone(),
        })
    }

    /// Asks and waits for the answer. What else is printed meanwhile goes to the caller's streams.
    ///
    /// # Errors
    /// The VM ended; whatever it still said.
    pub fn ask<A: AsRef<[u8]>>(&mut self, verb: &str, args: &[A]) -> Result<Answer, Ended> {
        let _ = self
            .requests
            .write_all(Dialogue::request(verb, args).as_bytes());
        let mut words = String::new();
        loop {
            let mut line = Vec::new();
            let read = self.answers.read_until(b'\n', &mut line).unwrap_or(0);
            if read == 0 {
                words.extend(self.complaints.iter());
                return Err(Ended(words));
            }
            let line = String::from_utf8_lossy(&line);
            match self.dialogue.answer(&line) {
                None => words.push_str(&line),
                Some(answer) => {
                    let complaints: String = self.complaints.try_iter().collect();
                    message::relay(&words, &complaints);
                    return Ok(answer);
                }
            }
        }
    }

    /// Gives the VM the environment that was decided since it was started.
    ///
    /// # Errors
    /// The VM ended.
    pub fn update_environment(&mut self, env: &Environment) -> Result<(), Ended> {
        let before = std::mem::replace(&mut self.env, env.clone());
        for (name, value) in env.changes_since(&before) {
            match value {
                Some(value) => self.ask("setenv", &[name.as_bytes(), value.as_bytes()])?,
                None => self.ask("unsetenv", &[name.as_bytes()])?,
            };
        }
        Ok(())
    }
}

impl Drop for HelperVm {
    /// It has nothing to finish, and the boot should not wait for it to see that. Its own children
    /// end with it, a moment later: when the last of them has closed the pipe, nothing is left.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let deadline = Instant::now() + LAST_BREATH;
        let left = || deadline.saturating_duration_since(Instant::now());
        while self.complaints.recv_timeout(left()).is_ok() {}
    }
}

/// Collects lines while nobody looks, so that the VM never waits for a full pipe.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receiver
}
