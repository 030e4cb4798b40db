//! One tree against its manifest: a thread that reads the manifest, several that read files, and the
//! caller, who shows progress and can stop it.
//!
//! No link is followed, and nothing but regular files is opened. A path that the manifest has is kept
//! as a number of 64 bits, so that half a million entries take four megabytes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fs_err as fs;
use relup::layout::Tree;
use relup::manifest::{ManifestEntry, ManifestHeader, digest_to_hex};
use relup::vsn::ReleaseVsn;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::outcome::Fault;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::manifest_file::{for_each_entry, read_header};

/// What one thread reads at a time.
const CHUNK: usize = 128 * 1024;
/// Entries that may wait for a thread.
const WAITING: usize = 256;
/// Reading is mostly hashing: more threads than this would wait for the disk.
const MAX_THREADS: usize = 8;

/// What was compared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// What a thread tells: bytes that it has read, or the end of an entry.
enum Told {
    Read(u64),
    Fault(Fault),
}

/// What a tree must be: its manifest, read once and found to be whole.
pub(crate) struct Expected<'a> {
    manifest: &'a Path,
    header: ManifestHeader,
    known: KnownPaths,
    pub(crate) figures: Figures,
}

impl<'a> Expected<'a> {
    /// Reads the manifest.
    pub(crate) fn read(manifest: &'a Path) -> Result<Expected<'a>, Error> {
        let mut known = KnownPaths::default();
        let mut figures = Figures::default();
        for_each_entry(manifest, |entry| {
            known.add(entry.path());
            if let ManifestEntry::File { size, .. } = entry {
                figures.files += 1;
                figures.bytes += size;
            }
            Ok(())
        })?;
        known.seal();
        Ok(Expected {
            manifest,
            header: read_header(manifest)?,
            known,
            figures,
        })
    }

    /// The digest of the tarball that the tree is of.
    pub(crate) fn tarball(&self) -> &[u8; 32] {
        &self.header.sha256
    }

    /// Compares everything; `progress` is told how many bytes have been read. The faults come sorted
    /// by path.
    pub(crate) fn faults(
        &self,
        tree: &Tree,
        vsn: &ReleaseVsn,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Fault>, Error> {
        let mut faults = Vec::new();
        if self.header.vsn != *vsn {
            let what = format!("the manifest is that of {}", self.header.vsn);
            faults.push(fault(".", what));
        }
        let root = fs::symlink_metadata(tree.path())
            .map_err(|error| Error::io(tree.path(), "look at", error))?;
        if root.mode() & 0o022 != 0 {
            let mode = root.mode() & 0o7777;
            faults.push(fault(".", format!("has mode {mode:o}, others may write")));
        }
        faults.extend(contents(tree.path(), self.manifest, interrupt, progress)?);
        unknown(tree.path(), &self.known, &mut faults)?;
        faults.sort();
        Ok(faults)
    }
}

/// Compares what the manifest lists.
fn contents(
    root: &Path,
    manifest: &Path,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Fault>, Error> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stop = AtomicBool::new(false);
    let (entries, waiting) = sync_channel::<ManifestEntry>(WAITING);
    let waiting = Mutex::new(waiting);
    let (tell, told) = channel();
    thread::scope(|scope| {
        let (stop, waiting) = (&stop, &waiting);
        let feeder = scope.spawn(move || feed(manifest, &entries, stop));
        for _ in 0..threads.min(MAX_THREADS) {
            let tell = tell.clone();
            scope.spawn(move || work(root, waiting, &tell, stop));
        }
        drop(tell);
        let (mut faults, mut done) = (Vec::new(), 0);
        // Ends when the last thread has dropped its end.
        for told in told {
            match told {
                Told::Read(bytes) => {
                    done += bytes;
                    progress(done);
                }
                Told::Fault(fault) => faults.push(fault),
            }
            if interrupt.raised() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        interrupt.check()?;
        match feeder.join() {
            Ok(fed) => fed.map(|()| faults),
            Err(_) => Err(Error::io(
                manifest,
                "read",
                std::io::Error::other("the thread that reads it has died"),
            )),
        }
    })
}

fn feed(
    manifest: &Path,
    entries: &SyncSender<ManifestEntry>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    for_each_entry(manifest, |entry| {
        // Nobody takes entries any more once all threads have been told to stop.
        if !stop.load(Ordering::Relaxed) {
            let _ = entries.send(entry.clone());
        }
        Ok(())
    })
}

fn work(
    root: &Path,
    waiting: &Mutex<Receiver<ManifestEntry>>,
    tell: &Sender<Told>,
    stop: &AtomicBool,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(entry) = next else { return };
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        for fault in entry_faults(root, &entry, &mut buffer, tell) {
            // The receiver lives as long as the threads.
            let _ = tell.send(Told::Fault(fault));
        }
    }
}

fn entry_faults(
    root: &Path,
    entry: &ManifestEntry,
    buffer: &mut [u8],
    tell: &Sender<Told>,
) -> Vec<Fault> {
    let path = root.join(entry.path());
    let seen = |what: String| fault(entry.path(), what);
    let unseen = |action: &str, error: &std::io::Error| unseen(entry.path(), action, error);
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![seen("is missing".to_owned())];
        }
        Err(error) => return vec![unseen("looked at", &error)],
    };
    let mut faults = Vec::new();
    if let ManifestEntry::File { mode, .. } | ManifestEntry::Dir { mode, .. } = entry {
        let has = found.mode() & 0o7777;
        if has != *mode && !found.is_symlink() {
            faults.push(seen(format!("has mode {has:o} instead of {mode:o}")));
        }
    }
    match entry {
        ManifestEntry::Dir { .. } if !found.is_dir() => {
            return vec![seen("is no directory".to_owned())];
        }
        ManifestEntry::Dir { .. } => {}
        ManifestEntry::Link { target, .. } => match fs::read_link(&path) {
            Ok(has) if has.as_os_str() == target.as_str() => {}
            Ok(has) => faults.push(seen(format!(
                "is a link to {} instead of {target}",
                has.display()
            ))),
            Err(_) => faults.push(seen(format!("is no link to {target}"))),
        },
        ManifestEntry::File { .. } if !found.is_file() => {
            return vec![seen("is no regular file".to_owned())];
        }
        ManifestEntry::File { size, .. } if found.size() != *size => {
            let has = found.size();
            faults.push(seen(format!("has {has} bytes instead of {size}")));
        }
        ManifestEntry::File { sha256, .. } => match digest(&path, buffer, tell) {
            Ok(has) if has == *sha256 => {}
            Ok(has) => faults.push(seen(format!(
                "has other content: sha256 {} instead of {}",
                digest_to_hex(&has),
                digest_to_hex(sha256)
            ))),
            Err(error) => faults.push(unseen("read", &error)),
        },
    }
    faults
}

