//! The `emqx relup ...` commands: verify, stage, deploy, apply, swap.
//!
//! The order of everything here is the order of the hot-upgrade contract: nothing is written before
//! the digest is right, nothing outside the staging directory before every check is done, nothing in
//! the VM before the whole plan is proven, and the marker is last.
//!
//! This crate never sees a cookie or a node name: the running node is a [`Node`] that the launcher
//! implements, and the installation is an [`Install`] that the launcher observed.

mod install;
mod node;

use std::ffi::OsString;

pub use install::Install;
pub use node::{Node, NodeError, PluginLogRow};

/// Runs one `relup` command and prints what it has to say.
///
/// `args` is what follows the word `relup`. The return value is the exit code:
/// 0 done, 1 refused or failed with nothing changed, 2 usage, 3 failed after the VM was changed and
/// then restored, 4 failed and the VM needs attention.
#[must_use]
pub fn run(args: &[OsString], install: &Install, node: &mut dyn Node) -> u8 {
    let _ = (args, install, node);
    1
}
