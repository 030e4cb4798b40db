//! A writer of tar archives that writes what it is told, sense or nonsense.
//!
//! Libraries refuse to write most of what this suite needs, or mend it. Here every field is bytes;
//! the checksum is right unless a case spoils it. Numbers and layout are those of POSIX ustar.

/// The unit of a tar archive.
pub const BLOCK: usize = 512;

/// Where a header has its fields.
pub mod field {
    use std::ops::Range;

    /// Name of the entry.
    pub const NAME: Range<usize> = 0..100;
    /// Permissions.
    pub const MODE: Range<usize> = 100..108;
    /// Owner.
    pub const UID: Range<usize> = 108..116;
    /// Group.
    pub const GID: Range<usize> = 116..124;
    /// Length of the body.
    pub const SIZE: Range<usize> = 124..136;
    /// Time of the last change.
    pub const MTIME: Range<usize> = 136..148;
    /// Sum of all bytes.
    pub const CHECKSUM: Range<usize> = 148..156;
    /// What kind of entry it is.
    pub const TYPE: usize = 156;
    /// Target of a link.
    pub const LINK: Range<usize> = 157..257;
    /// Name of the format.
    pub const MAGIC: Range<usize> = 257..265;
    /// Name of the owner.
    pub const USER: Range<usize> = 265..297;
    /// Number of a device, its high part.
    pub const DEV_MAJOR: Range<usize> = 329..337;
    /// Number of a device, its low part.
    pub const DEV_MINOR: Range<usize> = 337..345;
    /// GNU's old sparse files: pieces of the file, four of them, each an offset and a length.
    pub const SPARSE_MAP: Range<usize> = 386..482;
    /// Whether more pieces follow in blocks of their own.
    pub const SPARSE_MORE: usize = 482;
    /// Size of a sparse file with its holes.
    pub const REAL_SIZE: Range<usize> = 483..495;
}

/// A header block under construction.
#[derive(Debug, Clone)]
pub struct Header([u8; BLOCK]);

impl Header {
    /// A header of mode 0644 and size 0.
    ///
    /// # Panics
    /// When the name does not fit.
    #[must_use]
    pub fn new(kind: u8, name: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        block[field::NAME][..name.len()].copy_from_slice(name);
        block[field::TYPE] = kind;
        block[field::MAGIC].copy_from_slice(b"ustar\x0000");
        Header(block)
            .octal(&field::MODE, 0o644)
            .octal(&field::UID, 0)
            .octal(&field::GID, 0)
            .octal(&field::SIZE, 0)
            .octal(&field::MTIME, 1_700_000_000)
    }

    /// A number in a field, in octal digits with a NUL behind them.
    #[must_use]
    pub fn octal(self, at: &std::ops::Range<usize>, value: u64) -> Self {
        let digits = at.len() - 1;
        self.bytes(at, format!("{value:0digits$o}\0").as_bytes())
    }

    /// A number in GNU's base 256, for what octal digits do not reach.
    #[must_use]
    pub fn base_256(self, at: &std::ops::Range<usize>, value: i128) -> Self {
        let mut bytes = value.to_be_bytes()[16 - at.len()..].to_vec();
        bytes[0] = if value < 0 { 0xff } else { 0x80 };
        self.bytes(at, &bytes)
    }

    /// Any bytes at the beginning of a field, zeros behind them.
    #[must_use]
    pub fn bytes(mut self, at: &std::ops::Range<usize>, bytes: &[u8]) -> Self {
        self.0[at.clone()].fill(0);
        self.0[at.start..at.start + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The permissions.
    #[must_use]
    pub fn mode(self, mode: u64) -> Self {
        self.octal(&field::MODE, mode)
    }

    /// The length of the body that it claims.
    #[must_use]
    pub fn size(self, size: u64) -> Self {
        if size < 1 << 33 {
            self.octal(&field::SIZE, size)
        } else {
            self.base_256(&field::SIZE, size.into())
        }
    }

    /// The target of a link.
    #[must_use]
    pub fn link(self, target: &[u8]) -> Self {
        self.bytes(&field::LINK, target)
    }

    /// The block with its checksum.
    #[must_use]
    pub fn sealed(mut self) -> [u8; BLOCK] {
        self.0[field::CHECKSUM].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// An archive under construction.
#[derive(Debug, Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// An archive without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Tar::default()
    }

    /// Any bytes, as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A header, and a body filled up to whole blocks. Nothing checks that they agree.
    #[must_use]
    pub fn entry(self, header: Header, body: &[u8]) -> Self {
        let padding = body.len().next_multiple_of(BLOCK) - body.len();
        self.raw(&header.sealed())
            .raw(body)
            .raw(&[0; BLOCK][..padding])
    }

    /// A regular file of mode 0644.
    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        self.file_of(0o644, name, body)
    }

    /// A regular file of a mode.
    #[must_use]
    pub fn file_of(self, mode: u64, name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let header = Header::new(b'0', name.as_ref()).mode(mode);
        self.entry(header.size(body.len() as u64), body)
    }

    /// A directory of mode 0755.
    #[must_use]
    pub fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(Header::new(b'5', name.as_ref()).mode(0o755), b"")
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        let header = Header::new(b'2', name.as_ref()).mode(0o777);
        self.entry(header.link(target.as_ref()), b"")
    }

    /// A hard link.
    #[must_use]
    pub fn hardlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(Header::new(b'1', name.as_ref()).link(target.as_ref()), b"")
    }

    /// An entry of any kind without a body.
    #[must_use]
    pub fn kind(self, kind: u8, name: impl AsRef<[u8]>) -> Self {
        self.entry(Header::new(kind, name.as_ref()), b"")
    }

    /// A header with a text for a body: PAX (`x`, `g`) or a long name of GNU (`L`, `K`).
    #[must_use]
    pub fn text(self, kind: u8, text: impl AsRef<[u8]>) -> Self {
        let (text, name) = (
            text.as_ref(),
            if kind == b'x' {
                "PaxHeaders/x"
            } else {
                "././@LongLink"
            },
        );
        let header = Header::new(kind, name.as_bytes());
        self.entry(header.size(text.len() as u64), text)
    }

    /// A PAX header with these records.
    #[must_use]
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let text: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        self.text(b'x', text)
    }

    /// The archive so far.
    #[must_use]
    pub fn open_end(self) -> Vec<u8> {
        self.0
    }

    /// The archive with the two zero blocks that end it.
    #[must_use]
    pub fn ended(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }
}

/// A PAX record with the right length in front.
#[must_use]
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len += 1;
    }
    let mut record = format!("{len} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_it_writes_is_what_another_reader_reads() {
        let long = "x".repeat(150);
        let bytes = Tar::new()
            .dir("d/")
            .file("d/f", "12345")
            .symlink("d/l", "f")
            .pax(&[("path", long.as_bytes())])
            .file("short", "")
            .ended();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let mut body = String::new();
            entry.read_to_string(&mut body).expect("text");
            seen.push(format!(
                "{} {body}",
                String::from_utf8_lossy(&entry.path_bytes())
            ));
        }
        assert_eq!(seen, ["d/ ", "d/f 12345", "d/l ", &format!("{long} ")]);
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for len in [0, 1, 85, 86, 87, 980, 984, 985, 4000] {
            let record = record("path", &vec![b'x'; len]);
            assert!(
                record.starts_with(format!("{} path=", record.len()).as_bytes()),
                "{len}"
            );
        }
    }
}
