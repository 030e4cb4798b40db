//! Every path of an EMQX installation and of its release trees.
//!
//! Two types keep the two roots apart that are so easily swapped: a [`BaseRoot`] owns what
//! survives upgrades (`etc data log plugins relup`), a [`Tree`] is one release's code. This is the
//! only place that joins such paths (architecture, invariant 7), so the shape of a release is
//! written down once. It never asks the disk whether a path exists. Data comes from the launcher's
//! observation of its own executable, and from versions, which are safe components by type.

mod seat;

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::vsn::ReleaseVsn;
pub use seat::Seat;

/// What temporary names in `relup/` begin with; see [`is_leftover`].
const LEFTOVERS: [&str; 6] = [
    ".staging-",
    ".trash-",
    ".current-",
    ".journal-",
    ".manifest-",
    ".assessment-",
];

/// Why a path can't be the root of an installation or tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A relative path would mean something else after a change of directory.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// `..` would make prefix comparisons with running nodes lie.
    #[error("{} contains \"..\"", .0.display())]
    Parent(PathBuf),
}

/// The root of the original installation: absolute, expected to be symlink-resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseRoot(PathBuf);

/// The root of one release's code: the base itself, a deployed tree or a staged one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tree(PathBuf);

impl BaseRoot {
    /// The base at `path`, which must be absolute; the caller resolves symlinks.
    pub fn new(path: PathBuf) -> Result<Self, LayoutError> {
        checked(path).map(Self)
    }

    /// The base's own path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The base as the tree of the release it was installed with.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree(self.0.clone())
    }

    /// `relup/`, all state of hot upgrades.
    #[must_use]
    pub fn relup_dir(&self) -> PathBuf {
        self.0.join("relup")
    }

    /// `relup/current`, the marker.
    #[must_use]
    pub fn marker(&self) -> PathBuf {
        self.relup_dir().join("current")
    }

    /// Where the next marker is written before it is renamed; `random` makes it nobody else's.
    #[must_use]
    pub fn marker_temp(&self, random: &str) -> PathBuf {
        self.temporary(".current-", random)
    }

    /// `relup/current.retired`, what the marker is called after the launcher went back to the base.
    #[must_use]
    pub fn retired_marker(&self) -> PathBuf {
        self.relup_dir().join("current.retired")
    }

    /// `relup/assessment.json`, whether the tree that the marker names has ever booted.
    #[must_use]
    pub fn assessment(&self) -> PathBuf {
        self.relup_dir().join("assessment.json")
    }

    /// Where an assessment is written before it is renamed.
    #[must_use]
    pub fn assessment_temp(&self, random: &str) -> PathBuf {
        self.temporary(".assessment-", random)
    }

    /// `relup/journal.jsonl`.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.relup_dir().join("journal.jsonl")
    }

    /// Where an emptied journal is written before it is renamed.
    #[must_use]
    pub fn journal_temp(&self, random: &str) -> PathBuf {
        self.temporary(".journal-", random)
    }

    /// `relup/lock`, held during every change below `relup/`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.relup_dir().join("lock")
    }

    /// `relup/catalog`, hop files put there by the operator.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.relup_dir().join("catalog")
    }

    /// `relup/<vsn>`, the deployed tree of `vsn`.
    #[must_use]
    pub fn deployed(&self, vsn: &ReleaseVsn) -> Tree {
        Tree(self.relup_dir().join(vsn.as_str()))
    }

    /// `relup/<vsn>.manifest`, recorded when `vsn` was staged.
    #[must_use]
    pub fn manifest(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.relup_dir().join(format!("{vsn}.manifest"))
    }

    /// Where a manifest is written before it is renamed.
    #[must_use]
    pub fn manifest_temp(&self, random: &str) -> PathBuf {
        self.temporary(".manifest-", random)
    }

    /// `relup/.staging-<random>`, where one tarball is extracted.
    #[must_use]
    pub fn staging(&self, random: &str) -> PathBuf {
        self.temporary(".staging-", random)
    }

    /// `relup/.trash-<random>`, the name a tree gets before it is removed.
    #[must_use]
    pub fn trash(&self, random: &str) -> PathBuf {
        self.temporary(".trash-", random)
    }

    /// `plugins/`, unless the configuration says otherwise.
    #[must_use]
    pub fn default_plugins(&self) -> PathBuf {
        self.0.join("plugins")
    }

    /// `data/`, unless the configuration says otherwise.
    #[must_use]
    pub fn default_data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// `random` is made by this program; anything but letters and digits is left out, so that a
    /// slip there can't leave `relup/`.
    fn temporary(&self, prefix: &str, random: &str) -> PathBuf {
        let safe: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        self.relup_dir().join(format!("{prefix}{safe}"))
    }
}

impl Tree {
    /// The tree at `path`, which must be absolute; for staged trees and for trees that a running
    /// node reports.
    pub fn new(path: PathBuf) -> Result<Self, LayoutError> {
        checked(path).map(Self)
    }

    /// The tree's own path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `bin/`.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// `bin/emqx`.
    #[must_use]
    pub fn launcher(&self) -> PathBuf {
        self.bin().join("emqx")
    }

    /// `bin/nodetool`, the release's helper escript.
    #[must_use]
    pub fn nodetool(&self) -> PathBuf {
        self.bin().join("nodetool")
    }

    /// `releases/emqx_vars`.
    #[must_use]
    pub fn emqx_vars(&self) -> PathBuf {
        self.releases().join("emqx_vars")
    }

