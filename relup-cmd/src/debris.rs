//! What killed commands left in `relup/`: removed by the next command that holds the lock.

use relup::layout::{BaseRoot, is_leftover};

use crate::error::Error;
use crate::lock::RelupLock;

/// Removes temporary files and directories below `relup/`. Whoever calls this holds the lock and
/// knows that no apply is going on inside the node.
pub(crate) fn sweep(base: &BaseRoot, _lock: &RelupLock) -> Result<(), Error> {
    let dir = base.relup_dir();
    let failed = |error| Error::io(&dir, "list", error);
    for entry in fs_err::read_dir(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !is_leftover(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir {
            fs_err::remove_dir_all(&path)
        } else {
            fs_err::remove_file(&path)
        };
        removed.map_err(|error| Error::io(&path, "remove", error))?;
    }
    Ok(())
}
