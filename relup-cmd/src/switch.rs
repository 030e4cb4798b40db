//! The commit point of everything that happens without the node: the marker is swapped and that is
//! recorded, or it is as it was.
//!
//! A flush that fails may have lost anything, so nothing is called done after one: the old marker is
//! put back, and the trees of both stay, because a power cut may still bring either back.

use relup::layout::BaseRoot;
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::state::{self, AttemptLog};

/// Why the marker names what it did before.
#[derive(Debug)]
pub(crate) struct NotSwitched {
    /// What failed.
    pub(crate) error: Error,
    /// Whether the marker was another one for a moment.
    pub(crate) was_swapped: bool,
}

/// Makes the marker name `to`, or removes it, and records the end of the attempt.
pub(crate) fn switch(
    base: &BaseRoot,
    to: Option<&ReleaseVsn>,
    log: &AttemptLog<'_>,
) -> Result<(), NotSwitched> {
    // A marker that can't be read is none that could be put back.
    let before = state::marker_bytes(base).ok();
    let bytes = to.map(Marker::render);
    let swapped = state::write_marker(base, bytes.as_deref().map(str::as_bytes));
    let Err(error) = swapped.and_then(|()| log.switched()) else {
        return Ok(());
    };
    let was_swapped = state::marker_bytes(base).ok() != before;
    let put_back = match &before {
        Some(before) if was_swapped => state::write_marker(base, before.as_deref()),
        _ => Ok(()),
    };
    let error = match put_back {
        Ok(()) => error,
        Err(second) => Error::MarkerNotPutBack {
            marker: base.marker(),
            reason: error.to_string(),
            second: second.to_string(),
        },
    };
    Err(NotSwitched { error, was_swapped })
}
