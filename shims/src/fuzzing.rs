//! The readers of what a node sends, for the fuzz targets.
//!
//! Exists with the feature `fuzzing` only, which the program is never built with.

use crate::dist;
use crate::etf::{Limits, Raw, encode};

/// A term with its version byte. What was walked can be decoded, and what was decoded can be written
/// and walked again.
///
/// # Panics
/// When that is not so.
pub fn term(bytes: &[u8]) {
    if let Ok((raw, _)) = Raw::take_versioned(bytes) {
        looked_into(raw);
    }
}

/// A frame as the connection reads it, and the terms in it.
pub fn frame(bytes: &[u8]) {
    for raw in dist::terms_of_frame(bytes) {
        looked_into(raw);
    }
}

fn looked_into(raw: Raw<'_>) {
    let limits = Limits {
        frame_bytes: 1 << 20,
        depth: 64,
        terms: 10_000,
    };
    let _ = (
        raw.tuple(),
        raw.list(),
        raw.elements(),
        raw.atom(),
        raw.binary(),
    );
    let _ = (
        raw.int(),
        raw.is_pid(),
        raw.pid_words(),
        raw.reference_words(),
    );
    if let Ok(term) = raw.decode(&limits) {
        let _ = term.to_string();
        let mut written = vec![131];
        encode::term(&mut written, &term);
        assert!(
            Raw::take_versioned(&written).is_ok(),
            "{raw:?} is written as {written:?}"
        );
    }
}
