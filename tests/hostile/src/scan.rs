//! A look at every file of a test's root, for the promise that nothing outside has changed.
//!
//! Names, types, modes, sizes, times of change, link targets and contents count.

use e2e::Result;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything below a directory at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan(BTreeMap<PathBuf, Found>);

/// What there is to know about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    mode: u32,
    size: u64,
    links: u64,
    changed: (i64, i64),
    content: Vec<u8>,
}

impl Scan {
    /// Looks at everything below `root`, but not into the directories that `skip` names.
    pub fn of(root: &Path, skip: &[PathBuf]) -> Result<Scan> {
        let mut scan = Scan(BTreeMap::new());
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            let about = match fs_err::symlink_metadata(&path) {
                Ok(about) => about,
                // A running node removes files at any time.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let mut found = Found {
                mode: about.mode(),
                size: about.size(),
                links: about.nlink(),
                changed: (about.mtime(), about.mtime_nsec()),
                content: Vec::new(),
            };
            if about.is_symlink() {
                let target = fs_err::read_link(&path)?;
                found.content = target.into_os_string().into_encoded_bytes();
            } else if about.is_dir() {
                for entry in fs_err::read_dir(&path)? {
                    open.push(entry?.path());
                }
                open.retain(|path| !skip.contains(path));
            } else if about.is_file() {
                found.content = Sha256::digest(fs_err::read(&path)?).to_vec();
            }
            scan.0.insert(path, found);
        }
        Ok(scan)
    }

    /// The same without what is below some paths.
    #[must_use]
    pub fn without(mut self, gone: &[PathBuf]) -> Scan {
        self.0
            .retain(|path, _| !gone.iter().any(|gone| path.starts_with(gone)));
        self
    }

    /// The same with the time of change and the number of links of one directory left out: making
    /// and removing something in it is allowed.
    #[must_use]
    pub fn whatever_the_times_of(mut self, dir: &Path) -> Scan {
        if let Some(found) = self.0.get_mut(dir) {
            (found.changed, found.links, found.size) = ((0, 0), 0, 0);
        }
        self
    }

    /// One line for each difference.
    #[must_use]
    pub fn differences(&self, later: &Scan) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, found) in &self.0 {
            match later.0.get(path) {
                None => lines.push(format!("gone: {}", path.display())),
                Some(now) if now != found => {
                    lines.push(format!("changed: {}: {found:?} -> {now:?}", path.display()));
                }
                Some(_) => {}
            }
        }
        let new = later.0.keys().filter(|path| !self.0.contains_key(*path));
        lines.extend(new.map(|path| format!("new: {}", path.display())));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn every_kind_of_change_is_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs_err::write(at("file"), "1").expect("written");
        symlink("file", at("link")).expect("made");
        let before = Scan::of(dir.path(), &[]).expect("readable");
        let seen = |text: &str| {
            let lines = before.differences(&Scan::of(dir.path(), &[]).expect("readable"));
            assert!(
                lines.iter().any(|line| line.contains(text)),
                "{text}: {lines:?}"
            );
        };
        fs_err::write(at("new"), "").expect("written");
        seen("new: ");
        fs_err::set_permissions(at("file"), PermissionsExt::from_mode(0o600)).expect("set");
        seen("changed: ");
        fs_err::write(at("file"), "2").expect("written");
        seen("changed: ");
        fs_err::remove_file(at("link")).expect("removed");
        seen("gone: ");
    }
}
