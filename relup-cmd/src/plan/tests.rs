//! A plan tells everything, refuses what an upgrade would refuse, and leaves no trace.

use std::path::Path;

use relup::node::ApplyFailure;
use serde_json::json;

use super::*;
use crate::testing::{FakeNode, NEW, OLD, Release, Said, Site, hop_text, write};

fn proof() -> Proof {
    Proof {
        steps: vec![
            ProvenStep::Load {
                modules: vec!["emqx".into(), "emqx_x".into()],
            },
            ProvenStep::Update {
                module: "emqx_connection".into(),
                processes: 200,
                loads: true,
            },
            ProvenStep::Restart {
                application: "emqx_dashboard".into(),
                version: Some("5.10.5".into()),
                modules: vec!["emqx_dashboard".into()],
                removed: vec!["emqx_gone".into()],
            },
            ProvenStep::Apply {
                call: "emqx_x:do/1".into(),
            },
            ProvenStep::Callback {
                call: "emqx_post_upgrade:pr/1".into(),
            },
        ],
        skipped: 3,
        warnings: vec!["something is odd".into()],
    }
}

/// Runs both forms of the command; both must leave everything as it was.
fn check(site: &Site, node: &mut FakeNode, tarball: &Path, more: &[&str]) -> Said {
    let before = site.snapshot();
    let said = site.upgrade(node, tarball, &[&["--dry-run"], more].concat());
    let mut words = vec!["plan".into(), tarball.as_os_str().to_owned()];
    words.extend(more.iter().map(Into::into));
    let other = site.run(node, &words);
    assert_eq!((said.code, &said.out), (other.code, &other.out));
    assert_eq!(site.snapshot(), before);
    assert!(node.requests.is_empty());
    said
}

#[test]
fn every_step_is_told_and_nothing_changes() {
    let site = Site::with_hop();
    let mut node = site.node();
    node.proof = Ok(Ok(proof()));
    let said = check(&site, &mut node, &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
    for line in [
        "  load emqx, emqx_x\n",
        "  update emqx_connection: suspend 200 processes, load it, change their state\n",
        "  restart emqx_dashboard as 5.10.5: emqx_dashboard; removed: emqx_gone\n",
        "  apply emqx_x:do/1\n",
        "  call emqx_post_upgrade:pr/1\n",
        "4 modules to load, 3 unchanged, 200 processes to suspend, 1 application to restart, 1 callback to run\n",
    ] {
        assert!(said.out.contains(line), "{line} in {said:?}");
    }
    assert!(said.out.ends_with("\nnothing was changed\n"), "{said:?}");
    assert!(said.err.contains("WARNING: something is odd"), "{said:?}");
    let request = &node.proofs[0];
    assert!(request.tree.starts_with(site.base().relup_dir()));
    assert!(!request.tree.exists(), "the staged tree is gone");
}

#[test]
fn the_tree_is_there_while_it_is_proven() {
    let site = Site::with_hop();
    let mut node = site.node();
    node.meanwhile = Box::new(|request| {
        let tree = relup::layout::Tree::new(request.tree.clone()).expect("absolute");
        assert!(tree.emqx_vars().is_file());
        assert!(!request.marker.exists() && !request.journal.exists());
    });
    let said = check(&site, &mut node, &site.new_tarball(), &[]);
    assert_eq!((said.code, node.proofs.len()), (0, 2), "{said:?}");
}

#[test]
fn json_has_the_whole_list() {
    let site = Site::with_hop();
    let mut node = site.node();
    node.proof = Ok(Ok(proof()));
    let json = check(&site, &mut node, &site.new_tarball(), &["--json"]).json();
    assert_eq!(json["ok"], json!(true));
    assert_eq!(
        json["steps"][1],
        json!({ "step": "update", "module": "emqx_connection", "processes": 200, "loads_code": true })
    );
    assert_eq!(json["steps"][2]["removed_modules"], json!(["emqx_gone"]));
    assert_eq!(json["applications_to_restart"], json!(["emqx_dashboard"]));
    assert_eq!(json["warnings"], json!(["something is odd"]));
}

#[test]
fn what_the_node_refuses_is_told_by_the_tarball() {
    let site = Site::with_hop();
    let mut node = site.node();
    let staged = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let seen = staged.clone();
    node.meanwhile = Box::new(move |request| {
        *seen.borrow_mut() = request.tree.display().to_string();
    });
    node.proof = Ok(Err(ApplyFailure {
        name: "module_not_found".into(),
        stage: "plan".into(),
        detail: "emqx_x".into(),
        changed: false,
        restored: false,
    }));
    let said = check(&site, &mut node, &site.new_tarball(), &[]);
    assert_eq!((said.code, said.error_name()), (1, "module_not_found"));
    assert!(!staged.borrow().is_empty());
}

#[test]
fn refusals_are_those_of_an_upgrade() {
    let site = Site::with_hop();
    let check_name = |node: &mut FakeNode, release: &Release, name: &str| {
        let tarball = site.tarball(release);
        let said = check(&site, node, &tarball, &[]);
        assert_eq!((said.code, said.error_name()), (1, name), "{said:?}");
    };
    check_name(&mut FakeNode::down(), &Release::of(NEW), "node_not_running");
    check_name(
        &mut site.node(),
        &Release::of(OLD),
        "already_upgraded_to_target_vsn",
    );
    check_name(&mut site.node(), &Release::of("5.10.9"), "no_relup_entry");
}

#[test]
fn a_hop_in_the_tarball_is_named_by_the_tarball() {
    let site = Site::new();
    let hop = "releases/5.10.5/a.relup";
    let tarball = site.tarball(&Release::of(NEW).with(hop, &hop_text(OLD, NEW)));
    let mut node = site.node();
    let said = check(&site, &mut node, &tarball, &[]);
    let shown = tarball.join(hop).display().to_string();
    assert!(said.out.contains(&format!("by {shown}\n")), "{said:?}");
    assert_eq!(node.proofs[0].hop.file, shown);
}

#[test]
fn a_cold_plan_needs_no_node() {
    let site = Site::new();
    for mut node in [FakeNode::down(), site.node()] {
        let said = check(&site, &mut node, &site.new_tarball(), &["--cold"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("would deploy "), "{said:?}");
        assert!(node.proofs.is_empty());
    }
}

#[test]
fn what_others_left_and_recorded_stays() {
    let site = Site::with_hop();
    write(&site.base().staging("a").join("x"), "x");
    let record = r#"{"at":"2026-01-02T03:04:05.678Z","attempt":"a","action":"upgrade","step":"started","by":"command","from":"5.10.3","to":"5.10.4"}"#;
    write(&site.base().journal(), record);
    let said = check(&site, &mut site.node(), &site.new_tarball(), &[]);
    assert_eq!(said.code, 0, "{said:?}");
}
