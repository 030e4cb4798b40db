//! `*.siz` files of the disk log that older log settings had: they would keep the node from starting
//! under new ones.

use std::path::{Path, PathBuf};

/// Removes them before a boot.
pub fn remove_siz_files(log_dir: &Path) {
    for path in siz_files(log_dir) {
        // What cannot be removed, the node will complain about in its own words.
        let _ = fs_err::remove_file(&path);
    }
}

/// Those of a log directory, by name.
pub fn siz_files(log_dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(log_dir).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "siz"))
        .collect();
    paths.sort();
    paths
}
