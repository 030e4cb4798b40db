//! What `status` shows in every state of disk and node.

use fs_err as fs;

use super::*;
use crate::testing::{FakeNode, NEW, OLD, Release, Site, write};

const PENDING: &str = "hot-upgraded to 5.10.5; pending on restart to boot from the new version";

/// The first line is exactly `headline`, the rest has every part, and nothing is changed.
fn check(site: &Site, node: &mut FakeNode, headline: &str, parts: &[&str]) {
    let before = site.snapshot();
    let said = site.run(node, &["status"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out.lines().next(), Some(headline), "{said:?}");
    for part in parts {
        assert!(said.out.contains(part), "{part:?} is not in {}", said.out);
    }
    let json = site.run(node, &["status", "--json"]).json();
    assert_eq!(json["status"], json!(headline));
    assert_eq!(site.snapshot(), before);
}

#[test]
fn without_any_upgrade_it_is_idle() {
    let site = Site::new();
    let root = site.base().path().display().to_string();
    let next = format!("next start: 5.10.4 from {root}");
    let parts = [
        "running version: 5.10.4",
        &next,
        "marker: absent",
        "staged trees: none",
        "last attempt: none",
    ];
    check(&site, &mut site.node(), "idle", &parts);
    check(
        &site,
        &mut FakeNode::down(),
        "idle",
        &["running version: node not running", &next],
    );
    let mut deaf = site.node();
    deaf.facts = Err(NodeError::Unreachable("it rejects us".into()));
    check(
        &site,
        &mut deaf,
        "idle",
        &["does not answer: it rejects us"],
    );
}

#[test]
fn an_upgrade_is_pending_until_the_node_runs_from_its_tree() {
    let site = Site::with_hop();
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    let parts = [
        "marker: 5.10.5",
        "staged trees: 5.10.5 (complete, boots next)",
        "result=success",
    ];
    check(
        &site,
        &mut FakeNode::running(NEW, site.base().path()),
        PENDING,
        &parts,
    );
    check(&site, &mut FakeNode::down(), "idle", &parts);
    let parts = ["staged trees: 5.10.5 (complete, running from it, boots next)"];
    check(
        &site,
        &mut FakeNode::running(NEW, tree.path()),
        "idle",
        &parts,
    );
}

#[test]
fn after_a_rollback_the_base_boots_next() {
    let site = Site::with_hop();
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    let mut node = FakeNode::running(NEW, tree.path());
    assert_eq!(site.run(&mut node, &["rollback"]).code, 0);
    check(
        &site,
        &mut node,
        "idle",
        &["running version: 5.10.5", "next start: 5.10.4"],
    );
}

#[test]
fn a_marker_that_no_start_would_follow_is_named() {
    let site = Site::new();
    for (content, parts) in [
        (
            "../x",
            [
                "marker: damaged",
                "next start: refused: the marker is damaged",
            ],
        ),
        ("5.10.9\n", ["marker: 5.10.9", "next start: refused: "]),
    ] {
        write(&site.base().marker(), content);
        check(&site, &mut site.node(), "idle", &parts);
        check(&site, &mut FakeNode::down(), "idle", &parts);
    }
}

#[test]
fn a_marker_of_the_plugin_below_a_deployed_tree_is_followed() {
    let mut site = Site::with_hop();
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    let nested = tree.nested(&"5.10.6".parse().expect("a version"));
    Release::of("5.10.6").unpack(nested.path());
    site.install.booted = nested;
    site.install.booted_vsn = "5.10.6".parse().expect("a version");
    let headline = "hot-upgraded to 5.10.6; pending on restart to boot from the new version";
    check(
        &site,
        &mut FakeNode::running("5.10.6", tree.path()),
        headline,
        &["marker: 5.10.5"],
    );
}

/// A record of the node's, as late as that.
fn node_record(at: &str, step: &str, result: &str) -> String {
    format!(
        "{{\"at\":\"{at}\",\"attempt\":\"a\",\"action\":\"upgrade\",\"step\":\"{step}\",\"by\":\"node\",\"from\":\"5.10.4\",\"to\":\"5.10.5\"{result}}}\n"
    )
}

#[test]
fn a_command_that_lags_behind_its_node_hides_nothing() {
    let ended = |at| {
        node_record(at, "planned", "") + &node_record(at, "finished", ",\"result\":\"success\"")
    };
    let site = Site::with_hop();
    let _lock = RelupLock::acquire(site.base()).expect("free");
    let mut node = site.node();
    write(&site.base().journal(), &ended("2999-01-01T00:00:00.000Z"));
    let words = ["; the node has ended its upgrade, the command has not"];
    check(&site, &mut node, "idle", &words);
    // Of somebody who held the lock before.
    write(&site.base().journal(), &ended("2001-01-01T00:00:00.000Z"));
    check(&site, &mut node, "in-progress", &[]);
    let begun = node_record("2999-01-01T00:00:00.000Z", "planned", "");
    write(&site.base().journal(), &begun);
    check(&site, &mut node, "in-progress", &[]);
    write(&site.base().journal(), &ended("2999-01-01T00:00:00.000Z"));
    node.attempt = Ok(Some("b".to_owned()));
    check(&site, &mut node, "in-progress", &["the node, attempt b"]);
}

#[test]
fn a_node_that_stopped_half_way_is_told_and_refuses_the_next_upgrade() {
    let site = Site::with_hop();
    let mut node = site.node();
    node.abandoned = Some("a1".to_owned());
    let headline = "stopped in the middle of attempt a1; restart the node";
    check(&site, &mut node, headline, &[]);
    let tarball = site.new_tarball();
    for options in [&[][..], &["--dry-run"]] {
        let said = site.upgrade(&mut node, &tarball, options);
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.err.contains("middle of attempt a1"), "{said:?}");
        assert!(said.err.contains("emqx restart"), "{said:?}");
    }
    assert!(node.requests.is_empty() && node.proofs.is_empty());
    let said = site.upgrade(&mut node, &tarball, &["--cold"]);
    assert_eq!(
        said.code, 0,
        "a cold upgrade and a restart are a way out: {said:?}"
    );
}

