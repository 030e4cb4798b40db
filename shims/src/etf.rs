//! The external term format as it comes from a peer that is not trusted.
//!
//! `eetf` reads and writes terms, but it allocates what a length field says, recurses as deep as a
//! term nests, panics on a few malformed bytes, and writes some terms wrongly (a list of negative
//! integers as a byte string, a string above 64 KiB cut off). So every frame is first walked by
//! [`scan`], which neither allocates by what it reads nor recurses; what only passes through stays
//! bytes ([`Raw`]) and is exact; only terms that are looked into are decoded, within [`Limits`];
//! and [`encode`] does the writing. The format: "External Term Format" in the ERTS reference.

pub(crate) mod encode;
pub(crate) mod raw;
pub(crate) mod scan;

pub(crate) use raw::{Raw, RawTerm};

/// What is accepted from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in bytes. A larger one ends the connection before memory is taken for it.
    pub frame_bytes: usize,
    /// How deep a term may nest that is decoded. Text may nest deeper: it is never decoded.
    pub depth: usize,
    /// How many terms within terms may be decoded: a byte on the wire can be 50 bytes in memory.
    pub terms: usize,
}

impl Default for Limits {
    /// 256 MiB, 512 levels, 4 million terms.
    fn default() -> Limits {
        Limits {
            frame_bytes: 256 << 20,
            depth: 512,
            terms: 4_000_000,
        }
    }
}

/// What is wrong with bytes that should be a term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EtfError {
    #[error("a term ends in the middle, at byte {0}")]
    Truncated(usize),
    #[error("no term has the tag {tag} (byte {at})")]
    Tag { tag: u8, at: usize },
    #[error("malformed term at byte {0}")]
    Malformed(usize),
    #[error("a term nests deeper than {0} levels")]
    TooDeep(usize),
    #[error("a term holds more than {0} terms")]
    TooMany(usize),
    #[error("{0}")]
    Decode(String),
}
