//! The entries of a tar stream, one after the other, each name and size settled beyond doubt.
//!
//! Long names come from one PAX header or from GNU's `L` and `K` entries, never from a mixture.
//! The archive ends with two zero blocks and nothing but zeros after them. Everything else is
//! refused, so that no other program can see another tree in the same archive.

use crate::error::Error;
use crate::stage::block::{BLOCK, Block, Type};
use crate::stage::entry_path::{EntryPath, MAX_NAME, shown, unsafe_entry};
use crate::stage::feed::Feed;
use crate::stage::pax::{self, Pax};

/// Largest PAX header; attributes and labels may make it longer than a name.
const MAX_PAX: u64 = 1024 * 1024;

/// One entry of the archive, its name still with the archive's prefix.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: EntryPath,
    pub(crate) mode: u32,
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A regular file of this many bytes, which follow.
    File(u64),
    /// A directory.
    Dir,
    /// A symbolic link with this target, not yet checked.
    Symlink(Vec<u8>),
    /// Another name of an earlier entry.
    Hardlink(EntryPath),
}

/// Reads entries from a feed.
pub(crate) struct Archive<'f, 'a> {
    feed: &'f mut Feed<'a>,
    /// The name in the last header, for the errors that follow it.
    last: Vec<u8>,
}

/// What the headers before an entry say about it.
#[derive(Default)]
struct Extension {
    pax: Option<Pax>,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

impl<'f, 'a> Archive<'f, 'a> {
    /// A reader at the start of an archive.
    pub(crate) fn new(feed: &'f mut Feed<'a>) -> Self {
        let last = Vec::new();
        Archive { feed, last }
    }

