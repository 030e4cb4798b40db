//! The hot-apply agent: brought into a node, driven, and taken out again.

use crate::support::{Node, PATIENCE};
use relup::node::{ApplyEvent, ApplyFailure, ApplyRequest, HopScript, ProvenStep};
use shims::agent::{AgentError, apply, evaluate_hops, prove, running_attempt};
use shims::dist::{CallOptions, CallOutcome, Connection};
use shims::term::{as_list, as_text, string};
use std::path::Path;
use std::time::{Duration, Instant};

const LITERAL: &str = "#{from_version => \"5.10.4\", target_version => \"5.10.5\",
    code_changes => [{load_module, emqx_release}], post_upgrade_callbacks => []}.";

fn script(file: &str, source: &str) -> HopScript {
    HopScript {
        file: file.to_owned(),
        source: source.as_bytes().to_vec(),
    }
}

fn call(connection: &mut Connection, function: &str, args: &[&str]) -> CallOutcome {
    let args = args.iter().map(|arg| string(arg)).collect();
    connection
        .call("shims_test", function, args, CallOptions::default())
        .expect("the call is made")
}

/// The owner of an attempt, and the process that loaded the agent, end just after their last word.
fn nothing_is_left(connection: &mut Connection) {
    let begun = Instant::now();
    loop {
        let CallOutcome::Return(left) = call(connection, "leftovers", &[]) else {
            panic!("the node cannot tell")
        };
        if as_list(&left).is_some_and(|left| left.is_empty()) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "left in the node: {left}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A node that runs 5.10.4 and a tree of 5.10.5 beside it, below `dir`.
fn upgradable(connection: &mut Connection, dir: &Path, hop: &str) -> ApplyRequest {
    let (old, tree) = (dir.join("old"), dir.join("relup/5.10.5"));
    for (tree, vsn) in [(&old, "5.10.4"), (&tree, "5.10.5")] {
        let tree = tree
            .to_str()
            .expect("a temporary directory has a plain name");
        call(connection, "tree", &[tree, vsn]);
    }
    let old = old
        .to_str()
        .expect("a temporary directory has a plain name");
    let CallOutcome::Return(version) = call(connection, "boot", &[old, "5.10.4"]) else {
        panic!("it does not boot")
    };
    assert_eq!(as_text(&version).as_deref(), Some("5.10.4"));
    ApplyRequest {
        attempt: "20260102T030405-abcdef".to_owned(),
        from: "5.10.4".to_owned(),
        to: "5.10.5".to_owned(),
        base_root: dir.to_owned(),
        marker: dir.join("relup/current"),
        journal: dir.join("relup/journal.jsonl"),
        rel_name: "emqx".to_owned(),
        hop: script("5.10.4-to-5.10.5.relup", hop),
        beams: vec![],
        patches_dir: None,
        brutal_purge: false,
        undo_on_callback_failure: false,
        suspend_timeout_ms: 5000,
        tree,
    }
}

#[test]
fn hops_that_are_expressions_are_evaluated_on_the_node() {
    let node = Node::start();
    let mut connection = node.connect();
    let scripts = [
        script(
            "a.relup",
            "F = fun(N) -> \"5.10.\" ++ integer_to_list(N) end,
            #{from_version => F(4), target_version => F(5), code_changes => [],
              post_upgrade_callbacks => []}.",
        ),
        script("b.relup", "#{from_version => "),
        script("c.relup", LITERAL),
    ];
    let answers = evaluate_hops(&mut connection, &scripts).expect("the node evaluates");
    for good in [0, 2] {
        let hop = answers[good].as_ref().expect("it is a hop");
        assert_eq!((hop.from.as_str(), hop.to.as_str()), ("5.10.4", "5.10.5"));
    }
    let reason = answers[1].as_ref().expect_err("it is no hop");
    assert!(reason.contains("b.relup"), "{reason}");
    nothing_is_left(&mut connection);
}

#[test]
fn two_commands_at_once_both_get_their_answers() {
    let node = Node::start();
    let commands: Vec<_> = (0..3)
        .map(|_| {
            let mut connection = node.connect();
            std::thread::spawn(move || {
                let scripts = [script("c.relup", LITERAL)];
                evaluate_hops(&mut connection, &scripts).map(|answers| answers[0].clone())
            })
        })
        .collect();
    for command in commands {
        let hop = command.join().expect("it ends").expect("it gets an answer");
        assert_eq!(hop.expect("it is a hop").to, "5.10.5");
    }
    nothing_is_left(&mut node.connect());
}

#[test]
fn a_hop_is_applied_and_told_step_by_step() {
    let node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let request = upgradable(&mut connection, dir.path(), LITERAL);
    let mut steps = Vec::new();
    let done = apply(
        &mut connection,
        &request,
        &mut |ApplyEvent::Step { step, .. }| steps.push(step),
    )
    .expect("the agent answers")
    .expect("the hop is possible");
    assert_eq!((done.version.as_str(), done.loaded), ("5.10.5", 1));
    assert!(
        steps.iter().any(|step| step == "plan") && !done.stages_us.is_empty(),
        "{steps:?}"
    );
    let version = connection.call("emqx_release", "version", vec![], CallOptions::default());
    let Ok(CallOutcome::Return(version)) = version else {
        panic!("it runs")
    };
    assert_eq!(as_text(&version).as_deref(), Some("5.10.5"));
    let marker = fs_err::read_to_string(dir.path().join("relup/current")).expect("it was written");
    assert_eq!(marker, "5.10.5\n");
    assert_eq!(
        running_attempt(&mut connection).expect("the node is up"),
        None
    );
    nothing_is_left(&mut connection);
}

#[test]
fn a_proof_tells_every_step_and_changes_nothing() {
    let node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let request = upgradable(&mut connection, dir.path(), LITERAL);
    let proof = prove(&mut connection, &request)
        .expect("the agent answers")
        .expect("the hop is possible");
    let load = ProvenStep::Load {
        modules: vec!["emqx_release".to_owned()],
    };
    assert_eq!((proof.steps, proof.skipped), (vec![load], 0));
    let version = connection.call("emqx_release", "version", vec![], CallOptions::default());
    let Ok(CallOutcome::Return(version)) = version else {
        panic!("it runs")
    };
    assert_eq!(as_text(&version).as_deref(), Some("5.10.4"));
    assert!(!request.marker.exists() && !request.journal.exists());
    nothing_is_left(&mut connection);
    let hop = LITERAL.replace("emqx_release", "no_such_module");
    let impossible = ApplyRequest {
        hop: script("impossible.relup", &hop),
        ..request
    };
    let failure = prove(&mut connection, &impossible)
        .expect("the agent answers")
        .expect_err("the module does not exist");
    assert_eq!(failure.name, "module_not_found");
    nothing_is_left(&mut connection);
}

#[test]
fn a_hop_that_is_not_possible_is_refused_with_nothing_changed() {
    let node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let hop = LITERAL.replace("emqx_release", "no_such_module");
    let request = upgradable(&mut connection, dir.path(), &hop);
    let failure: ApplyFailure = apply(&mut connection, &request, &mut |_| {})
        .expect("the agent answers")
        .expect_err("the module does not exist");
    assert_eq!(
        (failure.name.as_str(), failure.stage.as_str()),
        ("module_not_found", "plan")
    );
    assert!(
        !failure.changed && failure.detail.contains("no_such_module"),
        "{failure:?}"
    );
    assert!(!dir.path().join("relup/current").exists());
    nothing_is_left(&mut connection);
}

/// A hop that takes its time before it can be read.
const SLOW: &str = "timer:sleep(1500), #{from_version => \"5.10.4\", target_version => \"5.10.5\",
    code_changes => [{load_module, emqx_release}], post_upgrade_callbacks => []}.";

