//! Somebody is killed in the middle: the command, or the VM while it writes its records.
//!
//! `strace` does it, at chosen calls. `CRASH_FULL=1` takes every call instead of some.

use std::path::PathBuf;
use std::process::Command;

use e2e::node;
use e2e::process::{self, HANG, Running};
use e2e::sample::{FOUR_0, FOUR_16};

use crate::scene::Scene;

/// Whether a process can be traced here.
fn can_trace() -> bool {
    let mut probe = Command::new("strace");
    let traced = process::run(probe.args(["-o", "/dev/null", "true"]), HANG);
    let can = traced.is_ok_and(|finished| finished.code == Some(0));
    if !can {
        println!("not tried here: strace cannot trace");
    }
    can
}

/// The calls to be tried, by their number.
fn numbers() -> Box<dyn Iterator<Item = usize>> {
    if std::env::var_os("CRASH_FULL").is_some() {
        Box::new(1..)
    } else {
        Box::new((0..).map(|power| 1 << (2 * power)))
    }
}

/// Runs `emqx WORDS` until its n-th call of that name; whether it was killed there.
fn killed_at(scene: &Scene, words: &[&str], call: &str, number: usize) -> e2e::Result<bool> {
    let mut strace = scene.command("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={}", known(call)))
        .arg("-e")
        .arg(format!("inject={}:signal=KILL:when={number}", known(call)))
        .arg(scene.path("bin/emqx"))
        .args(words);
    let finished = process::run(&mut strace, HANG)?;
    // What strace makes of its child's end: the same signal, or its number.
    let killed = matches!(finished.code, None | Some(137));
    assert!(killed || finished.code == Some(0), "{finished}");
    Ok(killed)
}

/// Calls of which not every processor has all.
fn known(calls: &str) -> String {
    let calls: Vec<_> = calls.split(',').map(|call| format!("?{call}")).collect();
    calls.join(",")
}

/// The records and the node after somebody was killed: one of two versions boots, whole.
fn check_bootable(scene: &Scene, what: &str) -> e2e::Result<()> {
    let start = fs_err::read_to_string(scene.path("releases/start_erl.data"))?;
    let vsn = start
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    assert!([FOUR_0, FOUR_16].contains(&&*vsn), "{what}: {start:?}");
    let boot = scene.path(format!("releases/{vsn}/start.boot"));
    assert!(boot.is_file(), "{what}: {}", boot.display());
    Ok(())
}

/// Brings the installation back to 4.4.0 alone.
fn reset(scene: &Scene) -> e2e::Result<()> {
    scene.emqx(&["downgrade", FOUR_0])?.success()?;
    scene.emqx(&["uninstall", FOUR_16])?.success()?;
    scene.versions(&["4.4.0\tpermanent"])
}

#[test]
fn a_command_that_is_killed_anywhere_is_run_again_and_comes_to_its_end() -> e2e::Result<()> {
    if !can_trace() {
        return Ok(());
    }
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    let pid = node::os_pid(&scene)?;
    let mut points = 0;
    for call in [
        "renameat,rename",
        "fsync",
        "syncfs",
        "unlinkat,unlink",
        "mkdirat,mkdir",
        "sendto",
    ] {
        for number in numbers() {
            let what = format!("upgrade at {call} {number}");
            let killed = killed_at(&scene, &["upgrade", FOUR_16], call, number)?;
            check_bootable(&scene, &what)?;
            scene.emqx(&["upgrade", FOUR_16])?.success()?;
            assert_eq!(node::version(&scene)?, FOUR_16, "{what}");
            scene.versions(&["4.4.16\tpermanent", "4.4.0\told"])?;
            // The way back, killed as well.
            killed_at(&scene, &["downgrade", FOUR_0], call, number)?;
            check_bootable(&scene, &what)?;
            scene.emqx(&["downgrade", FOUR_0])?.success()?;
            killed_at(&scene, &["uninstall", FOUR_16], call, number)?;
            check_bootable(&scene, &what)?;
            scene.emqx(&["uninstall", FOUR_16])?.success()?;
            scene.versions(&["4.4.0\tpermanent"])?;
            let left = left_over(&scene)?;
            assert!(left.is_empty(), "{what}: {left:?}");
            if !killed {
                break;
            }
            points += 1;
        }
    }
    println!("{points} points");
    assert!(points > 10, "{points}");
    assert_eq!(node::os_pid(&scene)?, pid, "the same VM all the time");
    Ok(())
}

