//! Runs the programs under test: with everything they say captured, and never without a limit.
//!
//! Each child gets a process group of its own, so that a Ctrl-C of the user reaches the harness
//! only, which then stops the node in order, and so that a test can send a signal to the command
//! without hitting itself. A limit here is for hangs; it never judges speed.

use crate::error::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a command may take before it counts as hanging.
pub const HANG: Duration = Duration::from_secs(180);
/// How long the pipes may stay open after the command itself has ended.
const PIPE_GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// A command that has ended, with all that it said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// Exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
    /// Time from start to end.
    pub took: Duration,
    /// Whether something that it left behind still held its output open.
    pub output_held: bool,
}

impl Finished {
    /// Demands exit code 0.
    pub fn success(self) -> Result<Self> {
        self.exit_code(0)
    }

    /// Demands a certain exit code.
    pub fn exit_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        Err(Error::Command {
            why: format!("expected exit code {code}"),
            finished: Box::new(self),
        })
    }

    /// Demands that both streams together contain a text.
    pub fn says(self, text: &str) -> Result<Self> {
        if self.stdout.contains(text) || self.stderr.contains(text) {
            return Ok(self);
        }
        Err(Error::Command {
            why: format!("expected to read {text:?}"),
            finished: Box::new(self),
        })
    }

    /// Standard output without blanks at its ends.
    #[must_use]
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}", self.command)?;
        match (self.code, self.signal) {
            (Some(code), _) => writeln!(f, "exit code {code} after {:?}", self.took)?,
            (None, signal) => writeln!(f, "ended by signal {signal:?} after {:?}", self.took)?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            for line in text.lines() {
                writeln!(f, "{name}: {line}")?;
            }
        }
        Ok(())
    }
}

/// A command that is still running.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    started: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// Starts a command; its standard input is empty unless the caller has set one.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let line = describe(command);
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Error::Unexpected(format!("cannot start {line}: {error}")))?;
        let stdout = Capture::of(child.stdout.take());
        let stderr = Capture::of(child.stderr.take());
        Ok(Self {
            child,
            command: line,
            started,
            stdout,
            stderr,
        })
    }

    /// Process id of the command, which is also the id of its process group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pipe to its standard input, when the caller asked for one.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Sends a signal to the whole process group, as a terminal does for Ctrl-C.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let group = i32::try_from(self.child.id()).unwrap_or(i32::MAX);
        kill(Pid::from_raw(-group), signal).map_err(|error| {
            Error::Unexpected(format!("cannot send {signal} to {}: {error}", self.command))
        })
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// Waits until a text has appeared on either stream.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if self.stdout.text().contains(text) || self.stderr.text().contains(text) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if let Some(status) = ended {
                let finished = Box::new(self.finish(status));
                return Err(Error::Command {
                    why: format!("ended without {text:?}"),
                    finished,
                });
            }
            if Instant::now() > deadline {
                let what = format!("{text:?} from {}: {}", self.command, self.stdout.text());
                return Err(Error::TimedOut { what, limit });
            }
            pause()?;
        }
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end.
    pub fn wait(&mut self, limit: Duration) -> Result<Finished> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(self.finish(status));
            }
            if Instant::now() > deadline {
                let said = format!("{}{}", self.stdout.text(), self.stderr.text());
                let _ = self.signal(Signal::SIGKILL);
                let _ = self.child.wait();
                let what = format!("{}\nit said: {said}", self.command);
                return Err(Error::TimedOut { what, limit });
            }
            pause()?;
        }
    }

    fn finish(&self, status: ExitStatus) -> Finished {
        let took = self.started.elapsed();
        let closed = [&self.stdout, &self.stderr].map(|capture| capture.closed(PIPE_GRACE));
        Finished {
            command: self.command.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
            took,
            output_held: closed != [true, true],
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs a command to its end with nothing on its standard input.
pub fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    Running::spawn(command.stdin(Stdio::null()))?.wait(limit)
}

/// Waits until a condition holds.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        if Instant::now() > deadline {
            return Err(Error::TimedOut {
                what: what.to_owned(),
                limit,
            });
        }
        pause()?;
    }
    Ok(())
}

/// Makes Ctrl-C, SIGTERM and SIGHUP end the waits of this module with [`Error::Interrupted`], so
/// that what was started is stopped in order.
pub fn interrupt_on_signals() -> Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signal_hook::flag::register(signal as i32, Arc::clone(interrupted()))?;
    }
    Ok(())
}

/// Whether the user wants to stop; asked once, so that the clean-up itself can wait for commands.
fn take_interrupt() -> bool {
    interrupted().swap(false, Ordering::Relaxed)
}

fn interrupted() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(Arc::default)
}

fn pause() -> Result<()> {
    if take_interrupt() {
        return Err(Error::Interrupted);
    }
    std::thread::sleep(POLL);
    Ok(())
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// One stream of a child, read by a thread until its end.
#[derive(Debug)]
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    done: Mutex<Receiver<()>>,
}

impl Capture {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (sender, done) = channel();
        if let Some(mut stream) = stream {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    if let Ok(mut bytes) = bytes.lock() {
                        bytes.extend_from_slice(&chunk[..count]);
                    }
                }
                // Nobody may be waiting any more, which is fine.
                let _ = sender.send(());
            });
        }
        Self {
            bytes,
            done: Mutex::new(done),
        }
    }

    fn text(&self) -> String {
        self.bytes
            .lock()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn closed(&self, grace: Duration) -> bool {
        self.done.lock().is_ok_and(|done| {
            // A sender that is gone has read its stream to the end before.
            !matches!(done.recv_timeout(grace), Err(RecvTimeoutError::Timeout))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_captured_with_both_streams_and_its_code() {
        let mut command = Command::new("sh");
        let finished = run(command.args(["-c", "echo out; echo err >&2; exit 3"]), HANG)
            .expect("sh runs anywhere");
        assert_eq!((finished.code, finished.text()), (Some(3), "out"));
        assert_eq!(finished.stderr, "err\n");
        assert!(!finished.output_held);
    }

    #[test]
    fn a_command_that_hangs_is_ended_at_the_limit() {
        let mut command = Command::new("sleep");
        let outcome = run(command.arg("60"), Duration::from_millis(50));
        assert!(
            matches!(outcome, Err(Error::TimedOut { .. })),
            "{outcome:?}"
        );
    }
}
