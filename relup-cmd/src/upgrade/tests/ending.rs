//! Stages 11 to 14: what is left when the node does not do what was asked.

use super::*;

#[test]
fn a_plan_that_the_node_refuses_takes_the_new_tree_away_again() {
    let site = Site::with_hop();
    let mut node = site.node().failing("module_not_found", false, false);
    let said = site.upgrade(&mut node, &site.new_tarball(), &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "module_not_found"),
        "{said:?}"
    );
    assert_eq!(site.relup_names(), ["catalog", "journal.jsonl"]);
    assert_eq!(site.steps().last(), Some(&Step::Finished));
    assert_eq!(
        site.steps()
            .iter()
            .filter(|step| **step == Step::Finished)
            .count(),
        1
    );
}

#[test]
fn a_tree_that_was_there_before_survives_a_refused_plan() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    assert_eq!(site.upgrade(&mut site.node(), &tarball, &[]).code, 0);
    fs::remove_file(site.base().marker()).expect("removed");
    let mut node = site.node().failing("module_not_found", false, false);
    assert_eq!(site.upgrade(&mut node, &tarball, &[]).code, 1);
    assert_eq!(
        site.relup_names(),
        [NEW, "5.10.5.manifest", "catalog", "journal.jsonl"]
    );
}

#[test]
fn what_the_node_did_not_record_the_command_does() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let mut node = site.node();
    for (error, name) in [
        (NodeError::Rpc("no compiler".into()), "node_rpc_failed"),
        (NodeError::NotRunning("gone".into()), "node_not_running"),
    ] {
        node.outcome = Outcome::Error(error);
        let said = site.upgrade(&mut node, &tarball, &[]);
        assert_eq!((said.code, said.error_name()), (1, name), "{said:?}");
        assert_eq!(site.relup_names(), ["catalog", "journal.jsonl"]);
        let Some(Record {
            result: Some(AttemptResult::Error { name: recorded, .. }),
            ..
        }) = site.records().pop()
        else {
            panic!("no end recorded")
        };
        assert_eq!(recorded, name);
    }
}

#[test]
fn a_changed_node_decides_the_exit_code_and_keeps_its_tree() {
    for (changed_back, code) in [(true, 3), (false, 4)] {
        let site = Site::with_hop();
        let mut node = site.node().failing("module_not_found", true, changed_back);
        let said = site.upgrade(&mut node, &site.new_tarball(), &["--json"]);
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(said.json()["error"]["restored"], json!(changed_back));
        assert_eq!(said.json()["exit_code"], json!(code));
        assert!(site.relup_names().contains(&NEW.to_owned()));
        assert_eq!(site.marker(), None);
    }
}

#[test]
fn a_lost_node_may_still_be_working() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let begun = NodeError::Rpc("odd answer".into());
    for (error, attempt) in [
        (NodeError::Lost("closed".into()), Ok(None)),
        (begun.clone(), Err(NodeError::Lost("closed".into()))),
        (begun, Ok(None)),
    ] {
        let mut node = site.node().ending(Outcome::Error(error));
        node.meanwhile = Box::new(|request| record(request, Step::Planned, None));
        node.attempt_after_apply = Some(attempt);
        let said = site.upgrade(&mut node, &tarball, &[]);
        assert_eq!(
            (said.code, said.error_name()),
            (4, "node_connection_lost"),
            "{said:?}"
        );
        assert!(said.err.contains("emqx relup status"), "{said:?}");
        assert!(
            site.relup_names().contains(&NEW.to_owned()),
            "the node needs its tree"
        );
        assert_ne!(site.steps().last(), Some(&Step::Finished));
    }
}

#[test]
fn a_node_that_works_on_another_attempt_has_not_begun_with_this_one() {
    let site = Site::with_hop();
    let mut node = site
        .node()
        .ending(Outcome::Error(NodeError::Rpc("locked".into())));
    node.attempt_after_apply = Some(Ok(Some("another".to_owned())));
    let said = site.upgrade(&mut node, &site.new_tarball(), &[]);
    assert_eq!((said.code, said.error_name()), (1, "locked"), "{said:?}");
    assert_eq!(site.relup_names(), ["catalog", "journal.jsonl"]);
}

#[test]
fn an_interrupt_after_the_checks_leaves_nothing() {
    let site = Site::with_hop();
    let interrupt = Interrupt::deaf();
    let raised = interrupt.clone();
    let mut node = site.node();
    node.hops = vec![(
        "right",
        Ok(HopSummary {
            from: OLD.into(),
            to: NEW.into(),
        }),
    )];
    node.evaluating = Box::new(move || raised.raise());
    site.add_hop("a.relup", "F = fun() -> right end, F().");
    let args = ["upgrade".into(), site.new_tarball().into_os_string()];
    let said = site.run_interruptible(&mut node, &args, &interrupt);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "interrupted"),
        "{said:?}"
    );
    assert!(node.requests.is_empty());
    assert_eq!(site.relup_names(), ["catalog"]);
}

#[test]
fn success_without_a_marker_is_no_success() {
    let site = Site::with_hop();
    let mut node = site.node().ending(Outcome::DoneWithoutMarker);
    let said = site.upgrade(&mut node, &site.new_tarball(), &[]);
    assert_eq!(
        (said.code, said.error_name()),
        (4, "permanent_upgrade"),
        "{said:?}"
    );
}

#[test]
fn an_interrupt_before_the_apply_leaves_nothing() {
    let site = Site::with_hop();
    let tarball = site.new_tarball();
    let before = site.snapshot();
    let interrupt = Interrupt::deaf();
    interrupt.raise();
    let args = ["upgrade".into(), tarball.into_os_string()];
    let said = site.run_interruptible(&mut site.node(), &args, &interrupt);
    assert_eq!(
        (said.code, said.error_name()),
        (1, "interrupted"),
        "{said:?}"
    );
    assert_eq!(site.snapshot(), before);
}

#[test]
fn that_a_failed_callback_undoes_everything_is_passed_on_to_the_node() {
    let site = Site::with_hop();
    let mut node = site.node().failing("post_upgrade_failed", true, true);
    let more = ["--undo-on-callback-failure"];
    let said = site.upgrade(&mut node, &site.new_tarball(), &more);
    assert!(node.requests[0].undo_on_callback_failure);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(
        said.err.contains("what callbacks did to data stays"),
        "{said:?}"
    );
}
