//! What interrupted commands leave is told truthfully, cleaned up, and its record closed once.

use fs_err as fs;
use relup::journal::{By, Record, Step};

use super::*;
use crate::testing::{FakeNode, NEW, OLD, Release, Site, write};

fn record(action: &str, step: &str, from: &str, to: &str) -> String {
    format!(
        "{{\"at\":\"2026-01-02T03:04:05.678Z\",\"attempt\":\"a\",\"action\":\"{action}\",\"step\":\"{step}\",\"by\":\"command\",\"from\":\"{from}\",\"to\":\"{to}\"}}\n"
    )
}

/// An installation whose journal ends in the middle of an attempt.
fn interrupted(action: &str, step: &str, from: &str, to: &str) -> Site {
    let site = Site::with_hop();
    let lines = record(action, "started", from, to) + &record(action, step, from, to);
    write(&site.base().journal(), &lines);
    site
}

/// What the next command writes about it.
fn closed(site: &Site) -> Record {
    let _ = site.run(&mut FakeNode::down(), &["rollback", "--to", "5.10.99"]);
    let mut records = site.records();
    records.retain(|record| record.attempt == "a");
    assert_eq!(records.len(), 3, "{records:?}");
    records.pop().expect("the last one")
}

fn check(site: &Site, expected: Result<(), &str>) {
    let status = site.run(&mut FakeNode::down(), &["status"]);
    assert!(status.out.contains("status=interrupted"), "{status:?}");
    let logs = site.run(&mut FakeNode::down(), &["logs"]);
    assert!(
        logs.out.contains("status=interrupted result=unknown"),
        "{logs:?}"
    );
    assert_eq!(site.records().len(), 2, "showing changes nothing");
    let record = closed(site);
    assert_eq!((record.step, record.by), (Step::Finished, By::Command));
    match (record.result.expect("an end"), expected) {
        (AttemptResult::Success, Ok(())) => {}
        (AttemptResult::Error { name, detail }, Err(words)) => {
            assert_eq!((name.as_str(), detail.as_str()), ("interrupted", words));
        }
        (result, _) => panic!("{result:?}, not {expected:?}"),
    }
    // Once.
    let _ = closed(site);
}

#[test]
fn an_attempt_without_a_marker_did_not_happen() {
    for action in ["upgrade", "cold-upgrade"] {
        let site = interrupted(action, "deployed", OLD, NEW);
        check(&site, Err("after deployed; the next start boots 5.10.4"));
    }
}

#[test]
fn an_attempt_whose_marker_is_there_has_done_what_it_was_asked() {
    let site = interrupted("upgrade", "callbacks_done", OLD, NEW);
    write(&site.base().marker(), "5.10.5\n");
    check(&site, Ok(()));
    let site = interrupted("rollback", "started", NEW, OLD);
    check(&site, Ok(()));
    let site = interrupted("package", "started", NEW, OLD);
    check(&site, Ok(()));
    let site = interrupted("rollback", "started", "5.10.6", OLD);
    write(&site.base().marker(), "5.10.6\n");
    check(&site, Err("after started; the next start boots 5.10.6"));
}

#[test]
fn a_tree_that_lost_its_name_is_removed() {
    let site = interrupted("prune", "retired", NEW, "-");
    check(&site, Ok(()));
    let site = interrupted("prune", "started", NEW, "-");
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    Release::of(NEW).unpack(tree.path());
    check(&site, Err("after started; the next start boots 5.10.4"));
}

#[test]
fn nothing_is_closed_or_removed_while_the_node_works_or_cannot_be_asked() {
    let site = interrupted("upgrade", "deployed", OLD, NEW);
    write(&site.base().marker_temp("a"), "x");
    let before = site.snapshot();
    let mut node = site.node();
    node.attempt = Ok(Some("a".to_owned()));
    for command in [
        &["status"][..],
        &["logs"],
        &["list"],
        &["rollback", "--to", "5.10.99"],
    ] {
        let said = site.run(&mut node, command);
        assert!(!said.out.contains("interrupted"), "{said:?}");
        assert_eq!(site.snapshot(), before, "{command:?}");
    }
    node.attempt = Err(crate::NodeError::Unreachable("it hangs".into()));
    for command in [&["status"][..], &["list"], &["rollback", "--to", "5.10.99"]] {
        let _ = site.run(&mut node, command);
        assert_eq!(site.snapshot(), before, "{command:?}");
    }
}

