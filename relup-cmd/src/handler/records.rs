//! `RELEASES` and `start_erl.data` on disk, which OTP rewrites in place.
//!
//! A crash in the middle of that leaves a file that is cut. So the last whole `RELEASES` is kept
//! beside it before the release handler is made to write one, what it wrote is read and flushed
//! before anything is called done, and `versions --repair` puts both right again.

use std::path::{Path, PathBuf};

use relup::layout::Tree;
use relup::releases_file::{KnownRelease, StartErl, parse_releases};

use crate::durable;
use crate::error::Error;
use crate::handler::failure::Failure;
use crate::regular::{self, ReadError};
use crate::release::names_in;

/// What a file is called while it is written.
const TEMPORARY: &str = ".new";
/// Longest file that is read.
const MAX: u64 = 16 * 1024 * 1024;

/// What is known of the releases, and that it is whole.
pub(crate) fn read(root: &Tree) -> Result<Vec<KnownRelease>, Failure> {
    let damaged = |path: PathBuf, reason: String| Failure::RecordsDamaged { path, reason };
    let path = root.releases_file();
    let known = read_releases(&path).map_err(|reason| damaged(path, reason))?;
    let path = root.start_erl();
    match regular::read_text(&path, MAX) {
        Ok(text) if StartErl::parse(&text).is_some() => Ok(known),
        Ok(text) => {
            let reason = format!("{:?} is no ERTS version and release version", text.trim());
            Err(damaged(path, reason))
        }
        Err(error) => Err(damaged(path, error.to_string())),
    }
}

/// Reads one `RELEASES` file.
pub(crate) fn read_releases(path: &Path) -> Result<Vec<KnownRelease>, String> {
    let text = regular::read_text(path, MAX).map_err(|error| error.to_string())?;
    parse_releases(&text).map_err(|error| error.to_string())
}

/// The release that the next start boots, by `start_erl.data`.
pub(crate) fn permanent(root: &Tree) -> Option<StartErl> {
    let text = regular::read_text(&root.start_erl(), MAX).ok()?;
    StartErl::parse(&text)
}

/// Keeps the present, whole `RELEASES`, durably.
pub(crate) fn save(root: &Tree) -> Result<(), Failure> {
    let path = root.releases_file();
    let unreadable = |error: ReadError| Failure::RecordsDamaged {
        path: path.clone(),
        reason: error.to_string(),
    };
    let content = regular::read(&path, MAX).map_err(unreadable)?;
    let saved = root.saved_releases_file();
    if regular::read(&saved, MAX).is_ok_and(|before| before == content) {
        return Ok(());
    }
    replace(&saved, &content)?;
    Ok(())
}

/// Makes durable what the release handler has written, and demands that it is whole.
pub(crate) fn settle(root: &Tree) -> Result<Vec<KnownRelease>, Failure> {
    for path in [root.releases_file(), root.start_erl()] {
        let file = fs_err::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::io(&path, "flush", error));
        file?;
    }
    durable::sync_dir(&root.releases())?;
    let known = read(root)?;
    save(root)?;
    Ok(known)
}

/// Removes what a killed command was writing.
pub(crate) fn sweep(root: &Tree) -> Result<(), Error> {
    let mut dirs = vec![root.releases(), root.bin()];
    for name in names_in(&root.releases())? {
        dirs.extend(name.parse().ok().map(|vsn| root.release(&vsn)));
    }
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        for name in names_in(dir)? {
            if name.ends_with(TEMPORARY) {
                durable::remove(&dir.join(name))?;
            }
        }
    }
    Ok(())
}

/// Writes a file of a release whole or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    replace_with_mode(path, content, 0o644)
}

/// The same with permissions of one's own.
pub(crate) fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // One name, because whoever holds the lock is alone, and the next one takes it over.
    name.push(TEMPORARY);
    durable::replace_with_mode(path, &path.with_file_name(name), content, mode)
}

#[cfg(test)]
mod tests;
