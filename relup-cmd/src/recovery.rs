//! What a kill or a power cut left half-way: recognised, cleaned up and explained.
//!
//! The next command that changes something holds the lock and knows that the node is at rest, so
//! nobody works on what it finds: it removes temporary files, and closes the record of an unfinished
//! attempt by what the disk says came of it. Commands that only show something remove temporary files
//! if they can, and leave the record alone. A boot says what it sees and changes nothing.

use std::io::{Read, Seek, SeekFrom};

use relup::journal::{
    Action, Attempt, AttemptResult, AttemptStatus, attempts as folded, parse_journal,
};
use relup::layout::BaseRoot;
use relup::marker::Marker;

use crate::debris;
use crate::error::Error;
use crate::install::Install;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::Console;
use crate::regular;
use crate::release::Identity;
use crate::running::refuse_while_applying;
use crate::state::{self, AttemptLog};

/// How much of the journal's end a boot reads: some hundred records.
const TAIL: u64 = 64 * 1024;

/// Something that was begun and not ended, as a boot sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupted {
    /// An attempt whose record has no end.
    Attempt {
        /// What it was, and its versions: `upgrade 5.10.4 -> 5.10.5`.
        what: String,
        /// When it was begun, RFC 3339.
        started: String,
        /// The last step that was recorded.
        last_step: String,
    },
    /// Temporary files of a command that had changed nothing yet.
    Leftovers(Vec<String>),
}

/// What was interrupted on this installation, if anything was. Nothing is changed, and nothing that
/// is being worked on is taken for interrupted; what can't be read is no reason to hold up a boot.
#[must_use]
pub fn observe(base: &BaseRoot) -> Option<Interrupted> {
    let unfinished = tail(base)
        .and_then(|bytes| unfinished(folded(&parse_journal(&bytes))).pop())
        .map(|attempt| Interrupted::Attempt {
            what: what(&attempt),
            started: attempt.started_at,
            last_step: attempt.last_step,
        });
    let found = unfinished.or_else(|| {
        let names = debris::temporary(base);
        (!names.is_empty()).then_some(Interrupted::Leftovers(names))
    });
    found.filter(|_| RelupLock::holder(base).is_none())
}

/// The end of the journal; `None` where there is none.
fn tail(base: &BaseRoot) -> Option<Vec<u8>> {
    let (mut file, len) = regular::open(&base.journal()).ok()?;
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The lock, and what came to light when it was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) lock: RelupLock,
    /// Attempts that were interrupted after they had done what they were asked.
    done: Vec<Attempt>,
}

impl Taken {
    /// The interrupted attempt that has done this already: running its command again is no mistake.
    pub(crate) fn done(&self, action: &Action, to: &str) -> Option<&Attempt> {
        let is_it =
            |attempt: &&Attempt| attempt.action == *action && attempt.to.as_deref() == Some(to);
        self.done.iter().rev().find(is_it)
    }
}

/// Whether a killed command has left something that taking the lock would bring to its end.
pub(crate) fn is_open(base: &BaseRoot) -> bool {
    let open = |attempts| !unfinished(attempts).is_empty();
    state::read_attempts(base).is_ok_and(open)
        || !debris::names(base).is_empty()
        || has_lock_file(base)
}

/// The file of a lock that nobody holds does no harm, but its holder was killed.
fn has_lock_file(base: &BaseRoot) -> bool {
    base.lock().symlink_metadata().is_ok()
}

