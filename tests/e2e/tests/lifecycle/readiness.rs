//! `start` waits for the node that it has started, and for no other.

use e2e::install::{Install, Recipe};
use e2e::node;
use e2e::patch::{gate, last_application, open_gate, replace_module};
use e2e::ports::Slot;
use e2e::process::{self, Finished, Running};
use e2e::sample::V4;

const SUCCESS: &str = "is started successfully!";

fn check_nothing_is_left(install: &Install) -> e2e::Result<()> {
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })
}

fn check_failed(finished: Finished, code: i32, says: &[&str]) -> e2e::Result<()> {
    let finished = finished.exit_code(code)?;
    for text in says {
        assert!(finished.stderr.contains(text), "no {text:?} in {finished}");
    }
    assert!(!finished.stdout.contains(SUCCESS), "{finished}");
    let errors = finished.stderr.matches("ERROR: ").count();
    assert_eq!(errors, 1, "said once: {finished}");
    Ok(())
}

#[test]
fn a_node_that_dies_after_the_broker_runs_is_reported_with_its_last_words() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let words = |words: &str| format!("io:format(user, \"{words}~n\", [])");
    last_application(&install, &words("words of an earlier boot"), "ok")?;
    install.start()?;
    install.stop()?;
    // A second in which emqx:is_running() is true and the node lives.
    let end = format!(
        "true = emqx:is_running(), timer:sleep(1000), {}, erlang:halt(3)",
        words("words of this boot")
    );
    last_application(&install, &end, "ok")?;
    let log = install.path("log/erlang.log.1");
    let says = ["words of this boot", &log.to_string_lossy()];
    let finished = install.emqx(&["start"])?;
    assert!(!finished.stderr.contains("earlier boot"), "{finished}");
    check_failed(finished, 1, &says)?;
    check_nothing_is_left(&install)?;
    // Without is_ready the broker's own word has to do, and the process must be there.
    let machine = "-module(emqx_machine). -export([graceful_shutdown/0, brutal_shutdown/0]).
        graceful_shutdown() -> emqx_machine_boot:shutdown().
        brutal_shutdown() -> init:stop().";
    replace_module(&install, machine)?;
    last_application(&install, "ok", "ok")?;
    install.set_env("CODE_LOADING_MODE", "interactive");
    install.start()?.says(SUCCESS)?;
    install.stop()?;
    Ok(())
}

#[test]
fn a_node_that_is_not_ready_in_time_is_shut_down_again() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    last_application(&install, &gate(&install, "go"), "ok")?;
    install.set_env("EMQX_WAIT_FOR_START", "8");
    let mut starting = install.spawn(&["start"])?;
    starting.wait_for("Shutting down", process::HANG)?;
    assert_eq!(install.vms().len(), 1, "the boot still goes on");
    open_gate(&install, "go")?;
    check_failed(
        starting.wait(process::HANG)?,
        3,
        &[
            "failed to complete the boot sequence in time",
            "EMQX_WAIT_FOR_START",
        ],
    )?;
    check_nothing_is_left(&install)?;

    // One that will not go is named, and who wants it gone is told how.
    last_application(&install, &gate(&install, "never"), "ok")?;
    install.set_env("EMQX_WAIT_FOR_STOP", "1");
    // On a slow machine it has not come to hang after the shorter time.
    for seconds in ["8", "90"] {
        install.set_env("EMQX_WAIT_FOR_START", seconds);
        let finished = install.emqx(&["start"])?;
        if let Some(vm) = install.vms().pop() {
            check_failed(finished, 3, &[&format!("kill -9 {}", vm.pid)])?;
            return install.kill_all();
        }
    }
    panic!("it ends although it should hang");
}

#[test]
fn a_node_that_nobody_can_reach_is_shut_down_through_its_console() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    // An address for documentation: no machine has it.
    let name = install.node_name().replace("127.0.0.1", "192.0.2.1");
    install.set_env("EMQX_NODE__NAME", &name);
    for data_dir in ["data", "data with  blanks"] {
        install.set_env("EMQX_NODE__DATA_DIR", install.path(data_dir));
        install.set_env("EMQX_WAIT_FOR_START", "5");
        check_failed(
            install.emqx(&["start"])?,
            2,
            &["not responding to pings", "'192.0.2.1'"],
        )?;
        assert!(install.processes().is_empty(), "{:?}", install.processes());
        let said = fs_err::read_to_string(install.path("log/erlang.log.1"))?;
        assert!(said.contains("brutal_shutdown"), "{said}");
    }
    Ok(())
}

#[test]
fn a_node_of_the_same_name_elsewhere_is_not_mistaken_for_the_own_one() -> e2e::Result<()> {
    let first = Install::sample(V4)?;
    first.start()?;
    let mut second = Install::unpack(&Recipe::sample(V4)?, Slot::claim()?)?;
    second.set_env("EMQX_NODE__NAME", first.node_name());
    check_failed(second.emqx(&["start"])?, 1, &["in use"])?;
    check_nothing_is_left(&second)?;
    assert_eq!(node::root_dir(&first)?, first.root().to_string_lossy());
    Ok(())
}

#[test]
fn a_waiting_time_that_is_no_number_is_told_and_not_obeyed() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let turns = [
        ("start", "EMQX_WAIT_FOR_START", "stop"),
        ("stop", "EMQX_WAIT_FOR_STOP", "start"),
    ];
    for (command, variable, back) in turns {
        if command == "stop" {
            install.start()?;
        }
        for value in ["soon", "1.5", "-1"] {
            install.set_env(variable, value);
            let finished = install.emqx(&[command])?.success()?;
            let warning =
                format!("WARNING: {variable} is '{value}', which is no number of seconds");
            let told = finished.stdout.matches(&warning).count();
            assert_eq!(told, 1, "{finished}");
            install.remove_env(variable);
            install.emqx(&[back])?.success()?;
        }
    }
    for value in ["", "18446744073709551615"] {
        install.set_env("EMQX_WAIT_FOR_STOP", value);
        install.set_env("EMQX_WAIT_FOR_START", value);
        install.emqx(&["restart"])?.success()?.says(SUCCESS)?;
    }
    Ok(())
}

#[test]
fn without_handles_for_processes_their_ends_are_seen_all_the_same() -> e2e::Result<()> {
    if which::which("strace").is_err() {
        println!("not tried here: strace is not installed");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let emqx = |error: &str, command: &str| {
        let mut strace = install.command("strace");
        strace.args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=pidfd_open", "-e"]);
        strace.arg(format!("inject=pidfd_open:error={error}"));
        strace.args(["-o", "/dev/null"]);
        strace.arg(install.path("bin/emqx")).arg(command);
        strace.stdin(std::process::Stdio::null());
        Running::spawn(&mut strace)
    };
    for error in ["ENOSYS", "EPERM"] {
        // The tracer stays with the daemon to its end.
        let mut starting = emqx(error, "start")?;
        starting.wait_for(SUCCESS, process::HANG)?;
        node::os_pid(&install)?;
        let stopped = emqx(error, "stop")?.wait(process::HANG)?.success()?;
        assert_eq!(stopped.text(), "ok", "{stopped}");
        starting.wait(process::HANG)?;
        assert!(install.processes().is_empty(), "{:?}", install.processes());
    }
    last_application(&install, "timer:sleep(300), erlang:halt(3)", "ok")?;
    let finished = emqx("ENOSYS", "start")?.wait(process::HANG)?;
    check_failed(finished, 1, &["ended before it was ready"])
}
