//! Writes that survive a power cut: fsync, rename, fsync of the directory.
//!
//! After a failed fsync nothing is tried again and nothing is called done: the kernel may have
//! dropped the dirty pages, so a second fsync that succeeds proves nothing.

use fs_err::os::unix::fs::OpenOptionsExt;
use std::io::Write;
use std::path::Path;

use fs_err::{File, OpenOptions};

use crate::error::Error;

/// Flushes a directory, so that the names in it are durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| Error::io(dir, "flush", error))
}

/// Flushes the whole file system that holds `dir`, through a handle of `dir` itself.
///
/// One call instead of one fsync for each of some ten thousand files.
pub(crate) fn sync_file_system(dir: &Path) -> Result<(), Error> {
    let handle = File::open(dir).map_err(|error| Error::io(dir, "open", error))?;
    rustix::fs::syncfs(handle.file())
        .map_err(|errno| Error::io(dir, "flush the file system of", errno.into()))
}

/// Replaces `path` by a file with this content: `temp` (in the same directory) is written,
/// flushed and renamed over it, then the directory is flushed.
pub(crate) fn replace(path: &Path, temp: &Path, content: &[u8]) -> Result<(), Error> {
    replace_with_mode(path, temp, content, 0o644)
}

/// The same with permissions of one's own, for what not everybody may read or somebody may run.
pub(crate) fn replace_with_mode(
    path: &Path,
    temp: &Path,
    content: &[u8],
    mode: u32,
) -> Result<(), Error> {
    let written = write_new(temp, content, mode).and_then(|()| {
        fs_err::rename(temp, path).map_err(|error| Error::io(path, "replace", error))
    });
    if let Err(error) = written {
        // The temp file is ours and worthless now; that it may not exist is fine.
        let _ = fs_err::remove_file(temp);
        return Err(error);
    }
    sync_parent(path)
}

fn write_new(temp: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(temp)
        .map_err(|error| Error::io(temp, "create", error))?;
    if content.is_empty() {
        // Nothing that could be missing from it.
        return Ok(());
    }
    file.write_all(content)
        .map_err(|error| Error::io(temp, "write", error))?;
    file.sync_all()
        .map_err(|error| Error::io(temp, "flush", error))
}

/// Appends `lines` with one write and flushes them; a new file's name is made durable too. What could
/// not be flushed is taken out again: nobody may read what a power cut may take away.
pub(crate) fn append(path: &Path, lines: &[u8]) -> Result<(), Error> {
    let existed = path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .open(path)
        .map_err(|error| Error::io(path, "open", error))?;
    let len = |file: &File| file.metadata().map(|found| found.len());
    let before = len(&file).map_err(|error| Error::io(path, "look at", error))?;
    let mut appended = file
        .write_all(lines)
        .map_err(|error| Error::io(path, "write", error))
        .and_then(|()| {
            file.sync_all()
                .map_err(|error| Error::io(path, "flush", error))
        });
    if appended.is_ok() && !existed {
        appended = sync_parent(path);
    }
    // The node appends too: what came after our lines stays, and they with it.
    if appended.is_err() && len(&file).is_ok_and(|now| now <= before + lines.len() as u64) {
        let _ = file.set_len(before);
    }
    appended
}

/// Gives a file another name in its directory and makes that durable; what had the name is gone.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs_err::rename(from, to).map_err(|error| Error::io(from, "rename", error))?;
    sync_parent(to)
}

/// Removes a file and makes the removal durable.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    fs_err::remove_file(path).map_err(|error| Error::io(path, "remove", error))?;
    sync_parent(path)
}

/// Flushes the directory that holds `path`.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}
