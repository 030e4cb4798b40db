//! What can be known of a later hop before the first one is applied.
//!
//! The node proves it against the extracted tree as if it were the next: modules that the target lacks,
//! files that can't be read, instructions that mean nothing are wrong whatever runs then. What depends
//! on the code and the processes of the release in between shows only once that runs.

use relup::node::{ApplyFailure, Proof};

use super::{Leg, Progress};
use crate::error::Error;
use crate::prepare::Tools;
use crate::prove::{leave, prove};

/// Refusals that no release in between can lift.
const FINAL: [&str; 6] = [
    "app_not_found",
    "failed_to_read_app_desc_file",
    "failed_to_read_rel_file",
    "invalid_instr",
    "invalid_relup_file",
    "module_not_found",
];

/// A later hop, as the node sees it now.
#[derive(Debug)]
pub(crate) enum Foreseen {
    /// What it would do to what runs now.
    Steps(Proof),
    /// It could not be applied to what runs now.
    NotYet(ApplyFailure),
}

/// Looks ahead at a hop. `hop` is how the file is named in messages.
///
/// # Errors
/// It cannot be applied to any release, or the node can't be asked.
pub(crate) fn foresee(
    leg: &Leg,
    progress: &Progress,
    tools: &mut Tools<'_, '_>,
) -> Result<Foreseen, Error> {
    let Tools {
        args,
        install,
        lock,
        interrupt,
        ..
    } = *tools;
    let (staged, hop) = (&leg.prepared.staged, leg.hop.clone());
    let attempt = format!("plan-{}", crate::stage::random());
    let request = leg
        .prepared
        .request(args, install, hop, &attempt, staged.tree());
    let json = tools.console.is_json();
    let leave = leave(staged.places(), lock.dir(), json);
    match prove(&request, lock, tools.node, interrupt, &leave) {
        Ok(proof) => Ok(Foreseen::Steps(proof)),
        Err(Error::ApplyFailed(failure)) if !FINAL.contains(&failure.name.as_str()) => {
            Ok(Foreseen::NotYet(failure))
        }
        Err(error @ Error::ApplyFailed(_)) => {
            let tarball = staged.tarball().path();
            Err(progress.stopped(error.shown_below(staged.tree().path(), tarball)))
        }
        Err(error) => Err(error),
    }
}
