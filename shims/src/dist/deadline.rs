//! A point in time until which something may take, or none.

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` from now; `None`: never. A timeout that is past the clock's end is never, too.
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The sooner of this and `timeout` from now.
    pub(crate) fn within(self, timeout: Duration) -> Deadline {
        self.or(Deadline::after(Some(timeout)))
    }

    /// The sooner of the two.
    pub(crate) fn or(self, other: Deadline) -> Deadline {
        Deadline([self.0, other.0].into_iter().flatten().min())
    }

    /// What is left: `Ok(None)` when there is no end, `Err` when it is over.
    pub(crate) fn left(self) -> Result<Option<Duration>, Elapsed> {
        match self.0 {
            None => Ok(None),
            Some(end) => match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Ok(Some(left)),
                _ => Err(Elapsed),
            },
        }
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_err()
    }
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;
