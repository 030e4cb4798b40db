//! This program as the group leader of what it calls: every io request of the protocol that "The
//! Erlang I/O Protocol" in the STDLIB manual describes gets an answer, because a missing one hangs
//! the caller for ever. What is printed on the node appears here as it is printed.
//!
//! Text goes out as UTF-8, whatever its encoding on the node.

mod chars;
mod console;
mod format;
mod reading;
mod request;
pub(crate) mod serve;
mod stdio;
mod typed;
mod worker;

pub use console::Console;

use crate::etf::Raw;
use crate::term::{Term, atom, tuple};
use std::io;

/// Where the text goes that a command prints on the node.
pub trait Output: Send {
    /// Writes and flushes all of it. `false` when the reader is gone: nothing more is written then,
    /// and the requests are still answered, so that the command ends as if somebody had read it.
    fn write(&mut self, bytes: &[u8]) -> bool;

    /// Whether 4 KiB could be written now without waiting. Then it is done without a thread.
    fn is_ready(&mut self) -> bool {
        false
    }

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

/// The text of character data, when it is that.
pub(crate) fn flatten_text(chars: Raw<'_>) -> Option<String> {
    String::from_utf8(chars::flatten(chars, chars::Encoding::Unicode).ok()?).ok()
}

/// `{error, Reason}` with an atom for the reason.
pub(crate) fn io_error(reason: &str) -> Term {
    tuple(vec![atom("error"), atom(reason)])
}
