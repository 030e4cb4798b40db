//! Everything that can stop a command, in one enum.
//!
//! Each variant carries the values that explain it; [`Error::name`] is the contract's word for it
//! (stable, for `--json`), [`Error::hint`] the remedy on a line of its own, and
//! [`Error::exit_code`] the one place where outcomes become exit codes.

mod chain;
mod hint;
mod told;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use relup::compat::CompatError;
use relup::hop::HopPath;
use relup::node::ApplyFailure;

use crate::author::error::AuthorError;
use crate::program::error::ProgramError;
use crate::verify::outcome::Verification;
use chain::supported_text;
pub(crate) use chain::{ChainError, Stopped};

/// Why a command was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Another command or an apply inside the node is at work.
    #[error("another relup command is at work: {by}")]
    Locked { by: String },
    /// No node of this installation runs.
    #[error("{0}")]
    NodeNotRunning(String),
    /// A node runs but could not be asked.
    #[error("{0}")]
    NodeUnreachable(String),
    /// The node answered with an error.
    #[error("{0}")]
    NodeRpc(String),
    /// The connection broke while the node was applying.
    #[error("{0}")]
    NodeLost(String),
    /// Everything in the node that could have ended an attempt was killed.
    #[error(
        "the node stopped in the middle of attempt {attempt}: what runs in it is of two versions, and processes may be suspended"
    )]
    Abandoned { attempt: String },
    /// A release before 5.0.
    #[error("{vsn} is upgraded by OTP's release handler")]
    ManagedByReleaseHandler { vsn: String },
    /// Hand-placed patches would shadow the target's modules.
    #[error("{} holds patches: {}", dir.display(), files.join(", "))]
    PatchesDirNotEmpty { dir: PathBuf, files: Vec<String> },
    /// No such tarball.
    #[error("{}: {reason}", path.display())]
    TargetTarballNotFound { path: PathBuf, reason: String },
    /// The tarball is there, but can't be opened or read.
    #[error("{}: {reason}", path.display())]
    CannotReadTargetTarball { path: PathBuf, reason: String },
    /// No digest beside the tarball.
    #[error("{}: no such file", path.display())]
    MissingSha256Sidecar { path: PathBuf },
    /// The digest file is there, but can't be read.
    #[error("{}: {reason}", path.display())]
    CannotReadSha256Sidecar { path: PathBuf, reason: String },
    /// The digest file holds something else.
    #[error("{}: {reason}", path.display())]
    InvalidSha256Sidecar { path: PathBuf, reason: String },
    /// The tarball is not the one the digest was made of.
    #[error("{}: expected {expected}, actual {actual}", path.display())]
    Sha256Mismatch {
        path: PathBuf,
        expected: String,
        actual: String,
    },
    /// The tarball changed between the hash pass and the extraction.
    #[error("{}: the file changed while it was being read (verified {expected}, extracted {actual})", path.display())]
    TarballChanged {
        path: PathBuf,
        expected: String,
        actual: String,
    },
    /// A signature is asked for, and no key is known.
    #[error("--require-signature needs a public key")]
    MissingPubkey,
    /// The file of the public key can't be read.
    #[error("{origin}: {reason}")]
    CannotReadPubkey { origin: String, reason: String },
    /// It holds something else.
    #[error("{origin}: is no minisign public key")]
    InvalidPubkey { origin: String },
    /// A signature is asked for, and there is none.
    #[error("{}: no such file", path.display())]
    MissingSignature { path: PathBuf },
    /// The signature is there, but can't be read.
    #[error("{}: {reason}", path.display())]
    CannotReadSignature { path: PathBuf, reason: String },
    /// The signature is not that of the tarball by the key.
    #[error("{}: {reason}", path.display())]
    InvalidSignature { path: PathBuf, reason: String },
    /// An entry that a release never has.
    #[error("entry {entry:?}: {reason}")]
    UnsafeArchiveEntry { entry: String, reason: String },
    /// The gzip or tar stream is not whole.
    #[error("{0}")]
    ArchiveCorrupt(String),
    /// A limit was exceeded.
    #[error("{0}")]
    ArchiveTooLarge(String),
    /// The file system is full.
    #[error("no space left below {}", dir.display())]
    NoSpace { dir: PathBuf },
    /// The tree has no readable `releases/emqx_vars`.
    #[error("{}: {reason}", path.display())]
    CannotReadEmqxVars { path: PathBuf, reason: String },
    /// No `REL_VSN` in it.
    #[error("{}: no REL_VSN=\"...\" line", path.display())]
    RelVsnNotFound { path: PathBuf },
    /// A `REL_VSN` that can't be a version.
    #[error("{}: {reason}", path.display())]
    InvalidRelVsn { path: PathBuf, reason: String },
    /// The node runs it already.
    #[error("{} {vsn} already", if *is_up { "the node runs" } else { "the next start boots" })]
    AlreadyUpgraded { vsn: String, is_up: bool },
    /// The marker names it already.
    #[error("{vsn} is pending already: {} names it", marker.display())]
    DuplicatePendingTarget { vsn: String, marker: PathBuf },
    /// A release tree lacks something without which it can't boot.
    #[error("{what}")]
    IncompleteRelease { what: String },
    /// Facts of one of the two releases are missing on our side.
    #[error("{}: {reason}", path.display())]
    CannotReadBuildInfo { path: PathBuf, reason: String },
    /// Stage 7.
    #[error(transparent)]
    Incompatible(#[from] CompatError),
    /// The runtime in the tarball is a program for another processor.
    #[error("{} is a program for {target}, this machine is {host}", path.display())]
    ForeignMachine {
        path: PathBuf,
        target: String,
        host: String,
    },
    /// We, or the node, may not write where the upgrade has to.
    #[error("{what}")]
    NoWritePermission { what: String, hint: String },
    /// No hop from the running version to the target.
    #[error("no hop {from} -> {to}; {}", supported_text(supported))]
    NoRelupEntry {
        from: String,
        to: String,
        supported: Vec<String>,
        /// Hops that lead there over other versions.
        chain: Vec<HopPath>,
    },
    /// The way over releases in between.
    #[error(transparent)]
    Chain(ChainError),
    /// The hop file that was asked for is not one.
    #[error("{}: {reason}", path.display())]
    InvalidRelupFile {
        name: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// The marker may mean any tree.
    #[error("{} is damaged: {reason}", marker.display())]
    MarkerDamaged { marker: PathBuf, reason: String },
    /// The marker was swapped, that could not be made durable or recorded, and it could not be put
    /// back either.
    #[error("{}: {reason}; the old marker could not be put back: {second}", marker.display())]
    MarkerNotPutBack {
        marker: PathBuf,
        reason: String,
        second: String,
    },
    /// A running node uses the tree that would have to be replaced.
    #[error("a running node uses {}, which is not what the tarball's {vsn} holds", tree.display())]
    TreeInUse { vsn: String, tree: PathBuf },
    /// The node refused or failed the apply and told in which state it is.
    #[error("{} (stage {})", .0.detail, .0.stage)]
    ApplyFailed(ApplyFailure),
    /// `rollback` without anything to roll back.
    #[error("{0}")]
    NothingToRollBack(String),
    /// A version that is not deployed here.
    #[error("{vsn} is not deployed: {} does not exist", tree.display())]
    NotDeployed { vsn: String, tree: PathBuf },
    /// A deployed tree differs from what its manifest says.
    #[error("{}: {reason}", tree.display())]
    TreeDamaged { tree: PathBuf, reason: String },
    /// A program of the operator's refuses, or cannot be run.
    #[error("{}: {reason}", hook.display())]
    HookFailed { hook: PathBuf, reason: String },
    /// A backup that would copy itself.
    #[error("{} is inside of {}, which it would be a copy of", dir.display(), part.display())]
    BackupInside { dir: PathBuf, part: PathBuf },
    /// The original release was installed by somebody else.
    #[error("{vsn} is the original release in {}: it has no manifest to compare it with", tree.display())]
    NoManifest { vsn: String, tree: PathBuf },
    /// Deployed trees differ from what was recorded of them, or could not be compared.
    #[error("{}", .0.summary())]
    NotVerified(Box<Verification>),
    /// This program could not be put into an installation or taken out.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A hop or an appup could not be made or checked.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// The user stopped the command before anything had changed.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// The user stopped the command while the node was applying.
    #[error("interrupted; the node goes on with the upgrade by itself")]
    InterruptedApply,
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl Error {
    /// An I/O failure, with the kinds that have a name of their own told apart.
    pub(crate) fn io(path: &Path, action: &str, source: io::Error) -> Error {
        // By kind: errors that fs-err has given a path carry no error number any more.
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::NoSpace {
                dir: path.to_owned(),
            },
            kind @ (ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                Error::NoWritePermission {
                    what: format!("cannot {action} {}: {kind}", path.display()),
                    hint: if kind == ErrorKind::ReadOnlyFilesystem {
                        "remount the file system read-write".to_owned()
                    } else {
                        format!(
                            "run the command as the user that owns the installation (this is uid {})",
                            nix::unistd::geteuid()
                        )
                    },
                }
            }
            _ => Error::Io {
                what: format!("cannot {action} {}", path.display()),
                source,
            },
        }
    }

    /// The same error for people who know the tarball and not the directory it was extracted into,
    /// which is gone by the time they read this.
    pub(crate) fn shown_below(mut self, staging: &Path, tarball: &Path) -> Error {
        match &mut self {
            Error::CannotReadEmqxVars { path, .. }
            | Error::RelVsnNotFound { path }
            | Error::InvalidRelVsn { path, .. }
            | Error::ForeignMachine { path, .. }
            | Error::InvalidRelupFile { path, .. } => {
                if let Ok(rest) = path.strip_prefix(staging) {
                    *path = tarball.join(rest);
                }
            }
            Error::IncompleteRelease { what: text }
            | Error::ApplyFailed(ApplyFailure { detail: text, .. }) => {
                let staging = staging.to_string_lossy();
                *text = text.replace(staging.as_ref(), &tarball.to_string_lossy());
            }
            // The others name no path of the staged tree.
            _ => {}
        }
        self
    }

    /// The stable name, as in the contract's table of stages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Error::Locked { .. } => "locked",
            Error::NodeNotRunning(_) => "node_not_running",
            Error::NodeUnreachable(_) => "node_unreachable",
            Error::NodeRpc(_) => "node_rpc_failed",
            Error::NodeLost(_) => "node_connection_lost",
            Error::Abandoned { .. } => "apply_abandoned",
            Error::ManagedByReleaseHandler { .. } => "managed_by_release_handler",
            Error::PatchesDirNotEmpty { .. } => "patches_dir_not_empty",
            Error::TargetTarballNotFound { .. } => "target_tarball_not_found",
            Error::CannotReadTargetTarball { .. } => "cannot_read_target_tarball",
            Error::MissingSha256Sidecar { .. } => "missing_sha256_sidecar",
            Error::CannotReadSha256Sidecar { .. } => "cannot_read_sha256_sidecar",
            Error::InvalidSha256Sidecar { .. } => "invalid_sha256_sidecar",
            Error::Sha256Mismatch { .. } | Error::TarballChanged { .. } => "sha256_mismatch",
            Error::MissingPubkey => "missing_pubkey",
            Error::CannotReadPubkey { .. } => "cannot_read_pubkey",
            Error::InvalidPubkey { .. } => "invalid_pubkey",
            Error::MissingSignature { .. } => "missing_signature",
            Error::CannotReadSignature { .. } => "cannot_read_signature",
            Error::InvalidSignature { .. } => "invalid_signature",
            Error::UnsafeArchiveEntry { .. } => "unsafe_archive_entry",
            Error::ArchiveCorrupt(_) => "archive_corrupt",
            Error::ArchiveTooLarge(_) => "archive_too_large",
            Error::NoSpace { .. } => "no_space",
            Error::CannotReadEmqxVars { .. } => "cannot_read_emqx_vars",
            Error::RelVsnNotFound { .. } => "rel_vsn_not_found",
            Error::InvalidRelVsn { .. } => "invalid_rel_vsn",
            Error::AlreadyUpgraded { .. } => "already_upgraded_to_target_vsn",
            Error::DuplicatePendingTarget { .. } => "duplicate_pending_target",
            Error::IncompleteRelease { .. } => "incomplete_release",
            Error::CannotReadBuildInfo { .. } => "cannot_read_build_info",
            Error::Incompatible(compat) => compat.name(),
            Error::ForeignMachine { .. } => "os_arch_mismatch",
            Error::NoWritePermission { .. } => "no_write_permission",
            Error::NoRelupEntry { .. } => "no_relup_entry",
            Error::Chain(chain) => chain.name(),
            Error::InvalidRelupFile { name, .. } => name,
            Error::TreeInUse { .. } => "tree_in_use",
            Error::ApplyFailed(failure) => &failure.name,
            Error::NothingToRollBack(_) => "nothing_to_roll_back",
            Error::NotDeployed { .. } => "not_deployed",
            Error::MarkerDamaged { .. } => "marker_damaged",
            Error::MarkerNotPutBack { .. } => "permanent_upgrade",
            Error::TreeDamaged { .. } => "tree_damaged",
            Error::HookFailed { .. } => "hook_failed",
            Error::BackupInside { .. } => "backup_inside",
            Error::NoManifest { .. } => "no_manifest",
            Error::NotVerified(found) => found.error_name(),
            Error::Program(error) => error.name(),
            Error::Author(error) => error.name(),
            Error::Interrupted | Error::InterruptedApply => "interrupted",
            Error::Io { .. } => "io_error",
        }
    }

    /// 1: nothing changed; 3: the VM was changed and restored; 4: the VM needs attention.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Chain(chain) => chain.exit_code(),
            Error::ApplyFailed(ApplyFailure { changed: false, .. }) => 1,
            Error::ApplyFailed(ApplyFailure { restored: true, .. }) => 3,
            Error::ApplyFailed(_)
            | Error::NodeLost(_)
            | Error::Abandoned { .. }
            | Error::InterruptedApply
            | Error::MarkerNotPutBack { .. } => 4,
            Error::Locked { .. }
            | Error::NodeNotRunning(_)
            | Error::NodeUnreachable(_)
            | Error::NodeRpc(_)
            | Error::ManagedByReleaseHandler { .. }
            | Error::PatchesDirNotEmpty { .. }
            | Error::TargetTarballNotFound { .. }
            | Error::CannotReadTargetTarball { .. }
            | Error::MissingSha256Sidecar { .. }
            | Error::CannotReadSha256Sidecar { .. }
            | Error::InvalidSha256Sidecar { .. }
            | Error::Sha256Mismatch { .. }
            | Error::TarballChanged { .. }
            | Error::MissingPubkey
            | Error::CannotReadPubkey { .. }
            | Error::InvalidPubkey { .. }
            | Error::MissingSignature { .. }
            | Error::CannotReadSignature { .. }
            | Error::InvalidSignature { .. }
            | Error::UnsafeArchiveEntry { .. }
            | Error::ArchiveCorrupt(_)
            | Error::ArchiveTooLarge(_)
            | Error::NoSpace { .. }
            | Error::CannotReadEmqxVars { .. }
            | Error::RelVsnNotFound { .. }
            | Error::InvalidRelVsn { .. }
            | Error::AlreadyUpgraded { .. }
            | Error::DuplicatePendingTarget { .. }
            | Error::IncompleteRelease { .. }
            | Error::CannotReadBuildInfo { .. }
            | Error::Incompatible(_)
            | Error::ForeignMachine { .. }
            | Error::NoWritePermission { .. }
            | Error::NoRelupEntry { .. }
            | Error::InvalidRelupFile { .. }
            | Error::TreeInUse { .. }
            | Error::NothingToRollBack(_)
            | Error::NotDeployed { .. }
            | Error::TreeDamaged { .. }
            | Error::HookFailed { .. }
            | Error::BackupInside { .. }
            | Error::MarkerDamaged { .. }
            | Error::NoManifest { .. }
            | Error::NotVerified(_)
            | Error::Program(_)
            | Error::Author(_)
            | Error::Interrupted
            | Error::Io { .. } => 1,
        }
    }
}
