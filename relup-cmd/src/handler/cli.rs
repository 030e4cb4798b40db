//! The command line of the release handler's commands, as types. The launcher's help tells about
//! them, as about all commands that stand beside `start` and `stop`.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use relup::vsn::ReleaseVsn;
use std::ffi::OsString;

/// Manages the releases of an installation through OTP's release handler.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// List the installed releases and what they are
    Versions(Versions),
    /// Unpack a release package and make it known, without running it
    Unpack(Unpack),
    /// Unpack a release package where needed, switch the running node to it and make it permanent
    Install(Install),
    /// The same as install
    Upgrade(Install),
    /// The same as install
    Downgrade(Install),
    /// Delete a release that neither runs nor is permanent
    Uninstall(Uninstall),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Versions {
    /// Rebuild the records where they are damaged; also without a running node
    #[arg(long)]
    pub(crate) repair: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Unpack {
    /// The release's version; its package is looked for in releases/
    #[arg(value_parser = version)]
    pub(crate) version: ReleaseVsn,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Install {
    /// The release's version; its package is looked for in releases/
    #[arg(value_parser = version)]
    pub(crate) version: ReleaseVsn,
    /// Let the next start boot the release that was permanent before
    #[arg(long)]
    pub(crate) no_permanent: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Uninstall {
    /// The release's version
    #[arg(value_parser = version)]
    pub(crate) version: ReleaseVsn,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Versions(args) => args.json,
            Command::Unpack(args) => args.json,
            Command::Install(args) | Command::Upgrade(args) | Command::Downgrade(args) => args.json,
            Command::Uninstall(args) => args.json,
        }
    }
}

/// `releases/4.4.16/`, which a shell completes to, means the version too.
fn version(word: &str) -> Result<ReleaseVsn, relup::vsn::VsnError> {
    let word = word.trim_end_matches('/');
    word.strip_prefix("releases/").unwrap_or(word).parse()
}

/// The command that `name` and `words` mean, or clap's own message.
pub(crate) fn parse(name: &str, words: &[OsString]) -> Result<Command, clap::Error> {
    let words = ["emqx", name]
        .map(OsString::from)
        .into_iter()
        .chain(words.iter().cloned());
    let matches = Cli::command()
        .bin_name("emqx")
        .try_get_matches_from(words)?;
    Ok(Cli::from_arg_matches(&matches)?.command)
}
