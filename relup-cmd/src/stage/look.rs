//! Reads the files of a tarball without writing any of them.
//!
//! Exists for those who want to know what is in a release. Names, kinds, sizes and the form of the
//! archive are judged by the same readers as when it is staged. What is wanted of a file is its
//! content, so another name for one (a hard link) can't be followed and is refused.

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::stage::archive::{Archive, Entry, Kind};
use crate::stage::entry_path::{Prefix, unsafe_entry};
use crate::stage::feed::with_feed;
use crate::stage::unpack::Limits;
use crate::tarball::VerifiedTarball;

/// Takes the content of a file of this name.
pub(crate) type Take<'t> = dyn FnMut(&str, &[u8]) -> Result<(), Error> + 't;

/// Shows the files that `wants` gives a greatest length for to `each`, in the archive's order.
pub(crate) fn look_into(
    tarball: &VerifiedTarball,
    limits: Limits,
    interrupt: &Interrupt,
    wants: &dyn Fn(&str) -> Option<u64>,
    each: &mut Take<'_>,
) -> Result<(), Error> {
    with_feed(tarball, interrupt, |feed| {
        let mut archive = Archive::new(feed);
        let mut prefix = Prefix::Undecided;
        let (mut entries, mut total) = (0_u64, 0_u64);
        let mut bytes = Vec::new();
        while let Some(Entry { path, kind, .. }) = archive.next_entry()? {
            let path = path.strip(&mut prefix)?;
            let name = path.as_str();
            entries += 1;
            if entries > limits.entries {
                let limit = limits.entries;
                return Err(Error::ArchiveTooLarge(format!(
                    "more than {limit} entries, with {name:?}"
                )));
            }
            let max_len = wants(name);
            match (kind, max_len) {
                (Kind::File(size), max_len) => {
                    total = total.saturating_add(size);
                    if total > limits.bytes || max_len.is_some_and(|max_len| size > max_len) {
                        return Err(Error::ArchiveTooLarge(format!(
                            "{size} bytes of {name:?} are too many"
                        )));
                    }
                    if max_len.is_none() {
                        archive.body(size, |_| Ok(()))?;
                        continue;
                    }
                    bytes.clear();
                    archive.body(size, |piece| {
                        bytes.extend_from_slice(piece);
                        Ok(())
                    })?;
                    each(name, &bytes)?;
                }
                (Kind::Hardlink(_) | Kind::Symlink(_), Some(_)) => {
                    let reason = "a link where a file is needed: give the directory that the archive was unpacked to";
                    return Err(unsafe_entry(name.as_bytes(), reason));
                }
                (Kind::Dir | Kind::Hardlink(_) | Kind::Symlink(_), _) => {}
            }
        }
        Ok(())
    })
}
