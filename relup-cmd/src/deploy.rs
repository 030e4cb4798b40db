//! Stage 10: a staged tree that has passed every check becomes `relup/<vsn>`.
//!
//! Everything is on disk before the rename that makes it visible, and the rename is on disk before
//! anybody is told. A complete tree of the same tarball is kept as it is; any other tree of that
//! name is moved away first, except one that a running node uses.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::layout::{BaseRoot, Tree};
use relup::manifest::ManifestHeader;
use relup::vsn::ReleaseVsn;

use crate::durable;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::manifest_file::check_tree;
use crate::release::Identity;
use crate::stage::{self, StagedTree};
use crate::verify::compare::Expected;

/// A complete tree at its final place, durable, with its manifest.
#[derive(Debug)]
pub(crate) struct DeployedTree {
    tree: Tree,
    identity: Identity,
    /// Whether it was put there just now; only then may a refused upgrade remove it again.
    fresh: bool,
}

impl DeployedTree {
    /// The tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the tree was there already.
    pub(crate) fn reused(&self) -> bool {
        !self.fresh
    }

    /// Takes a tree away again that this attempt has deployed and that nothing has used.
    pub(crate) fn withdraw(self, base: &BaseRoot, _lock: &RelupLock) -> Result<(), Error> {
        if !self.fresh {
            return Ok(());
        }
        let vsn = &self.identity.vsn;
        let trash = base.trash(&stage::random());
        rename(self.tree.path(), &trash)?;
        remove_if_there(&base.manifest(vsn))?;
        durable::sync_dir(&base.relup_dir())?;
        fs::remove_dir_all(&trash).map_err(|error| Error::io(&trash, "remove", error))
    }
}

impl StagedTree {
    /// Flushes the tree and puts it at its final place. `in_use` tells the directories that running
    /// nodes were booted from or load code from; it is asked only where another tree has to go.
    pub(crate) fn deploy(
        self,
        identity: Identity,
        in_use: &mut dyn FnMut() -> Result<Vec<PathBuf>, Error>,
        base: &BaseRoot,
        _lock: &RelupLock,
        interrupt: &Interrupt,
    ) -> Result<DeployedTree, Error> {
        let vsn = identity.vsn.clone();
        let tree = base.deployed(&vsn);
        if is_as_deployed(&tree, &vsn, base, self.tarball().digest(), interrupt)? {
            return Ok(DeployedTree {
                tree,
                identity,
                fresh: false,
            });
        }
        let had_one = tree.path().symlink_metadata().is_ok();
        if had_one && in_use()?.iter().any(|dir| lies_in(dir, tree.path())) {
            return Err(Error::TreeInUse {
                vsn: vsn.to_string(),
                tree: tree.path().to_owned(),
            });
        }
        let manifest = self.flush(base, &vsn)?;
        let trash = base.trash(&stage::random());
        if had_one {
            // Durably, with its manifest, or a power cut might show one tree with the other's.
            rename(tree.path(), &trash)?;
            remove_if_there(&base.manifest(&vsn))?;
            durable::sync_dir(&base.relup_dir())?;
        }
        rename(&manifest, &base.manifest(&vsn))?;
        self.rename_to(tree.path())?;
        durable::sync_dir(&base.relup_dir())?;
        if had_one {
            // Out of the way already; what remains is removed by the next command.
            let _ = fs::remove_dir_all(&trash);
        }
        Ok(DeployedTree {
            tree,
            identity,
            fresh: true,
        })
    }

    /// Writes the manifest and flushes the file system that holds the tree. Returns the manifest,
    /// still under a temporary name.
    fn flush(&self, base: &BaseRoot, vsn: &ReleaseVsn) -> Result<PathBuf, Error> {
        let header = ManifestHeader {
            vsn: vsn.clone(),
            tarball: self.tarball().name().to_owned(),
            sha256: *self.tarball().digest(),
            base: original(base)?,
        };
        let temp = base.manifest_temp(&stage::random());
        let path = self.tree().path();
        let flushed = self
            .entries()
            .write_manifest(&header, &temp)
            .and_then(|()| {
                let mode = std::fs::Permissions::from_mode(0o755);
                fs::set_permissions(path, mode).map_err(|error| Error::io(path, "open up", error))
            })
            .and_then(|()| durable::sync_file_system(path));
        if let Err(error) = flushed {
            let _ = fs::remove_file(&temp);
            return Err(error);
        }
        Ok(temp)
    }
}

/// Whether the tree was deployed from this very tarball and every file is as it was then: it will be
/// booted. A tree with a marker of its own would boot another version.
fn is_as_deployed(
    tree: &Tree,
    vsn: &ReleaseVsn,
    base: &BaseRoot,
    digest: &[u8; 32],
    interrupt: &Interrupt,
) -> Result<bool, Error> {
    let manifest = base.manifest(vsn);
    if tree.nested_marker().symlink_metadata().is_ok() || check_tree(tree, &manifest).is_err() {
        return Ok(false);
    }
    let Ok(expected) = Expected::read(&manifest) else {
        return Ok(false);
    };
    if expected.tarball() != digest {
        return Ok(false);
    }
    match expected.faults(tree, vsn, interrupt, &mut |_| {}) {
        Ok(faults) => Ok(faults.is_empty()),
        Err(error @ Error::Interrupted) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Beside which release a tree is deployed, where that has a version. What only cannot be read at this
/// moment would be missing for ever.
fn original(base: &BaseRoot) -> Result<Option<ReleaseVsn>, Error> {
    let tree = base.tree();
    match Identity::read(&tree, base) {
        Ok(identity) => Ok(Some(identity.vsn)),
        Err(error @ Error::CannotReadEmqxVars { .. })
            if tree.emqx_vars().try_exists().unwrap_or(true) =>
        {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

/// Whether two paths mean the same directory.
pub(crate) fn same_place(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Whether a path is a directory or something below it, whatever links lead there.
pub(crate) fn lies_in(path: &Path, dir: &Path) -> bool {
    match (fs::canonicalize(path), fs::canonicalize(dir)) {
        (Ok(path), Ok(dir)) => path.starts_with(dir),
        _ => path.starts_with(dir),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|error| Error::io(to, "create", error))
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove", error))
        }
        _ => Ok(()),
    }
}
