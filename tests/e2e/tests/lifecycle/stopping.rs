//! `stop` ends what there is, whatever state it is in, and says so when it is gone.

use e2e::install::Install;
use e2e::node;
use e2e::patch::{gate, last_application, open_gate, replace_module};
use e2e::process::{self, Finished, Running};
use e2e::sample::V4;
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;

/// Ends the distribution from within: nobody can reach the node any more, and it goes on.
fn cut_off(install: &Install) -> e2e::Result<()> {
    install.emqx(&[
        "eval",
        "spawn(fun() -> supervisor:terminate_child(kernel_sup, net_sup) end), ok",
    ])?;
    process::wait_until("the node to be out of reach", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(1))
    })
}

fn check_stopped(install: &Install, finished: Finished) -> e2e::Result<()> {
    let finished = finished.success()?;
    assert!(finished.stdout.ends_with("ok\n"), "{finished}");
    assert!(finished.stderr.is_empty(), "{finished}");
    assert!(install.vms().is_empty(), "{:?}", install.vms());
    Ok(())
}

#[test]
fn a_stop_that_was_interrupted_is_taken_up_by_the_next() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    last_application(&install, "ok", &gate(&install, "end"))?;
    install.start()?;
    let pid = node::os_pid(&install)?;
    let mut first = install.spawn(&["stop"])?;
    first.wait_for("EMQX is shutting down, please wait...", process::HANG)?;
    first.signal(Signal::SIGINT)?;
    let first = first.wait(process::HANG)?;
    assert_eq!(first.signal, Some(Signal::SIGINT as i32), "{first}");
    assert_eq!(install.vms().len(), 1, "it still shuts down");
    let mut others = [install.spawn(&["stop"])?, install.spawn(&["stop"])?];
    others[0].wait_for("please wait...", process::HANG)?;
    assert_eq!(install.vms().pop().map(|vm| vm.pid), Some(pid));
    open_gate(&install, "end")?;
    for other in &mut others {
        check_stopped(&install, other.wait(process::HANG)?)?;
    }
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    Ok(())
}

#[test]
fn stops_at_the_same_time_all_say_ok() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let mut stops = Vec::new();
    for _ in 0..4 {
        stops.push(install.spawn(&["stop"])?);
    }
    for mut stop in stops {
        check_stopped(&install, stop.wait(process::HANG)?)?;
    }
    let late = install.emqx(&["stop"])?.exit_code(1)?;
    assert!(
        late.stdout.is_empty() && late.stderr.starts_with("ERROR: "),
        "{late}"
    );
    Ok(())
}

#[test]
fn a_boot_is_stopped_wherever_it_is() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let boots: [(&str, u64); 8] = [
        ("start", 0),
        ("start", 300),
        ("start", 700),
        ("start", 1100),
        ("start", 1500),
        ("foreground", 0),
        ("foreground", 800),
        ("foreground", 1200),
    ];
    for (command, after) in boots {
        let mut booting = install.spawn(&[command])?;
        process::wait_until("the boot to begin", process::HANG, || {
            Ok(!install.processes().is_empty())
        })?;
        std::thread::sleep(std::time::Duration::from_millis(after));
        let stopped = install.emqx(&["stop"])?;
        let context = format!("{command} {after}: {stopped}");
        assert_eq!(stopped.code, Some(0), "{context}");
        let ended = booting.wait(process::HANG)?;
        // Helpers of the boot end by themselves.
        process::wait_until(&context, process::HANG, || {
            Ok(install.processes().is_empty())
        })?;
        if command == "start" && ended.code != Some(0) && ended.code.is_some() {
            assert!(
                ended.stderr.contains("ended before it was ready"),
                "{context}{ended}"
            );
        }
    }
    install.start()?;
    Ok(())
}

#[test]
fn a_daemon_that_has_no_vm_yet_is_stopped_before_it_gets_one() -> e2e::Result<()> {
    if which::which("strace").is_err() {
        println!("not tried here: strace is not installed");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    // run_erl forks, and takes two seconds to become the leader of a session.
    let mut strace = install.command("strace");
    strace.args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=setsid"]);
    strace.args(["-e", "inject=setsid:delay_enter=2000000", "-o", "/dev/null"]);
    strace.arg(install.path("bin/emqx")).arg("start");
    let mut starting = Running::spawn(strace.stdin(std::process::Stdio::null()))?;
    process::wait_until("run_erl to be there", process::HANG, || {
        assert!(starting.is_alive());
        let mut processes = install.processes();
        processes.retain(|process| process.exe.ends_with("run_erl"));
        Ok(!processes.is_empty())
    })?;
    check_stopped(&install, install.emqx(&["stop"])?)?;
    starting.wait(process::HANG)?;
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    Ok(())
}

#[test]
fn a_broker_that_comes_up_while_it_is_asked_to_stop_is_asked_again() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let machine = "-module(emqx_machine). -export([graceful_shutdown/0, is_ready/0]).
        graceful_shutdown() ->
            case persistent_term:get(asked, false) of
                false -> persistent_term:put(asked, true), exit({noproc, emqx_machine_boot});
                true -> emqx_machine_boot:shutdown()
            end.
        is_ready() -> emqx_machine_boot:is_ready().";
    replace_module(&install, machine)?;
    install.start()?;
    check_stopped(&install, install.emqx(&["stop"])?)
}

