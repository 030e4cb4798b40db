//! Stages 3 to 8, which every kind of upgrade has in common: patches, digest, extraction, identity,
//! compatibility, permission. What comes out is a staged tree that may be deployed.
//!
//! Nothing outside the staging directory is written here, and dropping the result removes that.

use std::path::{Path, PathBuf};

use relup::layout::{BaseRoot, Tree};
use relup::marker::Marker;
use relup::node::ApplyRequest;
use relup::vsn::ReleaseVsn;

use crate::cli::Upgrade;
use crate::compat;
use crate::error::Error;
use crate::hops::{self, FoundHop, Sources};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::Console;
use crate::patches::{check_patches, patches_dir};
use crate::permission;
use crate::release::Identity;
use crate::running::Running;
use crate::signature::Demand;
use crate::stage::{self, Limits, StagedTree};
use crate::state;
use crate::tarball::Tarball;

/// How long one process may take to be suspended.
const SUSPEND_TIMEOUT_MS: u64 = 5_000;

/// A target that may be deployed.
pub(crate) struct Prepared {
    pub(crate) running: Running,
    pub(crate) staged: StagedTree,
    pub(crate) identity: Identity,
    /// `<data>/patches`, where there is one.
    pub(crate) patches: Option<PathBuf>,
}

/// A release that was verified and extracted, and is complete.
pub(crate) struct Opened {
    pub(crate) staged: StagedTree,
    pub(crate) identity: Identity,
}

/// What every stage needs besides its input.
pub(crate) struct Tools<'a, 'c> {
    pub(crate) args: &'a Upgrade,
    pub(crate) install: &'a Install,
    pub(crate) lock: &'a RelupLock,
    pub(crate) node: &'a mut dyn Node,
    pub(crate) console: &'a mut Console<'c>,
    pub(crate) interrupt: &'a Interrupt,
}

impl Prepared {
    /// Verifies, extracts and checks the tarball.
    pub(crate) fn of(running: Running, tools: &mut Tools<'_, '_>) -> Result<Prepared, Error> {
        let Tools { args, install, .. } = *tools;
        if install.is_handled {
            return Err(Error::ManagedByReleaseHandler {
                vsn: running.vsn.to_string(),
            });
        }
        let demand = Demand::read(&args.signature, install)?;
        let patches = patches_dir(install, running.data_dir.as_deref());
        check_patches(patches.as_deref(), args.force)?;
        let staged = tools.verify_and_stage(&args.tarball, &demand)?;
        tools.console.stage("checking the release", None);
        let identity = tools
            .check(&running, &staged)
            .map_err(|error| error.shown_below(staged.tree().path(), staged.tarball().path()))?;
        Ok(Prepared {
            running,
            staged,
            identity,
            patches,
        })
    }

    /// Stage 9.
    pub(crate) fn find_hop(
        &self,
        args: &Upgrade,
        install: &Install,
        node: &mut dyn Node,
        warn: &mut dyn FnMut(String),
    ) -> Result<FoundHop, Error> {
        let (staged, target) = (&self.staged, &self.identity.vsn);
        let sources = Sources {
            install,
            given: args.relup.as_deref(),
            tarball: Some(staged.tarball().path()),
            staged: Some((staged.tree(), target)),
        };
        hops::find(&sources, &self.running.vsn, target, node, warn)
            .map_err(|error| error.shown_below(staged.tree().path(), staged.tarball().path()))
    }

    /// What the node is asked to do, with the target in `tree`.
    pub(crate) fn request(
        &self,
        args: &Upgrade,
        install: &Install,
        hop: FoundHop,
        attempt: &str,
        tree: &Tree,
    ) -> ApplyRequest {
        let base = &install.base;
        ApplyRequest {
            attempt: attempt.to_owned(),
            from: self.running.vsn.to_string(),
            to: self.identity.vsn.to_string(),
            base_root: base.path().to_owned(),
            tree: tree.path().to_owned(),
            rel_name: self.identity.rel_name.clone(),
            hop: hop.script,
            beams: hop.beams,
            patches_dir: self.patches.clone(),
            marker: base.marker(),
            journal: base.journal(),
            brutal_purge: args.brutal_purge,
            undo_on_callback_failure: args.undo_on_callback_failure,
            suspend_timeout_ms: SUSPEND_TIMEOUT_MS,
        }
    }
}