fn digest(path: &Path, buffer: &mut [u8], tell: &Sender<Told>) -> std::io::Result<[u8; 32]> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let mut sha = Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(sha.finalize().into()),
            Ok(len) => {
                sha.update(&buffer[..len]);
                let _ = tell.send(Told::Read(len as u64));
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Names what the manifest does not have; a directory once, with whatever is in it.
fn unknown(root: &Path, known: &KnownPaths, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let mut open = vec![String::new()];
    while let Some(relative) = open.pop() {
        let dir = root.join(&relative);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) => {
                faults.push(unseen(&relative, "listed", &error));
                continue;
            }
        };
        for entry in entries {
            let entry = entry.map_err(|error| Error::io(&dir, "list", error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if relative.is_empty() {
                name
            } else {
                format!("{relative}/{name}")
            };
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if known.has(&path) {
                if is_dir {
                    open.push(path);
                }
                continue;
            }
            let what = match (is_dir, path.as_str()) {
                (true, "relup") => "is not in the manifest: another tool keeps its upgrades there",
                (true, _) => "is a directory that is not in the manifest",
                (false, _) => "is not in the manifest",
            };
            faults.push(fault(&path, what.to_owned()));
        }
    }
    Ok(())
}

fn fault(path: &str, what: String) -> Fault {
    Fault {
        path: path.to_owned(),
        what,
        is_seen: true,
    }
}

fn unseen(path: &str, action: &str, error: &std::io::Error) -> Fault {
    Fault {
        is_seen: false,
        ..fault(path, format!("could not be {action}: {}", error.kind()))
    }
}

/// The paths of a manifest, as numbers whose key nobody knows beforehand.
#[derive(Default)]
struct KnownPaths {
    key: RandomState,
    hashes: Vec<u64>,
}

impl KnownPaths {
    fn add(&mut self, path: &str) {
        let hash = self.key.hash_one(path);
        self.hashes.push(hash);
    }

    fn seal(&mut self) {
        self.hashes.sort_unstable();
    }

    fn has(&self, path: &str) -> bool {
        self.hashes.binary_search(&self.key.hash_one(path)).is_ok()
    }
}
