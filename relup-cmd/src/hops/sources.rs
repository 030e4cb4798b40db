//! The places where hop files are looked for, in the contract's order, and the beams beside them.
//!
//! `--relup FILE`; `<tarball>.relup`; `relup/catalog/`; `priv/relup/` of an installed `emqx_relup`
//! plugin; the release directory inside the tarball. Only `*.relup` counts: the file `relup` of an
//! OTP release is something else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::layout::Tree;
use relup::vsn::ReleaseVsn;

use crate::install::Install;

/// How deep below a plugin's directory its `priv/relup` may lie.
const PLUGIN_DEPTH: usize = 6;

/// Where to look for hops.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The installation, with its catalog and plugins.
    pub(crate) install: &'a Install,
    /// `--relup FILE`; nothing else is looked at then.
    pub(crate) given: Option<&'a Path>,
    /// The tarball, for the file beside it.
    pub(crate) tarball: Option<&'a Path>,
    /// The staged target, for the files in it.
    pub(crate) staged: Option<(&'a Tree, &'a ReleaseVsn)>,
}

/// A hop file that may exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) companions: Companions,
}

/// Where the beams are that a hop brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Companions {
    /// In the directory beside the file, named like the file without `.relup`.
    Beside,
    /// In the plugin's `ebin`.
    Ebin(PathBuf),
}

impl Sources<'_> {
    /// All hop files there are, first match first.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let mut found: Vec<_> = self.tarball.and_then(beside).into_iter().collect();
        found.extend(installed(self.install));
        if let Some((tree, vsn)) = self.staged {
            found.extend(inside(tree, vsn));
        }
        found
    }
}

/// The hop file beside a tarball, `<tarball>.relup`.
pub(crate) fn beside(tarball: &Path) -> Option<Candidate> {
    let mut name = OsString::from(tarball);
    name.push(".relup");
    let path = PathBuf::from(name);
    // A dangling link is reported by whoever reads it.
    path.symlink_metadata().is_ok().then_some(Candidate {
        path,
        companions: Companions::Beside,
    })
}

/// The hop files of the catalog, and those of installed plugins.
pub(crate) fn installed(install: &Install) -> Vec<Candidate> {
    let mut found = Vec::new();
    add_dir(&mut found, &install.base.catalog(), &Companions::Beside);
    for dir in plugin_dirs(&install.plugins_dir) {
        // `.../priv/relup` and `.../ebin` have the same parent.
        let app = dir.parent().and_then(Path::parent).unwrap_or(&dir);
        add_dir(&mut found, &dir, &Companions::Ebin(app.join("ebin")));
    }
    found
}

/// The hop files that a release brings along.
pub(crate) fn inside(tree: &Tree, vsn: &ReleaseVsn) -> Vec<Candidate> {
    let mut found = Vec::new();
    add_dir(&mut found, &tree.release(vsn), &Companions::Beside);
    found
}

impl Companions {
    /// The beams for the hop file `hop`, sorted by name.
    pub(crate) fn beams(&self, hop: &Path) -> Vec<PathBuf> {
        match self {
            Companions::Beside => files_in(&hop.with_extension(""), "beam"),
            Companions::Ebin(dir) => files_in(dir, "beam"),
        }
    }
}

fn add_dir(found: &mut Vec<Candidate>, dir: &Path, companions: &Companions) {
    found.extend(files_in(dir, "relup").into_iter().map(|path| Candidate {
        path,
        companions: companions.clone(),
    }));
}

/// The entries of a directory with this extension, sorted by name; none if there is no directory.
fn files_in(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = entries(dir)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

/// Every `<plugins>/emqx_relup-*/**/priv/relup`, links not followed.
fn plugin_dirs(plugins: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(plugins) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("emqx_relup-") {
            search(&path, PLUGIN_DEPTH, &mut found);
        }
    }
    found.sort();
    found
}

fn search(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if dir.ends_with("priv/relup") {
        found.push(dir.to_owned());
        return;
    }
    if depth == 0 {
        return;
    }
    for path in entries(dir) {
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            search(&path, depth - 1, found);
        }
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}
