//! Stage 8: may we, and may the node, write where the upgrade will have to?
//!
//! That this command could stage the tree proves its own right to write below `relup/`. The marker
//! and the journal are written by the node, which may run as somebody else: an upgrade that is
//! stopped by that at its very last step would leave a changed VM behind.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err as fs;
use nix::unistd::{Uid, geteuid};
use relup::layout::BaseRoot;

use crate::error::Error;

/// Checks the places that are written after this stage. `node_uid` is the user that the node runs
/// as, where that is known.
pub(crate) fn check(base: &BaseRoot, node_uid: Option<u32>) -> Result<(), Error> {
    let node = node_uid.map(Uid::from_raw);
    let (dir, journal) = (base.relup_dir(), base.journal());
    for path in [dir.as_path(), journal.as_path()] {
        if !path.exists() {
            // The journal, before the first upgrade: whoever may write the directory makes it.
            continue;
        }
        let found = fs::metadata(path).map_err(|error| Error::io(path, "look at", error))?;
        if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
            return Err(refuse(path, "this command", geteuid()));
        }
        if let Some(node) = node
            && !may_write(node, found.uid(), found.mode())
        {
            return Err(refuse(path, "the node", node));
        }
    }
    // A journal that this command creates must be the node's to write, too.
    match node {
        Some(node) if !node.is_root() && node != geteuid() => Err(Error::NoWritePermission {
            what: format!(
                "the node runs as uid {node}, this command as uid {}: the node could not write what the command leaves behind",
                geteuid()
            ),
            hint: format!("run the command as uid {node}"),
        }),
        _ => Ok(()),
    }
}

fn refuse(path: &Path, who: &str, uid: Uid) -> Error {
    Error::NoWritePermission {
        what: format!(
            "{who} runs as uid {uid} and may not write {}",
            path.display()
        ),
        hint: format!(
            "run the command as the node's user, and give that user {}",
            path.display()
        ),
    }
}

/// By owner and by "others"; group membership of another user is not looked up, which errs on the
/// side of a refusal with a remedy.
fn may_write(uid: Uid, owner: u32, mode: u32) -> bool {
    uid.is_root() || (uid.as_raw() == owner && mode & 0o200 != 0) || mode & 0o002 != 0
}
