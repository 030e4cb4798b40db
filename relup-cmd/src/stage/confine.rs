//! Writing into the staging tree through directory handles that follow no link.
//!
//! The confinement does not rest on how names look: every directory is opened beneath the root's
//! handle with symbolic links forbidden (`openat2`, or one `openat` for each component where the
//! kernel or a sandbox lacks it), and everything is created exclusively, so nothing that an earlier
//! entry made can be replaced or written through.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::stage::entry_path::EntryPath;
use crate::stage::spellings::Spellings;

const DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Mode of directories that the archive does not list.
pub(crate) const IMPLIED_DIR_MODE: u32 = 0o755;

/// The staging tree and a handle of the directory that was used last: archives list the files of
/// one directory in a row.
pub(crate) struct Confined {
    root: OwnedFd,
    path: std::path::PathBuf,
    last: Option<(String, OwnedFd)>,
    openat2: bool,
    implied: Vec<String>,
    spellings: Spellings,
}

impl Confined {
    /// Confines to the directory at `path`.
    pub(crate) fn new(path: &std::path::Path) -> Result<Confined, Error> {
        let root = rustix::fs::openat(CWD, path, DIR, Mode::empty())
            .map_err(|errno| Error::io(path, "open", errno.into()))?;
        Ok(Confined {
            root,
            path: path.to_owned(),
            last: None,
            openat2: true,
            implied: Vec::new(),
            spellings: Spellings::below(path),
        })
    }

    /// Directories created since the last call because an entry stands below them.
    pub(crate) fn take_implied(&mut self) -> Vec<String> {
        std::mem::take(&mut self.implied)
    }

    /// Creates a file that must not exist.
    pub(crate) fn create_file(&mut self, entry: &EntryPath) -> Result<File, Error> {
        let (parent, name) = entry.split_last();
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let made = rustix::fs::openat(self.dir(parent, entry)?, name, flags, mode);
        made.map(File::from)
            .map_err(|errno| self.refused(entry, errno))
    }

