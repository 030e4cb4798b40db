//! The marker is swapped and nothing else, with a node and without one.

use fs_err as fs;
use serde_json::json;

use super::*;
use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, write};
use relup::journal::AttemptResult;

const THIRD: &str = "5.10.6";

fn cold(site: &Site, node: &mut FakeNode, more: &[&str]) -> Said {
    let args = [&["--cold"], more].concat();
    site.upgrade(node, &site.new_tarball(), &args)
}

fn check_refused(site: &Site, node: &mut FakeNode, release: &Release, name: &str) {
    let before = site.snapshot();
    let tarball = site.tarball(release);
    let said = site.upgrade(node, &tarball, &["--cold"]);
    assert_eq!((said.code, said.error_name()), (1, name), "{said:?}");
    assert!(said.err.contains("\nhint: "), "{said:?}");
    assert_eq!(site.snapshot(), before, "{name} left something behind");
}

#[test]
fn the_next_start_boots_the_target_and_no_node_is_touched() {
    for is_up in [true, false] {
        let site = Site::new();
        let mut node = if is_up { site.node() } else { FakeNode::down() };
        let said = cold(&site, &mut node, &[]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.ends_with("\nupgrade complete\n"), "{said:?}");
        assert_eq!(
            said.out.contains("the node runs 5.10.4 as before"),
            is_up,
            "{said:?}"
        );
        assert!(node.requests.is_empty() && node.evaluated == 0);
        assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
        assert_eq!(
            site.relup_names(),
            [NEW, "5.10.5.manifest", "current", "journal.jsonl"]
        );
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
        let records = site.records();
        assert!(
            records
                .iter()
                .all(|record| record.action == Action::ColdUpgrade)
        );
        assert_eq!(records[4].result, Some(AttemptResult::Success));
    }
}

#[test]
fn status_tells_what_is_pending_for_a_running_node() {
    let site = Site::new();
    assert_eq!(cold(&site, &mut site.node(), &["--json"]).code, 0);
    let said = site.run(&mut site.node(), &["status"]);
    assert!(
        said.out.starts_with(
            "hot-upgraded to 5.10.5; pending on restart to boot from the new version\n"
        ),
        "{said:?}"
    );
    let said = site.run(&mut FakeNode::down(), &["status"]);
    assert!(said.out.starts_with("idle\n"), "{said:?}");
    assert!(said.out.contains("\nnext start: 5.10.5 from "), "{said:?}");
    let said = site.run(&mut FakeNode::down(), &["logs"]);
    assert!(
        said.out
            .contains("5.10.4 -> 5.10.5 status=finished result=success action=cold-upgrade"),
        "{said:?}"
    );
}

#[test]
fn what_boots_already_is_refused() {
    let site = Site::new();
    let old = Release::of(OLD);
    let already = "already_upgraded_to_target_vsn";
    check_refused(&site, &mut site.node(), &old, already);
    check_refused(&site, &mut FakeNode::down(), &old, already);
    assert_eq!(cold(&site, &mut FakeNode::down(), &[]).code, 0);
    let new = Release::of(NEW);
    check_refused(&site, &mut site.node(), &new, "duplicate_pending_target");
    check_refused(
        &site,
        &mut FakeNode::down(),
        &new,
        "duplicate_pending_target",
    );
}

