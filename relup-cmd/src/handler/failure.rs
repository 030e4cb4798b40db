//! What can stop a command of the release handler, with the exit codes of its contract: 1 nothing
//! could be asked, 2 refused or not installed, 3 the check failed or old processes run, 4 the
//! installation failed.

use std::path::PathBuf;

use relup::releases_file::ReleaseStatus;

use crate::error::Error;
use crate::node::NodeError;
use crate::output::Told;

/// Why a command was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something that stops every command.
    #[error(transparent)]
    Common(#[from] Error),
    /// A package that is none, or not the right one.
    #[error("Unpack failed: {0}")]
    Package(Error),
    /// No package of that version.
    #[error("Unpack failed: no package of {vsn} in {}", dir.display())]
    PackageNotFound {
        vsn: String,
        dir: PathBuf,
        rel: String,
        is_handled: bool,
    },
    /// Several packages could be meant.
    #[error("Unpack failed: more than one package of {vsn}: {}", names.join(", "))]
    PackageAmbiguous { vsn: String, names: Vec<String> },
    /// The package is of another release.
    #[error("Unpack failed: {} is of {found}, not of {asked}", package.display())]
    WrongVersion {
        package: PathBuf,
        found: String,
        asked: String,
    },
    /// Not a patch hop.
    #[error("Cannot upgrade/downgrade to {to} from {from}")]
    OtherMinor { from: String, to: String },
    /// The node runs from somewhere else.
    #[error("the node runs from {}, not from {}", runs.display(), root.display())]
    ElsewhereBooted { runs: PathBuf, root: PathBuf },
    /// `RELEASES` or `start_erl.data` is damaged.
    #[error("{}: {reason}", path.display())]
    RecordsDamaged { path: PathBuf, reason: String },
    /// What is to be deleted is in use.
    #[error("Uninstall failed: Release {vsn} is {}", match status {
        ReleaseStatus::Current => "marked current",
        _ => "running",
    })]
    InUse { vsn: String, status: ReleaseStatus },
    /// Code of it is in use although the release handler would delete it.
    #[error("Uninstall failed: {} belongs to {vsn} alone by RELEASES, but the node loads code from it", dir.display())]
    CodeInUse { vsn: String, dir: PathBuf },
    /// `release_handler:set_unpacked/2` refused.
    #[error("Unpack failed: {0}")]
    NotUnpacked(String),
    /// `release_handler:check_install_release/1` refused.
    #[error("release_handler:check_install_release failed: {0}")]
    CheckFailed(String),
    /// OTP would end the VM and count on `heart` to start it again.
    #[error(
        "the relup of {vsn} exchanges the runtime system, and the node has no heart to start it again"
    )]
    EndsVm { vsn: String },
    /// Processes run code that would have to be purged.
    #[error("unable to install '{vsn}' - old processes still running code from module {module}")]
    OldProcesses { vsn: String, module: String },
    /// `release_handler:install_release/2` failed.
    #[error("release_handler:install_release failed: {0}")]
    InstallFailed(String),
    /// The connection broke in the middle of it.
    #[error("{doing}: {source}")]
    Lost {
        doing: &'static str,
        source: NodeError,
    },
    /// `release_handler:make_permanent/1` failed.
    #[error("release_handler:make_permanent failed: {0}")]
    NotPermanent(String),
    /// `release_handler:remove_release/1` failed.
    #[error("release_handler:remove_release failed: {0}")]
    NotRemoved(String),
    /// Nothing to rebuild the records from.
    #[error("{}: {reason}", dir.display())]
    NothingToRepairFrom { dir: PathBuf, reason: String },
}

