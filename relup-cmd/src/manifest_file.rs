//! Manifests on disk: written line by line while a tree is extracted, read back in batches.
//!
//! Neither direction holds a whole manifest in memory: half a million entries are allowed, and the
//! staging has to stay small whatever the size of the archive. What a line means is `relup::manifest`'s
//! business.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt;
use relup::layout::Tree;
use relup::manifest::{Manifest, ManifestEntry, ManifestHeader};

use crate::error::Error;

/// Lines parsed at a time.
const BATCH: usize = 1000;

/// The entries of a tree that is being extracted; its header is not known yet.
#[derive(Debug)]
pub(crate) struct EntriesFile {
    file: BufWriter<File>,
    path: PathBuf,
}

/// A complete file of entries, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Entries {
    path: PathBuf,
}

impl EntriesFile {
    /// Creates the file, which must not exist.
    pub(crate) fn create(path: PathBuf) -> Result<EntriesFile, Error> {
        let file = create_new(&path)?;
        Ok(EntriesFile {
            file: BufWriter::with_capacity(64 * 1024, file),
            path,
        })
    }

    /// Appends one entry.
    pub(crate) fn add(&mut self, entry: &ManifestEntry) -> Result<(), Error> {
        self.file
            .write_all(entry.to_line().as_bytes())
            .map_err(|error| Error::io(&self.path, "write", error))
    }

    /// Writes out what is buffered.
    pub(crate) fn finish(mut self) -> Result<Entries, Error> {
        self.file
            .flush()
            .map_err(|error| Error::io(&self.path, "write", error))?;
        Ok(Entries {
            path: std::mem::take(&mut self.path),
        })
    }
}

impl Drop for EntriesFile {
    fn drop(&mut self) {
        // Emptied by `finish`.
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Entries {
    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `each` with every entry.
    pub(crate) fn for_each(
        &self,
        each: impl FnMut(&ManifestEntry) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Batches are parsed as manifests of their own, below a header that is not the final one.
        let header = ManifestHeader {
            vsn: "0".parse().map_err(|_| damaged(&self.path, "no header"))?,
            tarball: String::new(),
            sha256: [0; 32],
            base: None,
        };
        let mut lines = open(&self.path)?;
        batches(&self.path, &header.to_line(), &mut lines, each)
    }

    /// Writes the manifest to `temp`, to be flushed with the tree and renamed.
    pub(crate) fn write_manifest(&self, header: &ManifestHeader, temp: &Path) -> Result<(), Error> {
        let write = |error| Error::io(temp, "write", error);
        let mut out = create_new(temp)?;
        out.write_all(header.to_line().as_bytes()).map_err(write)?;
        let mut entries =
            File::open(&self.path).map_err(|error| Error::io(&self.path, "open", error))?;
        std::io::copy(&mut entries, &mut out).map_err(write)?;
        Ok(())
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The header of a manifest.
pub(crate) fn read_header(path: &Path) -> Result<ManifestHeader, Error> {
    let (line, _) = header_line(path)?;
    parse(path, line.as_bytes()).map(|manifest| manifest.header)
}

/// Calls `each` with every entry of a manifest.
pub(crate) fn for_each_entry(
    manifest: &Path,
    each: impl FnMut(&ManifestEntry) -> Result<(), Error>,
) -> Result<(), Error> {
    let (header, mut lines) = header_line(manifest)?;
    batches(manifest, &header, &mut lines, each)
}

/// Compares a tree with its manifest by presence, type and size of every entry (not by content).
pub(crate) fn check_tree(tree: &Tree, manifest: &Path) -> Result<(), Error> {
    for_each_entry(manifest, |entry| {
        let path = tree.path().join(entry.path());
        let wrong = |reason: &str| {
            Err(Error::TreeDamaged {
                tree: tree.path().to_owned(),
                reason: format!("{}: {reason}", entry.path()),
            })
        };
        let Ok(found) = fs::symlink_metadata(&path) else {
            return wrong("is missing");
        };
        match entry {
            ManifestEntry::File { .. } if !found.is_file() => wrong("is no regular file"),
            ManifestEntry::File { size, .. } if found.size() != *size => {
                wrong(&format!("has {} bytes instead of {size}", found.size()))
            }
            ManifestEntry::Link { target, .. } => match fs::read_link(&path) {
                Ok(found) if found.as_os_str() == target.as_str() => Ok(()),
                _ => wrong(&format!("is no link to {target:?}")),
            },
            ManifestEntry::Dir { .. } if !found.is_dir() => wrong("is no directory"),
            ManifestEntry::File { .. } | ManifestEntry::Dir { .. } => Ok(()),
        }
    })
}

fn header_line(path: &Path) -> Result<(String, BufReader<File>), Error> {
    let mut lines = open(path)?;
    let mut header = String::new();
    lines
        .read_line(&mut header)
        .map_err(|error| Error::io(path, "read", error))?;
    Ok((header, lines))
}

fn batches(
    path: &Path,
    header: &str,
    lines: &mut impl BufRead,
    mut each: impl FnMut(&ManifestEntry) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let mut batch = header.as_bytes().to_vec();
        let mut more = true;
        for _ in 0..BATCH {
            let len = lines
                .read_until(b'\n', &mut batch)
                .map_err(|error| Error::io(path, "read", error))?;
            more = len > 0;
            if !more {
                break;
            }
        }
        parse(path, &batch)?
            .entries
            .iter()
            .try_for_each(&mut each)?;
        if !more {
            return Ok(());
        }
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest, Error> {
    Manifest::parse(bytes).map_err(|error| damaged(path, &error.to_string()))
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::TreeDamaged {
        tree: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|error| Error::io(path, "open", error))
}

fn create_new(path: &Path) -> Result<File, Error> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .map_err(|error| Error::io(path, "create", error))
}
