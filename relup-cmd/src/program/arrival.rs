//! How something comes to have a name in `bin/`: it is made beside it, with the owner and the rights
//! of what it replaces, flushed, and renamed.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown, lchown};
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;

use super::site::{is_same, observe, remove};
use crate::durable;
use crate::error::Error;
use relup::layout::Seat;

/// Permission bits that a program is given: none that would run it as somebody else.
const RIGHTS: u32 = 0o777;

/// Whose a new file is, and who may do what with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Rights {
    /// Those of a file, as a program has them: who may read it may run it.
    pub(super) fn like(found: &Metadata) -> Rights {
        // A link has no mode of its own, nor has a directory one for files.
        let mode = if found.is_file() { found.mode() } else { 0o755 };
        Rights {
            owner: found.uid(),
            group: found.gid(),
            mode: (mode | (mode & 0o444) >> 2) & RIGHTS,
        }
    }

    /// Whether a file has them already.
    fn are_of(self, found: &Metadata) -> bool {
        (found.uid(), found.gid()) == (self.owner, self.group)
    }
}

/// Writes a copy of a program beside a name, flushed. What fails leaves nothing behind.
pub(super) fn prepare(program: &Path, temp: &Path, rights: Rights) -> Result<(), Error> {
    remove(temp)?;
    let copied = copy(program, temp, rights);
    if copied.is_err() {
        // It is ours and worthless; that it may not exist is fine.
        let _ = fs::remove_file(temp);
    }
    copied
}

fn copy(program: &Path, temp: &Path, rights: Rights) -> Result<(), Error> {
    // Plain files: the kernel copies from one to the other by itself.
    let from = fs::File::open(program).map_err(|error| Error::io(program, "read", error))?;
    let mut from: File = from.into_file();
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(temp)
        .map_err(|error| Error::io(temp, "create", error))?;
    let mut file: File = file.into_file();
    std::io::copy(&mut from, &mut file).map_err(|error| Error::io(temp, "write", error))?;
    let found = file
        .metadata()
        .map_err(|error| Error::io(temp, "look at", error))?;
    if !rights.are_of(&found) {
        fchown(&file, Some(rights.owner), Some(rights.group))
            .map_err(|error| Error::io(temp, "give the owner of what it replaces to", error))?;
    }
    file.set_permissions(PermissionsExt::from_mode(rights.mode))
        .map_err(|error| Error::io(temp, "set the rights of", error))?;
    file.sync_all()
        .map_err(|error| Error::io(temp, "flush", error))
}

/// Gives what has the name a second one, by which it is kept: the very file, or the very link. What
/// was kept before goes: it is of a release that is no longer there. `None` where it was kept already.
pub(super) fn keep(seat: &Seat) -> Result<Option<Kept>, Error> {
    let (path, kept, temp) = (seat.path(), seat.kept(), seat.kept_temp());
    let Some(found) = observe(&path)? else {
        return Ok(None);
    };
    if let Some(there) = observe(&kept)? {
        // A link to what is kept is that already.
        let leads_there = || fs::canonicalize(&path).ok() == fs::canonicalize(&kept).ok();
        if is_same(&found, &there) || found.is_symlink() && leads_there() {
            return Ok(None);
        }
        remove(&temp)?;
        let replaced =
            second_name(&path, &temp, &found).and_then(|()| durable::rename(&temp, &kept));
        if replaced.is_err() {
            let _ = fs::remove_file(&temp);
        }
        return replaced.map(|()| Some(Kept::InPlaceOfAnother));
    }
    second_name(&path, &kept, &found)?;
    Ok(Some(Kept::ForTheFirstTime))
}

/// How a program came to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    ForTheFirstTime,
    InPlaceOfAnother,
}

fn second_name(path: &Path, name: &Path, found: &Metadata) -> Result<(), Error> {
    match fs::hard_link(path, name) {
        Ok(()) => Ok(()),
        // Some file systems have one name for each file; a copy is told apart by nothing else.
        Err(error) if found.is_file() && !is_full(&error) => {
            prepare_exact(path, name, found).map_err(|_| Error::io(name, "make", error))
        }
        Err(error) => Err(Error::io(name, "make", error)),
    }
}

fn prepare_exact(path: &Path, name: &Path, found: &Metadata) -> Result<(), Error> {
    let rights = Rights {
        mode: found.mode() & 0o7777,
        ..Rights::like(found)
    };
    prepare(path, name, rights)?;
    let times = found
        .modified()
        .map(|at| std::fs::FileTimes::new().set_modified(at));
    // How old it is matters to nobody who runs it.
    let _ = times.and_then(|times| File::options().write(true).open(name)?.set_times(times));
    Ok(())
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

/// Makes the second name a link to the first.
pub(super) fn link(from: &Seat, to: &Seat, like: Option<&Metadata>) -> Result<(), Error> {
    let (path, temp) = (from.path(), from.temp());
    remove(&temp)?;
    let linked = fs_err::os::unix::fs::symlink(to.name(), &temp)
        .map_err(|error| Error::io(&temp, "create", error))
        .and_then(|()| {
            let made = observe(&temp)?;
            let rights = like.map(Rights::like);
            match (rights, made) {
                (Some(rights), Some(made)) if !rights.are_of(&made) => {
                    lchown(&temp, Some(rights.owner), Some(rights.group)).map_err(|error| {
                        Error::io(&temp, "give the owner of what it replaces to", error)
                    })
                }
                _ => Ok(()),
            }
        })
        .and_then(|()| {
            fs::rename(&temp, &path).map_err(|error| Error::io(&path, "replace", error))
        });
    if linked.is_err() {
        let _ = fs::remove_file(&temp);
    }
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_kept_has_the_rights_the_content_and_the_time() {
        let dir = crate::testing::scratch();
        let (path, kept) = (dir.path().join("emqx"), dir.path().join("emqx.sh"));
        fs::write(&path, "#!/bin/sh\n").expect("written");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o2750)).expect("allowed");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let times = std::fs::FileTimes::new().set_modified(long_ago);
        let file = File::options().write(true).open(&path).expect("opened");
        file.set_times(times).expect("set");
        let found = fs::symlink_metadata(&path).expect("there");
        prepare_exact(&path, &kept, &found).expect("copied");
        let copy = fs::symlink_metadata(&kept).expect("there");
        assert_eq!(copy.mode(), found.mode());
        assert_eq!(copy.modified().expect("a time"), long_ago);
        assert_eq!(fs::read(&kept).expect("read"), b"#!/bin/sh\n");
    }

    #[test]
    fn a_program_is_run_by_who_may_read_it_and_as_nobody_else() {
        let dir = crate::testing::scratch();
        let path = dir.path().join("emqx");
        for (mode, expected) in [
            (0o755, 0o755),
            (0o644, 0o755),
            (0o640, 0o750),
            (0o4755, 0o755),
            (0o2775, 0o775),
        ] {
            fs::write(&path, "").expect("written");
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("allowed");
            let found = fs::symlink_metadata(&path).expect("there");
            assert_eq!(Rights::like(&found).mode, expected, "{mode:o}");
        }
    }
}