    /// Makes a directory, or takes the one that is there, and gives it its mode.
    pub(crate) fn make_dir(&mut self, entry: &EntryPath, mode: u32) -> Result<(), Error> {
        let (parent, name) = entry.split_last();
        let fd = self.dir(parent, entry)?;
        match rustix::fs::mkdirat(fd, name, Mode::RWXU) {
            Ok(()) => self.spellings.made(entry.as_str()),
            Err(Errno::EXIST) => self
                .spellings
                .check(entry.as_str())
                .map_err(|errno| self.refused(entry, errno))?,
            Err(errno) => return Err(self.refused(entry, errno)),
        }
        let made = self
            .open_child(entry.as_str())
            .and_then(|fd| rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)));
        made.map_err(|errno| self.refused(entry, errno))
    }

    /// Makes a symbolic link; its target has been checked.
    pub(crate) fn symlink(&mut self, entry: &EntryPath, target: &str) -> Result<(), Error> {
        let (parent, name) = entry.split_last();
        let made = rustix::fs::symlinkat(target, self.dir(parent, entry)?, name);
        made.map_err(|errno| self.refused(entry, errno))
    }

    /// Gives the file at `target`, which must exist, be a regular file and be reached without any
    /// link, a second name. Returns it opened for reading, with its size and mode.
    pub(crate) fn hardlink(
        &mut self,
        entry: &EntryPath,
        target: &EntryPath,
    ) -> Result<(File, u64, u32), Error> {
        let (source_dir, source) = target.split_last();
        let refuse = |reason: &str| Error::UnsafeArchiveEntry {
            entry: entry.as_str().to_owned(),
            reason: format!("a hard link to {:?}, {reason}", target.as_str()),
        };
        let source_dir = match self.open_beneath(source_dir) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Err(refuse("which no earlier entry has made")),
            Err(_) => return Err(refuse("which is reached through a link")),
        };
        let stat = match rustix::fs::statat(&source_dir, source, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(refuse("which no earlier entry has made")),
            Err(errno) => return Err(self.refused(entry, errno)),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refuse("which is no regular file"));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&source_dir, source, flags, Mode::empty())
            .map_err(|errno| self.refused(entry, errno))?;
        let (parent, name) = entry.split_last();
        let made = rustix::fs::linkat(
            &source_dir,
            source,
            self.dir(parent, entry)?,
            name,
            AtFlags::empty(),
        );
        made.map_err(|errno| self.refused(entry, errno))?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        Ok((File::from(file), size, stat.st_mode & 0o777))
    }

    /// Follows the link at `path` to its end and refuses one that leaves the tree or turns in
    /// circles. A link whose target is not there is harmless: nothing beyond the tree was reached.
    pub(crate) fn check_link(&mut self, path: &str, target: &str) -> Result<(), Error> {
        let outcome = if self.openat2 {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                Err(errno) if lacks_openat2(errno) => {
                    self.openat2 = false;
                    follow(self.root.as_fd(), path)
                }
                other => other.map(drop),
            }
        } else {
            follow(self.root.as_fd(), path)
        };
        let reason = match outcome {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::XDEV) => "the link leads out of the tree through other links",
            Err(Errno::LOOP) => "the link leads back to itself",
            Err(Errno::NOTDIR) => "the link leads through something that is no directory",
            Err(errno) => return Err(Error::io(&self.path, "follow a link in", errno.into())),
        };
        Err(Error::UnsafeArchiveEntry {
            entry: path.to_owned(),
            reason: format!("{reason} ({target:?})"),
        })
    }

    /// The handle of a directory below the root, made (with its parents) where it is missing.
    fn dir(&mut self, path: &str, entry: &EntryPath) -> Result<BorrowedFd<'_>, Error> {
        if path.is_empty() {
            return Ok(self.root.as_fd());
        }
        let known = matches!(&self.last, Some((last, _)) if last == path);
        if !known {
            let fd = match self.open_beneath(path) {
                Err(Errno::NOENT) => self.make_all(path),
                Ok(fd) => self.spellings.check(path).map(|()| fd),
                other => other,
            };
            let fd = fd.map_err(|errno| self.refused(entry, errno))?;
            self.last = Some((path.to_owned(), fd));
        }
        Ok(self
            .last
            .as_ref()
            .map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    fn open_beneath(&mut self, path: &str) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return self.root.try_clone().map_err(|error| errno(&error));
        }
        if self.openat2 {
            let resolve =
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.root, path, DIR, Mode::empty(), resolve) {
                Err(errno) if lacks_openat2(errno) => self.openat2 = false,
                other => return other,
            }
        }
        self.open_child(path)
    }

    /// One `openat` for each component, none of which may be a link.
    fn open_child(&self, path: &str) -> Result<OwnedFd, Errno> {
        let mut fd = self.root.try_clone().map_err(|error| errno(&error))?;
        for component in path.split('/') {
            fd = rustix::fs::openat(&fd, component, DIR, Mode::empty())?;
        }
        Ok(fd)
    }

    fn make_all(&mut self, path: &str) -> Result<OwnedFd, Errno> {
        let mut fd = self.root.try_clone().map_err(|error| errno(&error))?;
        let mut end = 0;
        for component in path.split('/') {
            end += component.len() + usize::from(end > 0);
            let made = match rustix::fs::mkdirat(&fd, component, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => self.spellings.check(&path[..end]).map(|()| false)?,
                Err(errno) => return Err(errno),
            };
            fd = rustix::fs::openat(&fd, component, DIR, Mode::empty())?;
            if made {
                rustix::fs::fchmod(&fd, Mode::from_raw_mode(IMPLIED_DIR_MODE))?;
                self.implied.push(path[..end].to_owned());
                self.spellings.made(&path[..end]);
            }
        }
        Ok(fd)
    }

    /// A failure while `entry` was being read or written.
    pub(crate) fn failed(&self, entry: &EntryPath, error: io::Error) -> Error {
        Error::io(&self.path.join(entry.as_str()), "write", error)
    }

    fn refused(&self, entry: &EntryPath, errno: Errno) -> Error {
        let reason = match errno {
            Errno::EXIST => "it would replace an earlier entry",
            Errno::LOOP | Errno::XDEV => "it stands below a symbolic link",
            Errno::NOTDIR => "it stands below, or replaces, something that is no directory",
            Errno::NAMETOOLONG => "the name is too long for this file system",
            _ => return Error::io(&self.path.join(entry.as_str()), "write", errno.into()),
        };
        Error::UnsafeArchiveEntry {
            entry: entry.as_str().to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// A kernel before 5.6, or a sandbox that does not know the call.
fn lacks_openat2(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::PERM)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// What `openat2` does with `RESOLVE_BENEATH`: walks `path` link by link below `root`.
fn follow(root: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    let mut left: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(component) = left.pop() {
        match component.as_str() {
            "" | "." => continue,
            ".." => {
                at.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            _ => at.push(component),
        }
        let here = at.join("/");
        let stat = rustix::fs::statat(root, here.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {}
            FileType::Directory => continue,
            _ if left.is_empty() => continue,
            _ => return Err(Errno::NOTDIR),
        }
        links += 1;
        if links > 40 {
            return Err(Errno::LOOP);
        }
        let target = rustix::fs::readlinkat(root, here.as_str(), Vec::new())?;
        let target = target.to_string_lossy();
        if target.starts_with('/') {
            return Err(Errno::XDEV);
        }
        at.pop();
        left.extend(target.rsplit('/').map(str::to_owned));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes(), true).expect("a harmless name")
    }

    /// Every test runs with and without `openat2`.
    fn with_both(check: impl Fn(&mut Confined, &std::path::Path)) {
        for openat2 in [true, false] {
            let outer = tempfile::tempdir().expect("a directory");
            let root = outer.path().join("root");
            fs_err::create_dir(&root).expect("a directory");
            let mut confined = Confined::new(&root).expect("a handle");
            confined.openat2 = openat2;
            check(&mut confined, outer.path());
            let names: Vec<_> = fs_err::read_dir(outer.path())
                .expect("readable")
                .map(Result::unwrap)
                .collect();
            assert_eq!(names.len(), 1, "something was written beside the root");
        }
    }

    #[test]
    fn missing_parents_are_made_and_reported_once() {
        with_both(|confined, _| {
            confined.create_file(&path("lib/a/b/c")).expect("created");
            confined.create_file(&path("lib/a/b/d")).expect("created");
            assert_eq!(confined.take_implied(), ["lib", "lib/a", "lib/a/b"]);
            confined.create_file(&path("lib/a/e")).expect("created");
            assert!(confined.take_implied().is_empty());
        });
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        with_both(|confined, _| {
            confined.symlink(&path("lib"), "..").expect("a link");
            assert!(confined.create_file(&path("lib/x")).is_err());
            assert!(confined.make_dir(&path("lib/x"), 0o755).is_err());
            assert!(confined.make_dir(&path("lib"), 0o777).is_err());
            assert!(confined.symlink(&path("lib/x"), "y").is_err());
            assert!(confined.hardlink(&path("y"), &path("lib/x")).is_err());
        });
    }

    #[test]
    fn nothing_is_replaced_except_a_directory_by_itself() {
        with_both(|confined, _| {
            confined.create_file(&path("f")).expect("created");
            confined.make_dir(&path("d"), 0o700).expect("made");
            confined.make_dir(&path("d"), 0o755).expect("taken");
            assert!(confined.create_file(&path("f")).is_err());
            assert!(confined.create_file(&path("d")).is_err());
            assert!(confined.make_dir(&path("f"), 0o755).is_err());
            assert!(confined.symlink(&path("d"), "x").is_err());
            assert!(confined.create_file(&path("f/x")).is_err());
        });
    }

    #[test]
    fn links_that_lead_out_together_are_found() {
        with_both(|confined, _| {
            for (name, target) in [
                ("a/b/up", "../.."),
                ("a/b/out", "up/../x"),
                ("a/in", "b/up/a"),
                ("gone", "a/zz"),
            ] {
                confined.symlink(&path(name), target).expect("a link");
            }
            confined.symlink(&path("round"), "trip").expect("a link");
            confined.symlink(&path("trip"), "round").expect("a link");
            for (name, ok) in [
                ("a/b/up", true),
                ("a/in", true),
                ("gone", true),
                ("a/b/out", false),
                ("round", false),
            ] {
                assert_eq!(confined.check_link(name, "").is_ok(), ok, "{name}");
            }
        });
    }

    #[test]
    fn a_hard_link_needs_an_earlier_regular_file() {
        with_both(|confined, _| {
            confined.create_file(&path("f")).expect("created");
            confined.make_dir(&path("d"), 0o755).expect("made");
            confined.symlink(&path("s"), "f").expect("a link");
            confined.hardlink(&path("g"), &path("f")).expect("linked");
            for target in ["later", "d", "s", "h"] {
                assert!(
                    confined.hardlink(&path("h"), &path(target)).is_err(),
                    "{target}"
                );
            }
        });
    }
}
