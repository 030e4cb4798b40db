//! Writes the entries of an archive into the staging directory and records each in the manifest.
//!
//! Only what a release boots from is written (`bin erts-* lib releases dynlibs`); what else the
//! package carries is read past, but not exempt from any check. Modes keep `rwx` bits only, without
//! write permission for group and others, whatever the umask; owner is whoever runs this.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use relup::manifest::ManifestEntry;
use rustix::fs::Mode;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::manifest_file::EntriesFile;
use crate::stage::archive::{Archive, Entry, Kind};
use crate::stage::beam::BeamCheck;
use crate::stage::confine::{Confined, IMPLIED_DIR_MODE};
use crate::stage::entry_path::{EntryPath, Prefix, check_symlink, unsafe_entry};
use crate::stage::twin::Twins;

/// What an archive may be, and hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Whether it may be a zip archive.
    pub(crate) zip: bool,
    /// Bytes of all files together.
    pub(crate) bytes: u64,
    /// Entries, headers for long names not counted.
    pub(crate) entries: u64,
}

impl Limits {
    /// The contract's defaults.
    pub(crate) const DEFAULT: Limits = Limits {
        zip: false,
        bytes: 8 << 30,
        entries: 500_000,
    };
}

/// What was found and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Entries in the archive.
    pub(crate) entries: u64,
    /// Files written.
    pub(crate) files: u64,
    /// Bytes written into files.
    pub(crate) bytes: u64,
    /// Those of them that are shared with the other release.
    pub(crate) shared: u64,
    /// Symbolic links written.
    pub(crate) links: u64,
}

