//! The command line of `emqx relup`, as types. Nothing here does anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use relup::vsn::ReleaseVsn;

/// Hot-upgrades the running node, and says what was and will be booted.
#[derive(Debug, Parser)]
#[command(
    disable_version_flag = true,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done; 1 refused or failed, nothing was changed; 2 usage; 3 failed after the running
node was changed, and then restored; 4 failed, and the node needs attention."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upgrade the running node to the release in a tarball, without a restart
    Upgrade(Upgrade),
    /// List the upgrade paths that hop files are there for
    ListSupportedPaths(Plain),
    /// Show what runs, what the next start boots, and the last attempt
    Status(Status),
    /// Show the upgrade attempts on this node, oldest first
    Logs(Plain),
    /// Delete the records of all upgrade attempts on this node
    LogsClear(Plain),
    /// Make the next start boot the original release, or another deployed one
    Rollback(Rollback),
    /// List the deployed releases
    List(Plain),
    /// Verify and extract a tarball into a directory of its own, for measurements
    #[command(hide = true)]
    Stage(Stage),
}

/// Options of a command that takes nothing else.
#[derive(Debug, Args)]
pub(crate) struct Plain {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show what every node of the cluster runs and boots next, asked through the running node
    #[arg(long)]
    pub(crate) cluster: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The target release's .tar.gz; its digest is read from TARBALL.sha256
    pub(crate) tarball: PathBuf,
    /// Keep the patches in data/patches in force, and allow a hop to another minor version
    #[arg(long)]
    pub(crate) force: bool,
    /// Take the instructions from this hop file
    #[arg(long, value_name = "FILE")]
    pub(crate) relup: Option<PathBuf>,
    /// Copy data, etc and log into a new directory below DIR before anything is changed
    #[arg(long, value_name = "DIR")]
    pub(crate) backup: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hooks: HookOptions,
    /// Kill processes that still run code older than the running release's
    #[arg(long)]
    pub(crate) brutal_purge: bool,
    /// Take everything back when a post-upgrade callback fails, instead of leaving the new code
    /// running without a marker; what the callbacks did themselves stays
    #[arg(long)]
    pub(crate) undo_on_callback_failure: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The deployed version to boot instead of the original one
    #[arg(long, value_name = "VSN")]
    pub(crate) to: Option<ReleaseVsn>,
    #[command(flatten)]
    pub(crate) hooks: HookOptions,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of a command that runs the operator's hooks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct HookOptions {
    /// How long each hook in etc/relup.d may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) hook_timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// The release's .tar.gz
    pub(crate) tarball: PathBuf,
    /// An existing directory; the tree goes below its relup/
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// Accepted for likeness; the figures are always printed as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether the answer is one JSON object.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Upgrade(upgrade) => upgrade.json,
            Command::Rollback(rollback) => rollback.json,
            Command::Status(status) => status.json,
            Command::ListSupportedPaths(plain)
            | Command::Logs(plain)
            | Command::LogsClear(plain)
            | Command::List(plain) => plain.json,
            Command::Stage(_) => true,
        }
    }
}