#[test]
fn a_second_attempt_is_locked_out_and_the_first_one_told_by_name() {
    let node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let request = upgradable(&mut connection, dir.path(), SLOW);
    let mut other = node.connect();
    let first = std::thread::spawn({
        let request = request.clone();
        move || apply(&mut connection, &request, &mut |_| {})
    });
    let begun = Instant::now();
    while running_attempt(&mut other)
        .expect("the node is up")
        .is_none()
    {
        assert!(begun.elapsed() < PATIENCE, "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = ApplyRequest {
        attempt: "second".to_owned(),
        ..request.clone()
    };
    let error = apply(&mut other, &second, &mut |_| {}).expect_err("the first one runs");
    assert!(
        matches!(&error, AgentError::Locked(a) if *a == request.attempt),
        "{error:?}"
    );
    // The agent that is in use serves others, and is not taken from under its owner.
    let answers = evaluate_hops(&mut other, &[script("c.relup", LITERAL)]).expect("it answers");
    assert!(answers[0].is_ok());
    let done = first.join().expect("it ends").expect("the agent answers");
    assert_eq!(done.expect("the hop is possible").version, "5.10.5");
    nothing_is_left(&mut other);
}

#[test]
fn an_attempt_goes_on_when_the_command_is_gone() {
    let node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let request = upgradable(&mut connection, dir.path(), SLOW);
    let marker = request.marker.clone();
    // The command is cut off as soon as the first step is told.
    let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        apply(&mut connection, &request, &mut |_| panic!("interrupted"))
    }));
    drop(connection);
    assert!(cut.is_err());
    let begun = Instant::now();
    while !marker.exists() {
        assert!(begun.elapsed() < PATIENCE, "it does not finish");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        fs_err::read_to_string(marker).expect("it was written"),
        "5.10.5\n"
    );
}

#[test]
fn losing_the_node_during_an_attempt_is_told_with_the_attempt() {
    let mut node = Node::start();
    let mut connection = node.connect();
    let dir = tempfile::tempdir().expect("there is room");
    let request = upgradable(&mut connection, dir.path(), SLOW);
    let mut other = node.connect();
    let attempt = request.attempt.clone();
    let command = std::thread::spawn(move || apply(&mut connection, &request, &mut |_| {}));
    let begun = Instant::now();
    while running_attempt(&mut other)
        .expect("the node is up")
        .is_none()
    {
        assert!(begun.elapsed() < PATIENCE, "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    node.kill();
    let error = command
        .join()
        .expect("it ends")
        .expect_err("the node is gone");
    assert!(
        matches!(&error, AgentError::Lost { attempt: a, .. } if *a == attempt),
        "{error:?}"
    );
}
