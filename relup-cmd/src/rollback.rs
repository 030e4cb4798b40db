//! `relup rollback`: the next start boots another tree; what runs now is not touched.
//!
//! The documented way is `rm relup/current`. This does the same in one durable step, records it, and
//! refuses when the tree that would boot then is not there or not complete.

use relup::journal::{Action, AttemptResult, Step};
use relup::layout::Tree;
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;

use crate::cli;
use crate::error::Error;
use crate::install::Install;
use crate::manifest_file::check_tree;
use crate::node::Node;
use crate::output::Answer;
use crate::release::{Identity, check_tree_of};
use crate::state::{self, AttemptLog};
use crate::upgrade::take_lock;

/// What the next start will boot.
struct Destination {
    vsn: ReleaseVsn,
    tree: Tree,
    /// Whether the marker has to name it; the base boots without one.
    marked: bool,
}

/// Switches the marker back.
pub(crate) fn run(
    args: &cli::Rollback,
    install: &Install,
    node: &mut dyn Node,
) -> Result<Answer, Error> {
    // Looking comes first: taking the lock would create `relup/` for nothing.
    let marker = state::read_marker(&install.base);
    if matches!((&marker, &args.to), (Marker::Absent, None)) {
        return Err(Error::NothingToRollBack(format!(
            "{} does not exist: the next start boots the original release",
            install.base.marker().display()
        )));
    }
    let lock = take_lock(install, node)?;
    let destination = match &args.to {
        None => original(install)?,
        Some(vsn) => deployed(install, vsn)?,
    };
    let from = match state::read_marker(&install.base) {
        Marker::Current(vsn) if destination.marked && vsn == destination.vsn => {
            return Err(Error::NothingToRollBack(format!(
                "the next start boots {vsn} already"
            )));
        }
        Marker::Absent if !destination.marked => {
            return Err(Error::NothingToRollBack(format!(
                "the next start boots {} already",
                destination.vsn
            )));
        }
        Marker::Current(vsn) => vsn.to_string(),
        Marker::Absent => install.booted_vsn.to_string(),
        Marker::Damaged(_) => "damaged".to_owned(),
    };
    let log = AttemptLog::new(
        &install.base,
        Action::Rollback,
        from.as_str(),
        destination.vsn.as_str(),
    );
    log.step(Step::Started)?;
    let switched = if destination.marked {
        state::write_marker(&install.base, &destination.vsn)
    } else {
        state::remove_marker(&install.base)
    };
    if let Err(error) = switched {
        // The refusal counts; that it could not be recorded either adds nothing.
        let _ = log.failed(&error);
        return Err(error);
    }
    log.step(Step::MarkerWritten)?;
    log.finished(AttemptResult::Success)?;
    drop(lock);
    Ok(answer(&from, &destination))
}

fn original(install: &Install) -> Result<Destination, Error> {
    let tree = install.base.tree();
    let identity = Identity::read(&tree, &install.base)?;
    identity.check_complete(&tree)?;
    Ok(Destination {
        vsn: identity.vsn,
        tree,
        marked: false,
    })
}

/// The deployed tree of `vsn`; where there is none, the original release if it is of that version.
fn deployed(install: &Install, vsn: &ReleaseVsn) -> Result<Destination, Error> {
    let tree = install.base.deployed(vsn);
    if !tree.path().is_dir() {
        return match original(install) {
            Ok(base) if base.vsn == *vsn => Ok(base),
            _ => Err(Error::NotDeployed {
                vsn: vsn.to_string(),
                tree: tree.path().to_owned(),
            }),
        };
    }
    check_tree_of(&tree, vsn, &install.base)?;
    let manifest = install.base.manifest(vsn);
    if manifest.exists() {
        check_tree(&tree, &manifest)?;
    }
    Ok(Destination {
        vsn: vsn.clone(),
        tree,
        marked: true,
    })
}

fn answer(from: &str, destination: &Destination) -> Answer {
    let (vsn, tree) = (&destination.vsn, destination.tree.path());
    Answer {
        lines: vec![
            format!("rolled back: {from} -> {vsn}"),
            format!(
                "`emqx restart` boots {vsn} from {}; until then nothing changes",
                tree.display()
            ),
        ],
        ..Answer::default()
    }
    .field("from", from)
    .field("to", vsn.as_str())
    .field("tree", tree.to_string_lossy())
    .field("restart_needed", true)
}
