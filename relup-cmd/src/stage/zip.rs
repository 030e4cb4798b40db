//! A zip archive as the tar stream that it would be: packages of EMQX 4.x come as zip files.
//!
//! Every rule for names, kinds, sizes and duplicates is the stager's own, because what it reads is a
//! tar stream made here; only what is particular to zip is judged here. Its directory stands at the
//! end, so the file can't be hashed while it is read: it is copied into the staging directory first
//! and hashed on the way, and the copy, which nobody else can write to, is what is unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::read::ZipFile;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::stage::entry_path::{EntryPath, MAX_NAME, shown, unsafe_entry};
use crate::stage::feed::{Feed, Pipe, check_ratio, with_pipe};
use crate::stage::unpack::Limits;
use crate::tarball::VerifiedTarball;

const CHUNK: usize = 256 * 1024;
/// The beginning of a zip archive: its first entry, or its directory when it has none.
const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// What a record of the directory begins with, and how long it is without its texts.
const RECORD: (&[u8], usize) = (b"PK\x01\x02", 46);
/// The permissions of entries that were packed without any.
const DEFAULT_FILE: u32 = 0o644;
const DEFAULT_PROGRAM: u32 = 0o755;

/// Whether the package is a zip archive.
pub(crate) fn is_zip(package: &VerifiedTarball) -> Result<bool, Error> {
    let mut start = [0; 4];
    let len = package
        .read_at(&mut start, 0)
        .map_err(|error| package.unreadable(&error))?;
    Ok(MAGIC.contains(&&start[..len]))
}

/// Runs `consume` on the tar stream that the zip archive would be. `dir` takes the private copy.
pub(crate) fn with_feed<R>(
    package: &VerifiedTarball,
    dir: &Path,
    limits: Limits,
    interrupt: &Interrupt,
    consume: impl FnOnce(&mut Feed<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let copy = copy(package, dir, interrupt)?;
    let read = AtomicU64::new(0);
    with_pipe(
        &read,
        interrupt,
        |pipe| rewrite(copy, limits, &read, pipe),
        consume,
    )
}

/// The same for bytes that are there already; they are put beside `path` for as long as it takes.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz_feed<R>(
    bytes: &[u8],
    path: &Path,
    limits: Limits,
    interrupt: &Interrupt,
    consume: impl FnOnce(&mut Feed<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let failed = |error| Error::io(path, "write beside", error);
    let dir = path.parent().unwrap_or(path);
    let mut file = tempfile::tempfile_in(dir).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    let read = AtomicU64::new(0);
    with_pipe(
        &read,
        interrupt,
        |pipe| rewrite(file, limits, &read, pipe),
        consume,
    )
}

/// The bytes that were verified, in a file without a name.
fn copy(package: &VerifiedTarball, dir: &Path, interrupt: &Interrupt) -> Result<File, Error> {
    let failed = |error| Error::io(dir, "copy the package into", error);
    let mut file = tempfile::tempfile_in(dir).map_err(failed)?;
    let mut sha = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    loop {
        interrupt.check()?;
        let len = package
            .read_at(&mut buffer, at)
            .map_err(|error| package.unreadable(&error))?;
        if len == 0 {
            break;
        }
        sha.update(&buffer[..len]);
        file.write_all(&buffer[..len]).map_err(failed)?;
        at += len as u64;
    }
    let digest: [u8; 32] = sha.finalize().into();
    if digest != *package.digest() {
        return Err(package.changed(&digest));
    }
    Ok(file)
}

/// Writes the archive's entries as a tar stream.
fn rewrite(mut file: File, limits: Limits, read: &AtomicU64, pipe: &mut Pipe) -> Result<(), Error> {
    let len = file.metadata().map_err(corrupt)?.len();
    let mut archive = ZipArchive::new(BufReader::new(&file)).map_err(corrupt)?;
    let count = archive.len() as u64;
    if count > limits.entries {
        let limit = limits.entries;
        return Err(Error::ArchiveTooLarge(format!("more than {limit} entries")));
    }
    if archive.offset() != 0 {
        return Err(corrupt("there is something before the archive"));
    }
    let directory = archive.central_directory_start();
    let mut tar = tar::Builder::new(pipe);
    let mut written = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(corrupt)?;
        written = entry.size().saturating_add(written);
        check_ratio(written, len)?;
        append(&mut tar, &mut entry)?;
        let at = entry.data_start().unwrap_or_default() + entry.compressed_size();
        read.fetch_max(at, Ordering::Relaxed);
    }
    drop(archive);
    // The reader goes by names: of two entries of one name it has seen the last one only.
    if records(&mut file, directory).map_err(corrupt)? != count {
        return Err(corrupt("the archive has two entries of the same name"));
    }
    // These fail when the reader has ended, and has a better reason.
    tar.finish().map_err(corrupt)?;
    tar.into_inner().and_then(Write::flush).map_err(corrupt)
}

