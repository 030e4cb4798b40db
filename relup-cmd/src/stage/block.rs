//! One 512-byte header block of a tar archive, read strictly.
//!
//! The field positions come from crate `tar`; numbers are read here, because an extractor that
//! guesses a size is one that two programs disagree about. Nothing in here knows about streams.

use std::ops::Range;

use tar::{EntryType, Header};

use crate::error::Error;
use crate::stage::entry_path::{shown, unsafe_entry};

/// The unit of everything in a tar archive.
pub(crate) const BLOCK: usize = 512;

/// The two numbers of a device.
const DEVICE: (Range<usize>, Range<usize>) = (329..337, 337..345);
/// The beginning of a long name, in ustar's headers.
const PREFIX: Range<usize> = 345..500;

/// What a header block says, names not yet checked.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Type,
    pub(crate) size: u64,
    /// Permission bits only: setuid, setgid and sticky never get further than this.
    pub(crate) mode: u32,
}

/// The type flags that a release may hold, and the headers that describe the next entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    File,
    Dir,
    Symlink,
    Hardlink,
    PaxLocal,
    PaxGlobal,
    GnuName,
    GnuLink,
}

impl Block {
    /// Decodes a block that is not all zeros.
    pub(crate) fn decode(bytes: &[u8; BLOCK]) -> Result<Block, Error> {
        let header = Header::from_byte_slice(bytes);
        let name = header.path_bytes().into_owned();
        let fields = header.as_old();
        let number = |field: &[u8], what: &str| {
            number(field).map_err(|reason| corrupt(&name, &format!("{what} {reason}")))
        };
        if number(&fields.cksum, "checksum")? != checksum(bytes) {
            return Err(corrupt(&name, "wrong checksum"));
        }
        let kind = match header.entry_type() {
            EntryType::Regular => Type::File,
            EntryType::Directory => Type::Dir,
            EntryType::Symlink => Type::Symlink,
            EntryType::Link => Type::Hardlink,
            EntryType::XHeader => Type::PaxLocal,
            EntryType::XGlobalHeader => Type::PaxGlobal,
            EntryType::GNULongName => Type::GnuName,
            EntryType::GNULongLink => Type::GnuLink,
            other => return Err(unsafe_entry(&name, &refused(other))),
        };
        // Not used, but a reader that does use them may take a field that is no number for the end
        // of the archive.
        for (field, what) in [
            (&fields.uid[..], "owner"),
            (&fields.gid, "group"),
            (&fields.mtime, "time"),
            (&bytes[DEVICE.0], "device number"),
            (&bytes[DEVICE.1], "device number"),
        ] {
            number(field, what)?;
        }
        if header.as_ustar().is_none() && bytes[PREFIX].iter().any(|byte| *byte != 0) {
            return Err(corrupt(
                &name,
                "something where only ustar has the beginning of a name",
            ));
        }
        let size = number(&fields.size, "size")?;
        // Bits above the twelve of a mode are noise that some archivers write.
        let mode = u32::try_from(number(&fields.mode, "mode")? & 0o777).unwrap_or_default();
        if size > 0 && matches!(kind, Type::Dir | Type::Symlink | Type::Hardlink) {
            return Err(unsafe_entry(
                &name,
                "a directory or link that claims to have content",
            ));
        }
        let link = header.link_name_bytes().unwrap_or_default().into_owned();
        Ok(Block {
            name,
            link,
            kind,
            size,
            mode,
        })
    }
}

fn refused(kind: EntryType) -> String {
    match kind {
        EntryType::Char => "a character device".to_owned(),
        EntryType::Block => "a block device".to_owned(),
        EntryType::Fifo => "a FIFO".to_owned(),
        EntryType::GNUSparse => "a sparse file".to_owned(),
        EntryType::Continuous => "a contiguous file (type 7)".to_owned(),
        other => format!("unknown entry type {:?}", char::from(other.as_byte())),
    }
}

fn corrupt(name: &[u8], what: &str) -> Error {
    Error::ArchiveCorrupt(format!("{what} in the header of entry {}", shown(name)))
}

/// The sum of all bytes, the checksum's own field counted as blanks.
fn checksum(bytes: &[u8; BLOCK]) -> u64 {
    let sum = |part: &[u8]| part.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&bytes[..148]) + 8 * u64::from(b' ') + sum(&bytes[156..])
}

/// An octal number with blanks around it or a NUL behind it, or GNU's base-256 form of a number that is not
/// negative and fits.
fn number(field: &[u8]) -> Result<u64, String> {
    match field {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_at(rest.len().saturating_sub(8));
            if high.iter().any(|byte| *byte != 0) {
                return Err("is too large".to_owned());
            }
            Ok(low
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
        [first, ..] if first & 0x80 != 0 => Err("is negative or too large".to_owned()),
        _ => {
            let edge = |byte: &u8| matches!(byte, b' ' | 0);
            // A NUL ends a number, for some readers also before its first digit.
            let start = field
                .iter()
                .position(|byte| *byte != b' ')
                .unwrap_or(field.len());
            let digits = &field[start..];
            let len = digits.iter().position(edge).unwrap_or(digits.len());
            let (digits, tail) = digits.split_at(len);
            if !tail.iter().all(edge) || !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
                return Err("is no octal number".to_owned());
            }
            // At most 12 digits fit into a field, so this can't overflow.
            Ok(digits
                .iter()
                .fold(0, |value, digit| value * 8 + u64::from(digit - b'0')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &[u8], expected: Option<u64>) {
        assert_eq!(number(field).ok(), expected, "{field:?}");
    }

    #[test]
    fn numbers_are_octal_or_base_256_and_nothing_else() {
        for (field, expected) in [
            (&b"00000001750\0"[..], Some(1000)),
            (b"   1750 \0   ", Some(1000)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x000000001750\0", None),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"0000000189\0\0", None),
            (b"-0000001750\0", None),
            (b"+0000001750\0", None),
            (b"1750 1750\0\0\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x03\xe8", Some(1000)),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX.cast_unsigned()),
            ),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x81\0\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            check(field, expected);
        }
    }

    #[test]
    fn a_block_with_a_wrong_checksum_is_refused() {
        let mut header = Header::new_ustar();
        header.set_path("bin/emqx").expect("a short name");
        header.set_size(3);
        header.set_mode(0o4755);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        let mut bytes = *header.as_bytes();
        let block = Block::decode(&bytes).expect("a good block");
        assert_eq!((block.mode, block.size, block.kind), (0o755, 3, Type::File));
        bytes[0] ^= 1;
        assert!(matches!(
            Block::decode(&bytes),
            Err(Error::ArchiveCorrupt(_))
        ));
    }
}
