//! Faults in the target, in the hop and in the processes of the node.

use super::scene::{CHANGES, Scene};
use e2e::node;
use e2e::sample::V5;
use e2e::tarball::Edit;
use std::time::Duration;

const CONNECTION: &str = "emqx-5.10.5/ebin/emqx_connection.beam";

/// The connection module of 5.10.5 with other clauses before its `code_change`.
fn connection(clauses: &str) -> e2e::Result<String> {
    let source = Scene::source("emqx/src/emqx_connection.erl")?;
    let head = "code_change(FromVsn, {1, Socket";
    assert!(source.contains(head), "the sample has changed");
    Ok(source.replacen(head, &format!("{clauses}\n{head}"), 1))
}

#[test]
fn a_beam_that_is_missing_is_refused_and_nothing_was_touched() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    scene.edit(&[Edit::Drop("lib/emqx-5.10.5/ebin/emqx_topic.beam".into())])?;
    let hop = scene.hop(CHANGES, "")?;
    scene.refuse(&hop, 1, "module_not_found")?;
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

#[test]
fn a_beam_that_is_damaged_is_refused_and_nothing_was_touched() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let file = "emqx-5.10.5/ebin/emqx_stats.beam";
    let source = Scene::source("emqx/src/emqx_stats.erl")?;
    let whole = scene.compile("emqx_stats", &source)?;
    // Cut in the middle, no beam at all, code that is none, another module.
    let other = scene.compile("emqx_other", "-module(emqx_other).\n")?;
    let mut noise = whole.clone();
    let code = noise
        .windows(4)
        .position(|name| name == b"Code")
        .expect("a chunk of code");
    noise[code + 28..code + 120].fill(0xff);
    // The stager finds what is no module; only the node knows what cannot be loaded.
    for (wrong, error) in [
        (whole[..whole.len() / 2].to_vec(), "archive_corrupt"),
        (b"x".to_vec(), "archive_corrupt"),
        (noise, "module_not_found"),
        (other, "module_not_found"),
    ] {
        scene.replace(file, wrong)?;
        let hop = scene.hop(CHANGES, "")?;
        scene.refuse(&hop, 1, error)?;
    }
    scene.is_as_before()
}

#[test]
fn a_code_change_that_crashes_gives_every_process_its_state_back() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let source = connection("code_change(_, {1, _, _, _, _, _}, _) -> error(boom);")?;
    let beam = scene.compile("emqx_connection", &source)?;
    scene.replace(CONNECTION, beam)?;
    let hop = scene.hop(CHANGES, "")?;
    let finished = scene.refuse(&hop, 3, "code_change_failed")?;
    assert!(finished.stdout.contains("20 of 20 processes"), "{finished}");
    scene.ended_with("code_change_failed")?;
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

#[test]
fn a_code_change_that_crashes_in_one_process_gives_all_their_states_back() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    node::eval(
        &scene.install,
        "persistent_term:put(turn, atomics:new(1, []))",
    )?;
    let source = connection(
        "code_change(From, {1, A, B, C, D, E}, X) ->\n\
             case atomics:add_get(persistent_term:get(turn), 1, 1) of\n\
                 12 -> error(boom);\n\
                 _ -> code_change(From, {one, A, B, C, D, E}, X)\n\
             end;\n\
         code_change(FromVsn, {one, Socket, Peer, Buffer, Channel, Seen}, _Extra) ->\n\
             {ok, new(Socket, Peer, Buffer, Channel, Seen, FromVsn)};",
    )?;
    let beam = scene.compile("emqx_connection", &source)?;
    scene.replace(CONNECTION, beam)?;
    let hop = scene.hop(CHANGES, "")?;
    let finished = scene.refuse(&hop, 3, "code_change_failed")?;
    assert!(finished.stdout.contains("1 of 20 processes"), "{finished}");
    scene.is_as_before()
}

