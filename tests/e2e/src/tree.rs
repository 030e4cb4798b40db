//! Digest of a directory tree, for the promise that something was left untouched.
//!
//! Content, kind, permissions and link targets count; times and owners do not, because reading and
//! copying may change them without anybody's harm.

use crate::error::Result;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is known about one entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// Digest of its content.
        sha256: String,
        /// Permission bits.
        mode: u32,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        target: PathBuf,
    },
    /// A pipe, socket or device.
    Special,
}

/// A tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Snapshot {
    /// Reads a tree; a missing one counts as empty.
    pub fn of(root: &Path) -> Result<Self> {
        let mut snapshot = Self::default();
        if root.exists() {
            snapshot.read(root, Path::new(""))?;
        }
        Ok(snapshot)
    }

    /// The same without the entries whose relative path begins with one of the given ones.
    #[must_use]
    pub fn without(mut self, paths: &[&str]) -> Self {
        self.entries
            .retain(|path, _| !paths.iter().any(|gone| path.starts_with(gone)));
        self
    }

    /// Relative paths of everything in it, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        self.entries.keys().map(PathBuf::as_path).collect()
    }

    /// One line for each difference, empty when there is none.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, entry) in &self.entries {
            match later.entries.get(path) {
                None => lines.push(format!("gone: {}", path.display())),
                Some(now) if now != entry => {
                    lines.push(format!("changed: {}: {entry:?} -> {now:?}", path.display()));
                }
                Some(_) => {}
            }
        }
        let new = later
            .entries
            .keys()
            .filter(|path| !self.entries.contains_key(*path));
        lines.extend(new.map(|path| format!("new: {}", path.display())));
        lines
    }

    fn read(&mut self, root: &Path, relative: &Path) -> Result<()> {
        for entry in fs_err::read_dir(root.join(relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let metadata = match fs_err::symlink_metadata(root.join(&path)) {
                Ok(metadata) => metadata,
                // A running node removes files at any time.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let mode = metadata.permissions().mode() & 0o7777;
            let kind = metadata.file_type();
            let found = if kind.is_symlink() {
                Entry::Link {
                    target: fs_err::read_link(root.join(&path))?,
                }
            } else if kind.is_dir() {
                self.read(root, &path)?;
                Entry::Directory { mode }
            } else if kind.is_file() {
                let content = fs_err::read(root.join(&path))?;
                Entry::File {
                    sha256: hex::encode(Sha256::digest(content)),
                    mode,
                }
            } else {
                Entry::Special
            };
            self.entries.insert(path, found);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_is_told_with_its_path() {
        let dir = tempfile::tempdir().expect("a temp dir");
        let root = dir.path();
        fs_err::create_dir_all(root.join("a/b")).expect("made");
        fs_err::write(root.join("a/b/file"), "one").expect("written");
        fs_err::write(root.join("a/gone"), "x").expect("written");
        let before = Snapshot::of(root).expect("read");
        assert_eq!(before.differences(&before), Vec::<String>::new());
        fs_err::write(root.join("a/b/file"), "two").expect("written");
        fs_err::remove_file(root.join("a/gone")).expect("removed");
        fs_err::write(root.join("a/new"), "x").expect("written");
        let told = before.differences(&Snapshot::of(root).expect("read"));
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told.iter()
                .any(|line| line.starts_with("changed: a/b/file"))
        );
        assert!(told.contains(&"gone: a/gone".to_owned()));
        assert!(told.contains(&"new: a/new".to_owned()));
    }

    #[test]
    fn what_is_left_out_is_not_compared() {
        let dir = tempfile::tempdir().expect("a temp dir");
        fs_err::write(dir.path().join("lock"), "1").expect("written");
        let before = Snapshot::of(dir.path()).expect("read").without(&["lock"]);
        assert!(before.paths().is_empty());
    }
}
