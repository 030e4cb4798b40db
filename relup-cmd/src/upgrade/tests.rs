//! The order of the stages, what each refuses, and what a refusal leaves behind: nothing.

mod ending;
mod hop;
mod inputs;
mod target;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::journal::{AttemptResult, Record, Step};
use relup::node::{ApplyEvent, HopSummary};
use serde_json::json;

use super::change::step_line;
use super::*;
use crate::lock::RelupLock;
use crate::node::NodeError;
use crate::testing::{
    FakeNode, NEW, OLD, Outcome, Release, Said, Site, gzip, hop_text, record, write, write_sidecar,
};

const VARS: &str = "releases/emqx_vars";
const BUILD_INFO: &str = "releases/5.10.5/BUILD_INFO";

/// A refused upgrade changes nothing below the base and never asks the node to apply.
fn check_refused(
    site: &Site,
    node: &mut FakeNode,
    tarball: &Path,
    more: &[&str],
    name: &str,
) -> Said {
    let before = site.snapshot();
    let said = site.upgrade(node, tarball, more);
    assert_eq!(said.error_name(), name, "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("\nhint: "), "{said:?}");
    assert_eq!(site.snapshot(), before, "{name} left something behind");
    assert!(node.requests.is_empty(), "{name} came too late");
    said
}

/// A refusal because of the target itself.
fn check_target(release: &Release, name: &str, part: &str) {
    for site in [Site::with_hop(), Site::new()] {
        let tarball = site.tarball(release);
        let said = check_refused(&site, &mut site.node(), &tarball, &[], name);
        assert!(said.err.contains(part), "{said:?}");
        assert!(!said.err.contains(".staging-"), "{said:?}");
    }
}

#[test]
fn a_good_upgrade_deploys_applies_and_says_so() {
    let site = Site::with_hop();
    let mut node = site.node();
    let said = site.upgrade(&mut node, &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.ends_with("\nupgrade complete\n"), "{said:?}");
    assert!(said.out.contains("code changed 3 modules"), "{said:?}");
    assert!(said.err.contains("WARNING: a process was slow"), "{said:?}");
    assert_eq!(
        site.relup_names(),
        [
            NEW,
            "5.10.5.manifest",
            "catalog",
            "current",
            "journal.jsonl"
        ]
    );
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
    assert_eq!(
        site.steps(),
        [
            Step::Started,
            Step::Staged,
            Step::Deployed,
            Step::MarkerWritten,
            Step::Finished
        ]
    );
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    assert!(tree.launcher().is_file());
    assert!(
        !tree.path().join("etc").exists(),
        "only what is booted from is deployed"
    );
    let mode = fs::metadata(tree.path())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn the_node_is_given_everything_that_it_needs_to_go_on_alone() {
    let site = Site::with_hop();
    write(&site.base().catalog().join("a/emqx_post.beam"), "FOR1");
    fs::create_dir(site.base().default_data().join("patches")).expect("made");
    let mut node = site.node();
    let said = site.upgrade(&mut node, &site.new_tarball(), &["--brutal-purge"]);
    assert_eq!(said.code, 0, "{said:?}");
    let [request] = node.requests.as_slice() else {
        panic!("one apply")
    };
    let base = site.base();
    assert_eq!((request.from.as_str(), request.to.as_str()), (OLD, NEW));
    assert_eq!(request.base_root, base.path());
    assert_eq!(
        request.tree,
        base.deployed(&NEW.parse().expect("a version")).path()
    );
    assert_eq!(request.rel_name, "emqx");
    assert_eq!(
        (&request.marker, &request.journal),
        (&base.marker(), &base.journal())
    );
    assert_eq!(request.hop.source, hop_text(OLD, NEW).as_bytes());
    assert!(request.hop.file.ends_with("relup/catalog/a.relup"));
    assert_eq!(request.beams.len(), 1);
    assert_eq!(
        (request.beams[0].module.as_str(), &request.beams[0].beam[..]),
        ("emqx_post", &b"FOR1"[..])
    );
    assert_eq!(
        request.patches_dir,
        Some(base.default_data().join("patches"))
    );
    assert!(request.brutal_purge && !request.undo_on_callback_failure);
    assert!(
        site.records()
            .iter()
            .all(|record| record.attempt == request.attempt)
    );
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let said = site.upgrade(&mut site.node(), &tarball, &["--json"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let json = said.json();
    assert_eq!(
        (&json["ok"], &json["to"], &json["modules_loaded"]),
        (&json!(true), &json!(NEW), &json!(3))
    );
    assert_eq!(json["warnings"], json!(["a process was slow"]));
    let said = site.upgrade(&mut site.node(), &tarball, &["--json"]);
    let json = said.json();
    assert_eq!((said.code, &json["ok"]), (1, &json!(false)));
    assert_eq!(json["error"]["name"], "duplicate_pending_target");
    assert!(
        json["error"]["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("rollback"))
    );
}

#[test]
fn a_whole_tree_of_the_same_tarball_is_reused_and_any_other_replaced() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    let beam = tree.ebin("emqx", NEW).join("emqx.beam");
    let upgrade_again = || {
        let _ = fs::remove_file(site.base().marker());
        let said = site.upgrade(&mut site.node(), &tarball, &["--json"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.json()["tree_reused"].clone()
    };
    assert_eq!(upgrade_again(), json!(false));
    assert_eq!(upgrade_again(), json!(true));
    fs::write(&beam, "cut").expect("written");
    assert_eq!(upgrade_again(), json!(false));
    let content = fs::read(&beam).expect("readable");
    assert_eq!(content, crate::testing::beam("FOR1 5.10.5"));
    fs::remove_file(&beam).expect("removed");
    assert_eq!(upgrade_again(), json!(false));
    fs::remove_file(site.base().manifest(&NEW.parse().expect("a version"))).expect("removed");
    assert_eq!(upgrade_again(), json!(false));
    site.tarball(&Release::of(NEW).with("lib/x-1/ebin/x.beam", "new"));
    assert_eq!(upgrade_again(), json!(false));
    assert!(tree.ebin("x", "1").join("x.beam").is_file());
    assert_eq!(
        site.relup_names(),
        [
            NEW,
            "5.10.5.manifest",
            "catalog",
            "current",
            "journal.jsonl"
        ]
    );
}

#[test]
fn the_tree_that_the_node_runs_from_is_never_replaced() {
    let site = Site::with_hop();
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    write(&tree.launcher(), "something else");
    let mut node = FakeNode::running(OLD, tree.path());
    let said = site.upgrade(&mut node, &site.new_tarball(), &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "tree_in_use"),
        "{said:?}"
    );
    assert_eq!(
        fs::read_to_string(tree.launcher()).expect("there"),
        "something else"
    );
    assert!(node.requests.is_empty());
    assert_eq!(site.relup_names(), [NEW, "catalog", "journal.jsonl"]);
}

#[test]
fn what_killed_commands_left_is_removed_by_the_next_one() {
    let site = Site::with_hop();
    write(&site.base().staging("a").join("bin/emqx"), "x");
    write(&site.base().trash("b").join("bin/emqx"), "x");
    write(&site.base().manifest_temp("c"), "x");
    write(&site.base().lock(), "1\n");
    write(&site.base().relup_dir().join("notes.txt"), "the operator's");
    let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        site.relup_names(),
        [
            NEW,
            "5.10.5.manifest",
            "catalog",
            "current",
            "journal.jsonl",
            "notes.txt"
        ]
    );
}

#[test]
fn nothing_is_swept_while_the_node_applies() {
    let site = Site::with_hop();
    write(&site.base().marker_temp("a"), "x");
    let mut node = site.node();
    node.attempt = Ok(Some("x".to_owned()));
    check_refused(&site, &mut node, &site.new_tarball(), &[], "locked");
}

#[test]
fn a_torn_journal_line_does_not_swallow_the_next_record() {
    let site = Site::with_hop();
    write(&site.base().journal(), "{\"at\":\"2026");
    assert_eq!(
        site.upgrade(&mut site.node(), &site.new_tarball(), &[])
            .code,
        0
    );
    assert_eq!(site.steps().first(), Some(&Step::Started));
}

#[test]
fn a_step_is_named_once() {
    for (step, detail, line) in [
        ("code_changed", "", "  code changed"),
        ("plan", "10 instructions", "  plan 10 instructions"),
        ("load", "load emqx_topic", "  load emqx_topic"),
    ] {
        let event = ApplyEvent::Step {
            step: step.to_owned(),
            detail: detail.to_owned(),
        };
        assert_eq!(step_line(&event), line);
    }
}