/// Stage 1, for every command that changes something: the lock, the node's own work, and what others
/// have left.
pub(crate) fn take_lock(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Taken, Error> {
    let base = &install.base;
    let lock = RelupLock::acquire(base)?;
    let mut done = Vec::new();
    if refuse_while_applying(node)? {
        // What another user has left must not stop a rollback.
        debris::sweep(base, &lock, &debris::names(base), &mut |error| {
            console.warn(format!(
                "what an interrupted command has left stays: {error}"
            ));
        })?;
        done = close(base, &lock, console);
    }
    Ok(Taken { lock, done })
}

/// Removes temporary files for a command that only shows something, where that can be done now.
pub(crate) fn tidy(install: &Install, node: &mut dyn Node) {
    let base = &install.base;
    let names = debris::temporary(base);
    if names.is_empty() && !has_lock_file(base) || RelupLock::holder(base).is_some() {
        return;
    }
    // What can't be removed now is removed by somebody else, and `status` names it.
    let _ = RelupLock::acquire(base).and_then(|lock| {
        if refuse_while_applying(node)? {
            debris::sweep(base, &lock, &names, &mut |_| {})?;
        }
        Ok(())
    });
}

/// Ends the records of attempts that nobody will end any more. Those that had done what they were
/// asked come back.
fn close(base: &BaseRoot, _lock: &RelupLock, console: &mut Console<'_>) -> Vec<Attempt> {
    let attempts = state::read_attempts(base).unwrap_or_else(|error| {
        console.warn(error.to_string());
        Vec::new()
    });
    let mut done = Vec::new();
    for attempt in unfinished(attempts) {
        let result = outcome(base, &attempt);
        let words = match &result {
            AttemptResult::Success => "had done what it was asked".to_owned(),
            AttemptResult::Error { detail, .. } => detail.clone(),
        };
        console.warn(format!(
            "{} of {} was interrupted: {words}",
            what(&attempt),
            attempt.started_at
        ));
        let is_done = result == AttemptResult::Success;
        if let Err(error) = AttemptLog::of(base, &attempt).finished(result) {
            console.warn(error.to_string());
        }
        if is_done {
            done.push(attempt);
        }
    }
    done
}

fn unfinished(mut attempts: Vec<Attempt>) -> Vec<Attempt> {
    attempts.retain(|attempt| attempt.status == AttemptStatus::InProgress);
    attempts
}

/// `upgrade 5.10.4 -> 5.10.5`.
fn what(attempt: &Attempt) -> String {
    let action = attempt.action.as_str();
    let text = |vsn: &Option<String>| vsn.clone().unwrap_or_else(|| "?".to_owned());
    match attempt.action {
        Action::Prune => format!("{action} {}", text(&attempt.from)),
        _ => format!("{action} {} -> {}", text(&attempt.from), text(&attempt.to)),
    }
}

/// What came of an attempt, by the one thing that commits it.
fn outcome(base: &BaseRoot, attempt: &Attempt) -> AttemptResult {
    let marker = state::read_marker(base);
    let is = |vsn: &str, wanted: &Option<String>| wanted.as_deref() == Some(vsn);
    let committed = match (&attempt.action, &marker) {
        (Action::Prune, _) => attempt
            .from
            .as_deref()
            .and_then(|vsn| vsn.parse().ok())
            .is_some_and(|vsn| base.deployed(&vsn).path().symlink_metadata().is_err()),
        (Action::LogsClear | Action::Other(_), _) | (_, Marker::Damaged(_)) => false,
        (_, Marker::Current(vsn)) => is(vsn.as_str(), &attempt.to),
        (Action::Rollback | Action::Fallback | Action::Package, Marker::Absent) => {
            original(base).is_some_and(|vsn| is(&vsn, &attempt.to))
        }
        (Action::Upgrade | Action::ColdUpgrade, Marker::Absent) => false,
    };
    if committed {
        return AttemptResult::Success;
    }
    let next = match marker {
        Marker::Current(vsn) => format!("the next start boots {vsn}"),
        Marker::Absent => match original(base) {
            Some(vsn) => format!("the next start boots {vsn}"),
            None => "the next start boots the original release".to_owned(),
        },
        Marker::Damaged(reason) => format!("no start follows the marker: {reason}"),
    };
    AttemptResult::Error {
        name: "interrupted".to_owned(),
        detail: format!("after {}; {next}", attempt.last_step),
    }
}

fn original(base: &BaseRoot) -> Option<String> {
    let identity = Identity::read(&base.tree(), base).ok()?;
    Some(identity.vsn.to_string())
}

#[cfg(test)]
mod tests;