#[test]
fn somebody_at_work_is_in_progress() {
    let site = Site::new();
    let mut node = site.node();
    node.attempt = Ok(Some("20260102T030405-abcdef".to_owned()));
    check(
        &site,
        &mut node,
        "in-progress",
        &["at work: the node, attempt 20260102T030405-abcdef"],
    );
    let held = RelupLock::acquire(site.base()).expect("free");
    check(&site, &mut site.node(), "in-progress", &["at work: pid "]);
    drop(held);
}

#[test]
fn an_attempt_that_ends_meanwhile_is_not_half_told() {
    let site = Site::new();
    let mut node = FakeNode::running(NEW, site.base().path());
    node.attempt = Ok(Some("20260102T030405-abcdef".to_owned()));
    node.is_at_its_end = true;
    // The version of the middle of the attempt never stands below "idle".
    let said = site.run(&mut node, &["status"]);
    assert!(said.out.starts_with("in-progress\n"), "{said:?}");
    let said = site.run(&mut site.node(), &["status"]);
    assert!(
        said.out.starts_with("idle\nrunning version: 5.10.4\n"),
        "{said:?}"
    );
}

#[test]
fn incomplete_trees_are_said_to_be_so() {
    let site = Site::with_hop();
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    fs::remove_file(tree.launcher()).expect("removed");
    let parts = ["5.10.5 (incomplete: ", "bin/emqx is missing"];
    check(
        &site,
        &mut FakeNode::running(NEW, site.base().path()),
        PENDING,
        &parts,
    );
    assert_eq!(OLD, site.install.booted_vsn.as_str());
}