#[test]
fn commands_that_only_show_something_remove_what_is_left_over() {
    for command in [
        &["status"][..],
        &["logs"],
        &["list"],
        &["verify"],
        &["list-supported-paths"],
    ] {
        let site = Site::with_hop();
        write(&site.base().staging("a").join("bin/emqx"), "x");
        write(&site.base().manifest_temp("a"), "x");
        assert!(observe(site.base()).is_some());
        let said = site.run(&mut FakeNode::down(), command);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(site.relup_names(), ["catalog"], "{command:?}");
        assert_eq!(observe(site.base()), None);
    }
}

#[test]
fn a_boot_is_told_what_was_interrupted_and_changes_nothing() {
    let site = interrupted("upgrade", "code_changed", OLD, NEW);
    write(&site.base().staging("a").join("x"), "x");
    let before = site.snapshot();
    assert_eq!(
        observe(site.base()),
        Some(Interrupted::Attempt {
            what: "upgrade 5.10.4 -> 5.10.5".into(),
            started: "2026-01-02T03:04:05.678Z".into(),
            last_step: "code_changed".into(),
        })
    );
    let lock = RelupLock::acquire(site.base()).expect("free");
    assert_eq!(observe(site.base()), None, "somebody works on it");
    drop(lock);
    assert_eq!(site.snapshot(), before);
    fs::remove_file(site.base().journal()).expect("removed");
    assert_eq!(
        observe(site.base()),
        Some(Interrupted::Leftovers(vec![".staging-a".into()]))
    );
    assert_eq!(observe(Site::new().base()), None);
}

#[test]
fn only_the_end_of_a_long_journal_is_read_by_a_boot() {
    let site = Site::with_hop();
    let mut text = record("upgrade", "started", "5.10.1", "5.10.2");
    for number in 0..2000 {
        let line =
            record("rollback", "started", OLD, NEW).replace("\"a\"", &format!("\"b{number}\""));
        text += &line;
        text += &line.replace("\"started\"", "\"finished\"");
    }
    write(&site.base().journal(), &text);
    assert_eq!(observe(site.base()), None);
    text += &record("upgrade", "started", OLD, NEW);
    write(&site.base().journal(), &text);
    assert!(matches!(
        observe(site.base()),
        Some(Interrupted::Attempt { .. })
    ));
}

#[test]
fn a_command_that_was_interrupted_behind_its_commit_point_may_be_run_again() {
    let site = interrupted("rollback", "started", NEW, OLD);
    let said = site.run(&mut FakeNode::down(), &["rollback"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("rolled back: 5.10.5 -> 5.10.4"),
        "{said:?}"
    );
    let said = site.run(&mut FakeNode::down(), &["rollback"]);
    assert_eq!((said.code, said.error_name()), (1, "nothing_to_roll_back"));

    let mut site = interrupted("cold-upgrade", "deployed", OLD, NEW);
    let new = site.base().deployed(&NEW.parse().expect("a version"));
    Release::of(NEW).unpack(new.path());
    write(&site.base().marker(), "5.10.5\n");
    site.install.booted = new;
    site.install.booted_vsn = NEW.parse().expect("a version");
    let tarball = site.new_tarball();
    let said = site.upgrade(&mut FakeNode::down(), &tarball, &["--cold"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.ends_with("\nupgrade complete\n"), "{said:?}");
    let said = site.upgrade(&mut FakeNode::down(), &tarball, &["--cold"]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "already_upgraded_to_target_vsn")
    );
}
