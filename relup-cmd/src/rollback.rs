//! `relup rollback`: the next start boots another tree; what runs now is not touched.
//!
//! The documented way is `rm relup/current`. This does the same in one durable step, records it, and
//! refuses when the tree that would boot then is not there or not complete.

use relup::journal::{Action, Step};
use relup::layout::{BaseRoot, Tree};
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;

use crate::assessment;
use crate::cli;
use crate::error::Error;
use crate::hooks::{self, Hooks};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::manifest_file::check_tree;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::recovery;
use crate::release::{Identity, check_tree_of};
use crate::running::refuse_while_applying;
use crate::state::{self, AttemptLog};
use crate::switch;

/// What the next start will boot.
pub(crate) struct Destination {
    pub(crate) vsn: ReleaseVsn,
    tree: Tree,
    /// Whether the marker has to name it; the base boots without one.
    marked: bool,
}

/// Switches the marker back.
pub(crate) fn run(
    args: &cli::Rollback,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    // Looking comes first: taking the lock would create `relup/` for nothing.
    let marker = state::read_marker(&install.base);
    let is_base = matches!((&marker, &args.to), (Marker::Absent, None));
    if is_base && !recovery::is_open(&install.base) {
        // An apply that is under way will write one.
        refuse_while_applying(node)?;
        return Err(Error::NothingToRollBack(format!(
            "{} does not exist: the next start boots the original release",
            install.base.marker().display()
        )));
    }
    let taken = recovery::take_lock(install, node, console)?;
    let destination = match &args.to {
        None => original(&install.base)?,
        Some(vsn) => deployed(install, vsn)?,
    };
    let marker = state::read_marker(&install.base);
    let boots_already = match &marker {
        Marker::Current(vsn) => destination.marked && *vsn == destination.vsn,
        Marker::Absent => !destination.marked,
        Marker::Damaged(_) => false,
    };
    if boots_already {
        // A command that was interrupted behind its commit point is done, and may be run again.
        if let Some(before) = taken.done(&Action::Rollback, destination.vsn.as_str()) {
            return Ok(answer(before.from.as_deref().unwrap_or("?"), &destination));
        }
        return Err(Error::NothingToRollBack(format!(
            "the next start boots {} already",
            destination.vsn
        )));
    }
    let from = match marker {
        Marker::Current(vsn) => vsn.to_string(),
        Marker::Absent => install.booted_vsn.to_string(),
        Marker::Damaged(_) => "damaged".to_owned(),
    };
    let facts = hooks::facts("rollback", install, &from, &destination.vsn);
    let hooks = Hooks::of(hooks::Change::Rollback, install, args.hooks, interrupt);
    hooks.before(&facts, console)?;
    let switched = switch(install, &from, &destination);
    hooks.after(facts, switched.as_ref().copied(), console);
    switched?;
    drop(taken);
    Ok(answer(&from, &destination))
}

/// Changes the marker, journalled.
fn switch(install: &Install, from: &str, destination: &Destination) -> Result<(), Error> {
    let log = AttemptLog::new(
        &install.base,
        Action::Rollback,
        from,
        destination.vsn.as_str(),
    );
    log.step(Step::Started)?;
    let to = destination.marked.then_some(&destination.vsn);
    if let Err(refused) = switch::switch(&install.base, to, &log) {
        // The refusal counts; that it could not be recorded either adds nothing.
        let _ = log.failed(&refused.error);
        return Err(refused.error);
    }
    // Only tidiness: what is recorded of the tree before does not count for another one.
    let _ = assessment::clear(&install.base);
    Ok(())
}

/// The release that was installed first, whole.
fn original(base: &BaseRoot) -> Result<Destination, Error> {
    Ok(Destination {
        vsn: Identity::original(base)?.vsn,
        tree: base.tree(),
        marked: false,
    })
}

