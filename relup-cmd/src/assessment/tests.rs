//! Counting, marking and going back on real files, and what `status` says of them.

use relup::assessment::{AttemptLimit, Verdict};
use serde_json::json;

use super::*;
use crate::testing::{FakeNode, NEW, OLD, Release, Site, write};

/// An installation whose marker names a deployed [`NEW`], which would boot.
fn upgraded() -> Site {
    let mut site = Site::with_hop();
    let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    fs::remove_file(site.base().journal()).expect("removed");
    site.install.booted_vsn = NEW.parse().expect("a version");
    site.install.booted = site.base().deployed(&site.install.booted_vsn);
    site
}

fn subject(site: &Site) -> Subject<'_> {
    Subject {
        base: site.base(),
        tree: &site.install.booted,
        vsn: &site.install.booted_vsn,
    }
}

fn observe(site: &Site) -> Known {
    subject(site).observe().expect("the marker is there")
}

fn count(site: &Site, times: u32) -> Known {
    for _ in 0..times {
        subject(site).count(&observe(site), None).expect("counted");
    }
    observe(site)
}

fn check_status(site: &Site, text: &str, json: &serde_json::Value) {
    let said = site.run(&mut FakeNode::down(), &["status"]);
    let line = format!("boot: {text}");
    assert!(said.out.contains(&line), "{line:?} is not in {}", said.out);
    let said = site.run(&mut FakeNode::down(), &["status", "--json"]);
    let boot = &said.json()["boot"];
    for (key, value) in json.as_object().expect("an object") {
        assert_eq!(&boot[key], value, "{boot}");
    }
}

#[test]
fn attempts_are_counted_until_the_node_was_seen_ready() {
    let site = upgraded();
    check_status(&site, "not booted yet", &json!({"state": "not_booted"}));
    count(&site, 2);
    check_status(
        &site,
        "tried 2 times, not ready yet (last at 2",
        &json!({"state": "tried", "attempts": 2}),
    );
    subject(&site).mark_good(&observe(&site)).expect("marked");
    check_status(&site, "good since 2", &json!({"state": "good"}));
    let before = site.snapshot();
    count(&site, 3);
    subject(&site).mark_good(&observe(&site)).expect("good");
    assert_eq!(site.snapshot(), before, "a good tree costs no writing");
}

#[test]
fn a_marker_that_is_written_anew_begins_anew() {
    let site = upgraded();
    count(&site, 2);
    // By a tool that knows nothing of this: the time that it leaves is another one.
    let marker = site.base().marker();
    fs::remove_file(&marker).expect("removed");
    write(&marker, NEW);
    let other = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(7);
    std::fs::File::options()
        .write(true)
        .open(&marker)
        .and_then(|file| file.set_modified(other))
        .expect("dated");
    let assessment = observe(&site).assessment;
    assert_eq!(assessment.verdict(), Verdict::NotBooted);
    assert_eq!(
        assessment.deployment.marked_at,
        "1970-01-01T00:00:00.000000007Z"
    );
    check_status(&site, "not booted yet", &json!({"state": "not_booted"}));
}

#[test]
fn moving_the_marker_away_and_back_is_no_new_deployment() {
    let site = upgraded();
    let before = count(&site, 2);
    let aside = site.base().path().join("aside");
    fs::rename(site.base().marker(), &aside).expect("moved");
    fs::rename(&aside, site.base().marker()).expect("moved back");
    assert_eq!(observe(&site), before);
}