#[test]
fn a_daemon_out_of_reach_is_stopped_through_its_console() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let pipes = install.scratch().join("pipes with  blanks");
    for pipe_dir in [None, Some(&pipes)] {
        match pipe_dir {
            None => install.set_env("EMQX_NODE__DATA_DIR", install.path("data with  blanks")),
            Some(dir) => install.set_env("PIPE_DIR", dir),
        }
        install.start()?;
        // Whoever stops it need not know where the pipes are.
        install.remove_env("PIPE_DIR");
        cut_off(&install)?;
        let stopped = install.emqx(&["stop"])?;
        assert!(stopped.stdout.contains("through its console"), "{stopped}");
        check_stopped(&install, stopped)?;
        assert!(install.processes().is_empty(), "{:?}", install.processes());
    }
    Ok(())
}

#[test]
fn the_daemon_of_another_user_is_stopped_through_its_console() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: only root may write to another user's pipes");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let mut chown = install.command("chown");
    chown.args(["-R", "65534:65534"]).arg(install.root());
    process::run(&mut chown, process::HANG)?.success()?;
    let mut start = install.command("setpriv");
    start.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    start.arg(install.path("bin/emqx")).arg("start");
    process::run(&mut start, process::HANG)?.success()?;
    cut_off(&install)?;
    check_stopped(&install, install.emqx(&["stop"])?)?;
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    Ok(())
}

#[test]
fn a_foreground_vm_out_of_reach_is_stopped_by_a_signal() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let mut foreground = install.spawn(&["foreground"])?;
    process::wait_until("the node to be up", process::HANG, || {
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })?;
    cut_off(&install)?;
    let stopped = install.emqx(&["stop"])?;
    assert!(stopped.stdout.contains("Sending SIGTERM"), "{stopped}");
    // Nobody has waited for the VM yet: a zombie is as good as gone.
    assert_eq!(stopped.code, Some(0), "{stopped}");
    assert_eq!(foreground.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn a_zombie_counts_as_gone() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let mut foreground = install.spawn(&["foreground"])?;
    process::wait_until("the node to answer", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    check_stopped(&install, install.emqx(&["stop"])?)?;
    let stat = fs_err::read_to_string(format!("/proc/{}/stat", foreground.pid()))?;
    assert!(stat.contains(") Z "), "nobody has waited for it: {stat}");
    let late = install.emqx(&["stop"])?.exit_code(1)?;
    assert!(late.stdout.is_empty(), "{late}");
    assert_eq!(foreground.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn a_node_that_stays_is_named_with_its_process() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let machine = "-module(emqx_machine). -export([graceful_shutdown/0, is_ready/0]).
        graceful_shutdown() -> ok.
        is_ready() -> emqx_machine_boot:is_ready().";
    replace_module(&install, machine)?;
    install.start()?;
    let pid = node::os_pid(&install)?;
    install.set_env("EMQX_WAIT_FOR_STOP", "1");
    let refused = install.emqx(&["stop"])?.exit_code(1)?;
    let text = format!("process {pid} is still there after 1 seconds");
    assert!(refused.stderr.contains(&text), "{refused}");
    assert!(!refused.stdout.contains("ok"), "{refused}");
    assert_eq!(node::os_pid(&install)?, pid);
    install.kill_all()
}

/// A name in the environment has to be in the process table; one in the configuration need not.
fn name_by_configuration(install: &mut Install) -> e2e::Result<()> {
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?.replace("emqx@127.0.0.1", &install.node_name());
    fs_err::write(&conf, text)?;
    install.remove_env("EMQX_NODE__NAME");
    Ok(())
}

#[test]
fn a_node_in_another_process_namespace_is_stopped_when_its_port_is_silent() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: only root may make a process namespace");
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    name_by_configuration(&mut install)?;
    last_application(&install, "ok", "timer:sleep(500)")?;
    install.start()?;
    let elsewhere = |command: &str| {
        let mut unshare = install.command("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc"]);
        unshare.arg(install.path("bin/emqx")).arg(command);
        process::run(&mut unshare, process::HANG)
    };
    let stopped = elsewhere("stop")?.success()?;
    assert_eq!(stopped.text(), "ok", "{stopped}");
    let dist = install.slot().dist_port(0);
    assert!(e2e::ports::is_free(dist), "nothing listens any more");
    process::wait_until("the VM to vanish", process::HANG, || {
        Ok(install.vms().is_empty())
    })?;
    let late = elsewhere("stop")?.exit_code(1)?;
    assert!(late.stdout.is_empty(), "{late}");
    Ok(())
}

#[test]
fn the_hidden_process_of_another_user_is_waited_for() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: only root may hide processes");
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    name_by_configuration(&mut install)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let hidden = |command: &str| {
        let mut unshare = install.command("unshare");
        let script = "mount -t proc -o hidepid=2 none /proc && exec setpriv --reuid 65534 \
                      --regid 65534 --clear-groups \"$@\"";
        unshare.args(["--mount", "sh", "-c", script, "sh"]);
        unshare.arg(install.path("bin/emqx")).arg(command);
        process::run(&mut unshare, process::HANG)
    };
    // In the foreground its process is there until this test waits for it, and is a zombie then.
    let mut foreground = install.spawn(&["foreground"])?;
    process::wait_until("the broker to run", process::HANG, || {
        let ready = install.emqx(&["eval", "emqx_machine:is_ready()"])?;
        Ok(ready.code == Some(0) && ready.text() == "true")
    })?;
    let stopped = hidden("stop")?.success()?;
    assert_eq!(stopped.text(), "ok", "{stopped}");
    let stat = fs_err::read_to_string(format!("/proc/{}/stat", foreground.pid()))?;
    assert!(stat.contains(") Z "), "it had ended: {stat}");
    assert_eq!(foreground.wait(process::HANG)?.code, Some(0));
    let late = hidden("stop")?.exit_code(1)?;
    assert!(late.stdout.is_empty(), "{late}");
    Ok(())
}