    /// `erts-<vsn>/bin/`: `erlexec`, `escript`, `run_erl` and the VM itself.
    #[must_use]
    pub fn erts_bin(&self, vsn: &str) -> PathBuf {
        self.erts(vsn).join("bin")
    }

    /// `erts-<vsn>/lib/`: shared libraries that some old releases bring along.
    #[must_use]
    pub fn erts_lib(&self, vsn: &str) -> PathBuf {
        self.erts(vsn).join("lib")
    }

    /// `erts-<vsn>/`; `vsn` is the `ERTS_VSN` of the tree's own files.
    #[must_use]
    pub fn erts(&self, vsn: &str) -> PathBuf {
        self.0.join(format!("erts-{vsn}"))
    }

    /// `lib/`.
    #[must_use]
    pub fn lib(&self) -> PathBuf {
        self.0.join("lib")
    }

    /// `releases/`.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// `releases/RELEASES`, the applications with their directories.
    #[must_use]
    pub fn releases_file(&self) -> PathBuf {
        self.releases().join("RELEASES")
    }

    /// `releases/RELEASES.saved`: the last whole [`Tree::releases_file`], from before somebody else
    /// was made to write it.
    #[must_use]
    pub fn saved_releases_file(&self) -> PathBuf {
        self.releases().join("RELEASES.saved")
    }

    /// `releases/start_erl.data`: the release that is permanent, and its ERTS.
    #[must_use]
    pub fn start_erl(&self) -> PathBuf {
        self.releases().join("start_erl.data")
    }

    /// `releases/<vsn>/`.
    #[must_use]
    pub fn release(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.releases().join(vsn.as_str())
    }

    /// `releases/<vsn>/BUILD_INFO`.
    #[must_use]
    pub fn build_info(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.release(vsn).join("BUILD_INFO")
    }

    /// `releases/<vsn>/<rel_name>.rel`; `rel_name` is the `REL_NAME` of `emqx_vars`.
    #[must_use]
    pub fn rel_file(&self, vsn: &ReleaseVsn, rel_name: &str) -> PathBuf {
        self.release(vsn).join(format!("{rel_name}.rel"))
    }

    /// `releases/<vsn>/emqx.schema`, by which cuttlefish reads the configuration of a 4.x release.
    #[must_use]
    pub fn cuttlefish_schema(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.release(vsn).join("emqx.schema")
    }

    /// `bin/cuttlefish-<vsn>`, the configuration reader that a 4.x release brings along.
    #[must_use]
    pub fn cuttlefish_of(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.bin().join(format!("cuttlefish-{vsn}"))
    }

    /// `bin/cuttlefish`, a copy of that of the release that was last made permanent.
    #[must_use]
    pub fn cuttlefish(&self) -> PathBuf {
        self.bin().join("cuttlefish")
    }

    /// `releases/<vsn>/relup`: the instructions of OTP's release handler; absent from releases that it
    /// does not upgrade.
    #[must_use]
    pub fn relup(&self, vsn: &ReleaseVsn) -> PathBuf {
        self.release(vsn).join("relup")
    }

    /// `dynlibs/`, libraries that `crypto` may need; absent from some releases.
    #[must_use]
    pub fn dynlibs(&self) -> PathBuf {
        self.0.join("dynlibs")
    }

    /// `relup/current` below this tree: the plugin of old writes its marker there when it runs in
    /// a deployed tree. It is read, never written.
    #[must_use]
    pub fn nested_marker(&self) -> PathBuf {
        self.0.join("relup").join("current")
    }

    /// The tree a nested marker means: `relup/<vsn>` below this tree.
    #[must_use]
    pub fn nested(&self, vsn: &ReleaseVsn) -> Tree {
        Tree(self.0.join("relup").join(vsn.as_str()))
    }

    /// The marker that names this deployed tree, nested or not: `current` beside it.
    #[must_use]
    pub fn naming_marker(&self) -> PathBuf {
        self.0.with_file_name("current")
    }

    /// `lib/<app>-<vsn>/ebin`; both come from the tree's `.rel` file, which is checked for
    /// components that would leave `lib/` when it is parsed.
    #[must_use]
    pub fn ebin(&self, app: &str, vsn: &str) -> PathBuf {
        self.lib().join(format!("{app}-{vsn}")).join("ebin")
    }

    /// `lib/<app>-<vsn>/ebin/<app>.app`: the application's specification.
    #[must_use]
    pub fn app_file(&self, app: &str, vsn: &str) -> PathBuf {
        self.ebin(app, vsn).join(format!("{app}.app"))
    }

    /// `lib/<app>-<vsn>/ebin/<module>.beam`.
    #[must_use]
    pub fn beam(&self, app: &str, vsn: &str, module: &str) -> PathBuf {
        self.ebin(app, vsn).join(format!("{module}.beam"))
    }
}

/// Whether `name`, found in `relup/`, is something temporary that an interrupted command left
/// behind. Whoever holds the lock may remove it.
#[must_use]
pub fn is_leftover(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    LEFTOVERS
        .iter()
        .any(|prefix| bytes.starts_with(prefix.as_bytes()))
}

/// Whether `name` may become one component of a path: not empty, no separator, not `.` or `..`,
/// nothing invisible.
#[must_use]
pub fn is_component(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

fn checked(path: PathBuf) -> Result<PathBuf, LayoutError> {
    if !path.is_absolute() {
        return Err(LayoutError::Relative(path));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(LayoutError::Parent(path));
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
