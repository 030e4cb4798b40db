//! What goes, what stays and why, and that no kill leaves half a tree under its name.

use fs_err as fs;
use serde_json::json;

use super::*;
use crate::NodeError;
use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, write};

const VERSIONS: [&str; 3] = [NEW, "5.10.6", "5.10.7"];

/// An installation with three deployed trees, the last of which is marked; oldest first.
fn deployed_three() -> Site {
    let mut site = Site::new();
    for vsn in VERSIONS {
        let tarball = site.tarball(&Release::of(vsn));
        let said = site.upgrade(&mut FakeNode::down(), &tarball, &["--cold"]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    site.install.booted = tree(&site, "5.10.7");
    site.install.booted_vsn = "5.10.7".parse().expect("a version");
    fs::remove_file(site.base().journal()).expect("removed");
    site
}

fn tree(site: &Site, vsn: &str) -> relup::layout::Tree {
    site.base().deployed(&vsn.parse().expect("a version"))
}

fn boot_base(site: &mut Site) {
    site.install.booted = site.base().tree();
    site.install.booted_vsn = OLD.parse().expect("a version");
}

fn left(site: &Site) -> Vec<String> {
    let mut names = site.relup_names();
    names.retain(|name| VERSIONS.contains(&name.as_str()));
    names
}

fn prune(site: &Site, node: &mut FakeNode, more: &[&str]) -> Said {
    site.run(node, &[&["prune"], more].concat())
}

#[test]
fn trees_that_neither_boot_nor_run_go_with_their_manifests() {
    let site = deployed_three();
    let said = prune(&site, &mut FakeNode::down(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        site.relup_names(),
        ["5.10.7", "5.10.7.manifest", "current", "journal.jsonl"]
    );
    assert!(said.out.contains("removed 5.10.5 ("), "{said:?}");
    assert!(said.out.contains("kept 5.10.7: boots next\n"), "{said:?}");
    assert!(said.out.ends_with(" freed\n"), "{said:?}");
    let steps = [Step::Started, Step::Retired, Step::Finished];
    assert_eq!(site.steps(), [steps.clone(), steps].concat());
    let records = site.records();
    assert!(records.iter().all(|record| record.action == Action::Prune));
    assert_eq!(records[0].from.as_deref(), Some(NEW));
    assert!(
        site.base().tree().launcher().is_file(),
        "the base is not touched"
    );
}

#[test]
fn those_that_a_node_uses_stay() {
    let site = deployed_three();
    let mut node = FakeNode::running(NEW, tree(&site, NEW).path());
    node.code_path = vec![tree(&site, "5.10.6").lib()];
    let said = prune(&site, &mut node, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(left(&site), VERSIONS);
    assert!(
        said.out.contains("no deployed release to remove"),
        "{said:?}"
    );
    assert_eq!(site.steps(), [], "nothing was done, nothing is recorded");
    node.code_path.clear();
    assert_eq!(prune(&site, &mut node, &[]).code, 0);
    assert_eq!(left(&site), [NEW, "5.10.7"]);
}

#[test]
fn a_node_that_cannot_be_asked_stops_everything() {
    let site = deployed_three();
    let before = site.snapshot();
    let mut node = site.node();
    node.facts = Err(NodeError::Unreachable("it hangs".into()));
    let said = prune(&site, &mut node, &[]);
    assert_eq!((said.code, said.error_name()), (1, "node_unreachable"));
    node.attempt = Ok(Some("a".into()));
    let said = prune(&site, &mut node, &[]);
    assert_eq!((said.code, said.error_name()), (1, "locked"));
    assert_eq!(site.snapshot(), before);
}

#[test]
fn a_damaged_marker_stops_everything() {
    let site = deployed_three();
    write(&site.base().marker(), "../x");
    let before = site.snapshot();
    let said = prune(&site, &mut FakeNode::down(), &[]);
    assert_eq!((said.code, said.error_name()), (1, "marker_damaged"));
    assert!(said.err.contains("rollback"), "{said:?}");
    assert_eq!(site.snapshot(), before);
}

#[test]
fn the_newest_by_deployment_are_kept_as_asked() {
    let mut site = deployed_three();
    assert_eq!(site.run(&mut FakeNode::down(), &["rollback"]).code, 0);
    boot_base(&mut site);
    let said = prune(&site, &mut FakeNode::down(), &["--keep", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(left(&site), ["5.10.6", "5.10.7"]);
    assert!(said.out.contains("kept 5.10.6: kept as asked"), "{said:?}");
    assert_eq!(
        prune(&site, &mut FakeNode::down(), &["--keep", "9"]).code,
        0
    );
    assert_eq!(left(&site), ["5.10.6", "5.10.7"]);
    assert_eq!(prune(&site, &mut FakeNode::down(), &[]).code, 0);
    assert_eq!(left(&site), [""; 0]);
}

#[test]
fn a_dry_run_tells_the_same_and_changes_nothing() {
    let site = deployed_three();
    write(&site.base().staging("a").join("x"), "x");
    let before = site.snapshot();
    let json = prune(&site, &mut FakeNode::down(), &["--dry-run", "--json"]).json();
    assert_eq!(site.snapshot(), before);
    let versions: Vec<_> = json["removed"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tree| tree["version"].clone())
        .collect();
    assert_eq!(versions, [json!(NEW), json!("5.10.6")]);
    assert_eq!(json["left_over"], json!([".staging-a"]));
    let said = prune(&site, &mut FakeNode::down(), &["--dry-run"]);
    assert!(said.out.contains("would remove 5.10.5 ("), "{said:?}");
    assert!(said.out.ends_with("; nothing was changed\n"), "{said:?}");
    assert_eq!(site.snapshot(), before);
}

#[test]
fn debris_goes_too_and_what_is_not_ours_stays() {
    let site = deployed_three();
    let relup = site.base().relup_dir();
    write(&site.base().staging("a").join("x"), "x");
    write(&site.base().trash("b").join("x"), "x");
    let orphan = fs::read_to_string(relup.join("5.10.5.manifest")).expect("there");
    let orphan = orphan.replace("\"vsn\":\"5.10.5\"", "\"vsn\":\"5.10.1\"");
    write(&relup.join("5.10.1.manifest"), &orphan);
    write(&relup.join("5.10.2.manifest"), "notes of the operator");
    write(&relup.join("notes/x"), "x");
    std::os::unix::fs::symlink(tree(&site, "5.10.7").path(), relup.join("5.10.8")).expect("made");
    let said = prune(&site, &mut FakeNode::down(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("removed .staging-a, left over"),
        "{said:?}"
    );
    let names = site.relup_names();
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with('.') || name == "5.10.1.manifest")
    );
    assert!(names.contains(&"5.10.2.manifest".to_owned()));
    assert!(names.contains(&"5.10.8".to_owned()) && names.contains(&"5.10.7".to_owned()));
    // It could be a version by its name.
    assert!(names.contains(&"notes".to_owned()), "{said:?}");
}

#[test]
fn without_any_upgrade_there_is_nothing_to_do() {
    let site = Site::new();
    let before = site.snapshot();
    let said = prune(&site, &mut FakeNode::down(), &[]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "no deployed release to remove\n")
    );
    assert_eq!(site.snapshot(), before);
}

#[test]
fn a_tree_that_was_given_up_is_not_offered_once_it_is_gone() {
    let mut site = deployed_three();
    let subject = assessment::Subject {
        base: site.base(),
        tree: &site.install.booted,
        vsn: &site.install.booted_vsn,
    };
    let known = subject.observe().expect("there");
    subject.count(&known, None).expect("counted");
    let known = subject.observe().expect("there");
    subject.fall_back(&known).expect("gone back");
    assert!(site.base().retired_marker().exists());
    boot_base(&mut site);
    let said = prune(&site, &mut FakeNode::down(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let status = site.run(&mut FakeNode::down(), &["status"]);
    assert!(!status.out.contains("boots it again"), "{status:?}");
}
