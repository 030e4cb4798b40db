//! The connection between command and node is cut at one message after the other, in both directions
//! and in every way in which a network can fail, by a relay that sits between them.
//!
//! `make test` tries a spread; `make crash` every message.

use super::scene::{CHANGES, Scene};
use super::{is_full, values};
use e2e::journal;
use e2e::node;
use e2e::process::{self, Finished, HANG};
use e2e::relay::{From, How, Relay};
use e2e::sample::{V4, V5};
use std::path::Path;

/// Short enough for a test that waits until a silent connection is given up.
pub(super) const TICK_TIME: (&str, &str) = ("EMQX_NODE__DIST_NET_TICKTIME", "4s");

/// A node behind a relay.
pub(super) fn scene() -> e2e::Result<(Scene, Relay)> {
    let mut relay = None;
    let scene = Scene::prepared(|install| {
        install.set_env(TICK_TIME.0, TICK_TIME.1);
        relay = Some(Relay::before(install)?);
        Ok(())
    })?;
    let relay = relay.ok_or_else(|| e2e::Error::Unexpected("no relay".to_owned()))?;
    Ok((scene, relay))
}

fn upgrade(scene: &Scene, hop: &Path) -> e2e::Result<Finished> {
    scene.spawn(hop)?.wait(HANG)
}

/// Waits until no attempt is under way in the node.
pub(super) fn is_at_rest(scene: &Scene) -> e2e::Result<Finished> {
    let mut status = scene.install.emqx(&["relup", "status"])?;
    process::wait_until("the node to be at rest", HANG, || {
        status = scene.install.emqx(&["relup", "status"])?.success()?;
        Ok(!status.stdout.contains("in-progress"))
    })?;
    Ok(status)
}

/// Which messages are tried: in a spread those at both ends, and some of the middle.
fn messages(count: usize, salt: usize) -> Vec<usize> {
    let step = if is_full() { 1 } else { count / 3 + 1 };
    (1..=count)
        .filter(|nth| (nth + salt).is_multiple_of(step) || *nth == count)
        .collect()
}

/// A hop that fails at its end and is undone: so the node is to be the same after each cut.
fn cut_an_upgrade_that_is_undone(how: How) -> e2e::Result<()> {
    let (mut scene, relay) = scene()?;
    let hop = scene.hop(&format!("{CHANGES}, {{apply, erlang, node, []}}"), "")?;
    for from in [From::Command, From::Node] {
        relay.arm(None);
        upgrade(&scene, &hop)?.exit_code(3)?;
        let count = relay.count(from);
        assert!(count > 15, "{count} messages of {from:?}");
        let tried = messages(count, how as usize);
        println!("{how:?}: {} of {count} messages of {from:?}", tried.len());
        for nth in tried {
            relay.arm(Some((from, nth, how)));
            let finished = upgrade(&scene, &hop)?;
            let said = format!("message {nth} of {count} of {from:?}, {how:?}: {finished}");
            is_undone(&scene, &said)?;
            assert!(relay.has_cut(), "{said}");
            let begun = journal::last_attempt(scene.install.root())?;
            let begun = begun.iter().any(|record| record.by == "node");
            match finished.code {
                Some(1) => assert!(finished.stderr.contains("ERROR: "), "{said}"),
                Some(3) => assert!(begun, "{said}"),
                Some(4) => assert!(finished.stderr.contains("emqx relup status"), "{said}"),
                _ => panic!("{said}"),
            }
        }
    }
    relay.arm(None);
    upgrade(&scene, &hop)?.exit_code(3)?;
    scene.is_as_before()?;
    scene.upgrades_after_all()
}

/// Demands that nothing is left of the hop.
fn is_undone(scene: &Scene, said: &str) -> e2e::Result<()> {
    let status = is_at_rest(scene)?;
    assert!(status.stdout.starts_with("idle"), "{said}\n{status}");
    let mut after = values::of(&scene.install)?;
    // A command that was cut off can't take the agent out; the next one does.
    after.insert(values::AGENT, scene.before[values::AGENT].clone());
    let different = values::differences(&scene.before, &after);
    assert!(different.is_empty(), "{said}\n{different:?}");
    assert!(!scene.install.path("relup/current").exists(), "{said}");
    Ok(())
}

/// A hop that goes well: the node runs one version, whole, with everybody connected, marker and status
/// agree, and the same command again comes to its end.
#[test]
fn an_upgrade_cut_at_a_message_is_done_or_not_and_the_same_command_again_does_it() -> e2e::Result<()>
{
    let (scene, relay) = scene()?;
    relay.arm(None);
    upgrade(&scene, &scene.hop(CHANGES, "")?)?.success()?;
    let counts = [From::Command, From::Node].map(|from| relay.count(from));
    let (mut old, mut new) = (0, 0);
    for (salt, from) in [From::Command, From::Node].into_iter().enumerate() {
        for nth in messages(counts[from as usize], salt) {
            let one = [How::ALL[(nth + salt) % How::ALL.len()]];
            let ways = if is_full() { &How::ALL[..] } else { &one };
            for how in ways {
                match cut_once(from, nth, *how)? {
                    V5 => new += 1,
                    _ => old += 1,
                }
            }
        }
    }
    println!("cut at one of {counts:?} messages: {old} on the old version, {new} on the new one");
    assert!(old > 0 && new > 0);
    Ok(())
}

