//! Boots around upgrades, as an ordinary user, and with signals: what the boot contract says of
//! boots alone is tried by the compliance suite.

use e2e::install::{Install, Recipe};
use e2e::node;
use e2e::ports::Slot;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5};
use e2e::witness::faults_of_words;
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn an_upgrade_in_a_path_with_blanks() -> e2e::Result<()> {
    let recipe = Recipe {
        prefix: "emqx e2e with  blanks ".to_owned(),
        ..Recipe::sample(V4)?
    };
    let install = Install::unpack(&recipe, Slot::claim()?)?;
    install.start()?;
    assert_eq!(node::root_dir(&install)?, install.root().to_string_lossy());
    install.emqx(&["ctl", "status"])?.success()?;
    let tarball = Sample::find()?.tarball(V5)?;
    let copy = install.scratch().join("the target.tar.gz");
    fs_err::copy(&tarball, &copy)?;
    e2e::tarball::seal(&copy)?;
    install
        .emqx(&["relup", "upgrade", &copy.to_string_lossy()])?
        .success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(
        node::root_dir(&install)?,
        install.path("relup/5.10.5").to_string_lossy()
    );
    let relative = process::run(
        install
            .emqx_command(&["ping"])
            .current_dir(install.path("bin")),
        process::HANG,
    )?;
    relative.success()?;
    install.stop()?;
    assert!(install.processes().is_empty());
    Ok(())
}

#[test]
fn a_release_of_5_0_has_the_old_name_of_the_log_directory() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let vars = install.path("releases/emqx_vars");
    let text = fs_err::read_to_string(&vars)?;
    let old = text.replace("export EMQX_LOG_DIR=", "RUNNER_LOG_DIR=");
    assert_ne!(text, old);
    fs_err::write(&vars, old)?;
    install.start()?;
    let first = install.path("log").join("erlang.log.1");
    assert!(first.exists(), "{}", first.display());
    install.stop()?;
    install.set_env("EMQX_LOG_DIR", install.path("log2"));
    install.start()?;
    assert!(install.path("log2/erlang.log.1").exists());
    install.stop().map(drop)
}

#[test]
fn an_ordinary_user_can_do_all_of_it() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: all other tests run as an ordinary user already");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let mut chown = install.command("chown");
    process::run(
        chown.args(["-R", "65534:65534"]).arg(install.root()),
        process::HANG,
    )?
    .success()?;
    let tarball = install.scratch().join("target.tar.gz");
    fs_err::copy(Sample::find()?.tarball(V5)?, &tarball)?;
    e2e::tarball::seal(&tarball)?;
    let tarball = tarball.to_string_lossy();
    let as_nobody = |args: &[&str]| -> e2e::Result<process::Finished> {
        let mut command = install.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.env("HOME", "/nonexistent").env("USER", "nobody");
        process::run(
            command.arg(install.path("bin/emqx")).args(args),
            process::HANG,
        )
    };
    as_nobody(&["start"])?.success()?;
    as_nobody(&["ping"])?.success()?;
    as_nobody(&["relup", "upgrade", &tarball])?.success()?;
    as_nobody(&["restart"])?.success()?;
    assert_eq!(
        as_nobody(&["eval", "emqx_release:version()"])?
            .success()?
            .text(),
        "\"5.10.5\""
    );
    for vm in install.vms() {
        let status = fs_err::read_to_string(format!("/proc/{}/status", vm.pid))?;
        assert!(
            status.contains("Uid:\t65534\t65534"),
            "the VM runs as another user"
        );
    }
    as_nobody(&["relup", "rollback"])?.success()?;
    as_nobody(&["stop"])?.success()?;
    // A place that it may not write to is told with the path.
    fs_err::set_permissions(install.path("data"), PermissionsExt::from_mode(0o555))?;
    fs_err::set_permissions(
        install.path("data/configs"),
        PermissionsExt::from_mode(0o555),
    )?;
    let refused = as_nobody(&["start"])?.exit_code(1)?;
    assert!(refused.stderr.contains("data"), "{refused}");
    assert_eq!(faults_of_words(&refused), Vec::<String>::new(), "{refused}");
    Ok(())
}

#[test]
fn signals_to_the_waiting_start_leave_nothing_half_done() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let mut command = install.emqx_command(&["start"]);
    let mut starting = Running::spawn(command.stdin(std::process::Stdio::null()))?;
    std::thread::sleep(Duration::from_millis(300));
    starting.signal(Signal::SIGINT)?;
    let ended = starting.wait(process::HANG)?;
    // Whatever is left answers to the ordinary commands.
    if install.vms().is_empty() {
        process::wait_until("helpers to vanish", process::HANG, || {
            Ok(install.processes().is_empty() || !install.vms().is_empty())
        })?;
    }
    if install.processes().is_empty() {
        install.start()?;
    }
    process::wait_until("the node to answer", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    install.stop().inspect_err(|_| println!("{ended}"))?;
    Ok(())
}
