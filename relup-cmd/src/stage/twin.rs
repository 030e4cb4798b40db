//! Files that the running release has already: shared with it instead of written again, where the file
//! system can (`FICLONE`: btrfs, XFS, bcachefs).
//!
//! Most files of two neighbouring releases are the same. The content still comes from the package: a new
//! file begins as a clone of the old one and is compared, byte by byte, with what is extracted; from the
//! first difference on it is written. The clone is nobody else's, so nothing can change it meanwhile. A
//! file system that cannot do this says so at the first file, and is not asked again.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use relup::layout::Tree;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::stage::entry_path::EntryPath;

/// Smaller files have no block of their own that could be shared.
const SMALLEST: u64 = 4096;

/// The files of another release.
pub(crate) struct Twins {
    root: Option<OwnedFd>,
    buffer: Vec<u8>,
}

impl Twins {
    /// Those of `tree`; without one, or where it cannot be opened, none.
    pub(crate) fn of(tree: Option<&Tree>) -> Twins {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            tree.and_then(|tree| rustix::fs::openat(CWD, tree.path(), flags, Mode::empty()).ok());
        Twins {
            root,
            buffer: Vec::new(),
        }
    }

    /// Makes the empty `file` share the content of the old release's file of that name and size. False
    /// where there is none, or it cannot be shared.
    pub(crate) fn fill(&mut self, file: &File, entry: &EntryPath, size: u64) -> bool {
        let Some(root) = self.root.as_ref().filter(|_| size >= SMALLEST) else {
            return false;
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(root, entry.as_str(), flags, Mode::empty(), resolve);
        let Ok(old) = opened else {
            return false;
        };
        let alike = rustix::fs::fstat(&old).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && u64::try_from(stat.st_size) == Ok(size)
        });
        if !alike {
            return false;
        }
        match rustix::fs::ioctl_ficlone(file, &old) {
            Ok(()) => true,
            // This file cannot be shared (it may stand inside of the tree of names); others can.
            Err(Errno::INVAL) => false,
            Err(_) => {
                self.root = None;
                false
            }
        }
    }

    /// Whether `file` has `piece` at this place.
    pub(crate) fn has(&mut self, file: &File, at: u64, piece: &[u8]) -> io::Result<bool> {
        self.buffer.resize(piece.len().max(self.buffer.len()), 0);
        let there = &mut self.buffer[..piece.len()];
        match file.read_exact_at(there, at) {
            Ok(()) => Ok(there == piece),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}
