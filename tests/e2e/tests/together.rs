//! Several commands at once, and commands that go away in the middle of an upgrade.
//!
//! The hop that is used here has a slow step (`{apply, {timer, sleep, ..}}` returns ok), so that
//! there is time to interfere while the node is applying.

use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5};
use e2e::witness::{error_name, relup_json};
use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::time::Duration;

const SLOW: u64 = 4000;

struct Scene {
    install: Install,
    tarball: PathBuf,
    hop: PathBuf,
}

impl Scene {
    /// A running node, and a hop to 5.10.5 that takes its time between two changes.
    fn new() -> e2e::Result<Self> {
        Scene::with_pause(SLOW)
    }

    /// The same with another time, in milliseconds.
    fn with_pause(pause: u64) -> e2e::Result<Self> {
        let install = Install::sample(V4)?;
        install.start()?;
        let hop = install.scratch().join("slow.relup");
        let text = format!(
            "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  code_changes => \
             [{{load_module, emqx_release}}, {{apply, timer, sleep, [{pause}]}}],\n  \
             post_upgrade_callbacks => []}}.\n"
        );
        fs_err::write(&hop, text)?;
        let tarball = Sample::find()?.tarball(V5)?;
        Ok(Self {
            install,
            tarball,
            hop,
        })
    }

    fn upgrade(&self) -> e2e::Result<Running> {
        let mut command = self.install.emqx_command(&["relup", "upgrade"]);
        command.arg(&self.tarball).arg("--relup").arg(&self.hop);
        Running::spawn(command.stdin(std::process::Stdio::null()))
    }

    /// Waits until the node has begun to change the VM.
    fn wait_for_the_apply(&self) -> e2e::Result<()> {
        process::wait_until("the first instruction", process::HANG, || {
            Ok(node::version(&self.install).is_ok_and(|version| version == V5))
        })
    }

    /// Waits for the end of the apply, and demands that it ended well.
    fn assert_applied(&self) -> e2e::Result<()> {
        process::wait_until("the attempt to be finished", process::HANG, || {
            let last = journal::last_attempt(self.install.root())?;
            Ok(last.iter().any(|record| record.step == "finished"))
        })?;
        let last = journal::last_attempt(self.install.root())?;
        let end = last.last().expect("a finished attempt has records");
        assert_eq!(
            (end.step.as_str(), end.result.as_deref()),
            ("finished", Some("success"))
        );
        assert_eq!(
            fs_err::read_to_string(self.install.path("relup/current"))?,
            "5.10.5\n"
        );
        assert_eq!(node::version(&self.install)?, V5);
        let logs = self.install.emqx(&["relup", "logs"])?.success()?;
        assert!(logs.text().contains("5.10.4 -> 5.10.5"), "{logs}");
        assert!(!logs.text().contains("in-progress"), "{logs}");
        self.install
            .emqx(&["relup", "status"])?
            .success()?
            .says("hot-upgraded to 5.10.5")?;
        Ok(())
    }
}

#[test]
fn of_two_upgrades_at_once_exactly_one_proceeds() -> e2e::Result<()> {
    let scene = Scene::new()?;
    let mut both = [scene.upgrade()?, scene.upgrade()?];
    let ends = [both[0].wait(process::HANG)?, both[1].wait(process::HANG)?];
    let done = ends.iter().filter(|end| end.code == Some(0)).count();
    assert_eq!(done, 1, "{} {}", ends[0], ends[1]);
    let refused = ends
        .iter()
        .find(|end| end.code != Some(0))
        .expect("one of the two");
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("another relup command is at work"),
        "{refused}"
    );
    scene.assert_applied()?;
    assert_eq!(
        journal::read(scene.install.root())?
            .iter()
            .filter(|one| one.step == "finished")
            .count(),
        1,
        "the refused one left no record"
    );
    Ok(())
}

#[test]
fn while_the_node_applies_others_are_locked_out_and_the_status_tells() -> e2e::Result<()> {
    let scene = Scene::new()?;
    let mut first = scene.upgrade()?;
    scene.wait_for_the_apply()?;
    scene
        .install
        .emqx(&["relup", "status"])?
        .success()?
        .says("in-progress")?;
    let tarball = scene.tarball.to_string_lossy();
    for args in [
        &["upgrade", &tarball][..],
        &["rollback"],
        &["logs-clear"],
        &["prune"],
    ] {
        let (finished, json) = relup_json(&scene.install, args)?;
        assert_eq!(
            (finished.code, error_name(&json)),
            (Some(1), "locked"),
            "{finished}"
        );
    }
    first
        .wait(process::HANG)?
        .success()?
        .says("upgrade complete")?;
    scene.assert_applied()
}

