//! `relup upgrade`: the stages in the contract's order.
//!
//! Each stage takes what only the stage before can make: a [`Tarball`](crate::tarball::Tarball) becomes
//! a [`VerifiedTarball`](crate::tarball::VerifiedTarball), that a
//! [`StagedTree`](crate::stage::StagedTree), that a
//! [`DeployedTree`](crate::deploy::DeployedTree), that an [`AppliedHop`]. Nothing is journalled
//! before stage 10, and a refusal before that leaves `relup/` as it was.

mod change;

use relup::layout::Tree;
use relup::node::ApplyRequest;

use crate::around::Around;
use crate::cli::Upgrade;
use crate::error::Error;
use crate::hops::{self, FoundHop, Sources};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::prepare::{Prepared, Tools};
use crate::recovery::take_lock;
use crate::running::Running;
use crate::via::{self, AtHand, Progress};
use change::Change;

/// How long one process may take to be suspended.
const SUSPEND_TIMEOUT_MS: u64 = 5_000;

/// Upgrades the running node.
pub(crate) fn run(
    args: &Upgrade,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let lock = take_lock(install, node, console)?.lock;
    let running = Running::ask_whole(node)?;
    let mut tools = Tools {
        args,
        install,
        lock: &lock,
        node,
        console,
        interrupt,
    };
    let at_hand = AtHand::of(&args.via)?;
    let target = Prepared::of(running, &mut tools)?;
    let (mut legs, last) = via::legs(target, &at_hand, &mut tools)?;
    let between: Vec<&Prepared> = legs.iter().map(|leg| &leg.prepared).collect();
    let around = Around::of(args, install, &last.prepared, &between, interrupt);
    legs.push(last);
    let progress = Progress::new(args, install, &legs);
    for (at, leg) in legs.iter().enumerate().skip(1) {
        via::foresee(leg, &progress.at(at), &mut tools)?;
    }
    interrupt.check()?;
    around.run(console, |console| {
        let change = Change {
            args,
            install,
            lock,
            node,
            console,
            interrupt,
        };
        change.walk(legs, progress)
    })
}

/// Stage 9.
pub(crate) fn find_hop(
    args: &Upgrade,
    install: &Install,
    prepared: &Prepared,
    node: &mut dyn Node,
    warn: &mut dyn FnMut(String),
) -> Result<FoundHop, Error> {
    let (staged, target) = (&prepared.staged, &prepared.identity.vsn);
    let sources = Sources {
        install,
        given: args.relup.as_deref(),
        tarball: Some(staged.tarball().path()),
        staged: Some((staged.tree(), target)),
    };
    hops::find(&sources, &prepared.running.vsn, target, node, warn)
        .map_err(|error| error.shown_below(staged.tree().path(), staged.tarball().path()))
}

/// What the node is asked to do, with the target in `tree`.
pub(crate) fn request(
    args: &Upgrade,
    install: &Install,
    prepared: &Prepared,
    hop: FoundHop,
    attempt: &str,
    tree: &Tree,
) -> ApplyRequest {
    let base = &install.base;
    ApplyRequest {
        attempt: attempt.to_owned(),
        from: prepared.running.vsn.to_string(),
        to: prepared.identity.vsn.to_string(),
        base_root: base.path().to_owned(),
        tree: tree.path().to_owned(),
        rel_name: prepared.identity.rel_name.clone(),
        hop: hop.script,
        beams: hop.beams,
        patches_dir: prepared.patches.clone(),
        marker: base.marker(),
        journal: base.journal(),
        brutal_purge: args.brutal_purge,
        undo_on_callback_failure: args.undo_on_callback_failure,
        suspend_timeout_ms: SUSPEND_TIMEOUT_MS,
    }
}

#[cfg(test)]
mod tests;
