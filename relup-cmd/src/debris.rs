//! What killed commands left in `relup/`: removed by the next command that holds the lock.

use std::path::Path;

use relup::layout::{BaseRoot, is_leftover};
use relup::vsn::ReleaseVsn;

use crate::durable;
use crate::error::Error;
use crate::lock::RelupLock;
use crate::manifest_file::read_header;
use crate::release::names_in;

/// The names of temporary files and directories; none where `relup/` is not there or can't be read.
pub(crate) fn temporary(base: &BaseRoot) -> Vec<String> {
    let mut names = names_in(&base.relup_dir()).unwrap_or_default();
    names.retain(|name| is_leftover(name.as_ref()));
    names
}

/// The same with what belongs to nothing: manifests without a tree.
pub(crate) fn names(base: &BaseRoot) -> Vec<String> {
    let mut names = names_in(&base.relup_dir()).unwrap_or_default();
    names.retain(|name| is_leftover(name.as_ref()) || is_orphan(base, name));
    names
}

/// Removes what is left over, by its names in `relup/`. Whoever calls this holds the lock and knows
/// that no apply is going on inside the node.
///
/// What can't be removed, another user's for instance, is given to `stays` and stands in nobody else's
/// way; an error is a flush that failed.
pub(crate) fn sweep(
    base: &BaseRoot,
    _lock: &RelupLock,
    names: &[String],
    stays: &mut dyn FnMut(Error),
) -> Result<(), Error> {
    let dir = base.relup_dir();
    for name in names {
        if let Err(error) = remove(&dir.join(name)) {
            stays(error);
        }
    }
    if names.is_empty() {
        Ok(())
    } else {
        durable::sync_dir(&dir)
    }
}

/// Removes a file, or a directory with everything in it.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let is_dir = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let removed = if is_dir {
        fs_err::remove_dir_all(path)
    } else {
        fs_err::remove_file(path)
    };
    removed.map_err(|error| Error::io(path, "remove", error))
}

/// A manifest goes to its place right before its tree, and away right after it.
fn is_orphan(base: &BaseRoot, name: &str) -> bool {
    let vsn: Option<ReleaseVsn> = name
        .strip_suffix(".manifest")
        .and_then(|vsn| vsn.parse().ok());
    vsn.is_some_and(|vsn| {
        base.deployed(&vsn).path().symlink_metadata().is_err()
            && read_header(&base.manifest(&vsn)).is_ok_and(|header| header.vsn == vsn)
    })
}
