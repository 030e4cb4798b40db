//! The installation that a command works on, as one plain value.
//!
//! The launcher observes it (marker, `emqx_vars`, configuration) and hands it over, so that nothing
//! here reads the environment or guesses where things are.

use std::ffi::OsString;
use std::path::PathBuf;

use relup::layout::{BaseRoot, Tree};
use relup::vsn::ReleaseVsn;

/// Where an installation keeps its things, and what it would boot now.
#[derive(Debug, Clone)]
pub struct Install {
    /// The original root: owner of `relup/`, data, etc, log and plugins.
    pub base: BaseRoot,
    /// The tree that `bin/emqx` would boot now: the base itself or a deployed tree.
    pub booted: Tree,
    /// The version of [`Install::booted`].
    pub booted_vsn: ReleaseVsn,
    /// The release's name, `emqx` unless `emqx_vars` says otherwise.
    pub rel_name: String,
    /// Where plugins are installed (their hops are searched).
    pub plugins_dir: PathBuf,
    /// The configuration directory, in which `relup.d/` holds the operator's hooks.
    pub etc_dir: PathBuf,
    /// The log directory.
    pub log_dir: PathBuf,
    /// The data directory from the configuration, where it is known without asking the node.
    pub data_dir: Option<PathBuf>,
    /// The public key of whoever signs tarballs, or its file: `EMQX_RELUP_PUBKEY`.
    pub pubkey: Option<OsString>,
    /// Whether OTP's release handler upgrades its releases, as those before 5.0.
    pub is_handled: bool,
    /// How the command was called, `emqx relup` or `emqx ctl relup`, for the usage texts.
    pub invocation: String,
}
