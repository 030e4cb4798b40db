//! `upgrade --via`: the way to the target over releases in between, checked as a whole before its first
//! hop changes anything.
//!
//! Every tarball on the way is verified and extracted, and every hop is found, before the node is
//! touched. Each leg is then an upgrade of its own, with its own attempt in the journal and its own
//! commit: what it has reached stays, whatever comes of the next.

mod at_hand;
mod foresee;
mod progress;
mod search;

use std::collections::HashSet;
use std::path::PathBuf;

use relup::hop::HopPath;
use relup::layout::Tree;

use crate::compat;
use crate::error::{ChainError, Error};
use crate::hops::FoundHop;
use crate::patches::{check_patches, patches_dir};
use crate::permission;
use crate::prepare::{Opened, Prepared, Tools, check_pending};
use crate::running::Running;
pub(crate) use at_hand::AtHand;
pub(crate) use foresee::{Foreseen, foresee};
pub(crate) use progress::Progress;
use search::Search;

/// One hop of the way, with everything that it takes.
pub(crate) struct Leg {
    pub(crate) prepared: Prepared,
    pub(crate) hop: FoundHop,
}

impl Leg {
    pub(crate) fn path(&self) -> HopPath {
        HopPath {
            from: self.prepared.running.vsn.to_string(),
            to: self.prepared.identity.vsn.to_string(),
        }
    }

    /// Whether the node and the disk still are as they were when the way was planned.
    pub(crate) fn check_again(&self, tools: &mut Tools<'_, '_>) -> Result<(), Error> {
        let Prepared {
            running,
            staged,
            identity,
            ..
        } = &self.prepared;
        let now = Running::ask_whole(tools.node)?;
        if now.vsn != running.vsn {
            return Err(Error::Chain(ChainError::RunsOther {
                expected: running.vsn.to_string(),
                running: now.vsn.to_string(),
            }));
        }
        let patches = patches_dir(tools.install, now.data_dir.as_deref());
        check_patches(patches.as_deref(), tools.args.force)?;
        let base = &tools.install.base;
        check_pending(base, &identity.vsn)?;
        compat::check(base, &now, None, staged.tree(), identity, tools.args.force)?;
        permission::check(base, tools.node.uid())
    }
}

/// The way to a target: the legs before the last, none where a hop leads there at once, and the last.
pub(crate) fn legs(
    target: Prepared,
    at_hand: &AtHand,
    tools: &mut Tools<'_, '_>,
) -> Result<(Vec<Leg>, Leg), Error> {
    let mut told = HashSet::new();
    match find(&target, tools, &mut told) {
        Ok(hop) => {
            let leg = Leg {
                prepared: target,
                hop,
            };
            if !tools.args.via.is_empty() {
                let path = leg.path();
                let text = format!("the hop {path} is there: nothing of --via is needed");
                tools.console.note(&text);
            }
            Ok((Vec::new(), leg))
        }
        Err(Error::NoRelupEntry { .. }) if !tools.args.via.is_empty() => {
            over_others(target, at_hand, tools, &mut told)
        }
        Err(error) => Err(error),
    }
}

fn over_others(
    target: Prepared,
    at_hand: &AtHand,
    tools: &mut Tools<'_, '_>,
    told: &mut HashSet<String>,
) -> Result<(Vec<Leg>, Leg), Error> {
    let Prepared {
        running,
        staged,
        identity,
        patches,
    } = target;
    let target = Opened { staged, identity };
    let from = running.vsn.to_string();
    let between = Search::new(tools, at_hand, &from, &target, told)?.way()?;
    let mut legs: Vec<Leg> = Vec::new();
    for opened in between {
        let leg = leg(opened, legs.last(), &running, patches.clone(), tools, told)?;
        legs.push(leg);
    }
    let last = leg(target, legs.last(), &running, patches, tools, told)?;
    let hops: Vec<HopPath> = legs.iter().chain([&last]).map(Leg::path).collect();
    let words = crate::hops::chain::words(&hops);
    tools.console.note(&format!("the way: {words}"));
    Ok((legs, last))
}

/// The leg to a release, from what runs or from where the leg before leads.
fn leg(
    opened: Opened,
    before: Option<&Leg>,
    running: &Running,
    patches: Option<PathBuf>,
    tools: &mut Tools<'_, '_>,
    told: &mut HashSet<String>,
) -> Result<Leg, Error> {
    let vsn = before.map_or(&running.vsn, |leg| &leg.prepared.identity.vsn);
    let prepared = Prepared {
        running: Running {
            vsn: vsn.clone(),
            ..running.clone()
        },
        staged: opened.staged,
        identity: opened.identity,
        patches,
    };
    let before = before.map(|leg| leg.prepared.staged.tree());
    check_leg(&prepared, before, tools)?;
    let hop = find(&prepared, tools, told)?;
    Ok(Leg { prepared, hop })
}

/// Stages 6 and 7 of a leg, against the release that is reached before it.
fn check_leg(
    prepared: &Prepared,
    before: Option<&Tree>,
    tools: &mut Tools<'_, '_>,
) -> Result<(), Error> {
    let Prepared {
        running,
        staged,
        identity,
        ..
    } = prepared;
    let (base, tree) = (&tools.install.base, staged.tree());
    check_pending(base, &identity.vsn)?;
    compat::check(base, running, before, tree, identity, tools.args.force)
        .map_err(|error| error.shown_below(tree.path(), staged.tarball().path()))
}

/// Stage 9 of a leg. What is wrong with a file is told once, however often it is passed over.
fn find(
    prepared: &Prepared,
    tools: &mut Tools<'_, '_>,
    told: &mut HashSet<String>,
) -> Result<FoundHop, Error> {
    let Tools { args, install, .. } = *tools;
    let console = &mut *tools.console;
    let mut warn = |text: String| {
        if told.insert(text.clone()) {
            console.warn(text);
        }
    };
    prepared.find_hop(args, install, tools.node, &mut warn)
}

#[cfg(test)]
mod tests;