#[test]
fn an_application_that_does_not_start_again_takes_the_whole_hop_back() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let source = Scene::source("emqx_dashboard/src/emqx_dashboard_app.erl")?;
    let start = "    supervisor:start_link({local, emqx_dashboard_sup}, ?MODULE, []).";
    assert!(source.contains(start), "the sample has changed");
    let source = source.replace(start, "    {error, will_not}.");
    let beam = scene.compile("emqx_dashboard_app", &source)?;
    scene.replace("emqx_dashboard-5.2.7/ebin/emqx_dashboard_app.beam", beam)?;
    let hop = scene.hop(
        &format!("{CHANGES}, {{restart_application, emqx_dashboard}}"),
        "",
    )?;
    let finished = scene.refuse(&hop, 3, "start_application_failed")?;
    assert!(finished.stdout.contains("will_not"), "{finished}");
    scene.ended_with("start_application_failed")?;
    scene.is_as_before()?;
    let running = node::state(&scene.install)?;
    assert!(
        running.contains_key("emqx_dashboard.started_at"),
        "{running:?}"
    );
    scene.upgrades_after_all()
}

#[test]
fn an_instruction_that_fails_takes_finished_updates_back() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let hop = scene.hop(&format!("{CHANGES}, {{apply, erlang, node, []}}"), "")?;
    let finished = scene.refuse(&hop, 3, "apply_failed")?;
    assert!(
        finished.stdout.contains("erlang:node/0 has run"),
        "{finished}"
    );
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

#[test]
fn a_callback_that_crashes_leaves_the_new_code_and_no_marker() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    let changes = format!("{{load_module, 'emqx_post_upgrade_{V5}'}}, {CHANGES}");
    let hop = scene.hop(&changes, "boom")?;
    scene.refuse(&hop, 4, "post_upgrade_failed")?;
    assert_eq!(node::version(&scene.install)?, V5);
    assert!(!scene.install.path("relup/current").exists(), "a marker");
    scene.clients.all_answer()?;
    scene.ended_with("post_upgrade_failed")
}

/// The processes have worked with their new state when the callback fails.
#[test]
fn a_callback_that_crashes_takes_migrated_states_back_if_the_operator_wants_that() -> e2e::Result<()>
{
    let mut scene = Scene::new()?;
    let changes = format!("{{load_module, 'emqx_post_upgrade_{V5}'}}, {CHANGES}");
    let hop = scene.hop(&changes, "boom")?;
    let undo = ["--undo-on-callback-failure"];
    scene.refuse_with(&hop, &undo, 3, "post_upgrade_failed")?;
    scene.ended_with("post_upgrade_failed")?;
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

#[test]
fn a_suspended_supervisor_is_named_and_nothing_was_touched() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    node::eval(&scene.install, "sys:suspend(emqx_connection_sup)")?;
    let hop = scene.hop(CHANGES, "")?;
    let finished = scene.refuse(&hop, 1, "suspended_supervisor")?;
    assert!(
        finished.stdout.contains("emqx_connection_sup"),
        "{finished}"
    );
    node::eval(&scene.install, "sys:resume(emqx_connection_sup)")?;
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

/// It is blocked before the upgrade begins and does not answer until long after.
#[test]
fn a_process_that_ignores_suspend_is_told_and_stops_nobody_else() -> e2e::Result<()> {
    let scene = Scene::new()?;
    let block = "begin [P | _] = [C || {_, C, _, _} <- supervisor:which_children(emqx_connection_sup)], \
                 spawn(fun() -> catch sys:replace_state(P, fun(S) -> timer:sleep(14000), S end, 20000) end), \
                 P end";
    let blocked = node::eval(&scene.install, block)?;
    let hop = scene.hop(CHANGES, "")?;
    let mut command = scene.spawn(&hop)?;
    let finished = command.wait(e2e::process::HANG)?.success()?;
    let finished = finished
        .says("1 processes of emqx_connection could not be suspended within 5000 ms")?
        .says(&blocked)?;
    std::thread::sleep(Duration::from_secs(10));
    let suspended = super::values::of(&scene.install)?;
    assert_eq!(suspended["suspended"], "[]", "{finished}");
    assert_eq!(node::version(&scene.install)?, V5);
    Ok(())
}
