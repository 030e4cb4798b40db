//! This program as the group leader of what it calls: every io request of the protocol that
//! "The Erlang I/O Protocol" describes gets an answer, because a missing one hangs the caller.

use std::io;

/// Where the text goes that a command prints on the node.
pub trait Output: Send {
    /// Writes and flushes all of it. `false` when the reader is gone: nothing more is written then,
    /// and the requests are still answered, so that the command ends as if somebody had read it.
    fn write(&mut self, bytes: &[u8]) -> bool;

    /// Columns and rows, when this is a terminal.
    fn geometry(&mut self) -> Option<(u16, u16)> {
        None
    }
}

/// Where a command on the node reads from.
pub trait Input: Send {
    /// The next line with its newline; an empty vector at the end.
    fn read_line(&mut self) -> io::Result<Vec<u8>>;

    /// A line that must not be shown while it is typed. An error of the kind `Unsupported` when
    /// that cannot be had: the node is told `{error, enotsup}`.
    fn read_password(&mut self) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The terminal of a command: its output and its input. Both work on threads of their own, so that
/// the node's ticks are answered while a slow pipe or a person is waited for.
#[derive(Debug)]
pub struct Console {
    closed: bool,
}

impl Console {
    /// A console over any output and input.
    pub fn new(output: impl Output + 'static, input: impl Input + 'static) -> Console {
        drop((output, input));
        Console { closed: false }
    }

    /// Standard output and standard input of this process.
    #[must_use]
    pub fn stdio() -> Console {
        Console { closed: false }
    }

    /// Whether the output was found closed, as with `| head`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}
