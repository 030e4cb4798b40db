//! Where the package of a release is, in the order in which the contract looks.

use std::path::{Path, PathBuf};

use relup::layout::Tree;
use relup::vsn::ReleaseVsn;

use crate::handler::failure::Failure;
use crate::install::Install;
use crate::release::names_in;

/// A package that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) path: PathBuf,
    /// The name that is shown: relative to the root, and for a zip archive that of the tarball it
    /// stands for, as operators know it.
    pub(crate) shown: String,
}

/// Looks for the package of `vsn` in `releases/`.
pub(crate) fn find(install: &Install, vsn: &ReleaseVsn) -> Result<Package, Failure> {
    let (dir, rel) = (install.base.tree().releases(), &*install.rel_name);
    let tarball = format!("{rel}-{vsn}.tar.gz");
    for name in [
        tarball.clone(),
        format!("{vsn}/{tarball}"),
        format!("{vsn}/{rel}.tar.gz"),
    ] {
        let path = dir.join(&name);
        if path.is_file() {
            let shown = format!("releases/{name}");
            return Ok(Package { path, shown });
        }
    }
    let mut zips = names_in(&dir)?;
    zips.retain(|name| is_zip_of(name, rel, vsn.as_str()) && dir.join(name).is_file());
    match zips.as_slice() {
        [] => Err(Failure::PackageNotFound {
            vsn: vsn.to_string(),
            dir,
            rel: rel.to_owned(),
            is_handled: install.is_handled,
        }),
        [name] => Ok(Package {
            path: dir.join(name),
            shown: format!("releases/{tarball}"),
        }),
        _ => Err(Failure::PackageAmbiguous {
            vsn: vsn.to_string(),
            names: zips,
        }),
    }
}

/// Whether `name` is `<rel>-*<vsn>*.zip` with the whole version between dashes: the package of
/// 4.4.16 is none of 4.4.1.
fn is_zip_of(name: &str, rel: &str, vsn: &str) -> bool {
    let Some(middle) = name
        .strip_suffix(".zip")
        .and_then(|name| name.strip_prefix(rel))
        .filter(|middle| middle.starts_with('-'))
    else {
        return false;
    };
    let asked = format!("-{vsn}");
    middle.match_indices(&asked).any(|(at, _)| {
        let rest = &middle[at + asked.len()..];
        rest.is_empty() || rest.starts_with('-')
    })
}

/// The name of a package beside its digest, for people.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// `releases/<vsn>/<rel>.rel`, or `releases/<rel>.rel` as `systools` packs it.
pub(crate) fn rel_file(tree: &Tree, rel: &str, vsn: &ReleaseVsn) -> Option<PathBuf> {
    let beside = tree.releases().join(format!("{rel}.rel"));
    [tree.rel_file(vsn, rel), beside]
        .into_iter()
        .find(|path| Path::is_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_is_of_the_version_between_its_dashes() {
        for name in [
            "emqx-4.4.1.zip",
            "emqx-4.4.1-otp24.3.4.2-1-ubuntu20.04-amd64.zip",
            "emqx-ee-4.4.1-otp24.3.4.2-1-ubuntu20.04-amd64.zip",
            "emqx-ubuntu20.04-4.4.1.zip",
        ] {
            assert!(is_zip_of(name, "emqx", "4.4.1"), "{name}");
        }
        for name in [
            "emqx-4.4.16.zip",
            "emqx-4.4.16-otp24-1.zip",
            "emqx-14.4.1.zip",
            "emqx4.4.1.zip",
            "emqx-4.4.1.tar.gz",
            "other-4.4.1.zip",
            "emqx-otp4.4.1.zip",
        ] {
            assert!(!is_zip_of(name, "emqx", "4.4.1"), "{name}");
        }
    }
}
