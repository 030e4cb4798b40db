//! Stage 5: a verified tarball becomes a staged tree in `relup/.staging-<random>`.
//!
//! The staging directory is private (0700), on the same file system as its final place, has a name
//! that nobody can predict, and is removed when the [`StagedTree`] is dropped without having been
//! deployed. Only a [`VerifiedTarball`] can be staged.

mod archive;
mod beam;
mod block;
mod confine;
mod entry_path;
mod feed;
mod look;
mod pax;
mod spellings;
mod twin;
mod unpack;
mod zip;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::layout::{BaseRoot, Tree};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::manifest_file::{Entries, EntriesFile};
use crate::tarball::VerifiedTarball;
pub(crate) use look::look_into;
pub(crate) use unpack::{Figures, Limits};

/// An extracted tarball that is not yet anywhere where it could be booted.
#[derive(Debug)]
pub(crate) struct StagedTree {
    dir: StagingDir,
    tree: Tree,
    tarball: VerifiedTarball,
    entries: Entries,
    figures: Figures,
}

/// The staging directory, removed with everything in it unless it was moved away.
#[derive(Debug)]
struct StagingDir(PathBuf);

impl Drop for StagingDir {
    fn drop(&mut self) {
        // What could not be removed is removed by the next command.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Extracts a verified tarball. `progress` is told how many compressed bytes have been read; files
/// that `like` has as well may be shared with it.
pub(crate) fn stage(
    tarball: VerifiedTarball,
    base: &BaseRoot,
    _lock: &RelupLock,
    limits: Limits,
    like: Option<&Tree>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(u64),
) -> Result<StagedTree, Error> {
    let random = random();
    let path = base.staging(&random);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|error| Error::io(&path, "create", error))?;
    let dir = StagingDir(path);
    let confined = confine::Confined::new(&dir.0)?;
    let manifest = EntriesFile::create(base.manifest_temp(&random))?;
    let unpack = unpack::Unpack::new(confined, manifest, limits, twin::Twins::of(like), progress);
    let write = |feed: &mut feed::Feed<'_>| unpack.run(&mut archive::Archive::new(feed));
    let (mut confined, entries, figures) = if limits.zip && zip::is_zip(&tarball)? {
        zip::with_feed(&tarball, &dir.0, limits, interrupt, write)?
    } else {
        feed::with_feed(&tarball, interrupt, write)?
    };
    let entries = entries.finish()?;
    if figures.links > 0 {
        check_links(&mut confined, &entries)?;
    }
    let tree = Tree::new(dir.0.clone()).map_err(|error| Error::Io {
        what: "the staging directory".to_owned(),
        source: std::io::Error::other(error),
    })?;
    Ok(StagedTree {
        dir,
        tree,
        tarball,
        entries,
        figures,
    })
}

/// Looks where every link leads, once all are there.
fn check_links(confined: &mut confine::Confined, entries: &Entries) -> Result<(), Error> {
    entries.for_each(|entry| match entry {
        relup::manifest::ManifestEntry::Link { path, target } => confined.check_link(path, target),
        _ => Ok(()),
    })
}

impl StagedTree {
    /// The tree, to be looked at; nothing may keep this path beyond the staging.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The tarball it came from.
    pub(crate) fn tarball(&self) -> &VerifiedTarball {
        &self.tarball
    }

    /// What the manifest will list.
    pub(crate) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// What is on disk of it, for a process that ends without unwinding.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        vec![self.dir.0.clone(), self.entries.path().to_owned()]
    }

    /// What was extracted.
    pub(crate) fn figures(&self) -> Figures {
        self.figures
    }

    /// Moves the tree to its final place, which must be free; nothing is left to be removed.
    pub(crate) fn rename_to(self, target: &Path) -> Result<(), Error> {
        // Once it is renamed, the clean-up finds nothing under the old name.
        fs::rename(&self.dir.0, target).map_err(|error| Error::io(target, "create", error))
    }
}

/// Extracts a tar archive that is not packed, or a zip archive, and compares the tree with its
/// manifest.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz_archive(
    bytes: &[u8],
    zip: bool,
    root: &Path,
    entries: &Path,
) -> Result<Vec<relup::manifest::ManifestEntry>, Error> {
    let (interrupt, read) = (Interrupt::deaf(), std::sync::atomic::AtomicU64::new(0));
    let mut progress = |_| {};
    let limits = Limits {
        bytes: 1 << 20,
        entries: 1000,
        ..Limits::DEFAULT
    };
    let manifest = EntriesFile::create(entries.to_owned())?;
    let confined = confine::Confined::new(root)?;
    let unpack = unpack::Unpack::new(
        confined,
        manifest,
        limits,
        twin::Twins::of(None),
        &mut progress,
    );
    let write = |feed: &mut feed::Feed<'_>| unpack.run(&mut archive::Archive::new(feed));
    let outcome = if zip {
        zip::fuzz_feed(bytes, entries, limits, &interrupt, write)
    } else {
        write(&mut feed::Feed::of_bytes(bytes, &interrupt, &read))
    };
    // What wrote them removes them only once they are finished.
    let (mut confined, manifest, _) = outcome.inspect_err(|_| drop(fs::remove_file(entries)))?;
    let manifest = manifest.finish()?;
    check_links(&mut confined, &manifest)?;
    let path = entries.with_extension("manifest");
    let header = relup::manifest::ManifestHeader {
        vsn: "5.10.5".parse().map_err(|_| Error::Interrupted)?,
        tarball: "x.tar.gz".to_owned(),
        sha256: [0; 32],
        base: None,
    };
    manifest.write_manifest(&header, &path)?;
    let tree = Tree::new(root.to_owned()).map_err(|_| Error::Interrupted)?;
    let checked = crate::manifest_file::check_tree(&tree, &path);
    fs::remove_file(&path).map_err(|error| Error::io(&path, "remove", error))?;
    checked?;
    let mut listed = Vec::new();
    manifest.for_each(|entry| {
        listed.push(entry.clone());
        Ok(())
    })?;
    Ok(listed)
}

/// Looks at a file as at a module of a release.
///
/// # Panics
/// When the pieces in which the bytes come make a difference.
#[cfg(feature = "fuzzing")]
pub fn fuzz_beam(bytes: &[u8]) {
    if let Ok(path) = entry_path::EntryPath::parse(b"lib/a-1/ebin/a.beam", false) {
        let mut whole = beam::BeamCheck::of(&path, bytes.len() as u64);
        whole.update(bytes);
        let mut pieces = beam::BeamCheck::of(&path, bytes.len() as u64);
        bytes.chunks(3).for_each(|piece| pieces.update(piece));
        assert_eq!(whole.finish(), pieces.finish());
    }
}

/// Letters and digits that nobody can predict, for names in `relup/`.
pub(crate) fn random() -> String {
    let mut generator = fastrand::Rng::new();
    std::iter::repeat_with(|| generator.alphanumeric())
        .take(12)
        .collect()
}

#[cfg(test)]
mod tests;
