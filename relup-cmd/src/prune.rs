//! `relup prune`: removes deployed trees that nothing boots and nothing runs from.
//!
//! What stays is decided by looking, at the marker, at the tree in force and at the nodes that run:
//! each may have been booted from a tree or load code from one. A node that can't be asked stops
//! everything. A tree loses its name first, durably, so that no kill leaves a half one under it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use relup::journal::{Action, AttemptResult, Step};
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;
use serde_json::{Value, json};

use crate::assessment;
use crate::cli;
use crate::debris;
use crate::deploy::lies_in;
use crate::durable;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::manifest_file::read_header;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::quantity::human;
use crate::recovery::take_lock;
use crate::release::Identity;
use crate::running::refuse_while_applying;
use crate::stage;
use crate::state::{self, AttemptLog};
use crate::trees::{deployed, size_of};

/// A deployed tree that may go.
struct Candidate {
    vsn: ReleaseVsn,
    path: PathBuf,
    bytes: u64,
    deployed_at: SystemTime,
}

/// What goes, oldest first, and what stays.
#[derive(Default)]
struct Choice {
    going: Vec<Candidate>,
    kept: Vec<Kept>,
}

struct Kept {
    vsn: ReleaseVsn,
    reason: &'static str,
}

/// Removes trees, or tells which.
pub(crate) fn run(
    args: &cli::Prune,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    if args.dry_run || !install.base.relup_dir().exists() {
        refuse_while_applying(node)?;
        let choice = choose(args, install, node)?;
        return Ok(answer(args, &choice, &debris::names(&install.base)));
    }
    let mut left_over = debris::names(&install.base);
    let lock = take_lock(install, node, console)?.lock;
    // What could not be removed, a warning has named.
    let stays = debris::names(&install.base);
    left_over.retain(|name| !stays.contains(name));
    let mut choice = choose(args, install, node)?;
    let mut done = 0;
    for tree in &choice.going {
        if let Err(error) = interrupt.check() {
            if done == 0 {
                return Err(error);
            }
            console.warn(format!("interrupted before {} was removed", tree.vsn));
            break;
        }
        console.stage(&format!("removing {}", tree.vsn), None);
        remove(tree, install, &lock)?;
        done += 1;
    }
    choice.going.truncate(done);
    Ok(answer(args, &choice, &left_over))
}

/// Looks at everything that a tree may be needed by.
fn choose(args: &cli::Prune, install: &Install, node: &mut dyn Node) -> Result<Choice, Error> {
    let base = &install.base;
    let mut marked = Vec::new();
    match state::read_marker(base) {
        Marker::Absent => {}
        Marker::Current(vsn) => marked.push(base.deployed(&vsn).path().to_owned()),
        Marker::Damaged(reason) => {
            return Err(Error::MarkerDamaged {
                marker: base.marker(),
                reason,
            });
        }
    }
    // A marker that an older tool left inside a deployed tree leads further.
    marked.push(install.booted.path().to_owned());
    let in_use = node.trees_in_use()?;
    let mut choice = Choice::default();
    for vsn in deployed(install)? {
        let path = base.deployed(&vsn).path().to_owned();
        let is_in = |paths: &[PathBuf]| paths.iter().any(|dir| lies_in(dir, &path));
        let reason = if is_in(&marked) {
            "boots next"
        } else if is_in(&in_use) {
            "a running node uses it"
        } else if path.is_symlink() {
            "a link that an operator has made"
        } else if !is_release(install, &vsn) {
            "not recognised as a release"
        } else {
            choice.going.push(Candidate {
                bytes: size_of(&path, None),
                deployed_at: deployed_at(install, &vsn, &path),
                vsn,
                path,
            });
            continue;
        };
        choice.kept.push(Kept { vsn, reason });
    }
    choice.going.sort_by_key(|tree| tree.deployed_at);
    let going = choice.going.len().saturating_sub(args.keep);
    let spared = choice.going.split_off(going);
    choice.kept.extend(spared.into_iter().map(|tree| Kept {
        vsn: tree.vsn,
        reason: "kept as asked",
    }));
    Ok(choice)
}