/// The deployed tree of `vsn`; where there is none, the original release if it is of that version.
fn deployed(install: &Install, vsn: &ReleaseVsn) -> Result<Destination, Error> {
    let tree = install.base.deployed(vsn);
    if !tree.path().is_dir() {
        return match original(&install.base) {
            Ok(base) if base.vsn == *vsn => Ok(base),
            _ => Err(Error::NotDeployed {
                vsn: vsn.to_string(),
                tree: tree.path().to_owned(),
            }),
        };
    }
    check_tree_of(&tree, vsn, &install.base)?;
    let nested = tree.nested_marker();
    if nested.symlink_metadata().is_ok() {
        return Err(Error::TreeDamaged {
            reason: format!(
                "the next start would follow its own marker {} (remove that file first)",
                nested.display()
            ),
            tree: tree.path().to_owned(),
        });
    }
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
    let word = if destination.marked {
        "switched"
    } else {
        "rolled back"
    };
    Answer {
        lines: vec![
            format!("{word}: {from} -> {vsn}"),
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

#[cfg(test)]
mod tests {
    use fs_err as fs;
    use serde_json::json;

    use super::*;
    use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, write};

    /// An installation whose marker names a deployed [`NEW`].
    fn upgraded() -> Site {
        let site = Site::with_hop();
        let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
        assert_eq!(said.code, 0, "{said:?}");
        fs::remove_file(site.base().journal()).expect("removed");
        site
    }

    fn check_refused(site: &Site, args: &[&str], name: &str) {
        let before = site.snapshot();
        let said = site.run(&mut site.node(), args);
        assert_eq!((said.code, said.error_name()), (1, name), "{said:?}");
        assert!(said.err.contains("\nhint: "), "{said:?}");
        assert_eq!(site.snapshot(), before);
    }

    fn check_done(site: &Site, said: &Said, from: &str, to: &str) {
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("`emqx restart` boots"), "{said:?}");
        assert_eq!(
            site.steps(),
            [Step::Started, Step::MarkerWritten, Step::Finished]
        );
        let records = site.records();
        assert!(
            records
                .iter()
                .all(|record| record.action == Action::Rollback)
        );
        assert_eq!(records[0].from.as_deref(), Some(from));
        assert_eq!(records[0].to.as_deref(), Some(to));
    }

    #[test]
    fn the_marker_is_removed_and_the_deployed_tree_kept() {
        let site = upgraded();
        let said = site.run(&mut site.node(), &["rollback"]);
        check_done(&site, &said, NEW, OLD);
        assert_eq!(site.marker(), None);
        assert_eq!(
            site.relup_names(),
            [NEW, "5.10.5.manifest", "catalog", "journal.jsonl"]
        );
    }

    #[test]
    fn another_deployed_tree_can_be_chosen_also_without_a_node() {
        let site = upgraded();
        fs::remove_file(site.base().marker()).expect("removed");
        let said = site.run(&mut FakeNode::down(), &["rollback", "--to", NEW]);
        check_done(&site, &said, OLD, NEW);
        assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
    }

    #[test]
    fn the_original_version_by_name_is_the_original_tree() {
        let site = upgraded();
        let said = site.run(&mut site.node(), &["rollback", "--to", OLD, "--json"]);
        assert_eq!(said.json()["to"], json!(OLD));
        assert_eq!(site.marker(), None);
    }

    #[test]
    fn a_damaged_marker_is_rolled_back_too() {
        let site = Site::with_hop();
        write(&site.base().marker(), "../x");
        let said = site.run(&mut site.node(), &["rollback"]);
        check_done(&site, &said, "damaged", OLD);
        assert_eq!(site.marker(), None);
    }

    #[test]
    fn what_would_not_do_what_it_says_is_refused() {
        check_refused(&Site::new(), &["rollback"], "nothing_to_roll_back");
        check_refused(
            &Site::new(),
            &["rollback", "--to", OLD],
            "nothing_to_roll_back",
        );
        check_refused(&Site::new(), &["rollback", "--to", NEW], "not_deployed");
        let site = upgraded();
        check_refused(&site, &["rollback", "--to", NEW], "nothing_to_roll_back");
        check_refused(&site, &["rollback", "--to", "5.10.9"], "not_deployed");
        fs::remove_file(site.base().tree().launcher()).expect("removed");
        check_refused(&site, &["rollback"], "incomplete_release");
    }

    #[test]
    fn a_tree_that_would_lead_on_to_another_one_is_not_chosen() {
        let site = upgraded();
        fs::remove_file(site.base().marker()).expect("removed");
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        write(&tree.nested_marker(), "5.10.6");
        check_refused(&site, &["rollback", "--to", NEW], "tree_damaged");
    }

    #[test]
    fn a_tree_that_lost_something_is_not_booted() {
        let site = upgraded();
        fs::remove_file(site.base().marker()).expect("removed");
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        fs::remove_dir_all(tree.lib().join("emqx-5.10.5")).expect("removed");
        check_refused(&site, &["rollback", "--to", NEW], "tree_damaged");
        fs::remove_file(tree.emqx_vars()).expect("removed");
        check_refused(&site, &["rollback", "--to", NEW], "cannot_read_emqx_vars");
        let other = site.base().deployed(&"5.10.6".parse().expect("a version"));
        Release::of(NEW).unpack(other.path());
        check_refused(&site, &["rollback", "--to", "5.10.6"], "incomplete_release");
    }

    #[test]
    fn nothing_is_switched_while_the_node_applies() {
        let site = upgraded();
        let mut node = site.node();
        node.attempt = Ok(Some("x".to_owned()));
        let said = site.run(&mut node, &["rollback"]);
        assert_eq!((said.code, said.error_name()), (1, "locked"));
        assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
    }
}
