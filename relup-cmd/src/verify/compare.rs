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
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fs_err as fs;
use relup::layout::Tree;
use relup::manifest::{ManifestEntry, digest_to_hex};
use relup::vsn::ReleaseVsn;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::manifest_file::{for_each_entry, read_header};
use crate::output::Console;

/// What one thread reads at a time.
const CHUNK: usize = 128 * 1024;
/// Entries that may wait for a thread.
const WAITING: usize = 256;
/// Reading is mostly hashing: more threads than this would wait for the disk.
const MAX_THREADS: usize = 8;

/// Something that is not as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Relative to the tree.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) what: String,
}

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

/// Compares everything. The faults come sorted by path.
pub(super) fn tree(
    tree: &Tree,
    vsn: &ReleaseVsn,
    manifest: &Path,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<(Figures, Vec<Fault>), Error> {
    let header = read_header(manifest)?;
    let mut faults = Vec::new();
    if header.vsn != *vsn {
        faults.push(fault(
            ".",
            format!("the manifest is that of {}", header.vsn),
        ));
    }
    let root = fs::symlink_metadata(tree.path())
        .map_err(|error| Error::io(tree.path(), "look at", error))?;
    if root.mode() & 0o022 != 0 {
        let mode = root.mode() & 0o7777;
        faults.push(fault(".", format!("has mode {mode:o}, others may write")));
    }
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
    console.stage(&format!("verifying {vsn}"), Some(figures.bytes));
    faults.extend(contents(tree.path(), manifest, console, interrupt)?);
    unknown(tree.path(), &known, &mut faults)?;
    faults.sort();
    Ok((figures, faults))
}

/// Compares what the manifest lists.
fn contents(
    root: &Path,
    manifest: &Path,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
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
                    console.progress(done);
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
    tell: &std::sync::mpsc::Sender<Told>,
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
        for what in entry_faults(root, &entry, &mut buffer, tell) {
            // The receiver lives as long as the threads.
            let _ = tell.send(Told::Fault(fault(entry.path(), what)));
        }
    }
}

fn entry_faults(
    root: &Path,
    entry: &ManifestEntry,
    buffer: &mut [u8],
    tell: &std::sync::mpsc::Sender<Told>,
) -> Vec<String> {
    let path = root.join(entry.path());
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec!["is missing".to_owned()];
        }
        Err(error) => return vec![format!("could not be looked at: {}", error.kind())],
    };
    let mut faults = Vec::new();
    let mut check_mode = |mode: u32| {
        let has = found.mode() & 0o7777;
        if has != mode {
            faults.push(format!("has mode {has:o} instead of {mode:o}"));
        }
    };
    match entry {
        ManifestEntry::Dir { mode, .. } => {
            if !found.is_dir() {
                return vec!["is no directory".to_owned()];
            }
            check_mode(*mode);
        }
        ManifestEntry::Link { target, .. } => match fs::read_link(&path) {
            Ok(has) if has.as_os_str() == target.as_str() => {}
            Ok(has) => faults.push(format!(
                "is a link to {} instead of {target}",
                has.display()
            )),
            Err(_) => faults.push(format!("is no link to {target}")),
        },
        ManifestEntry::File {
            sha256, mode, size, ..
        } => {
            if !found.is_file() {
                return vec!["is no regular file".to_owned()];
            }
            check_mode(*mode);
            if found.size() != *size {
                faults.push(format!("has {} bytes instead of {size}", found.size()));
                return faults;
            }
            match digest(&path, buffer, tell) {
                Ok(has) if has == *sha256 => {}
                Ok(has) => faults.push(format!(
                    "has other content: sha256 {} instead of {}",
                    digest_to_hex(&has),
                    digest_to_hex(sha256)
                )),
                Err(error) => faults.push(format!("could not be read: {}", error.kind())),
            }
        }
    }
    faults
}

fn digest(
    path: &Path,
    buffer: &mut [u8],
    tell: &std::sync::mpsc::Sender<Told>,
) -> std::io::Result<[u8; 32]> {
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
                faults.push(fault(
                    &relative,
                    format!("could not be listed: {}", error.kind()),
                ));
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
