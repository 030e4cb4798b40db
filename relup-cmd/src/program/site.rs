//! An installation as this program's place: found, proven to be one, and locked.
//!
//! `bin/` may belong to another user than root, who calls: nothing is opened through a link there, and
//! nothing that was made gets more rights than what it replaces.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err as fs;
use relup::layout::{BaseRoot, Seat, Tree};
use rustix::fs::{FlockOperation, flock};

use super::Program;
use super::error::ProgramError;
use crate::durable;
use crate::error::Error;
use crate::release::{Identity, app_dirs};

/// An installation.
pub(super) struct Site {
    pub(super) root: Tree,
    /// `bin/emqx`.
    pub(super) seat: Seat,
    /// `bin/emqx_ctl`.
    pub(super) second: Seat,
}

/// Who has a name in `bin/`.
#[derive(Debug)]
pub(super) enum Holder {
    /// Nobody.
    Nobody,
    /// A launcher, by its version.
    Launcher(String),
    /// The release's own program, or whatever somebody has put there.
    Other,
}

impl Site {
    /// The installation in a directory.
    pub(super) fn find(dir: &Path) -> Result<Site, Error> {
        let wrong = |reason: String| {
            let root = dir.to_owned();
            Error::from(ProgramError::NoInstallation { root, reason })
        };
        let path = fs::canonicalize(dir).map_err(|error| wrong(error.kind().to_string()))?;
        let base = BaseRoot::new(path).map_err(|error| wrong(error.to_string()))?;
        let root = base.tree();
        if let Some(above) = deployed_below(&base) {
            return Err(wrong(format!(
                "it is a release that was deployed below {}, which the launcher of that boots",
                above.display()
            )));
        }
        let identity = Identity::read(&root, &base).map_err(|error| wrong(error.to_string()))?;
        let erts = root.erts_bin(&identity.erts_vsn);
        for needed in [&erts, &root.bin(), &root.lib()] {
            if !needed.is_dir() {
                return Err(wrong(format!("{} is missing", needed.display())));
            }
        }
        if app_dirs(&root, "emqx").is_empty() {
            let lib = root.lib();
            return Err(wrong(format!("{} has no emqx-*", lib.display())));
        }
        let site = Site {
            seat: root.seat(),
            second: root.second_seat(),
            root,
        };
        if observe(&site.seat.path())?.is_none() && observe(&site.seat.kept())?.is_none() {
            return Err(wrong(format!("{} is missing", site.seat.path().display())));
        }
        Ok(site)
    }

    /// Keeps other commands of this kind away until it is dropped; where a file system knows no locks,
    /// the fixed names of temporary files tell two of them apart.
    pub(super) fn lock(&self) -> Option<File> {
        let dir = File::open(self.root.bin()).ok()?;
        flock(&dir, FlockOperation::LockExclusive).ok()?;
        Some(dir)
    }

    /// Makes what was renamed in `bin/` durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        durable::sync_dir(&self.root.bin())
    }
}

impl Holder {
    /// Who has the name, links followed.
    pub(super) fn of(path: &Path, program: &Program<'_>) -> Result<Holder, Error> {
        if observe(path)?.is_none() {
            return Ok(Holder::Nobody);
        }
        let version = match fs::canonicalize(path) {
            Ok(file) => (program.version_of)(&file),
            // A link that leads nowhere is somebody's all the same.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        // What can't be read may be a launcher, or somebody's script: nothing is done about it.
        let version = version.map_err(|error| Error::io(path, "read", error))?;
        Ok(version.map_or(Holder::Other, Holder::Launcher))
    }
}

/// What is at a path, the link itself where it is one.
pub(super) fn observe(path: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, "look at", error)),
    }
}

/// Whether two names are those of one file.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}

/// Removes a file that may be there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path, "remove", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The installation that a directory is a deployed release of.
fn deployed_below(tree: &BaseRoot) -> Option<&Path> {
    let relup = tree.path().parent()?;
    let above = BaseRoot::new(relup.parent()?.to_owned()).ok()?;
    let is_deployed = above.relup_dir() == relup && above.tree().emqx_vars().is_file();
    is_deployed.then(|| relup.parent()).flatten()
}