/// Whatever an operator keeps in `relup/` may have a name that could be a version.
fn is_release(install: &Install, vsn: &ReleaseVsn) -> bool {
    let base = &install.base;
    read_header(&base.manifest(vsn)).is_ok_and(|header| header.vsn == *vsn)
        || Identity::read(&base.deployed(vsn), base).is_ok_and(|identity| identity.vsn == *vsn)
}

/// Versions have no order that means anything, so the newest is what was deployed last.
fn deployed_at(install: &Install, vsn: &ReleaseVsn, tree: &Path) -> SystemTime {
    let time = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    time(&install.base.manifest(vsn))
        .or_else(|_| time(tree))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn remove(tree: &Candidate, install: &Install, _lock: &RelupLock) -> Result<(), Error> {
    let base = &install.base;
    let log = AttemptLog::new(base, Action::Prune, tree.vsn.as_str(), "-");
    log.step(Step::Started)?;
    let trash = base.trash(&stage::random());
    let manifest = base.manifest(&tree.vsn);
    let removed = durable::rename(&tree.path, &trash)
        .and_then(|()| log.step(Step::Retired))
        // Not flushed by itself: a manifest without its tree is removed by the next command.
        .and_then(|()| match manifest.symlink_metadata() {
            Ok(_) => debris::remove(&manifest),
            Err(_) => Ok(()),
        })
        .and_then(|()| debris::remove(&trash))
        .and_then(|()| durable::sync_dir(&base.relup_dir()));
    if let Err(error) = removed {
        // The failure counts; that it could not be recorded either adds nothing.
        let _ = log.failed(&error);
        return Err(error);
    }
    forget_given_up(install, &tree.vsn);
    log.finished(AttemptResult::Success)
}

/// `status` offers a tree that was given up for the original release; not once it is gone.
fn forget_given_up(install: &Install, vsn: &ReleaseVsn) {
    let recorded = assessment::read(&install.base).ok().flatten();
    if recorded.is_some_and(|found| found.given_up.is_some() && found.deployment.version == *vsn) {
        // Only tidiness.
        let _ = assessment::clear(&install.base);
    }
}

fn answer(args: &cli::Prune, choice: &Choice, left_over: &[String]) -> Answer {
    let Choice { going, kept } = choice;
    let word = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let bytes: u64 = going.iter().map(|tree| tree.bytes).sum();
    let mut lines: Vec<String> = going
        .iter()
        .map(|tree| format!("{word} {} ({})", tree.vsn, human(tree.bytes)))
        .collect();
    let swept = left_over
        .iter()
        .map(|name| format!("{word} {name}, left over by an interrupted command"));
    lines.extend(swept);
    lines.extend(
        kept.iter()
            .map(|tree| format!("kept {}: {}", tree.vsn, tree.reason)),
    );
    lines.push(match (going.len(), args.dry_run) {
        (0, _) => "no deployed release to remove".to_owned(),
        (_, true) => format!("{} to be freed; nothing was changed", human(bytes)),
        (_, false) => format!("{} freed", human(bytes)),
    });
    let removed: Vec<Value> = going
        .iter()
        .map(|tree| json!({ "version": tree.vsn.as_str(), "bytes": tree.bytes }))
        .collect();
    let kept: Vec<Value> = kept
        .iter()
        .map(|tree| json!({ "version": tree.vsn.as_str(), "reason": tree.reason }))
        .collect();
    Answer {
        lines,
        ..Answer::default()
    }
    .field("removed", removed)
    .field("left_over", left_over.to_vec())
    .field("kept", kept)
    .field("bytes", bytes)
    .field("dry_run", args.dry_run)
}

#[cfg(test)]
mod tests;
