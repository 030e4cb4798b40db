//! Reading small files that others put there: regular files only, of bounded size, never waiting.
//!
//! A FIFO opened for reading would hang the command while it holds the lock, so everything is
//! opened without blocking and looked at through the open handle.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is none.
    #[error("no such file")]
    Missing,
    /// It is there; the text says what is wrong with it.
    #[error("{0}")]
    Other(String),
}

/// Opens a regular file for reading. Also its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64), ReadError> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| from_io(&error))?;
    let metadata = file.metadata().map_err(|error| from_io(&error))?;
    if metadata.is_dir() {
        return Err(ReadError::Other("is a directory".to_owned()));
    }
    if !metadata.is_file() {
        return Err(ReadError::Other("is not a regular file".to_owned()));
    }
    Ok((file, metadata.len()))
}

/// Reads a whole regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| from_io(&error))?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::Other(format!("is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a whole regular file of UTF-8 text.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit)?).map_err(|_| ReadError::Other("is not UTF-8".to_owned()))
}

/// The error's own words, without its number.
fn from_io(error: &io::Error) -> ReadError {
    if error.kind() == io::ErrorKind::NotFound {
        return ReadError::Missing;
    }
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    ReadError::Other(words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        fs_err::write(&file, "12345").expect("written");
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let check = |path: &Path, limit, expected: Result<&str, &str>| match (
            read_text(path, limit),
            expected,
        ) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (actual, _) => panic!("{}: {actual:?}", path.display()),
        };
        check(&file, 5, Ok("12345"));
        check(&file, 4, Err("is longer than 4 bytes"));
        check(&fifo, 5, Err("is not a regular file"));
        check(dir.path(), 5, Err("is a directory"));
        check(&dir.path().join("none"), 5, Err("no such file"));
        check(&file.join("x"), 5, Err("not a directory"));
    }
}