/// The work of extracting one archive.
pub(crate) struct Unpack<'a> {
    confined: Confined,
    manifest: EntriesFile,
    limits: Limits,
    prefix: Prefix,
    twins: Twins,
    figures: Figures,
    total: u64,
    /// The last file that was given another name, and its digest: nothing can have replaced it.
    linked: Option<(EntryPath, [u8; 32])>,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a> Unpack<'a> {
    /// Extracts below `confined` and appends to `manifest`; `progress` is told how many compressed
    /// bytes have been read. Files that `twins` has as well are shared.
    pub(crate) fn new(
        confined: Confined,
        manifest: EntriesFile,
        limits: Limits,
        twins: Twins,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        let prefix = Prefix::Undecided;
        Unpack {
            confined,
            manifest,
            limits,
            prefix,
            twins,
            figures: Figures::default(),
            total: 0,
            linked: None,
            progress,
        }
    }

    /// Extracts the whole archive. Gives back the confined tree, the manifest and the figures.
    pub(crate) fn run(
        mut self,
        archive: &mut Archive<'_, '_>,
    ) -> Result<(Confined, EntriesFile, Figures), Error> {
        while let Some(entry) = archive.next_entry()? {
            self.count(&entry)?;
            self.entry(entry, archive)?;
            (self.progress)(archive.compressed());
        }
        Ok((self.confined, self.manifest, self.figures))
    }

    fn count(&mut self, entry: &Entry) -> Result<(), Error> {
        self.figures.entries += 1;
        if self.figures.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(Error::ArchiveTooLarge(format!(
                "more than {limit} entries, with {:?}",
                entry.path.as_str()
            )));
        }
        match entry.kind {
            Kind::File(size) => self.add_bytes(size, &entry.path),
            Kind::Dir | Kind::Symlink(_) | Kind::Hardlink(_) => Ok(()),
        }
    }

    fn add_bytes(&mut self, size: u64, path: &EntryPath) -> Result<(), Error> {
        self.total = self.total.saturating_add(size);
        if self.total > self.limits.bytes {
            let limit = self.limits.bytes;
            return Err(Error::ArchiveTooLarge(format!(
                "more than {limit} bytes of files, with {:?}",
                path.as_str()
            )));
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry, archive: &mut Archive<'_, '_>) -> Result<(), Error> {
        let Entry { path, mode, kind } = entry;
        let is_dir = matches!(kind, Kind::Dir);
        let path = path.strip(&mut self.prefix)?;
        if path.is_root() {
            return if is_dir {
                Ok(())
            } else {
                Err(not_a_dir(&path, "the root"))
            };
        }
        if path.top() == "relup" {
            return Err(refuse(&path, "a package carries no state of hot upgrades"));
        }
        let wanted = is_deployed(path.top());
        if wanted && !is_dir && path.as_str() == path.top() {
            return Err(not_a_dir(&path, "a top level entry"));
        }
        match kind {
            Kind::File(size) if wanted => self.file(&path, size, mode, archive)?,
            Kind::File(size) => archive.body(size, |_| Ok(()))?,
            Kind::Dir => {
                if mode & 0o500 != 0o500 {
                    return Err(refuse(&path, "a directory that its owner may not enter"));
                }
                if wanted {
                    let mode = mode & 0o755 | 0o700;
                    self.confined.make_dir(&path, mode)?;
                    self.record(&ManifestEntry::Dir {
                        path: path.as_str().to_owned(),
                        mode,
                    })?;
                }
            }
            Kind::Symlink(target) => {
                let target = check_symlink(&path, &target)?;
                if wanted {
                    self.confined.symlink(&path, &target)?;
                    self.figures.links += 1;
                    self.record(&ManifestEntry::Link {
                        path: path.as_str().to_owned(),
                        target,
                    })?;
                }
            }
            Kind::Hardlink(target) => {
                let target = target.strip(&mut self.prefix)?;
                if wanted {
                    self.hardlink(&path, &target)?;
                }
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: &EntryPath,
        size: u64,
        mode: u32,
        archive: &mut Archive<'_, '_>,
    ) -> Result<(), Error> {
        if mode & 0o400 == 0 {
            return Err(refuse(path, "a file that its owner may not read"));
        }
        let mode = mode & 0o755;
        let mut file = self.confined.create_file(path)?;
        let failed = |error| self.confined.failed(path, error);
        let mut sha = Sha256::new();
        let mut same = self.twins.fill(&file, path, size);
        let mut at = 0;
        let mut beam = BeamCheck::of(path, size);
        archive.body(size, |piece| {
            sha.update(piece);
            beam.update(piece);
            if same {
                if self.twins.has(&file, at, piece).map_err(failed)? {
                    at += piece.len() as u64;
                    return Ok(());
                }
                same = false;
                file.set_len(at).map_err(failed)?;
                file.seek(SeekFrom::Start(at)).map_err(failed)?;
            }
            file.write_all(piece).map_err(failed)
        })?;
        self.figures.shared += at;
        beam.finish().map_err(|reason| {
            Error::ArchiveCorrupt(format!("entry {:?}: {reason}", path.as_str()))
        })?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|errno| self.confined.failed(path, errno.into()))?;
        self.figures.files += 1;
        self.figures.bytes += size;
        let sha256 = sha.finalize().into();
        self.record(&ManifestEntry::File {
            path: path.as_str().to_owned(),
            sha256,
            mode,
            size,
        })
    }

    fn hardlink(&mut self, path: &EntryPath, target: &EntryPath) -> Result<(), Error> {
        let (file, size, mode) = self.confined.hardlink(path, target)?;
        // Counts once more, since it is one more file to whoever reads the tree.
        self.add_bytes(size, path)?;
        let sha256 = match &self.linked {
            Some((last, sha256)) if last == target => *sha256,
            _ => self.digest(file, path)?,
        };
        self.linked = Some((target.clone(), sha256));
        self.figures.files += 1;
        self.record(&ManifestEntry::File {
            path: path.as_str().to_owned(),
            sha256,
            mode,
            size,
        })
    }

    fn digest(&self, mut file: File, path: &EntryPath) -> Result<[u8; 32], Error> {
        let mut sha = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(sha.finalize().into()),
                Ok(len) => sha.update(&buffer[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.confined.failed(path, error)),
            }
        }
    }

    /// Records an entry, after the directories that were made for it.
    fn record(&mut self, entry: &ManifestEntry) -> Result<(), Error> {
        for path in self.confined.take_implied() {
            let dir = ManifestEntry::Dir {
                path,
                mode: IMPLIED_DIR_MODE,
            };
            self.manifest.add(&dir)?;
        }
        self.manifest.add(entry)
    }
}

/// The parts of a package that become a deployed tree.
fn is_deployed(top: &str) -> bool {
    matches!(top, "bin" | "lib" | "releases" | "dynlibs") || top.starts_with("erts-")
}

fn refuse(path: &EntryPath, reason: &str) -> Error {
    unsafe_entry(path.as_str().as_bytes(), reason)
}

fn not_a_dir(path: &EntryPath, what: &str) -> Error {
    refuse(path, &format!("{what} that is no directory"))
}
