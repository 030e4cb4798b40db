//! Terms that stay bytes: looked into from outside in, and handed on exactly as they came.
//!
//! A [`Raw`] can only be had of bytes that [`scan`](super::scan::scan) has walked, which is why the
//! readers here index without fear and answer `None` for nothing but "a term of another kind".

use super::scan::scan;
use super::tag::{
    ATOM, ATOM_UTF8, BINARY, INTEGER, LARGE_TUPLE, LIST, NEW_PID, NEWER_REFERENCE, NIL, PID,
    SMALL_ATOM, SMALL_ATOM_UTF8, SMALL_INTEGER, SMALL_TUPLE, STRING, VERSION,
};
use super::{EtfError, Limits, encode};
use crate::term::Term;

/// One term within bytes that live elsewhere, without the version byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a>(&'a [u8]);

/// One term with its own bytes, without the version byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawTerm(Vec<u8>);

impl RawTerm {
    pub(crate) fn as_raw(&self) -> Raw<'_> {
        Raw(&self.0)
    }

    /// The term as `encode` writes it: what this program built needs no scan.
    pub(crate) fn of(term: &Term) -> RawTerm {
        let mut bytes = Vec::new();
        encode::term(&mut bytes, term);
        RawTerm(bytes)
    }

    /// A tuple of terms that stay as they are.
    pub(crate) fn tuple(parts: &[&RawTerm]) -> RawTerm {
        let mut bytes = Vec::new();
        encode::tuple_head(&mut bytes, parts.len());
        for part in parts {
            part.as_raw().copy_to(&mut bytes);
        }
        RawTerm(bytes)
    }

    /// A list of terms that stay as they are.
    pub(crate) fn list(parts: &[RawTerm]) -> RawTerm {
        let mut bytes = Vec::new();
        encode::list_head(&mut bytes, parts.len());
        for part in parts {
            part.as_raw().copy_to(&mut bytes);
        }
        bytes.push(NIL);
        RawTerm(bytes)
    }
}

impl<'a> Raw<'a> {
    /// Takes the version byte and the term after it off the front of `bytes`.
    pub(crate) fn take_versioned(bytes: &'a [u8]) -> Result<(Raw<'a>, &'a [u8]), EtfError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&tag) => return Err(EtfError::Tag { tag, at: 0 }),
            None => return Err(EtfError::Truncated(0)),
        }
        let end = scan(bytes, 1)?.end;
        Ok((Raw(&bytes[1..end]), &bytes[end..]))
    }

    /// Hands it on as it came.
    pub(crate) fn copy_to(self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn own(self) -> RawTerm {
        RawTerm(self.0.to_vec())
    }

    /// The elements of a tuple.
    pub(crate) fn tuple(self) -> Option<Vec<Raw<'a>>> {
        match self.0[0] {
            SMALL_TUPLE => Some(self.parts(2, usize::from(self.0[1]))),
            LARGE_TUPLE => Some(self.parts(5, self.length())),
            _ => None,
        }
    }

    /// The elements of a tuple of exactly `N`.
    pub(crate) fn tuple_of<const N: usize>(self) -> Option<[Raw<'a>; N]> {
        self.tuple()?.try_into().ok()
    }

    /// The elements of a proper list that did not travel as a string.
    pub(crate) fn list(self) -> Option<Vec<Raw<'a>>> {
        match self.0[0] {
            NIL => Some(Vec::new()),
            LIST => {
                let mut parts = self.parts(5, self.length() + 1);
                // The tail: a list is proper when that is [].
                (parts.pop()?.0[0] == NIL).then_some(parts)
            }
            _ => None,
        }
    }

    /// The elements of a proper list, also when it travelled as a string: as lists of small
    /// integers do.
    pub(crate) fn elements(self) -> Option<Vec<RawTerm>> {
        match self.0[0] {
            STRING => Some(
                self.0[3..]
                    .iter()
                    .map(|b| RawTerm(vec![SMALL_INTEGER, *b]))
                    .collect(),
            ),
            _ => Some(self.list()?.into_iter().map(Raw::own).collect()),
        }
    }

    /// The name of an atom. Names in latin1 are not sent to a peer that understands UTF-8 atoms.
    pub(crate) fn atom(self) -> Option<&'a str> {
        match self.0[0] {
            SMALL_ATOM | SMALL_ATOM_UTF8 => std::str::from_utf8(&self.0[2..]).ok(),
            ATOM | ATOM_UTF8 => std::str::from_utf8(&self.0[3..]).ok(),
            _ => None,
        }
    }

    pub(crate) fn is_atom(self, name: &str) -> bool {
        self.atom() == Some(name)
    }

    pub(crate) fn binary(self) -> Option<&'a [u8]> {
        (self.0[0] == BINARY).then(|| &self.0[5..])
    }

    /// An integer of at most 32 bits.
    pub(crate) fn int(self) -> Option<i32> {
        match *self.0 {
            [SMALL_INTEGER, value] => Some(i32::from(value)),
            [INTEGER, a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d])),
            _ => None,
        }
    }

    pub(crate) fn is_pid(self) -> bool {
        matches!(self.0[0], PID | NEW_PID)
    }

    /// The words of a reference, whatever node made it.
    pub(crate) fn reference_words(self) -> Option<Vec<u32>> {
        if self.0[0] != NEWER_REFERENCE {
            return None;
        }
        let words = usize::from(u16::from_be_bytes([self.0[1], self.0[2]]));
        let from = self.0.len() - 4 * words;
        let word = |c: &[u8]| u32::from_be_bytes([c[0], c[1], c[2], c[3]]);
        Some(self.0[from..].chunks_exact(4).map(word).collect())
    }

    /// The number of a pid within its node, and the incarnation of the node.
    pub(crate) fn pid_words(self) -> Option<(u32, u32)> {
        if self.0[0] != NEW_PID {
            return None;
        }
        // Number, serial, creation; four bytes each, at the end.
        let words = self.0.last_chunk::<12>()?;
        let word = |at: usize| {
            u32::from_be_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]])
        };
        Some((word(0), word(8)))
    }

    /// The term as a value to look into, when it stays within the limits.
    pub(crate) fn decode(self, limits: &Limits) -> Result<Term, EtfError> {
        let extent = scan(self.0, 0)?;
        if extent.depth > limits.depth {
            return Err(EtfError::TooDeep(limits.depth));
        }
        if extent.terms > limits.terms {
            return Err(EtfError::TooMany(limits.terms));
        }
        Term::decode(std::io::Read::chain(&[VERSION][..], self.0))
            .map_err(|error| EtfError::Decode(error.to_string()))
    }

    fn length(self) -> usize {
        u32::from_be_bytes([self.0[1], self.0[2], self.0[3], self.0[4]]) as usize
    }

    fn parts(self, mut at: usize, count: usize) -> Vec<Raw<'a>> {
        let mut parts = Vec::new();
        for _ in 0..count {
            // Cannot fail: the whole was walked before. If it could, the term would look short.
            let Ok(extent) = scan(self.0, at) else { break };
            parts.push(Raw(&self.0[at..extent.end]));
            at = extent.end;
        }
        parts
    }
}
