//! Real nodes of the sample release: after a kill of the command or of the VM, at a sample of points,
//! `emqx start` boots the old or the new version, completely, and `status` says which.

use crash::is_full;
use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;

/// Which version the marker leads to.
fn marked(install: &Install) -> &'static str {
    let marker = fs_err::read_to_string(install.path("relup/current"));
    match marker.as_deref().map(str::trim) {
        Ok(V5) => V5,
        Ok(other) => panic!("the marker is {other:?}"),
        Err(_) => V4,
    }
}

/// The command, killed at its n-th call of a name.
fn killed(install: &Install, call: &str, when: u32, words: &[&str]) -> Command {
    let mut command = install.command("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:signal=KILL:when={when}"))
        .arg(install.path("bin/emqx"))
        .args(words);
    command
}

/// What boots, runs and is told is one version; then the upgrade is brought to its end.
fn settle(install: &Install, tarball: &str, at: &str) -> e2e::Result<()> {
    let vsn = marked(install);
    install.start()?;
    assert_eq!(node::version(install)?, vsn, "{at}");
    let status = install.emqx(&["relup", "status"])?.success()?;
    status.clone().says(&format!("running version: {vsn}"))?;
    status.says(&format!("next start: {vsn} from "))?;
    install.emqx(&["relup", "verify"])?.success()?;
    let again = install.emqx(&["relup", "upgrade", tarball])?;
    let done = again.stderr.contains("already");
    assert!(again.code == Some(0) || vsn == V5 && done, "{at}: {again}");
    assert_eq!(node::version(install)?, V5, "{at}");
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    assert!(!logs.stdout.contains("in-progress"), "{at}: {logs}");
    for entry in fs_err::read_dir(install.path("relup"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "{at}: relup/{name} is left");
    }
    install.stop()?;
    println!("{at}: {vsn} booted");
    Ok(())
}

#[test]
fn a_killed_cold_upgrade_boots_old_or_new() -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(V5)?.to_string_lossy().into_owned();
    let all = [
        ("rename", 3),
        ("syncfs", 1),
        ("fsync", 1),
        ("rename", 1),
        ("rename", 2),
        ("fsync", 5),
        ("fsync", 6),
        ("fsync", 7),
    ];
    let points = &all[..if is_full() { all.len() } else { 2 }];
    for (call, when) in points {
        let install = Install::sample(V4)?;
        let words = ["relup", "upgrade", "--cold", &tarball];
        let ended = process::run(&mut killed(&install, call, *when, &words), process::HANG)?;
        assert_eq!(ended.signal, Some(9), "{call} {when}: {ended}");
        settle(
            &install,
            &tarball,
            &format!("upgrade --cold killed at {call} {when}"),
        )?;
    }
    Ok(())
}

#[test]
fn a_node_goes_on_whenever_its_upgrade_command_is_killed() -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(V5)?.to_string_lossy().into_owned();
    let all = [
        ("fsync", 3),
        ("rename", 2),
        ("fsync", 1),
        ("syncfs", 1),
        ("rename", 1),
        ("fsync", 2),
    ];
    let points = &all[..if is_full() { all.len() } else { 2 }];
    for (call, when) in points {
        let at = format!("upgrade killed at {call} {when}");
        let install = Install::sample(V4)?;
        install.start()?;
        let pid = node::os_pid(&install)?;
        let words = ["relup", "upgrade", &tarball];
        let ended = process::run(&mut killed(&install, call, *when, &words), process::HANG)?;
        assert!(
            ended.signal == Some(9) || ended.code == Some(0),
            "{at}: {ended}"
        );
        process::wait_until("the node to be at rest", process::HANG, || {
            let status = install.emqx(&["relup", "status"])?.success()?;
            Ok(!status.stdout.starts_with("in-progress"))
        })?;
        assert_eq!(node::os_pid(&install)?, pid, "{at}: the node went on");
        assert_eq!(node::version(&install)?, marked(&install), "{at}");
        install.stop()?;
        settle(&install, &tarball, &at)?;
    }
    Ok(())
}

#[test]
fn a_vm_that_is_killed_at_a_step_of_its_upgrade_boots_old_or_new() -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(V5)?.to_string_lossy().into_owned();
    let all = [
        "code_changed",
        "marker_written",
        "staged",
        "deployed",
        "planned",
        "callbacks_done",
        "finished",
    ];
    let steps = &all[..if is_full() { all.len() } else { 2 }];
    for step in steps {
        let at = format!("VM killed at {step}");
        let install = Install::sample(V4)?;
        install.start()?;
        let mut command = install.emqx_command(&["relup", "upgrade", &tarball]);
        let mut upgrade = Running::spawn(command.stdin(std::process::Stdio::null()))?;
        process::wait_until(step, process::HANG, || {
            let records = journal::read(install.root())?;
            Ok(records.iter().any(|record| record.step == *step))
        })?;
        for vm in install.vms() {
            let pid = Pid::from_raw(i32::try_from(vm.pid).unwrap_or(i32::MAX));
            // It may have ended by itself since it was seen.
            let _ = kill(pid, Signal::SIGKILL);
        }
        let ended = upgrade.wait(process::HANG)?;
        let vsn = marked(&install);
        // Success was told only for what boots.
        assert!(ended.code != Some(0) || vsn == V5, "{at}: {ended}");
        process::wait_until("the VM to be gone", process::HANG, || {
            Ok(install.vms().is_empty())
        })?;
        settle(&install, &tarball, &at)?;
    }
    Ok(())
}