fn append(
    tar: &mut tar::Builder<&mut Pipe>,
    entry: &mut ZipFile<'_, impl Read>,
) -> Result<(), Error> {
    let name = entry.name_raw().to_vec();
    if entry.encrypted() {
        return Err(unsafe_entry(&name, "it is encrypted"));
    }
    let is_dir = entry.is_dir();
    // Judged again by whoever reads the stream; here because a header can't hold all names.
    let path = EntryPath::parse(&name, is_dir)?;
    if path.is_root() {
        return Ok(());
    }
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_mode(mode(entry, &path));
    let named = |error: io::Error| named(&name, &error);
    if is_dir {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        let path = format!("{}/", path.as_str());
        return tar
            .append_data(&mut header, path, io::empty())
            .map_err(named);
    }
    if entry.is_symlink() {
        let mut target = Vec::new();
        let limit = MAX_NAME as u64 + 1;
        entry.take(limit).read_to_end(&mut target).map_err(named)?;
        let target =
            String::from_utf8(target).map_err(|_| unsafe_entry(&name, "its target is no UTF-8"))?;
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        return tar
            .append_link(&mut header, path.as_str(), target)
            .map_err(named);
    }
    if let Some(mode) = entry.unix_mode()
        && !matches!(mode & 0o170_000, 0 | 0o100_000)
    {
        return Err(unsafe_entry(
            &name,
            "it is no file, directory or symbolic link",
        ));
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(entry.size());
    let mut body = Exactly {
        left: entry.size(),
        inner: entry,
    };
    let appended = tar.append_data(&mut header, path.as_str(), &mut body);
    // Reading on to the end is what compares the check sum.
    appended.and_then(|()| body.end()).map_err(named)
}

/// What was packed without permissions gets those that it needs to work.
fn mode(entry: &ZipFile<'_, impl Read>, path: &EntryPath) -> u32 {
    let mut parts = path.as_str().trim_start_matches("emqx/").split('/');
    let is_program = match parts.next() {
        Some("bin") => true,
        Some(top) => top.starts_with("erts-") && parts.next() == Some("bin"),
        None => false,
    };
    match entry.unix_mode().map(|mode| mode & 0o7777) {
        Some(mode) if mode != 0 => mode,
        _ if entry.is_dir() || is_program => DEFAULT_PROGRAM,
        _ => DEFAULT_FILE,
    }
}

/// A body that is exactly as long as its entry says.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Exactly<R> {
    /// Demands that nothing is left.
    fn end(&mut self) -> io::Result<()> {
        let more = self.inner.read(&mut [0])?;
        if self.left > 0 || more > 0 {
            return Err(io::Error::other(
                "its length is not the one in the directory",
            ));
        }
        Ok(())
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let max = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(out.len());
        let len = self.inner.read(&mut out[..max])?;
        if len == 0 && self.left > 0 && !out.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= len as u64;
        Ok(len)
    }
}

/// How many records the directory holds, counted one by one.
fn records(file: &mut File, start: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file);
    let mut count = 0;
    let mut record = [0; RECORD.1];
    loop {
        reader.read_exact(&mut record[..4])?;
        if !record.starts_with(RECORD.0) {
            return Ok(count);
        }
        reader.read_exact(&mut record[4..])?;
        let texts: i64 = [28, 30, 32]
            .iter()
            .map(|at| i64::from(u16::from_le_bytes([record[*at], record[at + 1]])))
            .sum();
        reader.seek_relative(texts)?;
        count += 1;
    }
}

fn corrupt(reason: impl std::fmt::Display) -> Error {
    Error::ArchiveCorrupt(format!("the zip archive can't be read: {reason}"))
}

fn named(name: &[u8], error: &io::Error) -> Error {
    Error::ArchiveCorrupt(format!("entry {}: {error}", shown(name)))
}

#[cfg(test)]
mod tests;
