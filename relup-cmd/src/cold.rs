//! `relup upgrade --cold`: the tree is deployed and the marker swapped, and that is all.
//!
//! It takes effect at the next start, so it needs no hop and no node; a node that runs is asked what
//! it runs and not touched. The marker is written here, which makes the tree one that has never
//! booted as far as the assessment of boots is concerned.

use std::path::Path;

use relup::journal::{Action, Step};
use relup::marker::Marker;

use crate::around::Around;
use crate::assessment;
use crate::cli::Upgrade;
use crate::deploy::DeployedTree;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::prepare::{Prepared, Tools};
use crate::recovery::{Taken, take_lock};
use crate::running::Running;
use crate::state::{self, AttemptLog};
use crate::switch::{self, NotSwitched};

/// Makes the next start boot the release in a tarball.
pub(crate) fn run(
    args: &Upgrade,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let taken = take_lock(install, node, console)?;
    let lock = &taken.lock;
    let running = Running::ask_or_look(install, node)?;
    let is_up = running.is_up;
    let mut tools = Tools {
        args,
        install,
        lock,
        node,
        console,
        interrupt,
    };
    let prepared = match Prepared::of(running, &mut tools) {
        // A command that was interrupted behind its commit point is done, and may be run again.
        Err(error @ (Error::DuplicatePendingTarget { .. } | Error::AlreadyUpgraded { .. })) => {
            return done_before(install, &taken, is_up, error);
        }
        other => other?,
    };
    interrupt.check()?;
    let around = Around::of(args, install, &prepared, &[], interrupt);
    around.run(console, |console| {
        change(install, lock, prepared, node, console, interrupt)
    })
}

/// The answer of an attempt that was interrupted after it had swapped the marker, or the error.
fn done_before(
    install: &Install,
    taken: &Taken,
    is_up: bool,
    error: Error,
) -> Result<Answer, Error> {
    let Marker::Current(vsn) = state::read_marker(&install.base) else {
        return Err(error);
    };
    let Some(before) = taken.done(&Action::ColdUpgrade, vsn.as_str()) else {
        return Err(error);
    };
    let tree = install.base.deployed(&vsn);
    let from = before.from.as_deref().unwrap_or("?");
    Ok(answer(
        &before.id,
        is_up,
        tree.path(),
        true,
        (from, vsn.as_str()),
    ))
}

/// Stages 10 and 14, journalled from their beginning to their end.
fn change(
    install: &Install,
    lock: &RelupLock,
    prepared: Prepared,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let base = &install.base;
    let Prepared {
        running,
        staged,
        identity,
        ..
    } = prepared;
    let (from, to) = (running.vsn.to_string(), identity.vsn.to_string());
    let log = AttemptLog::new(base, Action::ColdUpgrade, from.as_str(), to.as_str());
    console.stage(&format!("deploying {to}"), None);
    let mut in_use = || Ok(node.trees_in_use()?);
    let deployed = log
        .staged()
        .and_then(|()| staged.deploy(identity, &mut in_use, base, lock, interrupt));
    let switched = deployed.and_then(|deployed| switch(install, deployed, lock, &log, interrupt));
    let deployed = match switched {
        Ok(deployed) => deployed,
        Err(error) => {
            // The refusal counts; that it could not be recorded either adds nothing.
            let _ = log.failed(&error);
            return Err(error);
        }
    };
    // Only tidiness: what is recorded of the tree before counts for nothing any more.
    if let Err(error) = assessment::clear(base) {
        console.warn(error.to_string());
    }
    let tree = deployed.tree().path();
    let versions = (from.as_str(), to.as_str());
    Ok(answer(
        log.id(),
        running.is_up,
        tree,
        deployed.reused(),
        versions,
    ))
}

/// Swaps the marker. Where that fails nothing has changed: the tree is withdrawn.
fn switch(
    install: &Install,
    deployed: DeployedTree,
    lock: &RelupLock,
    log: &AttemptLog<'_>,
    interrupt: &Interrupt,
) -> Result<DeployedTree, Error> {
    let (base, vsn) = (&install.base, deployed.identity().vsn.clone());
    let ready = log
        .step(Step::Deployed)
        .and_then(|()| interrupt.check())
        .map_err(|error| NotSwitched {
            error,
            was_swapped: false,
        });
    match ready.and_then(|()| switch::switch(base, Some(&vsn), log)) {
        Ok(()) => Ok(deployed),
        // A power cut may bring either marker back, so both trees have to be there.
        Err(refused) if refused.was_swapped => Err(refused.error),
        Err(refused) => {
            deployed.withdraw(base, lock)?;
            Err(refused.error)
        }
    }
}

fn answer(
    attempt: &str,
    is_up: bool,
    tree: &Path,
    reused: bool,
    (from, to): (&str, &str),
) -> Answer {
    let now = if is_up {
        format!(
            "the node runs {from} as before; `emqx restart` boots {to} from {}",
            tree.display()
        )
    } else {
        format!("`emqx start` boots {to} from {}", tree.display())
    };
    Answer {
        lines: vec![now, "upgrade complete".to_owned()],
        ..Answer::default()
    }
    .field("attempt", attempt)
    .field("from", from)
    .field("to", to)
    .field("cold", true)
    .field("tree", tree.to_string_lossy())
    .field("tree_reused", reused)
    .field("node_running", is_up)
    .field("restart_needed", is_up)
}

#[cfg(test)]
mod tests;