impl Failure {
    /// Whether the package is at fault: what is installed is then part of the answer.
    pub(crate) fn is_about_package(&self) -> bool {
        matches!(
            self,
            Failure::Package(_)
                | Failure::PackageNotFound { .. }
                | Failure::PackageAmbiguous { .. }
                | Failure::WrongVersion { .. }
                | Failure::NotUnpacked(_)
        )
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Failure {
        Failure::Common(error.into())
    }
}

impl Told for Failure {
    fn name(&self) -> &str {
        match self {
            Failure::Common(error) | Failure::Package(error) => error.name(),
            Failure::PackageNotFound { .. } => "release_package_not_found",
            Failure::PackageAmbiguous { .. } => "release_package_ambiguous",
            Failure::WrongVersion { .. } => "release_package_of_another_version",
            Failure::OtherMinor { .. } => "unsupported_target_version",
            Failure::ElsewhereBooted { .. } => "node_of_another_tree",
            Failure::RecordsDamaged { .. } => "releases_damaged",
            Failure::InUse { .. } => "release_in_use",
            Failure::CodeInUse { .. } => "code_in_use",
            Failure::NotUnpacked(_) => "unpack_failed",
            Failure::CheckFailed(_) => "check_install_release_failed",
            Failure::EndsVm { .. } => "relup_ends_vm",
            Failure::OldProcesses { .. } => "old_processes",
            Failure::InstallFailed(_) => "install_release_failed",
            Failure::Lost { .. } => "node_connection_lost",
            Failure::NotPermanent(_) => "make_permanent_failed",
            Failure::NotRemoved(_) => "remove_release_failed",
            Failure::NothingToRepairFrom { .. } => "nothing_to_repair_from",
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Failure::Common(error) | Failure::Package(error) => return error.hint(),
            Failure::PackageNotFound {
                is_handled: false, ..
            } => "releases from 5.0 on are upgraded with `emqx relup upgrade TARBALL`",
            Failure::PackageNotFound { vsn, dir, rel, .. } => {
                return Some(format!(
                    "copy {rel}-{vsn}.tar.gz or {rel}-...{vsn}-....zip into {}",
                    dir.display()
                ));
            }
            Failure::PackageAmbiguous { .. } => "leave only one of them there",
            Failure::WrongVersion { .. } => {
                "give the version that it has, or take the right package"
            }
            Failure::OtherMinor { .. } => {
                "only the third number may differ between the two; other upgrades take a restart"
            }
            Failure::ElsewhereBooted { .. } => {
                "a node that was hot-upgraded by `emqx relup` goes on with `emqx relup`"
            }
            Failure::RecordsDamaged { .. } => "`emqx versions --repair` rebuilds it",
            Failure::InUse { .. } => "switch to another release first; `emqx versions` lists them",
            Failure::CodeInUse { .. } => {
                "`emqx versions --repair` brings RELEASES in line with what is there"
            }
            Failure::NotUnpacked(_) | Failure::CheckFailed(_) => {
                "this must be an upgrade package of the installed release, for this machine"
            }
            Failure::EndsVm { .. } => {
                "such an upgrade takes a restart: install the package of the new release"
            }
            Failure::OldProcesses { .. } => "let those processes finish and try again",
            Failure::InstallFailed(_) => {
                "the node may run code of both releases: see its log; `emqx restart` boots the permanent one"
            }
            Failure::Lost { .. } => "`emqx versions` tells how it ended",
            Failure::NotPermanent(_) => {
                "the node runs the new release; see to the reason and run the command again, or a start may boot the old one"
            }
            Failure::NotRemoved(_) => {
                "see the reason and the node's log, then run the command again"
            }
            Failure::NothingToRepairFrom { .. } => "reinstall the package of the release",
        };
        Some(text.to_owned())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::Common(Error::NodeNotRunning(_) | Error::NodeUnreachable(_)) => 1,
            Failure::CheckFailed(_)
            | Failure::EndsVm { .. }
            | Failure::OldProcesses { .. }
            | Failure::NotRemoved(_) => 3,
            Failure::InstallFailed(_)
            | Failure::Lost { .. }
            | Failure::NotPermanent(_)
            | Failure::Common(Error::NodeLost(_)) => 4,
            Failure::Common(_)
            | Failure::Package(_)
            | Failure::PackageNotFound { .. }
            | Failure::PackageAmbiguous { .. }
            | Failure::WrongVersion { .. }
            | Failure::OtherMinor { .. }
            | Failure::ElsewhereBooted { .. }
            | Failure::RecordsDamaged { .. }
            | Failure::InUse { .. }
            | Failure::CodeInUse { .. }
            | Failure::NotUnpacked(_)
            | Failure::NothingToRepairFrom { .. } => 2,
        }
    }
}
