//! Stage 3: hand-placed patches in `<data>/patches` stand in front of every release's code path.
//!
//! They would shadow the target's modules in silence, so they are refused unless the operator says
//! that they are meant to stay.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::install::Install;
use crate::release::names_in;

/// `<data>/patches` when there is such a directory.
/// `told` is the data directory as the node tells it.
pub(crate) fn patches_dir(install: &Install, told: Option<&Path>) -> Option<PathBuf> {
    let known = told.or(install.data_dir.as_deref());
    let data = known.map_or_else(|| install.base.default_data(), Path::to_owned);
    // A relative data directory is relative to the base.
    let dir = install.base.path().join(data).join("patches");
    dir.is_dir().then_some(dir)
}

/// Refuses patches, unless forced.
pub(crate) fn check_patches(dir: Option<&Path>, force: bool) -> Result<(), Error> {
    let Some(dir) = dir else { return Ok(()) };
    if force {
        return Ok(());
    }
    let mut files = names_in(dir)?;
    files.retain(|name| {
        Path::new(name)
            .extension()
            .is_some_and(|found| found == "beam")
    });
    if files.is_empty() {
        return Ok(());
    }
    Err(Error::PatchesDirNotEmpty {
        dir: dir.to_owned(),
        files,
    })
}
