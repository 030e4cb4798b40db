//! The terminal of a command, as the io server uses it: what was read and not used yet, and whether
//! anybody still reads what is written.

use super::stdio::{Stdin, Stdout};
use super::worker::{Gone, Worker};
use super::{Input, Output};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The terminal of a command: its output and its input. What may take time is done on threads of
/// their own, so that the node's ticks are answered while a slow pipe or a person is waited for.
pub struct Console {
    output: Arc<Mutex<dyn Output>>,
    writer: Worker<Vec<u8>, bool>,
    reader: Worker<Wanted, io::Result<Vec<u8>>>,
    closed: bool,
    /// Characters that were read and not asked for yet.
    unread: VecDeque<char>,
}

/// The most that is written without a thread when the output says that it is ready: what a pipe
/// takes at once.
const READY_BYTES: usize = 4096;

/// How a line is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Line,
    Password,
}

/// What reading a line came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    End,
    Unsupported,
    Failed,
}

impl Console {
    /// A console over any output and input.
    pub fn new(output: impl Output + 'static, mut input: impl Input + 'static) -> Console {
        let output = Arc::new(Mutex::new(output));
        let shared = Arc::clone(&output);
        // A writer that panicked is as good as one that is closed.
        let write = move |text: Vec<u8>| shared.lock().is_ok_and(|mut output| output.write(&text));
        let read = move |wanted| match wanted {
            Wanted::Line => input.read_line(),
            Wanted::Password => input.read_password(),
        };
        Console {
            output,
            writer: Worker::new("output", write),
            reader: Worker::new("input", read),
            closed: false,
            unread: VecDeque::new(),
        }
    }

    /// Standard output and standard input of this process.
    #[must_use]
    pub fn stdio() -> Console {
        Console::new(Stdout, Stdin)
    }

    /// Whether the output was found closed, as with `| head`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes, or begins to. `true`: it is to be waited for by [`Console::poll_output`].
    pub(crate) fn begin_write(&mut self, bytes: Vec<u8>) -> bool {
        if self.closed || bytes.is_empty() {
            return false;
        }
        if bytes.len() <= READY_BYTES
            && let Ok(mut output) = self.output.try_lock()
            && output.is_ready()
        {
            self.closed = !output.write(&bytes);
            return false;
        }
        self.closed = !self.writer.submit(bytes);
        !self.closed
    }

    /// Columns and rows, when the output is a terminal. Nothing may be being written.
    pub(crate) fn geometry(&mut self) -> Option<(u16, u16)> {
        self.output.try_lock().ok()?.geometry()
    }

    /// Waits for what is being written; `false`: it takes longer.
    pub(crate) fn poll_output(&mut self, wait: Duration) -> bool {
        let written = self.writer.poll(wait);
        self.closed |= matches!(written, Some(Ok(false) | Err(Gone)));
        written.is_some()
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writer.is_busy()
    }

    /// Begins to read a line, unless an earlier request that nobody waits for any more is still
    /// reading: its line goes to this one then.
    pub(crate) fn begin_read(&mut self, wanted: Wanted) -> bool {
        self.reader.is_busy() || self.reader.submit(wanted)
    }

    /// Waits for the line; `None`: not yet.
    pub(crate) fn poll_line(&mut self, wait: Duration) -> Option<Line> {
        Some(match self.reader.poll(wait)? {
            Ok(Ok(bytes)) if bytes.is_empty() => Line::End,
            Ok(Ok(bytes)) => Line::Text(text_of(bytes)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Unsupported => Line::Unsupported,
            Ok(Err(_)) | Err(Gone) => Line::Failed,
        })
    }

    pub(crate) fn unread(&mut self) -> &mut VecDeque<char> {
        &mut self.unread
    }
}

/// UTF-8, or latin1 when it cannot be that: no byte that was typed is lost.
fn text_of(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
