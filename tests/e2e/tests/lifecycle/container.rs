//! The VM as the first process of a container, and as anybody's child: which signals end it and
//! how, and what it leaves behind.

use e2e::install::Install;
use e2e::patch::last_application;
use e2e::process::{self, Running};
use e2e::sample::V4;
use e2e::terminal::Terminal;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::process::Stdio;

/// Namespaces as a container has them, as far as they matter here.
const CONTAINER: &str = "unshare --pid --fork --kill-child --mount-proc";

pub fn may_make_namespaces() -> bool {
    let may = nix::unistd::geteuid().is_root();
    if !may {
        println!("not tried here: only root may make a process namespace");
    }
    may
}

/// `emqx foreground` as process 1, and its number outside.
pub fn contained(install: &Install) -> e2e::Result<(Running, Pid)> {
    let mut words = CONTAINER.split(' ');
    let mut command = install.command(words.next().expect("a program"));
    // An entry point that becomes the launcher.
    command
        .args(words)
        .args(["sh", "-c", "exec \"$0\" foreground"]);
    command.arg(install.path("bin/emqx"));
    let mut running = Running::spawn(command.stdin(Stdio::null()))?;
    let mut first = None;
    process::wait_until("process 1 to be there", process::HANG, || {
        assert!(running.is_alive(), "{:?}", running.wait(process::HANG));
        first = children(running.pid()).pop();
        Ok(first.is_some())
    })?;
    let first = first.and_then(|pid| i32::try_from(pid).ok());
    Ok((running, Pid::from_raw(first.expect("it is there"))))
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

pub fn zombies(parent: u32) -> Vec<String> {
    let stats = children(parent)
        .into_iter()
        .filter_map(|child| fs_err::read_to_string(format!("/proc/{child}/stat")).ok());
    stats.filter(|stat| stat.contains(") Z ")).collect()
}

fn wait_until_ready(install: &Install) -> e2e::Result<()> {
    process::wait_until("the node to be ready", process::HANG, || {
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })
}

/// Has the node tell when its applications were stopped one by one.
fn note_the_end(install: &Install) -> e2e::Result<std::path::PathBuf> {
    let note = install.scratch().join("ended in good order");
    let write = format!("file:write_file(\"{}\", <<>>)", note.display());
    last_application(install, "ok", &write)?;
    Ok(note)
}

#[test]
fn the_first_process_ends_in_good_order_and_with_the_code_of_the_vm() -> e2e::Result<()> {
    if !may_make_namespaces() {
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let note = note_the_end(&install)?;
    let (mut running, first) = contained(&install)?;
    wait_until_ready(&install)?;
    let vm = install.vms().pop().expect("it runs");
    assert_eq!(i64::from(vm.pid), i64::from(first.as_raw()));
    // Nothing is left of the programs that prepared the boot, nor of later orphans.
    assert_eq!(zombies(vm.pid), Vec::<String>::new());
    let before = children(vm.pid);
    install.emqx(&["eval", "os:cmd(\"(sleep 1 &)\")"])?;
    assert!(
        children(vm.pid).len() > before.len(),
        "an orphan is its child"
    );
    process::wait_until("the orphan to end", process::HANG, || {
        Ok(children(vm.pid) == before)
    })?;
    kill(first, Signal::SIGTERM).map_err(std::io::Error::from)?;
    let ended = running.wait(process::HANG)?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(note.exists(), "its applications were stopped: {ended}");
    assert!(install.processes().is_empty(), "{:?}", install.processes());

    let (mut running, _) = contained(&install)?;
    wait_until_ready(&install)?;
    install.emqx(&["eval", "spawn(fun() -> erlang:halt(7) end), ok"])?;
    assert_eq!(running.wait(process::HANG)?.code, Some(7));
    Ok(())
}

#[test]
fn the_first_process_heeds_no_other_signal_but_the_one_for_a_crash_dump() -> e2e::Result<()> {
    if !may_make_namespaces() {
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let (mut running, first) = contained(&install)?;
    wait_until_ready(&install)?;
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR2,
    ] {
        kill(first, signal).map_err(std::io::Error::from)?;
        // An answer that comes after the signal.
        assert_eq!(install.emqx(&["eval", "timer:sleep(200)"])?.text(), "ok");
        assert!(running.is_alive(), "{signal}");
    }
    kill(first, Signal::SIGUSR1).map_err(std::io::Error::from)?;
    let ended = running.wait(process::HANG)?;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(install.path("log/erl_crash.dump").is_file(), "{ended}");
    Ok(())
}

#[test]
fn signals_end_a_first_process_that_still_prepares_the_boot() -> e2e::Result<()> {
    if !may_make_namespaces() {
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    // Nobody writes into it: the boot gets no further than to its cookie.
    let pipe = install.scratch().join("cookie");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).map_err(std::io::Error::from)?;
    install.set_env("EMQX_NODE__COOKIE", format!("file://{}", pipe.display()));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (mut running, first) = contained(&install)?;
        running.wait_for("Starting EMQX Enterprise", process::HANG)?;
        kill(first, signal).map_err(std::io::Error::from)?;
        let ended = running.wait(process::HANG)?;
        assert_eq!(ended.code, Some(128 + signal as i32), "{ended}");
        process::wait_until("all to vanish", process::HANG, || {
            Ok(install.processes().is_empty())
        })?;
    }
    Ok(())
}

#[test]
fn ctrl_c_on_the_terminal_of_a_container_ends_it() -> e2e::Result<()> {
    if !may_make_namespaces() || !Terminal::is_available() {
        return Ok(());
    }
    let install = Install::sample(V4)?;
    // As container runtimes do it: a session of its own, whose terminal it is.
    let emqx = install.path("bin/emqx").display().to_string();
    let line = format!("exec {CONTAINER} setsid --ctty '{emqx}' foreground");
    let mut terminal = Terminal::run_line(install.command("script"), &line)?;
    wait_until_ready(&install)?;
    terminal.types("\u{3}")?;
    let ended = terminal.ends()?;
    assert_eq!(ended.code, Some(0), "{ended}");
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })
}

#[test]
fn a_child_on_a_terminal_is_ended_by_ctrl_c_and_outlives_the_terminal() -> e2e::Result<()> {
    if !Terminal::is_available() {
        println!("not tried here: script(1) is not installed");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let mut terminal = Terminal::run(&install, "foreground")?;
    wait_until_ready(&install)?;
    terminal.types("\u{3}")?;
    let ended = terminal.ends()?;
    assert_eq!(ended.code, Some(128 + Signal::SIGINT as i32), "{ended}");
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })?;

    let note = note_the_end(&install)?;
    let mut foreground = install.spawn(&["foreground"])?;
    wait_until_ready(&install)?;
    foreground.signal(Signal::SIGHUP)?;
    // An answer that comes after the signal.
    assert_eq!(install.emqx(&["eval", "timer:sleep(200)"])?.text(), "ok");
    assert!(foreground.is_alive(), "it outlives its terminal");
    foreground.signal(Signal::SIGTERM)?;
    assert_eq!(foreground.wait(process::HANG)?.code, Some(0));
    assert!(note.exists(), "its applications were stopped");
    Ok(())
}