fn cut_once(from: From, nth: usize, how: How) -> e2e::Result<&'static str> {
    let (mut scene, relay) = scene()?;
    let hop = scene.hop(CHANGES, "")?;
    relay.arm(Some((from, nth, how)));
    let finished = upgrade(&scene, &hop)?;
    let said = format!("message {nth} of {from:?}, {how:?}: {finished}");
    let vsn = is_whole(&mut scene, &said)?;
    assert!(finished.code != Some(0) || vsn == V5, "{said}");
    assert!(finished.code != Some(1) || vsn == V4, "{said}");
    let again = upgrade(&scene, &hop)?;
    let is_done = vsn == V5 && again.stderr.contains("already");
    assert!(again.code == Some(0) || is_done, "{said}\n{again}");
    assert_eq!(is_whole(&mut scene, &said)?, V5);
    Ok(vsn)
}

/// Demands that the node runs one version with everybody connected, and that marker, status and logs
/// say so; which it is.
pub(super) fn is_whole(scene: &mut Scene, said: &str) -> e2e::Result<&'static str> {
    let status = is_at_rest(scene)?;
    let running = node::version(&scene.install)?;
    let marker = fs_err::read_to_string(scene.install.path("relup/current"));
    let marker = marker.as_deref().map(str::trim).ok();
    let suspended = node::eval(&scene.install, values::SUSPENDED)?;
    assert_eq!(suspended, "[]", "{said}");
    scene.clients.all_answer()?;
    let told = format!("running version: {running}");
    assert!(status.stdout.contains(&told), "{said}\n{status}");
    let next = format!("next start: {} from ", marker.unwrap_or(V4));
    assert!(status.stdout.contains(&next), "{said}\n{status}");
    let logs = scene.install.emqx(&["relup", "logs"])?.success()?;
    assert!(!logs.stdout.contains("in-progress"), "{said}\n{logs}");
    if running == V5 {
        assert_eq!(marker, Some(V5), "{said}");
        return Ok(V5);
    }
    assert_eq!((running.as_str(), marker), (V4, None), "{said}");
    let mut after = values::of(&scene.install)?;
    after.insert(values::AGENT, scene.before[values::AGENT].clone());
    // The clients have spoken since.
    for spoken in ["states", "tables"] {
        after.insert(spoken, scene.before[spoken].clone());
    }
    let different = values::differences(&scene.before, &after);
    assert!(different.is_empty(), "{said}\n{different:?}");
    Ok(V4)
}

#[test]
fn connections_that_are_closed_at_a_message_leave_the_node_whole() -> e2e::Result<()> {
    cut_an_upgrade_that_is_undone(How::Closed)
}

#[test]
fn connections_that_are_reset_at_a_message_leave_the_node_whole() -> e2e::Result<()> {
    cut_an_upgrade_that_is_undone(How::Reset)
}

#[test]
fn connections_that_fall_silent_at_a_message_leave_the_node_whole() -> e2e::Result<()> {
    cut_an_upgrade_that_is_undone(How::Silent)
}

#[test]
fn connections_that_end_within_a_message_leave_the_node_whole() -> e2e::Result<()> {
    cut_an_upgrade_that_is_undone(How::Halved)
}

/// `ctl` has no limit of time: what it runs may take for ever, but not in silence.
#[test]
fn a_command_without_a_limit_gives_up_a_node_that_is_silent_past_its_tick_time() -> e2e::Result<()>
{
    let (mut scene, relay) = scene()?;
    // What takes longer than the tick time is waited for as long as the node is heard.
    let slow = "begin timer:sleep(9000), done end";
    assert_eq!(node::eval(&scene.install, slow)?, "done");
    relay.arm(None);
    scene.install.emqx(&["ctl", "status"])?.success()?;
    for nth in messages(relay.count(From::Node), 1) {
        relay.arm(Some((From::Node, nth, How::Silent)));
        let ended = scene.install.emqx(&["ctl", "status"])?.exit_code(1)?;
        assert!(!ended.stderr.is_empty(), "message {nth}: {ended}");
        println!("message {nth}: {}", ended.stderr.trim());
    }
    scene.clients.all_answer()
}

/// The node is told to load the agent and says that it has begun to; compiling takes it a while, and
/// whoever asks meanwhile hears that nothing is under way. So nothing may follow.
#[test]
fn a_command_that_is_lost_while_its_agent_is_loaded_has_begun_nothing() -> e2e::Result<()> {
    // Of the node's messages, which are the same every time.
    let begun = 24;
    for how in [How::Closed, How::Reset] {
        assert_eq!(cut_once(From::Node, begun, how)?, V4);
    }
    Ok(())
}