impl Tools<'_, '_> {
    /// Verifies and extracts a tarball besides the target, and reads what it is; what it must match is
    /// known only later.
    pub(crate) fn open(&mut self, tarball: &Path) -> Result<Opened, Error> {
        let demand = Demand::read(&self.args.signature, self.install)?;
        self.console.note(&format!("{}:", tarball.display()));
        let staged = self.verify_and_stage(tarball, &demand)?;
        let (tree, base) = (staged.tree(), &self.install.base);
        let identity = Identity::read_package(tree, base)
            .and_then(|identity| identity.check_complete(tree).map(|()| identity))
            .map_err(|error| error.shown_below(tree.path(), staged.tarball().path()))?;
        Ok(Opened { staged, identity })
    }

    /// Stages 4 and 5.
    fn verify_and_stage(&mut self, tarball: &Path, demand: &Demand) -> Result<StagedTree, Error> {
        let Tools {
            install,
            lock,
            interrupt,
            ..
        } = *self;
        let console = &mut *self.console;
        let tarball = Tarball::open(tarball)?;
        let sidecar = tarball.sidecar()?;
        if let Some(other) = &sidecar.names_other {
            console.warn(format!("the digest is that of a file named {other:?}"));
        }
        let signature = tarball.signature(demand, &mut |text| console.warn(text))?;
        let len = tarball.len();
        console.stage("verifying the tarball", Some(len));
        let mut progress = |done| console.progress(done);
        let verified = tarball.verify(&sidecar, signature.as_ref(), interrupt, &mut progress)?;
        if let Some(signed) = verified.signed() {
            let comment = &signed.trusted_comment;
            console.note(&format!("  good signature, comment {comment:?}"));
            console.fact("trusted_comment", comment.as_str());
        }
        console.stage("extracting", Some(len));
        let mut progress = |done| console.progress(done);
        stage::stage(
            verified,
            &install.base,
            lock,
            Limits::DEFAULT,
            Some(&install.booted),
            interrupt,
            &mut progress,
        )
    }

    /// Stages 6 to 8.
    fn check(&mut self, running: &Running, staged: &StagedTree) -> Result<Identity, Error> {
        let Tools { args, install, .. } = *self;
        let (base, tree) = (&install.base, staged.tree());
        let identity = Identity::read_package(tree, base)?;
        check_versions(args, install, running, &identity.vsn, self.console)?;
        identity.check_complete(tree)?;
        compat::check(base, running, None, tree, &identity, args.force)?;
        permission::check(base, self.node.uid())?;
        Ok(identity)
    }
}

/// The second half of stage 6: the target against what runs and what is pending.
fn check_versions(
    args: &Upgrade,
    install: &Install,
    running: &Running,
    target: &ReleaseVsn,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let marker = install.base.marker();
    let pending = state::read_marker(&install.base);
    // What runs is nothing to a change that the next start sees, if that start boots something else.
    let counts = !args.cold || install.booted_vsn == *target;
    if *target == running.vsn && counts {
        return Err(Error::AlreadyUpgraded {
            vsn: target.to_string(),
            is_up: running.is_up,
        });
    }
    match pending {
        Marker::Current(pending) if pending == *target => {
            return Err(Error::DuplicatePendingTarget {
                vsn: target.to_string(),
                marker,
            });
        }
        Marker::Absent if args.cold && install.booted_vsn == *target => {
            return Err(Error::AlreadyUpgraded {
                vsn: target.to_string(),
                is_up: false,
            });
        }
        Marker::Damaged(reason) => console.warn(format!(
            "{} is damaged ({reason}); the upgrade replaces it",
            marker.display()
        )),
        Marker::Absent | Marker::Current(_) => {}
    }
    Ok(())
}

/// That the marker names a target already, for a release that is on the way.
pub(crate) fn check_pending(base: &BaseRoot, vsn: &ReleaseVsn) -> Result<(), Error> {
    match state::read_marker(base) {
        Marker::Current(pending) if pending == *vsn => Err(Error::DuplicatePendingTarget {
            vsn: vsn.to_string(),
            marker: base.marker(),
        }),
        Marker::Current(_) | Marker::Absent | Marker::Damaged(_) => Ok(()),
    }
}