    /// The next entry, `None` after the proper end. The body of a file must be read before.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        let mut extension = Extension::default();
        loop {
            let Some(bytes) = self.header()? else {
                if extension.is_empty() {
                    return Ok(None);
                }
                return Err(self.cut("after a header for another entry,"));
            };
            let block = Block::decode(&bytes)?;
            self.last.clone_from(&block.name);
            match block.kind {
                Type::PaxLocal => {
                    let text = self.text(&block, MAX_PAX)?;
                    extension.pax(&text, &block)?;
                }
                Type::PaxGlobal => {
                    pax::check_global(&self.text(&block, MAX_PAX)?, &block.name)?;
                }
                Type::GnuName => {
                    let name = self.text(&block, MAX_NAME as u64 + 1)?;
                    Extension::once(&mut extension.gnu_name, &name, &block)?;
                }
                Type::GnuLink => {
                    let name = self.text(&block, MAX_NAME as u64 + 1)?;
                    Extension::once(&mut extension.gnu_link, &name, &block)?;
                }
                Type::File | Type::Dir | Type::Symlink | Type::Hardlink => {
                    let entry = extension.entry(block)?;
                    self.last = entry.path.as_str().as_bytes().to_vec();
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// Gives the body of a file of `size` bytes to `sink`, piece by piece.
    pub(crate) fn body(
        &mut self,
        size: u64,
        mut sink: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut left = size;
        while left > 0 {
            let max = usize::try_from(left).unwrap_or(usize::MAX);
            let piece = self.feed.take(max)?;
            if piece.is_empty() {
                return Err(self.cut("in the middle of"));
            }
            left -= piece.len() as u64;
            sink(piece)?;
        }
        self.padding(size)
    }

    /// Compressed bytes read so far.
    pub(crate) fn compressed(&self) -> u64 {
        self.feed.compressed()
    }

    /// The next header block, `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let first = self.block("where an entry should begin")?;
        if first.iter().any(|byte| *byte != 0) {
            return Ok(Some(first));
        }
        let second = self.block("before the end of the archive")?;
        if second.iter().any(|byte| *byte != 0) {
            return Err(Error::ArchiveCorrupt(
                "a single zero block between entries".to_owned(),
            ));
        }
        loop {
            match self.feed.take(usize::MAX)? {
                [] => return Ok(None),
                rest if rest.iter().all(|byte| *byte == 0) => {}
                _ => {
                    return Err(Error::ArchiveCorrupt(
                        "there is something after the end of the archive".to_owned(),
                    ));
                }
            }
        }
    }

    fn block(&mut self, place: &str) -> Result<[u8; BLOCK], Error> {
        let mut block = [0; BLOCK];
        let mut len = 0;
        while len < BLOCK {
            let piece = self.feed.take(BLOCK - len)?;
            if piece.is_empty() {
                return Err(Error::ArchiveCorrupt(format!("the archive ends {place}")));
            }
            block[len..len + piece.len()].copy_from_slice(piece);
            len += piece.len();
        }
        Ok(block)
    }

    /// The body of a header that describes the next entry.
    fn text(&mut self, block: &Block, limit: u64) -> Result<Vec<u8>, Error> {
        if block.size > limit {
            return Err(Error::ArchiveTooLarge(format!(
                "the header {} in the archive is {} bytes long, the limit is {limit}",
                shown(&block.name),
                block.size
            )));
        }
        let mut text = Vec::new();
        self.body(block.size, |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(text)
    }

    fn padding(&mut self, size: u64) -> Result<(), Error> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        let mut left = if over == 0 { 0 } else { BLOCK - over };
        while left > 0 {
            let piece = self.feed.take(left)?.len();
            if piece == 0 {
                return Err(self.cut("in the block that fills up"));
            }
            left -= piece;
        }
        Ok(())
    }

    /// The error for an archive that ends where its last entry goes on.
    fn cut(&self, place: &str) -> Error {
        let entry = shown(&self.last);
        Error::ArchiveCorrupt(format!("the archive ends {place} entry {entry}"))
    }
}

impl Extension {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.gnu_name.is_none() && self.gnu_link.is_none()
    }

    fn pax(&mut self, bytes: &[u8], block: &Block) -> Result<(), Error> {
        if self.pax.is_some() {
            return Err(unsafe_entry(&block.name, "two PAX headers for one entry"));
        }
        self.pax = Some(pax::parse_local(bytes, &block.name)?);
        Ok(())
    }

    /// GNU ends these names with a NUL.
    fn once(slot: &mut Option<Vec<u8>>, name: &[u8], block: &Block) -> Result<(), Error> {
        if slot.is_some() {
            return Err(unsafe_entry(&block.name, "two long names for one entry"));
        }
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        if name[end..].iter().any(|byte| *byte != 0) {
            return Err(unsafe_entry(&name[..end], "a long name with a NUL in it"));
        }
        *slot = Some(name[..end].to_vec());
        Ok(())
    }

    /// Settles what the entry is.
    fn entry(self, block: Block) -> Result<Entry, Error> {
        let has_gnu = self.gnu_name.is_some() || self.gnu_link.is_some();
        let (name, link) = match (self.pax, has_gnu) {
            (Some(_), true) => {
                return Err(unsafe_entry(
                    &block.name,
                    "both a PAX header and a GNU long name",
                ));
            }
            (Some(pax), false) => {
                if pax.size.is_some_and(|size| size != block.size) {
                    return Err(unsafe_entry(
                        &block.name,
                        "the size in the PAX header differs from the entry's own",
                    ));
                }
                (
                    pax.path.unwrap_or(block.name),
                    pax.link.unwrap_or(block.link),
                )
            }
            (None, _) => (
                self.gnu_name.unwrap_or(block.name),
                self.gnu_link.unwrap_or(block.link),
            ),
        };
        let path = EntryPath::parse(&name, block.kind == Type::Dir)?;
        let kind = match block.kind {
            Type::Dir => Kind::Dir,
            Type::Symlink => Kind::Symlink(link),
            Type::Hardlink => Kind::Hardlink(hardlink_target(&name, &link)?),
            Type::File | Type::PaxLocal | Type::PaxGlobal | Type::GnuName | Type::GnuLink => {
                Kind::File(block.size)
            }
        };
        Ok(Entry {
            path,
            mode: block.mode,
            kind,
        })
    }
}

/// The earlier entry that a hard link stands for. A target that no entry can have is the link's fault,
/// so it is the link that the refusal names.
fn hardlink_target(name: &[u8], link: &[u8]) -> Result<EntryPath, Error> {
    EntryPath::parse(link, false).map_err(|error| match error {
        Error::UnsafeArchiveEntry { entry, reason } => {
            unsafe_entry(name, &format!("a hard link to {entry:?}: {reason}"))
        }
        other => other,
    })
}
