//! The remedy for each error, on a line of its own: what a person can do about it.

use relup::node::ApplyFailure;

use super::Error;

impl Error {
    /// What to do about it, where there is something to do.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Locked { .. } => "wait until it has ended; `emqx relup status` shows it",
            Error::NodeNotRunning(_) => "start the node with `emqx start` first",
            Error::NodeUnreachable(_) => "see `emqx ping` and the node's log",
            Error::NodeRpc(_) => "see the node's log",
            Error::MarkerNotPutBack { .. } => {
                "see to the disk, then run the command again; `emqx relup status` tells what the next start boots"
            }
            Error::Abandoned { .. } => {
                "restart the node with `emqx restart`; `emqx relup status` tells what it boots"
            }
            Error::NodeLost(_) | Error::InterruptedApply => {
                "`emqx relup status` and `emqx relup logs` tell how it ended"
            }
            Error::ManagedByReleaseHandler { .. } => {
                "copy its package into releases/ of the installation and run `emqx upgrade VSN`"
            }
            Error::PatchesDirNotEmpty { .. } => {
                "remove the patches that the target release contains, or keep them in force with --force"
            }
            Error::TargetTarballNotFound { .. } => "give the path of the target release's .tar.gz",
            Error::CannotReadTargetTarball { .. }
            | Error::CannotReadSha256Sidecar { .. }
            | Error::CannotReadPubkey { .. }
            | Error::CannotReadSignature { .. } => {
                "make it a regular file that the user running this command may read"
            }
            Error::MissingSha256Sidecar { .. } => {
                "copy the published .sha256 file beside the tarball"
            }
            Error::InvalidSha256Sidecar { .. } => {
                "it must hold the 64 hex digits of the tarball's SHA-256, alone or as sha256sum prints them"
            }
            Error::Sha256Mismatch { .. } => "download the tarball and its .sha256 file again",
            Error::TarballChanged { .. } => {
                "run the command again once nobody writes to the tarball"
            }
            Error::MissingPubkey => {
                "name its file with --pubkey, or set EMQX_RELUP_PUBKEY to the file or to the key itself"
            }
            Error::InvalidPubkey { .. } => {
                "it must be the minisign.pub file of whoever signs the tarballs, or the line of 56 characters in it"
            }
            Error::MissingSignature { .. } => {
                "copy the published .minisig file beside the tarball, or leave out --require-signature"
            }
            Error::InvalidSignature { .. } => {
                "download the tarball and its .minisig file again, and compare the public key with the published one"
            }
            Error::UnsafeArchiveEntry { .. }
            | Error::ArchiveCorrupt(_)
            | Error::ArchiveTooLarge(_)
            | Error::CannotReadEmqxVars { .. }
            | Error::RelVsnNotFound { .. }
            | Error::InvalidRelVsn { .. }
            | Error::IncompleteRelease { .. } => "this must be an unmodified EMQX release package",
            Error::NoSpace { .. } => "free some space there and run the command again",
            Error::AlreadyUpgraded { .. } => "there is nothing to do",
            Error::DuplicatePendingTarget { .. } => {
                "`emqx restart` boots it, `emqx relup rollback` takes it back"
            }
            Error::CannotReadBuildInfo { .. } => {
                "the release that runs must be complete; reinstall the package of its version"
            }
            Error::Incompatible(compat) => compat.hint(),
            Error::ForeignMachine { .. } => "take the target package for this machine",
            Error::NoWritePermission { hint, .. } => return Some(hint.clone()),
            Error::NoRelupEntry { chain, .. } if !chain.is_empty() => {
                return Some(format!(
                    "hops lead there over releases in between, {}: name their tarballs, or the directory that they are in, with --via",
                    crate::hops::chain::words(chain)
                ));
            }
            Error::NoRelupEntry { .. } => {
                "copy the hop file into relup/catalog/ of the installation or give it with --relup, or upgrade by a restart with --cold"
            }
            Error::InvalidRelupFile { .. } => {
                "a hop file is one Erlang map with from_version, target_version, code_changes and post_upgrade_callbacks"
            }
            Error::TreeInUse { .. } => "restart the node into another tree first",
            Error::ApplyFailed(failure) => return apply_hint(failure),
            Error::NothingToRollBack(_) => "`emqx relup list` shows the trees there are",
            Error::NotDeployed { .. } => "`emqx relup list` shows the versions that are",
            Error::TreeDamaged { .. } => "choose another tree; `emqx relup list` shows them",
            Error::MarkerDamaged { .. } => {
                "`emqx relup rollback` returns to the original release, `emqx relup rollback --to VSN` to a deployed one"
            }
            Error::NoManifest { .. } => {
                "the package manager that installed it can: `dpkg --verify` or `rpm --verify`"
            }
            Error::NotVerified(found) => found.hint(),
            Error::Author(_) | Error::Program(_) | Error::Chain(_) => return self.hint_of_part(),
            Error::HookFailed { .. } => {
                "what it printed stands above; mend it, or move it out of relup.d to go on without it"
            }
            Error::BackupInside { .. } => "give --backup a directory outside of the installation",
            Error::Interrupted | Error::Io { .. } => return None,
        };
        Some(text.to_owned())
    }

    /// Of errors that have an enum of their own.
    fn hint_of_part(&self) -> Option<String> {
        match self {
            Error::Author(error) => Some(error.hint()),
            Error::Program(error) => Some(error.hint()),
            Error::Chain(chain) => chain.hint(),
            _ => None,
        }
    }
}

fn apply_hint(failure: &ApplyFailure) -> Option<String> {
    let text = match (failure.changed, failure.restored) {
        (false, _) => match failure.name.as_str() {
            "old_code_in_use" => {
                "let those processes finish and try again, or accept that they are killed with --brutal-purge"
            }
            _ => return None,
        },
        (true, true) if failure.name == "post_upgrade_failed" => {
            "the node runs the old version again, and the next start boots what it did before; what callbacks did \
             to data stays"
        }
        (true, true) => {
            "the node runs the old version again, and the next start boots what it did before"
        }
        (true, false) if failure.name == "post_upgrade_failed" => {
            "the node runs changed code and no marker was written: `emqx restart` brings it back to the release on disk; --undo-on-callback-failure would have done it at once"
        }
        // Before or after the rename: only the disk knows.
        (true, false) if failure.name == "permanent_upgrade" => {
            "the node runs the new version; `emqx relup status` tells what the next start boots, and `emqx relup rollback --to VERSION` writes the marker once that can be done"
        }
        (true, false) => {
            "the node runs changed code and no marker was written: `emqx restart` brings it back to the release on disk"
        }
    };
    Some(text.to_owned())
}
