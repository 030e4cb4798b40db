//! The process that owns the apply is killed inside the VM, as an operator's shell or a limit of memory
//! would do it.

use super::points::Point;
use super::scene::Scene;
use e2e::node;
use e2e::process::{HANG, Running};
use e2e::sample::{V4, V5};

const KILL: &str = "exit(whereis(emqx_hot_apply), kill)";
const KILL_BOTH: &str =
    "[exit(whereis(Name), kill) || Name <- [emqx_hot_apply_guardian, emqx_hot_apply]]";

/// One of every kind.
const POINTS: [Point; 5] = [
    Point::Loaded(1),
    Point::PartlyResumed,
    Point::Suspended,
    Point::Stopped,
    Point::Callback(1),
];

/// A node that waits at the point, with the command that watches it.
pub(super) fn at(point: Point) -> e2e::Result<(Scene, Running)> {
    let mut scene = Scene::new()?;
    let hop = point.arrange(&mut scene)?;
    let command = scene.spawn(&hop)?;
    scene.gate_is_reached()?;
    Ok((scene, command))
}

fn is_taken_back(point: Point) -> e2e::Result<()> {
    let (mut scene, mut command) = at(point)?;
    node::eval(&scene.install, KILL)?;
    // A process that waits in its own code_change is waited for.
    scene.open_gate()?;
    let finished = command.wait(HANG)?;
    let said = format!("{point:?}: {finished}");
    assert!(
        finished.stderr.contains("was ended in the VM: killed"),
        "{said}"
    );
    scene.ended_with("owner_killed")?;
    if point == Point::Callback(1) {
        assert_eq!(finished.code, Some(4), "{said}");
        assert_eq!(node::version(&scene.install)?, V5, "{said}");
        scene.clients.all_answer()?;
        return Ok(());
    }
    assert_eq!(finished.code, Some(3), "{said}");
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

#[test]
fn an_owner_that_is_killed_at_any_moment_leaves_the_node_as_it_was() -> e2e::Result<()> {
    POINTS.into_iter().try_for_each(is_taken_back)
}

fn exits_with_four(scene: &Scene, args: &[&str]) -> e2e::Result<()> {
    let finished = scene.install.emqx(args)?.exit_code(4)?;
    let said = finished.stderr.contains("in the middle of attempt");
    assert!(
        said && finished.stderr.contains("emqx restart"),
        "{finished}"
    );
    Ok(())
}

/// Nobody is left who could undo anything: that is told, until the node is restarted.
#[test]
fn owner_and_guardian_killed_at_once_is_told_and_a_restart_mends_it() -> e2e::Result<()> {
    let (scene, mut command) = at(Point::PartlyResumed)?;
    node::eval(&scene.install, KILL_BOTH)?;
    let finished = command.wait(HANG)?.exit_code(4)?;
    assert!(
        finished.stderr.contains("in the middle of attempt"),
        "{finished}"
    );
    let status = scene.install.emqx(&["relup", "status"])?.success()?;
    status.says("stopped in the middle of attempt")?;
    let tarball = scene.tarball().to_string_lossy().into_owned();
    exits_with_four(&scene, &["relup", "plan", &tarball])?;
    exits_with_four(&scene, &["relup", "upgrade", &tarball])?;
    scene.install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&scene.install)?, V4);
    scene.upgrades_after_all()
}
