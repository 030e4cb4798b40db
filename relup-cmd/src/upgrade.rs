//! `relup upgrade`: the stages in the contract's order.
//!
//! Each stage takes what only the stage before can make: a [`Tarball`](crate::tarball::Tarball) becomes
//! a [`VerifiedTarball`](crate::tarball::VerifiedTarball), that a
//! [`StagedTree`](crate::stage::StagedTree), that a
//! [`DeployedTree`](crate::deploy::DeployedTree), that an [`AppliedHop`]. Nothing is journalled
//! before stage 10, and a refusal before that leaves `relup/` as it was.

mod change;

use crate::around::Around;
use crate::cli::Upgrade;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::prepare::{Prepared, Tools};
use crate::recovery::take_lock;
use crate::running::Running;
use crate::via::{self, AtHand, Progress};
use change::Change;

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

#[cfg(test)]
mod tests;
