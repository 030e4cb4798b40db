//! The `emqx relup ...` commands: verify, stage, deploy, apply, swap.
//!
//! The order of everything here is the order of the hot-upgrade contract: nothing is written before
//! the digest is right, nothing outside the staging directory before every check is done, nothing in
//! the VM before the whole plan is proven, and the marker is last.
//!
//! This crate never sees a cookie or a node name: the running node is a [`Node`] that the launcher
//! implements, and the installation is an [`Install`] that the launcher observed.
//!
//! | stage | module |
//! |---|---|
//! | 1 lock | `lock`, [`recovery`], `debris` |
//! | 2 node facts | [`Node::facts`] |
//! | 3 to 8 | `prepare` |
//! | 3 patches | `patches` |
//! | 4 digest | `tarball` |
//! | 5 extraction | `stage` |
//! | 6 identity | `release` |
//! | 7 compatibility | `compat` |
//! | 8 permission | `permission` |
//! | 9 hop | `hops`; over releases in between `via` |
//! | 10 deploy | `deploy`, `manifest_file` |
//! | 11-14 plan, apply, callbacks, marker | `apply`, [`Node::apply`] |
//! | 1 to 11, told and taken away again | `plan` |
//! | 1 to 8, 10, 14: for the next start | `cold` |
//! | after the next starts | [`assessment`] |
//! | before any of them, on the author's machine | `author` |
//! | this program's own place in `bin/` | [`program`] |

mod apply;
mod around;
pub mod assessment;
mod author;
mod backup;
mod cli;
mod cold;
mod compat;
mod debris;
mod deploy;
mod durable;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod handler;
mod hooks;
mod hops;
mod install;
mod interrupt;
mod lock;
mod logs;
mod manifest_file;
mod measure;
mod node;
mod output;
mod patches;
mod paths;
mod permission;
mod plan;
mod prepare;
pub mod program;
mod prove;
mod prune;
mod quantity;
pub mod recovery;
mod regular;
mod release;
pub mod replaced;
mod rollback;
mod run;
mod running;
mod signature;
mod stage;
mod state;
mod status;
mod switch;
mod tarball;
#[cfg(test)]
mod testing;
mod trees;
mod upgrade;
mod verify;
mod via;

pub use install::Install;
pub use node::{Node, NodeError, PluginLogRow};
pub use run::{command_line, explain, run, run_alone, run_without_installation};
