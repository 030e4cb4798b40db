//! File systems that take several names for one: case-insensitive ones, or those that fold the forms of
//! Unicode.
//!
//! Files are created exclusively, so that two of them collide by themselves. A directory that is there
//! already is usually the same one, listed twice; here it may be another one whose name folds to the same,
//! and the two must not become one. Elsewhere nothing is remembered and nothing is asked.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

/// The directories of a tree by the names that the archive gives them, where that matters.
pub(crate) struct Spellings(Option<HashSet<String>>);

impl Spellings {
    /// For what is made below a directory that has letters in its name.
    pub(crate) fn below(dir: &Path) -> Spellings {
        Spellings(folds(dir).unwrap_or(false).then(HashSet::new))
    }

    /// A directory was made.
    pub(crate) fn made(&mut self, path: &str) {
        if let Some(names) = &mut self.0 {
            names.insert(path.to_owned());
        }
    }

    /// Whether a directory that is there was made under this name; `EXIST` if under another one.
    pub(crate) fn check(&self, path: &str) -> Result<(), Errno> {
        match &self.0 {
            Some(names) if !names.contains(path) => Err(Errno::EXIST),
            _ => Ok(()),
        }
    }
}

/// Whether the directory is found by other letters too.
fn folds(dir: &Path) -> Option<bool> {
    let name = dir.file_name()?.to_str()?;
    let other = fs_err::metadata(dir.with_file_name(name.to_uppercase())).ok()?;
    let this = fs_err::metadata(dir).ok()?;
    Some((this.dev(), this.ino()) == (other.dev(), other.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_names_fold_a_directory_is_known_by_its_spelling_only() {
        let mut folding = Spellings(Some(HashSet::new()));
        folding.made("lib/x");
        assert_eq!(folding.check("lib/x"), Ok(()));
        assert_eq!(folding.check("lib/X"), Err(Errno::EXIST));
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(".staging-a");
        fs_err::create_dir(&path).expect("made");
        let other = dir.path().join(".STAGING-A");
        // Another directory is not this one under another name.
        let _ = fs_err::create_dir(other);
        let folds = folds(&path).unwrap_or(false);
        assert_eq!(Spellings::below(&path).check("lib/X").is_err(), folds);
    }
}
