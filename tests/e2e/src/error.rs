//! The one error type of the harness.
//!
//! A test that fails must say what was run and what came back, because the throw-away directory is
//! gone by the time anybody reads the message.

use crate::process::Finished;
use std::time::Duration;

/// What can go wrong while driving a release from outside.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or program that has to be made or installed first.
    #[error("{what}\nhint: {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// A file operation failed; `fs-err` puts the path into the message.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A command ended otherwise than it should have.
    #[error("{why}\n{finished}")]
    Command {
        /// What was expected of it.
        why: String,
        /// All that is known about the command that ran.
        finished: Box<Finished>,
    },
    /// A command or a state did not come to its end in time.
    #[error("not done after {} s: {what}", limit.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Something came back that makes no sense here.
    #[error("{0}")]
    Unexpected(String),
}

/// A result of the harness.
pub type Result<T> = std::result::Result<T, Error>;
