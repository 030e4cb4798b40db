//! What can stop the making or checking of a hop.

use std::path::PathBuf;

use super::lint::report::Report;
use super::rules::RuleError;

/// Why a hop was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorError {
    /// One of the two is no release, or not a whole one.
    #[error("{}: {reason}", path.display())]
    UnusableRelease { path: PathBuf, reason: String },
    /// There is nothing to lead from or to.
    #[error("both releases are {vsn}")]
    SameVersion { vsn: String },
    /// A release before 5.0.
    #[error("{vsn} is upgraded by OTP's release handler, by no hop")]
    IsHandled { vsn: String },
    /// A release that no hop can lead to.
    #[error("{}: the release has no module emqx_release, which an upgrade reads the version from", path.display())]
    NoReleaseModule { path: PathBuf },
    /// The runtime itself differs.
    #[error("the application {app} differs ({modules}), which only a restart of the node changes")]
    NeedsRestart { app: String, modules: String },
    /// The rules can't be read.
    #[error("{}: {reason}", path.display())]
    CannotReadRules { path: PathBuf, reason: String },
    /// A rule that means nothing or can't be followed; the file's name is added by who knows it.
    #[error("{}: {error}", path.display())]
    InvalidRules { path: PathBuf, error: RuleError },
    /// What was made is no hop: a fault of this program, not of its user.
    #[error("the hop that was made does not read back: {0}")]
    NotReadBack(String),
    /// The release to upgrade from is not at hand.
    #[error("{vsn} is neither in {} nor a tarball in {}", releases.display(), beside.display())]
    NoOlderRelease {
        vsn: String,
        releases: PathBuf,
        beside: PathBuf,
    },
    /// Which release is the one before is not to be told.
    #[error("{} has {found}", releases.display())]
    WhichOlder { releases: PathBuf, found: String },
    /// The release's own VM could not be asked.
    #[error("{reason}")]
    NoAnswer { reason: String },
    /// `systools` makes no relup of it.
    #[error("systools: {reason}")]
    Systools { reason: String },
    /// The hop that is to be checked can't be read.
    #[error("{}: {reason}", path.display())]
    UnreadableHop { path: PathBuf, reason: String },
    /// There is something wrong with a hop.
    #[error("{}", .0.summary())]
    Findings(Box<Report>),
}

impl AuthorError {
    /// A rule that can't be followed, in a file that is named later.
    pub(crate) fn rule(line: usize, reason: String) -> AuthorError {
        AuthorError::InvalidRules {
            path: PathBuf::new(),
            error: RuleError { line, reason },
        }
    }

    /// The stable name, for `--json`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            AuthorError::UnusableRelease { .. } | AuthorError::NoReleaseModule { .. } => {
                "unusable_release"
            }
            AuthorError::SameVersion { .. } => "already_upgraded_to_target_vsn",
            AuthorError::IsHandled { .. } => "managed_by_release_handler",
            AuthorError::NeedsRestart { .. } => "needs_restart",
            AuthorError::CannotReadRules { .. } => "cannot_read_rules",
            AuthorError::InvalidRules { .. } => "invalid_rules",
            AuthorError::NotReadBack(_) => "invalid_relup_file",
            AuthorError::NoOlderRelease { .. } | AuthorError::WhichOlder { .. } => {
                "no_older_release"
            }
            AuthorError::NoAnswer { .. } => "release_cannot_run",
            AuthorError::Systools { .. } => "systools_failed",
            AuthorError::UnreadableHop { .. } => "cannot_read_hop",
            AuthorError::Findings(_) => "lint_failed",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let text = match self {
            AuthorError::UnusableRelease { .. } => {
                "give the .tar.gz of a release or the directory that it was unpacked to"
            }
            AuthorError::SameVersion { .. } => "give two releases of different versions",
            AuthorError::IsHandled { .. } => {
                "`emqx relup appup` writes what its relup is made from"
            }
            AuthorError::NoReleaseModule { .. } => "give releases of EMQX 5.0 or later",
            AuthorError::NeedsRestart { .. } => {
                "upgrade by a restart (`emqx relup upgrade --cold`), or leave that out of the hop with --force"
            }
            AuthorError::CannotReadRules { .. } => {
                "make it a regular file that the user running this command may read"
            }
            AuthorError::InvalidRules { .. } => {
                "mend that line; a rule is [module.\"NAME\"] or [application.\"NAME\"] with instruction = \"load_module\", \"update\", \"restart_application\" or \"skip\""
            }
            AuthorError::NotReadBack(_) => "report this, with the two releases",
            AuthorError::NoOlderRelease { .. } => {
                "name the release itself, a tarball or a directory, with --from"
            }
            AuthorError::WhichOlder { .. } => {
                "name the version to upgrade from with --upfrom, or a release with --from"
            }
            AuthorError::NoAnswer { .. } => {
                "give a release with its runtime that this machine can run"
            }
            AuthorError::Systools { .. } => {
                "mend the appup or the release that it names; `emqx relup appup --ignore-own` shows what would be made"
            }
            AuthorError::UnreadableHop { .. } => "give the path of a hop file *.relup",
            AuthorError::Findings(_) => "each finding above names its remedy",
        };
        text.to_owned()
    }
}
