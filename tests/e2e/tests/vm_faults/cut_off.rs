//! A command that is cut off leaves nothing in the VM: the node takes the agent out by itself, once no
//! attempt runs in it any more.

use super::killed::at;
use super::points::Point;
use super::scene::{CHANGES, Scene};
use e2e::process::{self, HANG, Running};
use e2e::{journal, node};
use nix::sys::signal::Signal;
use std::process::Stdio;
use std::time::Duration;

/// What a command could leave behind; the code path belongs to the upgrade if there was one.
fn inside(scene: &Scene, code_path: bool) -> e2e::Result<String> {
    let path = if code_path { "code:get_path()" } else { "[]" };
    node::eval(
        &scene.install,
        &format!(
            "{{[M || {{M, _}} <- code:all_loaded(), lists:prefix(\"emqx_hot_apply\", atom_to_list(M)) orelse \
             erlang:check_old_code(M) andalso lists:prefix(\"emqx_hot_apply\", atom_to_list(M))], \
             [R || R <- registered(), lists:prefix(\"emqx_hot_apply\", atom_to_list(R))], \
             [T || T <- ets:all(), ets:info(T, name) =:= emqx_hot_apply_memory], \
             [P || P <- processes(), {{_, {{M, _, _}}}} <- [process_info(P, current_function)], \
              P =/= self(), lists:prefix(\"emqx_hot_apply\", atom_to_list(M))], \
             lists:sort(registered()), {path}}}"
        ),
    )
}

/// The janitor waits for some time where somebody holds on to code.
fn nothing_is_left(scene: &Scene, before: &str, code_path: bool, said: &str) -> e2e::Result<()> {
    let mut last = String::new();
    let gone = process::wait_until("the agent to be gone", HANG, || {
        last = inside(scene, code_path)?;
        Ok(last == before)
    });
    gone.map_err(|error| e2e::Error::Unexpected(format!("{said}: {error}\n{before}\n{last}")))
}

#[test]
fn a_plan_that_is_killed_at_any_moment_leaves_nothing_in_the_node() -> e2e::Result<()> {
    let mut scene = Scene::new()?;
    // The proof takes a while, which is not the same for the two signals.
    let hop = scene.hop(CHANGES, "")?;
    let text = fs_err::read_to_string(&hop)?;
    fs_err::write(&hop, format!("timer:sleep(700), {text}"))?;
    let before = inside(&scene, true)?;
    for (number, wait) in [5, 60, 150, 300, 500, 800, 1200, 2000]
        .into_iter()
        .enumerate()
    {
        let mut command = scene.install.emqx_command(&["relup", "plan"]);
        command.arg(scene.tarball()).arg("--relup").arg(&hop);
        let mut command = Running::spawn(command.stdin(Stdio::null()))?;
        std::thread::sleep(Duration::from_millis(wait));
        let signal = [Signal::SIGKILL, Signal::SIGINT][number % 2];
        // It may have ended already.
        let _ = command.signal(signal);
        let finished = command.wait(HANG)?;
        nothing_is_left(
            &scene,
            &before,
            true,
            &format!("{signal} after {wait} ms: {finished}"),
        )?;
    }
    scene.is_as_before()
}

#[test]
fn an_upgrade_whose_command_is_killed_leaves_nothing_but_the_upgrade() -> e2e::Result<()> {
    let (scene, mut command) = at(Point::Loaded(1))?;
    command.signal(Signal::SIGKILL)?;
    let finished = command.wait(HANG)?;
    scene.open_gate()?;
    process::wait_until("the attempt to be finished", HANG, || {
        let last = journal::last_attempt(scene.install.root())?;
        Ok(last.iter().any(|record| record.step == "finished"))
    })?;
    scene.ended_with("success")?;
    let clean = "nothing of the agent";
    process::wait_until(clean, HANG, || {
        let left = inside(&scene, false)?;
        Ok(left
            .replace(char::is_whitespace, "")
            .starts_with("{[],[],[],[],"))
    })
    .map_err(|error| e2e::Error::Unexpected(format!("{finished}: {error}")))
}

/// Ctrl-Z while the node works: the node does not wait for it, and `status` does not either.
#[test]
fn a_command_that_is_stopped_does_not_hide_what_its_node_has_done() -> e2e::Result<()> {
    let (scene, mut command) = at(Point::PartlyResumed)?;
    let status = || scene.install.emqx(&["relup", "status"]);
    status()?.success()?.says("in-progress")?;
    command.signal(Signal::SIGSTOP)?;
    scene.open_gate()?;
    process::wait_until("the node to say that it has ended", HANG, || {
        Ok(!status()?.stdout.contains("in-progress"))
    })?;
    status()?
        .success()?
        .says("hot-upgraded to 5.10.5; pending on restart")?
        .says("the node has ended its upgrade, the command has not")?;
    command.signal(Signal::SIGCONT)?;
    command.wait(HANG)?.success()?.says("upgrade complete")?;
    Ok(())
}