/// Ends the command by a signal in the middle of the apply.
fn check_that_the_apply_outlives(signal: Signal) -> e2e::Result<()> {
    let scene = Scene::new()?;
    let pid = node::os_pid(&scene.install)?;
    let mut command = scene.upgrade()?;
    scene.wait_for_the_apply()?;
    command.signal(signal)?;
    let end = command.wait(process::HANG)?;
    assert_ne!(
        end.code,
        Some(0),
        "no success was told before the end: {end}"
    );
    assert!(
        !scene.install.path("relup/current").exists(),
        "the apply was still at work"
    );
    // With the command gone the node itself must keep others out.
    let tarball = scene.tarball.to_string_lossy();
    let (second, json) = relup_json(&scene.install, &["upgrade", &tarball])?;
    assert_eq!(
        (second.code, error_name(&json)),
        (Some(1), "locked"),
        "{second}"
    );
    scene.assert_applied()?;
    assert_eq!(node::os_pid(&scene.install)?, pid);
    scene.install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&scene.install)?, V5);
    Ok(())
}

#[test]
fn ctrl_c_of_the_command_does_not_end_the_apply() -> e2e::Result<()> {
    check_that_the_apply_outlives(Signal::SIGINT)
}

#[test]
fn a_killed_command_does_not_end_the_apply() -> e2e::Result<()> {
    check_that_the_apply_outlives(Signal::SIGKILL)
}

#[test]
fn ctrl_c_before_the_apply_changes_nothing_and_leaves_no_debris() -> e2e::Result<()> {
    let scene = Scene::new()?;
    scene.install.emqx(&["relup", "status"])?.success()?;
    let command = scene.upgrade()?;
    // Early enough for the stages of the files, whichever it hits.
    std::thread::sleep(Duration::from_millis(60));
    command.signal(Signal::SIGINT)?;
    let mut command = command;
    let end = command.wait(process::HANG)?;
    assert!(!scene.install.path("relup/current").exists(), "{end}");
    assert_eq!(node::version(&scene.install)?, V4, "{end}");
    scene.install.emqx(&["relup", "status"])?.success()?;
    for entry in fs_err::read_dir(scene.install.path("relup"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(
            !name.starts_with('.'),
            "debris after the next command: relup/{name}"
        );
    }
    let mut again = scene.upgrade()?;
    again.wait(process::HANG)?.success()?;
    scene.assert_applied()
}

/// An operator stops the node while it is being upgraded: the old release boots, and says why.
#[test]
fn a_stop_in_the_middle_of_the_apply_leaves_the_old_release_to_boot() -> e2e::Result<()> {
    let scene = Scene::with_pause(600_000)?;
    let mut upgrading = scene.upgrade()?;
    scene.wait_for_the_apply()?;
    scene.install.emqx(&["stop"])?.success()?;
    upgrading.wait(process::HANG)?.exit_code(4)?;
    assert!(scene.install.vms().is_empty());
    assert!(!scene.install.path("relup/current").exists());
    scene
        .install
        .emqx(&["start"])?
        .success()?
        .says("was interrupted")?
        .says("5.10.4 is started successfully!")?;
    let status = scene.install.emqx(&["relup", "status"])?.success()?;
    assert!(status.stdout.contains("status=interrupted"), "{status}");
    assert_eq!(node::version(&scene.install)?, V4);
    let again = Scene {
        hop: scene.install.path("relup/catalog/5.10.4-to-5.10.5.relup"),
        ..scene
    };
    again.upgrade()?.wait(process::HANG)?.success()?;
    assert_eq!(node::version(&again.install)?, V5);
    Ok(())
}

/// Whichever comes first, what boots is one release, whole.
#[test]
fn a_start_beside_a_cold_upgrade_boots_one_of_the_two_releases() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let tarball = Sample::find()?.tarball(V5)?;
    let mut upgrade = install.emqx_command(&["relup", "upgrade", "--cold"]);
    upgrade.arg(&tarball).stdin(std::process::Stdio::null());
    let mut upgrading = Running::spawn(&mut upgrade)?;
    install.start()?;
    upgrading.wait(process::HANG)?.success()?;
    let root = node::root_dir(&install)?;
    let tree = install.path("relup").join(V5);
    let version = if root == tree.to_string_lossy() {
        V5
    } else {
        assert_eq!(root, install.root().to_string_lossy());
        V4
    };
    assert_eq!(node::version(&install)?, version);
    install.emqx(&["relup", "verify", V5])?.success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V5);
    Ok(())
}
