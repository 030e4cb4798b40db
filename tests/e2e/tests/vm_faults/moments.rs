//! The VM, the command or the way between them is lost at a certain moment of the apply: before a
//! change, after the `k`th load, while processes are suspended, while an application is stopped, in
//! a callback.

use super::scene::{CHANGES, Scene};
use e2e::node;
use e2e::process::HANG;
use e2e::sample::{V4, V5};
use e2e::{journal, process};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::time::Duration;

/// Where the node waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After the code path and the first load (A3, A6).
    Loaded,
    /// Between the updates of two modules: the first one's processes work on (A6, A8).
    BetweenUpdates,
    /// All connections are suspended, and one changes its state (A5, A7).
    Suspended,
    /// The dashboard is stopped and not yet started (A9).
    Stopped,
    /// All code is new (A10, A11).
    Callback,
}

const MOMENTS: [Moment; 5] = [
    Moment::Loaded,
    Moment::BetweenUpdates,
    Moment::Suspended,
    Moment::Stopped,
    Moment::Callback,
];

/// A target and a hop that wait at the moment.
fn arrange(scene: &mut Scene, moment: Moment) -> e2e::Result<PathBuf> {
    let wait = scene.wait_expression();
    let gate = format!("'emqx_post_upgrade_{V5}'");
    let load = format!("{{load_module, {gate}}}, {{load_module, emqx_release}}");
    let file = scene.install.scratch().join("gate");
    let apply = format!("{{apply, {gate}, wait, [\"{}\"]}}", file.display());
    let stats = "{update, emqx_stats, {advanced, []}}";
    let connection = "{update, emqx_connection, {advanced, []}}";
    let rest = format!("{load}, {CHANGES}");
    let restart = "{restart_application, emqx_dashboard}";
    let (changes, callbacks) = match moment {
        Moment::Loaded => (format!("{load}, {apply}, {CHANGES}"), ""),
        Moment::BetweenUpdates => (format!("{load}, {stats}, {apply}, {connection}"), ""),
        Moment::Suspended => {
            let source = Scene::source("emqx/src/emqx_connection.erl")?;
            let head = "code_change(FromVsn, {1, Socket, Peer, Buffer, Channel, Seen}, _Extra) ->";
            assert!(source.contains(head), "the sample has changed");
            let source = source.replace(head, &format!("{head}\n    ok = {wait},"));
            let beam = scene.compile("emqx_connection", &source)?;
            scene.replace("emqx-5.10.5/ebin/emqx_connection.beam", beam)?;
            (rest, "")
        }
        Moment::Stopped => {
            let source = Scene::source("emqx_dashboard/src/emqx_dashboard_app.erl")?;
            let head = "start(_Type, _Args) ->";
            let source = source.replace(head, &format!("{head}\n    ok = {wait},"));
            let beam = scene.compile("emqx_dashboard_app", &source)?;
            scene.replace("emqx_dashboard-5.2.7/ebin/emqx_dashboard_app.beam", beam)?;
            (format!("{rest}, {restart}"), "")
        }
        Moment::Callback => (format!("{rest}, {restart}"), "gate"),
    };
    scene.hop(&changes, callbacks)
}

/// A node that waits at the moment, with the command that watches it.
fn at(moment: Moment, env: &[(&str, &str)]) -> e2e::Result<(Scene, process::Running)> {
    let mut scene = Scene::with_environment(env)?;
    let hop = arrange(&mut scene, moment)?;
    let command = scene.spawn(&hop)?;
    scene.gate_is_reached()?;
    Ok((scene, command))
}

/// `kill -9` of the VM: the next start boots the version that the marker names, which is the old one,
/// and nothing stands in the way of the next attempt.
fn the_vm_is_killed(moment: Moment) -> e2e::Result<()> {
    let (scene, mut command) = at(moment, &[])?;
    scene.kill_vm()?;
    let finished = command.wait(HANG)?;
    assert_eq!(finished.code, Some(4), "{moment:?}: {finished}");
    assert!(finished.stderr.contains("ERROR: "), "{finished}");
    assert!(!scene.install.path("relup/current").exists(), "{moment:?}");
    let status = scene.install.emqx(&["relup", "status"])?.success()?;
    assert!(
        !status.text().contains("in-progress"),
        "{moment:?}: {status}"
    );
    scene.open_gate()?;
    scene.install.start()?;
    assert_eq!(node::version(&scene.install)?, V4, "{moment:?}");
    scene.upgrades_after_all()
}

/// The command is lost, the node goes on to its end.
fn the_apply_outlives(moment: Moment, signal: Signal) -> e2e::Result<()> {
    let (mut scene, mut command) = at(moment, &[])?;
    command.signal(signal)?;
    let finished = command.wait(HANG)?;
    assert_ne!(finished.code, Some(0), "{moment:?}: {finished}");
    assert!(!scene.install.path("relup/current").exists(), "{moment:?}");
    goes_on_to_its_end(&mut scene, moment)?;
    is_upgraded(&scene, moment)
}

fn goes_on_to_its_end(scene: &mut Scene, moment: Moment) -> e2e::Result<()> {
    scene.open_gate()?;
    process::wait_until("the attempt to be finished", HANG, || {
        let last = journal::last_attempt(scene.install.root())?;
        Ok(last.iter().any(|record| record.step == "finished"))
    })?;
    scene.ended_with("success")?;
    assert_eq!(node::version(&scene.install)?, V5, "{moment:?}");
    scene.clients.all_answer()
}

fn is_upgraded(scene: &Scene, moment: Moment) -> e2e::Result<()> {
    scene
        .install
        .emqx(&["relup", "status"])?
        .success()?
        .says("hot-upgraded to 5.10.5")?;
    let suspended = super::values::of(&scene.install)?;
    assert_eq!(suspended["suspended"], "[]", "{moment:?}");
    Ok(())
}

#[test]
fn a_vm_that_is_killed_boots_the_old_version_and_can_be_upgraded() -> e2e::Result<()> {
    MOMENTS.into_iter().try_for_each(the_vm_is_killed)
}

#[test]
fn a_command_that_is_killed_does_not_end_the_apply_at_any_moment() -> e2e::Result<()> {
    MOMENTS
        .into_iter()
        .try_for_each(|moment| the_apply_outlives(moment, Signal::SIGKILL))
}

/// Stopped for longer than the node waits for a sign of life: the node cuts the connection and goes
/// on; the command, once it runs again, does not claim to know how it ended.
#[test]
fn a_command_that_is_stopped_past_the_tick_time_does_not_hold_the_node_up() -> e2e::Result<()> {
    for moment in [Moment::BetweenUpdates, Moment::Callback] {
        let ticktime = ("EMQX_NODE__DIST_NET_TICKTIME", "4s");
        let (mut scene, mut command) = at(moment, &[ticktime])?;
        command.signal(Signal::SIGSTOP)?;
        std::thread::sleep(Duration::from_secs(9));
        goes_on_to_its_end(&mut scene, moment)?;
        command.signal(Signal::SIGCONT)?;
        let finished = command.wait(HANG)?;
        assert!(
            matches!(finished.code, Some(0 | 4)),
            "{moment:?}: {finished}"
        );
        if finished.code == Some(4) {
            assert!(finished.stderr.contains("emqx relup status"), "{finished}");
        }
        is_upgraded(&scene, moment)?;
    }
    Ok(())
}
