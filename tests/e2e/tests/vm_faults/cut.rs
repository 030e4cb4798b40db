//! The connection between command and node fails at one message after the other, in both
//! directions: an error that strace puts into the command's own calls.

use super::scene::{CHANGES, Scene};
use super::values;
use e2e::journal;
use e2e::process::{self, Finished, HANG};
use std::path::Path;
use std::process::Stdio;

/// A hop that fails at its end and is undone: so the node is the same before each cut.
fn hop(scene: &Scene) -> e2e::Result<std::path::PathBuf> {
    scene.hop(&format!("{CHANGES}, {{apply, erlang, node, []}}"), "")
}

/// Upgrades below strace, with one call of one kind failing.
fn upgrade(
    scene: &Scene,
    hop: &Path,
    call: &str,
    error: &str,
    nth: usize,
) -> e2e::Result<Finished> {
    let log = scene.install.scratch().join("strace.log");
    let mut strace = scene.install.command("strace");
    strace.arg("-f").arg("-o").arg(&log);
    strace.arg("-e").arg(format!("trace={call}"));
    if nth > 0 {
        strace
            .arg("-e")
            .arg(format!("inject={call}:error={error}:when={nth}"));
    }
    strace
        .arg(scene.install.path("bin/emqx"))
        .args(["relup", "upgrade"])
        .arg(scene.tarball())
        .arg("--relup")
        .arg(hop);
    process::run(strace.stdin(Stdio::null()), HANG)
}

fn calls(scene: &Scene, call: &str) -> e2e::Result<usize> {
    let log = fs_err::read_to_string(scene.install.scratch().join("strace.log"))?;
    Ok(log
        .lines()
        .filter(|line| line.contains(&format!("{call}(")))
        .count())
}

fn cut_at_each_message(call: &str, error: &str) -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let hop = hop(&scene)?;
    let whole = upgrade(&scene, &hop, call, error, 0)?.exit_code(3)?;
    let count = calls(&scene, call)?;
    assert!(count > 5, "{count} calls of {call}: {whole}");
    // Each at the beginning and at the end, where different things are said; some of the middle, where
    // the node tells one step after the other.
    let (edge, middle) = (6, count / 6 + 1);
    let points = (1..=count).filter(|nth| *nth <= edge || *nth + edge > count || nth % middle == 0);
    for nth in points {
        let finished = upgrade(&scene, &hop, call, error, nth)?;
        process::wait_until("the node to be idle", HANG, || {
            let status = scene.install.emqx(&["relup", "status"])?;
            Ok(!status.stdout.contains("in-progress"))
        })?;
        let last = journal::last_attempt(scene.install.root())?;
        let node_has_begun = last.iter().any(|record| record.by == "node");
        let said = format!("{call} {nth} of {count}: {finished}");
        // Refused with nothing changed, undone as without the cut, or lost while the node was at work.
        match finished.code {
            Some(1) => assert!(finished.stderr.contains("ERROR: "), "{said}"),
            Some(3) => assert!(node_has_begun, "{said}"),
            Some(4) => assert!(finished.stderr.contains("emqx relup status"), "{said}"),
            _ => panic!("{said}"),
        }
        // A command that was cut off can't take the agent out; the next one does.
        let mut after = values::of(&scene.install)?;
        after.insert(values::AGENT, scene.before[values::AGENT].clone());
        let different = values::differences(&scene.before, &after);
        assert!(different.is_empty(), "{said}\n{different:?}");
        assert!(!scene.install.path("relup/current").exists(), "{said}");
    }
    // Only now: it changes the states of the connections.
    scene.clients.all_answer()?;
    scene.upgrades_after_all()
}

#[test]
fn a_connection_that_fails_at_any_message_of_the_node_leaves_it_whole() -> e2e::Result<()> {
    cut_at_each_message("recvfrom", "ECONNRESET")
}

#[test]
fn a_connection_that_fails_at_any_message_to_the_node_leaves_it_whole() -> e2e::Result<()> {
    cut_at_each_message("sendto", "EPIPE")
}
