//! The release handler in the running node: OTP's own, spoken to by one trait.

use std::path::{Path, PathBuf};

use relup::releases_file::ReleaseStatus;

use crate::node::{Node, NodeError};

/// A release as the running release handler knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub vsn: String,
    /// What the release handler thinks of it.
    pub status: ReleaseStatus,
    /// How many applications it has; a release handler that found no `RELEASES` knows of none.
    pub apps: usize,
}

/// The settings that run now, as the `sys.config` of the next release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// An Erlang term and a full stop, which the node has read back.
    pub text: String,
    /// Settings that no file can hold, such as process identifiers: `application.key`. They are put
    /// back once the release is installed.
    pub left_out: Vec<String>,
}

/// Why the release handler did not install a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotInstalled {
    /// Processes run code of this module that would have to be purged.
    OldProcesses(String),
    /// Anything else, as a term.
    Other(String),
}

/// What the release handler answers: that it was done, or its reason as a term.
pub type Handled<T = ()> = Result<Result<T, String>, NodeError>;

/// A node whose releases are managed by OTP's release handler.
///
/// The outer error of a method says that the node could not be asked, the inner one what the release
/// handler had against it.
pub trait ReleaseHandler: Node {
    /// The root of the installation that the node runs from.
    fn root_dir(&mut self) -> Result<PathBuf, NodeError>;

    /// Every release that it knows, in its own order.
    fn releases(&mut self) -> Result<Vec<Installed>, NodeError>;

    /// The directories that the node loads code from.
    fn code_path(&mut self) -> Result<Vec<PathBuf>, NodeError>;

    /// The file that the node was given as `-vm_args`, if it was.
    fn vm_args(&mut self) -> Result<Option<PathBuf>, NodeError>;

    /// Whether `heart` starts the VM again when it ends.
    fn has_heart(&mut self) -> Result<bool, NodeError>;

    /// The environment of all running applications.
    fn settings(&mut self) -> Result<Settings, NodeError>;

    /// Puts the settings back that [`ReleaseHandler::settings`] had to leave out.
    fn put_back(&mut self) -> Result<(), NodeError>;

    /// Makes a release known whose files are in place; `rel_file` describes it.
    fn set_unpacked(&mut self, rel_file: &Path) -> Handled;

    /// Forgets a release, without touching its files.
    fn set_removed(&mut self, vsn: &str) -> Handled;

    /// Whether a release could be installed.
    fn check_install(&mut self, vsn: &str) -> Result<Result<(), NotInstalled>, NodeError>;

    /// Upgrades or downgrades the running node to a release.
    fn install(&mut self, vsn: &str) -> Result<Result<(), NotInstalled>, NodeError>;

    /// Makes the next start boot the release that runs.
    fn make_permanent(&mut self, vsn: &str) -> Handled;

    /// Deletes a release with everything that no other one needs.
    fn remove(&mut self, vsn: &str) -> Handled;

    /// Starts the release handler anew, so that it reads `RELEASES` again.
    fn reload(&mut self) -> Handled;
}
