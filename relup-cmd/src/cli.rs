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
    /// Tell what an upgrade would do, proven in the running node, and change nothing
    #[command(mut_arg("dry_run", |arg| arg.hide(true)))]
    Plan(Upgrade),
    /// List the upgrade paths that hop files are there for
    ListSupportedPaths(Plain),
    /// Tell the shortest chain of hops from one version to another, one hop a line
    Path(PathBetween),
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
    /// Compare deployed releases, file by file, with what was recorded of them
    Verify(Verify),
    /// Remove deployed releases that nothing boots and nothing runs from
    Prune(Prune),
    /// Write the hop file that leads from one release to another; needs no node and no installation
    Make(Make),
    /// Write OTP's .appup for each application whose version differs between two releases
    Appup(Appup),
    /// Write OTP's relup between two releases, with the systools of the newer one; needs no node
    Relup(Relup),
    /// Find what is wrong with a hop file before it reaches a node; needs no node and no installation
    Lint(Lint),
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
pub(crate) struct PathBetween {
    /// The version that the chain starts from
    #[arg(value_name = "A")]
    pub(crate) from: ReleaseVsn,
    /// The version that it leads to
    #[arg(value_name = "B")]
    pub(crate) to: ReleaseVsn,
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the command line"
)]
pub(crate) struct Upgrade {
    /// The target release's .tar.gz; its digest is read from TARBALL.sha256
    pub(crate) tarball: PathBuf,
    /// Keep the patches in data/patches in force, and allow a hop to another minor version
    #[arg(long)]
    pub(crate) force: bool,
    /// Take the instructions from this hop file
    #[arg(long, value_name = "FILE")]
    pub(crate) relup: Option<PathBuf>,
    /// Where no hop leads to the target at once: the tarballs of the releases in between, or directories
    /// in which they are looked for by name (*-VSN-*.tar.gz). All are checked before the first hop
    /// changes anything. Each hop is an upgrade of its own, and stays when a later one fails; hooks
    /// and backup are for the whole way
    #[arg(long, value_name = "TARBALL|DIR[,...]", conflicts_with_all = ["relup", "cold"])]
    pub(crate) via: Vec<PathBuf>,
    /// Copy data, etc and log into a new directory below DIR before anything is changed
    #[arg(long, value_name = "DIR")]
    pub(crate) backup: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hooks: HookOptions,
    /// Only deploy the release and make the next start boot it; also without a running node
    #[arg(long, conflicts_with_all = ["relup", "brutal_purge", "undo_on_callback_failure"])]
    pub(crate) cold: bool,
    /// Only tell what would be done, as `plan` does
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Kill processes that still run code older than the running release's
    #[arg(long)]
    pub(crate) brutal_purge: bool,
    /// Take everything back when a post-upgrade callback fails, instead of leaving the new code
    /// running without a marker; what the callbacks did themselves stays
    #[arg(long)]
    pub(crate) undo_on_callback_failure: bool,
    #[command(flatten)]
    pub(crate) signature: Signature,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who must have made a tarball.
#[derive(Debug, Default, Args)]
pub(crate) struct Signature {
    /// Refuse a tarball without a good minisign signature TARBALL.minisig
    #[arg(long)]
    pub(crate) require_signature: bool,
    /// The minisign public key that signatures are checked with; without it the one that the
    /// environment has
    #[arg(long, value_name = "FILE")]
    pub(crate) pubkey: Option<PathBuf>,
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
pub(crate) struct Verify {
    /// The deployed version to verify; all of them where none is named
    pub(crate) vsn: Option<ReleaseVsn>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Keep this many of them, those that were deployed last
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep: usize,
    /// Only tell what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// The release to start from: its .tar.gz, or the directory that it was unpacked to
    #[arg(long, value_name = "RELEASE")]
    pub(crate) from: PathBuf,
    /// The release to lead to
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: PathBuf,
    /// Where to write the hop file; without it, to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the way back: from TO to FROM
    #[arg(long)]
    pub(crate) reverse: bool,
    #[command(flatten)]
    pub(crate) choices: Choices,
    /// Write a hop to another minor version, and one that leaves out what only a restart changes
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an author decides for all of a release.
#[derive(Debug, Args)]
pub(crate) struct Choices {
    /// Restart an application as a whole when more of its modules change
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) max_modules: usize,
    /// Take decisions for single modules and applications from this TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Appup {
    /// The older release: its .tar.gz, or the directory that it was unpacked to
    #[arg(long, value_name = "RELEASE")]
    pub(crate) from: PathBuf,
    /// The newer release
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: PathBuf,
    /// An existing directory for the files APPLICATION.appup; without it, standard output
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Write it also where the application's own appup leads from one version to the other
    #[arg(long)]
    pub(crate) ignore_own: bool,
    #[command(flatten)]
    pub(crate) choices: Choices,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Older {
    /// The version to upgrade from: a release in releases/ of TO, or a tarball beside it
    #[arg(long, value_name = "VSN")]
    pub(crate) upfrom: Option<ReleaseVsn>,
    /// Upgrade from the one other release in releases/ of TO; so it is without any of the three
    #[arg(long)]
    pub(crate) upgrade: bool,
    /// The release to upgrade from: its .tar.gz, or the directory that it was unpacked to
    #[arg(long, value_name = "RELEASE")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Relup {
    /// The newer release: its .tar.gz, or a directory, which may hold older releases as well
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) older: Older,
    /// Where to write the relup, e.g. releases/VSN/relup; without it, to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Take APPLICATION.appup from this directory before those of the applications themselves
    #[arg(long, value_name = "DIR")]
    pub(crate) appups: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) choices: Choices,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The hop file; the beams beside it count as well. One that is an expression is evaluated by the
    /// release of --to, or by the node that runs here
    pub(crate) hop: PathBuf,
    /// The release that the hop starts from: its .tar.gz, or the directory that it was unpacked to.
    /// Without both releases only the form is checked
    #[arg(long, value_name = "RELEASE", requires = "to")]
    pub(crate) from: Option<PathBuf>,
    /// The release that it leads to; its VM evaluates a hop that is an expression
    #[arg(long, value_name = "RELEASE")]
    pub(crate) to: Option<PathBuf>,
    /// Exit with 1 also where there are only warnings
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// The release's .tar.gz
    pub(crate) tarball: PathBuf,
    /// An existing directory; the tree goes below its relup/
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// Share the files that this release has as well, where the file system can
    #[arg(long, value_name = "TREE")]
    pub(crate) like: Option<PathBuf>,
    /// Accepted for likeness; the figures are always printed as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether the command shows what there is and changes none of it. A plan is not among them: it
    /// leaves everything as it is, to the byte.
    pub(crate) fn only_shows(&self) -> bool {
        match self {
            Command::ListSupportedPaths(_)
            | Command::Path(_)
            | Command::Status(_)
            | Command::Logs(_)
            | Command::List(_)
            | Command::Verify(_) => true,
            Command::Upgrade(_)
            | Command::Plan(_)
            | Command::LogsClear(_)
            | Command::Rollback(_)
            | Command::Prune(_)
            | Command::Make(_)
            | Command::Appup(_)
            | Command::Relup(_)
            | Command::Lint(_)
            | Command::Stage(_) => false,
        }
    }

    /// Whether the command works without an installation: on the machine of whoever writes hops.
    pub(crate) fn is_for_authors(&self) -> bool {
        matches!(
            self,
            Command::Make(_) | Command::Appup(_) | Command::Relup(_) | Command::Lint(_)
        )
    }

    /// Whether the answer is one JSON object.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Upgrade(upgrade) | Command::Plan(upgrade) => upgrade.json,
            Command::Rollback(rollback) => rollback.json,
            Command::Path(path) => path.json,
            Command::Status(status) => status.json,
            Command::Verify(verify) => verify.json,
            Command::Prune(prune) => prune.json,
            Command::Make(make) => make.json,
            Command::Appup(appup) => appup.json,
            Command::Relup(relup) => relup.json,
            Command::Lint(lint) => lint.json,
            Command::ListSupportedPaths(plain)
            | Command::Logs(plain)
            | Command::LogsClear(plain)
            | Command::List(plain) => plain.json,
            Command::Stage(_) => true,
        }
    }
}
