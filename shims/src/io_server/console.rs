//! The terminal of a command, as the io server uses it: what was read and not used yet, and whether
//! anybody still reads what is written.

use super::stdio::{Stdin, Stdout};
use super::worker::{Gone, Worker};
use super::{Input, Output};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

/// The terminal of a command: its output and its input. Both work on threads of their own, so that
/// the node's ticks are answered while a slow pipe or a person is waited for.
pub struct Console {
    output: Worker<Shown, Answer>,
    input: Worker<Wanted, io::Result<Vec<u8>>>,
    closed: bool,
    /// Characters that were read and not asked for yet.
    unread: VecDeque<char>,
}

enum Shown {
    Text(Vec<u8>),
    Geometry,
}

/// What the output has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Written; `false`: nobody reads any more.
    Written(bool),
    /// The size, when it is a terminal.
    Geometry(Option<(u16, u16)>),
}

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
    pub fn new(mut output: impl Output + 'static, mut input: impl Input + 'static) -> Console {
        let show = move |shown| match shown {
            Shown::Text(bytes) => Answer::Written(output.write(&bytes)),
            Shown::Geometry => Answer::Geometry(output.geometry()),
        };
        let read = move |wanted| match wanted {
            Wanted::Line => input.read_line(),
            Wanted::Password => input.read_password(),
        };
        Console {
            output: Worker::new("output", show),
            input: Worker::new("input", read),
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

    /// Begins to write. `false`: there is nothing to wait for, because nobody reads.
    pub(crate) fn begin_write(&mut self, bytes: Vec<u8>) -> bool {
        if self.closed || bytes.is_empty() {
            return false;
        }
        self.closed = !self.output.submit(Shown::Text(bytes));
        !self.closed
    }

    /// Begins to find out the size of the terminal.
    pub(crate) fn begin_geometry(&mut self) -> bool {
        !self.closed && self.output.submit(Shown::Geometry)
    }

    /// Waits for what was begun; `None`: not yet.
    pub(crate) fn poll_output(&mut self, wait: Duration) -> Option<Answer> {
        let answer = self.output.poll(wait)?.unwrap_or(Answer::Written(false));
        if let Answer::Written(open) = answer {
            self.closed |= !open;
        }
        Some(answer)
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.output.is_busy()
    }

    /// Begins to read a line, unless an earlier request that nobody waits for any more is still
    /// reading: its line goes to this one then.
    pub(crate) fn begin_read(&mut self, wanted: Wanted) -> bool {
        self.input.is_busy() || self.input.submit(wanted)
    }

    /// Waits for the line; `None`: not yet.
    pub(crate) fn poll_line(&mut self, wait: Duration) -> Option<Line> {
        Some(match self.input.poll(wait)? {
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