#[test]
fn a_record_that_can_not_be_read_counts_as_none_and_is_replaced() {
    let site = upgraded();
    let path = site.base().assessment();
    let plant: [(&str, &dyn Fn()); 4] = [
        ("it is empty", &|| write(&path, "")),
        ("EOF", &|| write(&path, "{\"schema\":1,")),
        ("schema 9", &|| write(&path, "{\"schema\":9}")),
        ("not a regular file", &|| {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        }),
    ];
    for (part, plant) in plant {
        let _ = fs::remove_file(&path);
        plant();
        let known = observe(&site);
        let fault = known.fault.clone().expect("a fault");
        assert!(fault.contains(part), "{fault}");
        assert!(fault.contains("assessment.json"), "{fault}");
        assert_eq!(known.assessment.verdict(), Verdict::NotBooted);
        check_status(&site, "unknown: ", &json!({"state": "unknown"}));
        count(&site, 1);
        assert_eq!(observe(&site).fault, None);
        check_status(&site, "tried once", &json!({"state": "tried"}));
    }
    // Marking repairs it as well.
    write(&path, "x");
    subject(&site).mark_good(&observe(&site)).expect("marked");
    check_status(&site, "good since", &json!({"state": "good"}));
    // Nothing can be put in the place of a directory, which is said and leaves no debris.
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    let refused = subject(&site).count(&observe(&site), None);
    let refused = refused.expect_err("a directory").to_string();
    assert!(refused.contains("assessment.json"), "{refused}");
    let names = site.relup_names();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn going_back_retires_the_marker_and_keeps_the_tree() {
    let site = upgraded();
    let known = count(&site, 3);
    let done = subject(&site).fall_back(&known).expect("possible");
    assert_eq!(
        done,
        FallBack::Done {
            to: OLD.parse().expect("a version"),
            retired: site.base().retired_marker(),
            fault: None
        }
    );
    assert_eq!(
        site.relup_names(),
        [
            NEW,
            "5.10.5.manifest",
            "assessment.json",
            "catalog",
            "current.retired",
            "journal.jsonl"
        ]
    );
    assert_eq!(
        site.steps(),
        [Step::Started, Step::MarkerWritten, Step::Finished]
    );
    for record in site.records() {
        assert_eq!(record.action, Action::Fallback);
        let detail = record.detail.as_deref();
        assert_eq!(detail, Some("booted 3 times and never seen ready"));
        assert_eq!(record.from.as_deref(), Some(NEW));
        assert_eq!(record.to.as_deref(), Some(OLD));
    }
    check_status(
        &site,
        "5.10.5 given up at 2",
        &json!({"state": "given_up", "version": NEW, "attempts": 3}),
    );
    let said = site.run(&mut FakeNode::down(), &["logs"]);
    let row = "5.10.5 -> 5.10.4 status=finished result=success action=fallback";
    assert!(said.out.contains(row), "{said:?}");

    // The way back that the message names, and the one that the file's name suggests.
    let retired = site.base().retired_marker();
    fs::rename(&retired, site.base().marker()).expect("moved back");
    check_status(&site, "not booted yet", &json!({"state": "not_booted"}));
    fs::rename(site.base().marker(), &retired).expect("retired again");
    let said = site.run(&mut FakeNode::down(), &["rollback", "--to", NEW]);
    assert_eq!(said.code, 0, "{said:?}");
    check_status(&site, "not booted yet", &json!({"state": "not_booted"}));
    assert!(!retired.exists() && !site.base().assessment().exists());
}

#[test]
fn going_back_is_refused_where_the_base_would_not_boot() {
    let site = upgraded();
    let known = count(&site, 1);
    fs::remove_file(site.base().tree().launcher()).expect("removed");
    let before = site.snapshot();
    let refused = subject(&site).fall_back(&known).expect_err("no base");
    assert!(refused.to_string().contains("bin/emqx"), "{refused}");
    assert_eq!(site.snapshot(), before);
}

#[test]
fn going_back_leaves_alone_what_somebody_else_has_changed() {
    let site = upgraded();
    let known = count(&site, 1);
    let check_overtaken = || {
        let before = site.snapshot();
        let outcome = subject(&site).fall_back(&known).expect("no error");
        assert_eq!(outcome, FallBack::Overtaken);
        assert_eq!(site.snapshot(), before);
    };
    let held = RelupLock::acquire(site.base()).expect("free");
    let refused = subject(&site).fall_back(&known).expect_err("locked");
    let refused = refused.to_string();
    assert!(refused.contains("another relup command"), "{refused}");
    drop(held);
    // It got ready in the meantime.
    subject(&site).mark_good(&known).expect("marked");
    check_overtaken();
    // The marker is gone.
    let said = site.run(&mut FakeNode::down(), &["rollback"]);
    assert_eq!(said.code, 0, "{said:?}");
    check_overtaken();
}

#[test]
fn a_tree_below_a_nested_marker_is_assessed_by_that_marker_and_leaves_with_the_outermost() {
    let mut site = upgraded();
    count(&site, 2);
    let outer = site.install.booted.clone();
    site.install.booted_vsn = "5.10.6".parse().expect("a version");
    site.install.booted = outer.nested(&site.install.booted_vsn);
    Release::of("5.10.6").unpack(site.install.booted.path());
    write(&outer.nested_marker(), "5.10.6\n");
    let known = count(&site, 1);
    assert_eq!(known.assessment.attempts, 1, "those of 5.10.5 do not count");
    assert_eq!(
        known.assessment.deployment.tree,
        "relup/5.10.5/relup/5.10.6"
    );
    let limit: AttemptLimit = "1".parse().expect("a limit");
    assert!(known.assessment.is_exhausted(limit));
    let done = subject(&site).fall_back(&known).expect("possible");
    assert!(
        matches!(done, FallBack::Done { fault: None, .. }),
        "{done:?}"
    );
    assert_eq!(site.marker(), None);
    assert!(outer.nested_marker().exists(), "the outermost leads to it");
}

#[test]
fn an_upgrade_and_a_rollback_forget_the_tree_before() {
    let site = upgraded();
    count(&site, 1);
    let said = site.run(&mut FakeNode::down(), &["rollback"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!site.base().assessment().exists());
    check_status(&site, "the original release", &json!({"state": "base"}));
    write(&site.base().assessment(), "of some tree");
    write(&site.base().retired_marker(), NEW);
    let said = site.upgrade(&mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!site.base().assessment().exists() && !site.base().retired_marker().exists());
}
