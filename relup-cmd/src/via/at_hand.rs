//! The tarballs that `--via` puts at hand: files that are named, and directories of them.
//!
//! A named file is what it says it is, whatever it is called. In a directory a tarball is looked
//! for by the version in its name; of several the one that is called like the target but for the version,
//! because a directory of downloads holds a release for every system. Nothing is opened here.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{ChainError, Error};

/// What a tarball's name ends with.
const SUFFIX: &str = ".tar.gz";

/// The tarballs there are besides the target.
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    /// Those that were named.
    pub(super) files: Vec<PathBuf>,
    /// Those in directories, sorted by name within each.
    pub(super) found: Vec<PathBuf>,
}

impl AtHand {
    /// Looks at the arguments of `--via`: each a path, or several between commas.
    ///
    /// # Errors
    /// One does not exist, or a directory can't be read.
    pub(crate) fn of(given: &[PathBuf]) -> Result<AtHand, Error> {
        let mut at_hand = AtHand::default();
        for path in given.iter().flat_map(|path| split(path)) {
            if path.is_dir() {
                at_hand.found.extend(tarballs(&path)?);
            } else if path.symlink_metadata().is_ok() {
                at_hand.files.push(path);
            } else {
                return Err(Error::TargetTarballNotFound {
                    path,
                    reason: "no such file".to_owned(),
                });
            }
        }
        Ok(at_hand)
    }

    /// The tarball of a version by its name, in the directories.
    ///
    /// # Errors
    /// There are several, and none is called like the target.
    pub(crate) fn named(
        &self,
        vsn: &str,
        target: &Path,
        target_vsn: &str,
    ) -> Result<Option<&Path>, Error> {
        let files = self.found.iter().filter(|path| is_named(path, vsn));
        let files: Vec<&PathBuf> = files.collect();
        if let [] | [_] = files.as_slice() {
            return Ok(files.first().map(|path| path.as_path()));
        }
        let twin = name(target).replace(target_vsn, vsn);
        match files.iter().find(|path| name(path) == twin) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::Chain(ChainError::AmbiguousTarball {
                vsn: vsn.to_owned(),
                files: files.into_iter().cloned().collect(),
            })),
        }
    }

    /// Whether a tarball of this version is found by its name.
    pub(super) fn is_named(&self, vsn: &str) -> bool {
        self.found.iter().any(|path| is_named(path, vsn))
    }
}

/// A path with commas in it is one path if it exists.
fn split(path: &Path) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    if path.symlink_metadata().is_ok() {
        return vec![path.to_owned()];
    }
    let pieces = path.as_os_str().as_bytes().split(|byte| *byte == b',');
    let pieces = pieces.filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| PathBuf::from(std::ffi::OsStr::from_bytes(piece)))
        .collect()
}

fn tarballs(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::io(dir, "list", error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if name(&path).ends_with(SUFFIX) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// `*-<vsn>-*.tar.gz`, and `*-<vsn>.tar.gz`.
fn is_named(path: &Path, vsn: &str) -> bool {
    let name = name(path);
    let Some(stem) = name.strip_suffix(SUFFIX) else {
        return false;
    };
    stem.contains(&format!("-{vsn}-")) || stem.ends_with(&format!("-{vsn}"))
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{scratch, write};

    const TARGET: &str = "/x/emqx-enterprise-5.10.6-debian12-amd64.tar.gz";

    /// Which file of a directory is taken for 5.10.5.
    fn check(names: &[&str], expected: Result<Option<&str>, &str>) {
        let dir = scratch();
        for name in names {
            write(&dir.path().join(name), "");
        }
        let at_hand = AtHand::of(&[dir.path().to_owned()]).expect("readable");
        let found = at_hand.named("5.10.5", Path::new(TARGET), "5.10.6");
        let found = found.map(|path| path.map(name));
        let found = found.as_ref().map(Option::as_deref).map_err(Error::name);
        assert_eq!(found, expected, "{names:?}");
    }

    #[test]
    fn in_a_directory_a_tarball_is_found_by_the_version_in_its_name() {
        let own = "emqx-enterprise-5.10.5-debian12-amd64.tar.gz";
        let other = "emqx-enterprise-5.10.5-el9-arm64.tar.gz";
        let third = "emqx-enterprise-5.10.5-ubuntu22.04-amd64.tar.gz";
        for (names, expected) in [
            (&[][..], Ok(None)),
            (&[own], Ok(Some(own))),
            (&[other], Ok(Some(other))),
            (&["emqx-5.10.5.tar.gz"], Ok(Some("emqx-5.10.5.tar.gz"))),
            // Its sidecar, another version, one that only begins like it.
            (
                &[
                    "emqx-enterprise-5.10.5-debian12-amd64.tar.gz.sha256",
                    "emqx-enterprise-5.10.50-debian12-amd64.tar.gz",
                    "emqx-enterprise-15.10.5-debian12-amd64.tar.gz",
                    "emqx-enterprise-5.10.5-debian12-amd64.zip",
                ],
                Ok(None),
            ),
            (&[other, own, third], Ok(Some(own))),
            (&[other, third], Err("ambiguous_tarball")),
        ] {
            check(names, expected);
        }
    }

    #[test]
    fn commas_separate_paths_unless_one_is_called_so() {
        let dir = scratch();
        let path = |name: &str| dir.path().join(name);
        for name in ["a b", "c", "d,e"] {
            write(&path(name), "");
        }
        let both = format!("{},{}", path("a b").display(), path("c").display());
        let at_hand = AtHand::of(&[both.into(), path("d,e")]).expect("all are there");
        assert_eq!(at_hand.files, [path("a b"), path("c"), path("d,e")]);
        let error = AtHand::of(&[path("c,f")]).expect_err("there is no f");
        assert_eq!(error.name(), "target_tarball_not_found");
    }
}
