//! The command line of `emqx self`, as types.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::Plain;

/// What the commands call themselves.
const INVOCATION: &str = "emqx self";

/// Puts this program into an installation of EMQX, and takes it out again.
#[derive(Debug, Parser)]
#[command(
    disable_version_flag = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, or there was nothing to do; 1 refused or failed; 2 usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put this program into an installation as bin/emqx, and keep the script that is there
    Install(Install),
    /// Put the script back that bin/emqx was before
    Uninstall(Uninstall),
    /// For the maintainer scripts of packages: see that the next start boots the package's release
    /// where that is later than the one that was hot-upgraded to
    PackageInstalled(Plain),
}

#[derive(Debug, Args)]
pub(super) struct Install {
    /// The directory of the installation, which has bin, lib and releases in it
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) root: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Uninstall {
    /// The directory of the installation; without it the one that this program is in
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) root: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Command {
    pub(super) fn json(&self) -> bool {
        match self {
            Command::Install(args) => args.json,
            Command::Uninstall(args) => args.json,
            Command::PackageInstalled(args) => args.json,
        }
    }
}

/// The command line as clap knows it, for completions and manual pages.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command().name("self")
}

/// The command in `words`, or clap's own message.
pub(super) fn parse(words: &[OsString]) -> Result<Command, clap::Error> {
    let words = std::iter::once(OsString::from(INVOCATION)).chain(words.iter().cloned());
    let matches = command_line()
        .bin_name(INVOCATION)
        .try_get_matches_from(words)?;
    Ok(Cli::from_arg_matches(&matches)?.command)
}