#[test]
fn what_runs_can_be_marked_again_after_a_rollback() {
    let site = Site::new();
    assert_eq!(cold(&site, &mut FakeNode::down(), &[]).code, 0);
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    let mut node = FakeNode::running(NEW, tree.path());
    assert_eq!(site.run(&mut node, &["rollback"]).code, 0);
    let said = cold(&site, &mut node, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(site.marker().as_deref(), Some("5.10.5\n"));
}

#[test]
fn a_node_that_runs_and_cannot_be_asked_stops_it() {
    let site = Site::new();
    let mut node = site.node();
    node.facts = Err(crate::NodeError::Unreachable("it hangs".into()));
    check_refused(&site, &mut node, &Release::of(NEW), "node_unreachable");
    let mut node = site.node();
    node.attempt = Ok(Some("a".into()));
    check_refused(&site, &mut node, &Release::of(NEW), "locked");
}

#[test]
fn the_tree_in_force_is_compared_by_its_own_files() {
    let site = Site::new();
    let build_info = "releases/5.10.5/BUILD_INFO";
    let other = Release::of(NEW).replacing(build_info, "debian12", "el9");
    check_refused(&site, &mut FakeNode::down(), &other, "os_arch_mismatch");
    let series = Release::of("5.11.0");
    check_refused(&site, &mut FakeNode::down(), &series, "not_a_patch_hop");
    let mnesia = |release: Release| release.with("lib/mnesia-4.21/ebin/mnesia.beam", "");
    let hook = "lib/mnesia-4.21/ebin/mnesia_hook.beam";
    let plain = mnesia(Release::of(NEW));
    write(&site.base().path().join(hook), "");
    // The VM says the opposite: what counts is what the two trees are made of.
    for mut node in [site.node(), FakeNode::down()] {
        check_refused(&site, &mut node, &plain, "otp_compatible_mismatch");
        let tarball = site.tarball(&mnesia(Release::of(NEW)).with(hook, ""));
        let said = site.upgrade(&mut node, &tarball, &["--cold"]);
        assert_eq!(said.code, 0, "{said:?}");
        fs::remove_file(site.base().marker()).expect("removed");
    }
}

#[test]
fn patches_of_the_data_directory_are_seen_without_a_node() {
    let mut site = Site::new();
    let data = site.outside().join("data");
    write(&data.join("patches/emqx_x.beam"), "x");
    site.install.data_dir = Some(data);
    check_refused(
        &site,
        &mut FakeNode::down(),
        &Release::of(NEW),
        "patches_dir_not_empty",
    );
    assert_eq!(cold(&site, &mut FakeNode::down(), &["--force"]).code, 0);
}

#[test]
fn a_tree_that_a_node_loads_code_from_is_not_replaced() {
    let site = Site::new();
    let tree = site.base().deployed(&NEW.parse().expect("a version"));
    write(&tree.launcher(), "another build");
    let mut node = FakeNode::running(THIRD, site.base().path());
    node.code_path = vec![tree.lib().join("emqx-5.10.5/ebin")];
    fs::create_dir_all(&node.code_path[0]).expect("made");
    Release::of(THIRD).unpack(site.base().path());
    let said = cold(&site, &mut node, &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "tree_in_use"),
        "{said:?}"
    );
    assert_eq!(site.marker(), None);
    assert!(tree.launcher().is_file());
}

#[test]
fn a_marker_that_cannot_be_written_leaves_nothing() {
    let site = Site::new();
    // A directory in its place can't be replaced by a file.
    fs::create_dir_all(site.base().marker().join("x")).expect("made");
    let said = cold(&site, &mut FakeNode::down(), &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(site.relup_names(), ["current", "journal.jsonl"]);
    assert_eq!(site.steps().last(), Some(&Step::Finished));
}

#[test]
fn hooks_and_the_backup_are_those_of_an_upgrade_and_a_plan_has_none() {
    let site = Site::new();
    write(&site.base().default_data().join("x"), "x");
    let dir = std::path::Path::new("relup.d");
    let hooks = site.install.etc_dir.join(dir);
    let told = site.outside().join("told");
    for name in ["pre-upgrade", "post-upgrade"] {
        let hook = hooks.join(name);
        write(&hook, &format!("#!/bin/sh\ncat >>{}\n", told.display()));
        fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("allowed");
    }
    let backups = site.outside().join("backups");
    let backup = ["--backup", backups.to_str().expect("text")];
    let plan = [&["--dry-run"][..], &backup].concat();
    assert_eq!(cold(&site, &mut FakeNode::down(), &plan).code, 0);
    assert!(!told.exists() && !backups.exists());
    let said = cold(&site, &mut FakeNode::down(), &backup);
    assert_eq!(said.code, 0, "{said:?}");
    let told = fs::read_to_string(&told).expect("both were run");
    assert_eq!(told.matches("\"cold\":true").count(), 2, "{told}");
    assert!(backups.is_dir());
    // One that refuses leaves everything as it is.
    assert_eq!(site.run(&mut FakeNode::down(), &["rollback"]).code, 0);
    write(&hooks.join("pre-upgrade"), "#!/bin/sh\nexit 1\n");
    let before = site.snapshot();
    let said = cold(&site, &mut FakeNode::down(), &[]);
    assert_eq!((said.code, said.error_name()), (1, "hook_failed"));
    assert_eq!(site.snapshot(), before);
}

#[test]
fn options_of_a_hot_upgrade_are_wrong_usage() {
    let site = Site::new();
    for more in [
        &["--relup", "x"][..],
        &["--brutal-purge"],
        &["--undo-on-callback-failure"],
    ] {
        let args: Vec<_> = ["upgrade", "x", "--cold"]
            .iter()
            .chain(more)
            .map(Into::into)
            .collect();
        assert_eq!(crate::run(&args, &site.install, &mut site.node()), 2);
    }
    assert_eq!(json!(site.relup_names()), json!([]));
}
