//! Finds the end of a term and how deep and how large it is, without recursion: the bytes come from
//! the network, and a term that is nested a million times must cost an error, not the stack.

use super::EtfError;

/// The deepest nesting that is walked at all. The walk keeps eight bytes a level.
const MAX_SCAN_DEPTH: usize = 1_000_000;

/// The facts about one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where the next term begins.
    pub(crate) end: usize,
    /// How deep it nests; a plain value is 0.
    pub(crate) depth: usize,
    /// How many terms it consists of, itself included.
    pub(crate) terms: usize,
}

/// Walks the term that begins at `start` (no version byte). Every length in it is checked against
/// the bytes that are there, so that whoever reads the term later need not check again.
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<Extent, EtfError> {
    let mut walk = Walk { bytes, at: start };
    // How many terms are still to come on each level that is open.
    let mut open: Vec<u64> = Vec::new();
    let mut extent = Extent {
        end: start,
        depth: 0,
        terms: 0,
    };
    loop {
        let children = walk.head()?;
        extent.terms += 1;
        // Each child takes a byte at least: a count that cannot be true is refused here.
        if children > walk.left() {
            return Err(EtfError::Truncated(bytes.len()));
        }
        if children > 0 {
            open.push(children);
            extent.depth = extent.depth.max(open.len());
            if open.len() > MAX_SCAN_DEPTH {
                return Err(EtfError::TooDeep(MAX_SCAN_DEPTH));
            }
            continue;
        }
        loop {
            let Some(level) = open.last_mut() else {
                extent.end = walk.at;
                return Ok(extent);
            };
            *level -= 1;
            if *level > 0 {
                break;
            }
            open.pop();
            // The term that held this level is complete too: it was one child of the level above.
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    /// Steps over everything of a term but the terms in it, and says how many those are.
    fn head(&mut self) -> Result<u64, EtfError> {
        let at = self.at;
        let tag = self.u8()?;
        let children = match tag {
            super::tag::SMALL_INTEGER => self.skip(1)?,
            super::tag::INTEGER => self.skip(4)?,
            super::tag::NEW_FLOAT => self.skip(8)?,
            super::tag::NIL => 0,
            super::tag::ATOM
            | super::tag::SMALL_ATOM
            | super::tag::ATOM_UTF8
            | super::tag::SMALL_ATOM_UTF8 => {
                self.at = at;
                self.atom()?
            }
            super::tag::STRING => {
                let length = self.u16()?;
                self.skip(u64::from(length))?
            }
            super::tag::BINARY => {
                let length = self.u32()?;
                self.skip(u64::from(length))?
            }
            super::tag::BIT_BINARY => {
                let length = self.u32()?;
                let bits = self.u8()?;
                if length == 0 || bits == 0 || bits > 8 {
                    return Err(EtfError::Malformed(at));
                }
                self.skip(u64::from(length))?
            }
            super::tag::SMALL_BIG => {
                let length = self.u8()?;
                self.big(at, u64::from(length))?
            }
            super::tag::LARGE_BIG => {
                let length = self.u32()?;
                self.big(at, u64::from(length))?
            }
            super::tag::SMALL_TUPLE => u64::from(self.u8()?),
            super::tag::LARGE_TUPLE => u64::from(self.u32()?),
            // The elements and the tail.
            super::tag::LIST => u64::from(self.u32()?) + 1,
            super::tag::MAP => u64::from(self.u32()?) * 2,
            super::tag::PID => self.named(9)?,
            super::tag::NEW_PID | super::tag::V4_PORT => self.named(12)?,
            super::tag::PORT | super::tag::REFERENCE => self.named(5)?,
            super::tag::NEW_PORT => self.named(8)?,
            super::tag::NEW_REFERENCE => {
                let words = u64::from(self.u16()?);
                self.named(1 + 4 * words)?
            }
            super::tag::NEWER_REFERENCE => {
                let words = u64::from(self.u16()?);
                self.named(4 + 4 * words)?
            }
            super::tag::EXPORT => 3,
            super::tag::NEW_FUN => {
                // Size, arity, the unique id of 16 bytes, index; then the count of free variables,
                // and before those: module, old index, old unique id, pid.
                self.skip(4 + 1 + 16 + 4)?;
                u64::from(self.u32()?) + 4
            }
            _ => return Err(EtfError::Tag { tag, at }),
        };
        Ok(children)
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// Steps over `count` bytes; a step holds no terms, hence the 0.
    fn skip(&mut self, count: u64) -> Result<u64, EtfError> {
        if count > self.left() {
            return Err(EtfError::Truncated(self.bytes.len()));
        }
        // It is at most the length of a slice.
        self.at += usize::try_from(count).map_err(|_| EtfError::Truncated(self.bytes.len()))?;
        Ok(0)
    }

    fn big(&mut self, at: usize, length: u64) -> Result<u64, EtfError> {
        if self.u8()? > 1 {
            return Err(EtfError::Malformed(at));
        }
        self.skip(length)
    }

    /// A node name, which is an atom, and `fixed` more bytes.
    fn named(&mut self, fixed: u64) -> Result<u64, EtfError> {
        self.atom()?;
        self.skip(fixed)
    }

    fn atom(&mut self) -> Result<u64, EtfError> {
        let at = self.at;
        let tag = self.u8()?;
        let length = match tag {
            super::tag::SMALL_ATOM | super::tag::SMALL_ATOM_UTF8 => u16::from(self.u8()?),
            super::tag::ATOM | super::tag::ATOM_UTF8 => self.u16()?,
            _ => return Err(EtfError::Tag { tag, at }),
        };
        let from = self.at;
        self.skip(u64::from(length))?;
        let is_utf8 = matches!(tag, super::tag::SMALL_ATOM_UTF8 | super::tag::ATOM_UTF8);
        if is_utf8 && std::str::from_utf8(&self.bytes[from..self.at]).is_err() {
            return Err(EtfError::Malformed(at));
        }
        Ok(0)
    }

    fn u8(&mut self) -> Result<u8, EtfError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, EtfError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, EtfError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EtfError> {
        let found = self.bytes[self.at..].first_chunk::<N>();
        let array = *found.ok_or(EtfError::Truncated(self.bytes.len()))?;
        self.at += N;
        Ok(array)
    }
}