/// Temporary files that nobody has taken away.
fn left_over(scene: &Scene) -> e2e::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in ["releases", "bin", "relup"] {
        let dir = scene.path(dir);
        if !dir.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.contains(".new") || name.starts_with(".staging") {
                found.push(path.clone());
            }
        }
    }
    Ok(found)
}

/// Waits for the n-th call of that name, on one of these files where some are given, and kills the VM
/// there.
fn attach(scene: &Scene, call: &str, paths: &[&str], number: usize) -> e2e::Result<Running> {
    let mut strace = scene.command("strace");
    for path in paths {
        strace.arg("-P").arg(scene.path(path));
    }
    strace
        .args(["-f", "-o", "/dev/null", "-e"])
        .arg(format!("trace={}", known(call)))
        .arg("-e")
        .arg(format!("inject={}:signal=KILL:when={number}", known(call)))
        .args(["-p", &node::os_pid(scene)?.to_string()]);
    let mut strace = Running::spawn(&mut strace)?;
    strace.wait_for("attached", HANG)?;
    Ok(strace)
}

#[test]
fn a_vm_that_is_killed_while_it_writes_its_records_boots_one_whole_release() -> e2e::Result<()> {
    if !can_trace() {
        return Ok(());
    }
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    let mut points = 0;
    for call in ["openat", "writev,write,pwritev", "close"] {
        for number in numbers() {
            let what = format!("the VM at {call} {number}");
            let paths = ["releases/RELEASES", "releases/start_erl.data"];
            let mut strace = attach(&scene, call, &paths, number)?;
            let upgraded = scene.emqx(&["upgrade", FOUR_16])?;
            let killed = upgraded.code != Some(0);
            if !killed {
                strace.signal(nix::sys::signal::Signal::SIGINT)?;
            }
            strace.wait(HANG)?;
            if killed {
                assert!(scene.vms().is_empty(), "{what}: {upgraded}");
                scene.start()?;
                let booted = node::version(&scene)?;
                assert!([FOUR_0, FOUR_16].contains(&&*booted), "{what}: {booted}");
            }
            scene.emqx(&["versions", "--repair"])?.success()?;
            scene.emqx(&["upgrade", FOUR_16])?.success()?;
            assert_eq!(node::version(&scene)?, FOUR_16, "{what}");
            reset(&scene)?;
            if !killed {
                break;
            }
            points += 1;
        }
    }
    println!("{points} points");
    assert!(points > 2, "{points}");
    Ok(())
}

#[test]
fn a_vm_that_is_killed_while_it_deletes_a_release_boots_the_one_that_is_left() -> e2e::Result<()> {
    if !can_trace() {
        return Ok(());
    }
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    let mut points = 0;
    for number in numbers() {
        scene.emqx(&["unpack", FOUR_16])?.success()?;
        let what = format!("the VM at deletion {number}");
        let mut strace = attach(&scene, "unlink,unlinkat,rmdir", &[], number)?;
        let uninstalled = scene.emqx(&["uninstall", FOUR_16])?;
        let killed = uninstalled.code != Some(0);
        if !killed {
            strace.signal(nix::sys::signal::Signal::SIGINT)?;
        }
        strace.wait(HANG)?;
        if !killed {
            break;
        }
        points += 1;
        scene.start()?;
        assert_eq!(node::version(&scene)?, FOUR_0, "{what}");
        // Half of it may be gone: it is unpacked again, or deleted to its end.
        if points % 2 == 0 {
            scene.emqx(&["upgrade", FOUR_16])?.success()?;
            assert_eq!(node::version(&scene)?, FOUR_16, "{what}");
            reset(&scene)?;
        } else {
            scene.emqx(&["uninstall", FOUR_16])?.success()?;
            scene.versions(&["4.4.0\tpermanent"])?;
        }
    }
    println!("{points} points");
    assert!(points > 2, "{points}");
    Ok(())
}
