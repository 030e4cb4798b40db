//! Section 7: scripts and supervisors that call the program.

use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process::{self, Finished, Running};
use e2e::{Error, Result};
use nix::sys::signal::Signal;
use std::io::Write;
use std::process::{Command, Stdio};

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "7.1",
        "a script that collects what support asks for",
        Steps(node_dump),
    ),
    kept(
        "7.2",
        "a script that repairs a cluster",
        Steps(cluster_rescue),
    ),
    kept(
        "7.3",
        "a service manager with an empty environment",
        Steps(service_manager),
    ),
    kept(
        "7.4",
        "a supervisor that kills the whole group",
        Steps(process_group),
    ),
    kept("7.5", "the first process of a container", Steps(container)).needs(&[
        Need::Root,
        Need::Namespaces,
        Need::Tool("nsenter"),
    ]),
    fix("7.6", "health probes, many at once", Steps(probes)),
    kept(
        "7.6",
        "health probes of a node that is down",
        Steps(probes_down),
    ),
];

/// Runs a script of a caller from its own directory.
fn script(site: &Site, text: &str) -> Result<Finished> {
    let mut sh = site.command("sh");
    sh.args(["-c", text]).arg(site.root()).current_dir("/");
    process::run(&mut sh, process::HANG)
}

fn node_dump(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    // It reads emqx_vars itself, calls both names from RUNNER_BIN_DIR, and goes on after a failure.
    let text = "set -eu\n\
        RUNNER_ROOT_DIR=$0 BASE_RUNNER_ROOT_DIR=$0\n\
        . \"$RUNNER_ROOT_DIR/releases/emqx_vars\"\n\
        cd \"$RUNNER_ROOT_DIR\"\n\
        ask() { echo \"== $*\"; eval \"$*\" || echo Unavailable; }\n\
        { ask \"'$RUNNER_BIN_DIR'/emqx_ctl\" status\n\
          ask \"'$RUNNER_BIN_DIR'/emqx_ctl\" listeners\n\
          ask \"'$RUNNER_BIN_DIR'/emqx\" eval \"'erlang:system_info(otp_release)'\"\n\
          ask \"'$RUNNER_BIN_DIR'/emqx\" eval \"'no_such_module:sys_info()'\"\n\
          ask \"'$RUNNER_BIN_DIR'/emqx_ctl\" no_such_command\n\
          ask \"'$RUNNER_BIN_DIR'/emqx\" root_dir\n\
        } 2>/dev/null";
    let told = script(&site, text)?.success()?;
    for text in ["is started", "tcp:default"] {
        ensure!(told.stdout.contains(text), "no {text:?}: {told}");
    }
    let unavailable = told.stdout.matches("Unavailable").count();
    ensure!(
        unavailable == 2,
        "{unavailable} are unavailable, not 2: {told}"
    );
    let root = site.fill("{root}");
    ensure!(told.stdout.lines().last() == Some(&root), "{told}");
    Ok(())
}

fn cluster_rescue(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    // Expressions over several lines, that print, ask and give a value.
    let expression = "[ io:format(\"~p :: ~p~n\", [T, maps:with([storage_type],\n\
                            maps:from_list([{storage_type, 1}]))])\n   \
                        || T <- [first, second] ],\n   ok\n   ";
    let told = site.emqx(&["eval", expression])?.success()?;
    let expected = "first :: #{storage_type => 1}\nsecond :: #{storage_type => 1}\nok\n";
    ensure!(told.stdout == expected, "{told}");
    let expression = "\n  case io:read(\"confirm? [yes.]:  \") of\n\
                      {ok, yes} -> confirmed;\n    eof -> skipped;\n    R -> {skipped, R}\n  end\n";
    let skipped = site.emqx(&["eval", expression])?.success()?;
    ensure!(skipped.stdout.trim_end().ends_with("skipped"), "{skipped}");
    let mut asking = site.emqx_command(&["eval", expression]);
    let mut asking = Running::spawn(asking.stdin(Stdio::piped()))?;
    if let Some(mut keyboard) = asking.stdin() {
        keyboard.write_all(b"yes.\n")?;
    }
    let confirmed = asking.wait(process::HANG)?.success()?;
    ensure!(
        confirmed.stdout.trim_end().ends_with("confirmed"),
        "{confirmed}"
    );
    ensure!(confirmed.stdout.contains("confirm? [yes.]"), "{confirmed}");
    Ok(())
}

/// The same command with nothing in its environment but what it sets itself.
fn with_empty_environment(command: &Command) -> Command {
    let mut empty = Command::new(command.get_program());
    empty.args(command.get_args()).env_clear().current_dir("/");
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            empty.env(name, value);
        }
    }
    empty.env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    empty.stdin(Stdio::null());
    empty
}

fn service_manager(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_DEFAULT_LOG_HANDLER", "file");
    let command = site.emqx_command(&["foreground"]);
    let mut unit = Running::spawn(&mut with_empty_environment(&command))?;
    site.wait_ready()?;
    site.eval("logger:error(\"to-the-file\")")?;
    let stop = with_empty_environment(&site.emqx_command(&["stop"]));
    // A unit's ExecStop ends with 0 whatever becomes of it.
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "\"$0\" stop; exit 0"])
        .arg(stop.get_program());
    for (name, value) in stop.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    process::run(&mut shell, process::HANG)?.success()?;
    let ended = unit.wait(process::HANG)?.success()?;
    ensure!(
        !ended.stdout.contains("to-the-file"),
        "it logs to the console: {ended}"
    );
    site.demand_nothing_runs()
}

fn process_group(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut unit = site.spawn(&["foreground"])?;
    site.wait_ready()?;
    unit.signal(Signal::SIGTERM)?;
    unit.wait(process::HANG)?.success()?;
    site.demand_nothing_runs()
}

/// Process namespaces show what a container's runtime would see.
fn container(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut unshare = site.command("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    unshare.arg(site.path("bin/emqx")).arg("foreground");
    let mut runtime = Running::spawn(unshare.stdin(Stdio::null()))?;
    let first = || -> Result<u32> {
        let vm = site.vms().pop();
        Ok(vm.ok_or_else(|| Error::Unexpected("no VM".to_owned()))?.pid)
    };
    process::wait_until("a VM", process::HANG, || Ok(first().is_ok()))?;
    let pid = first()?;
    let inside = |args: &[&str]| {
        let mut nsenter = site.command("nsenter");
        nsenter.args(["--target", &pid.to_string(), "--pid", "--mount"]);
        nsenter.arg(site.path("bin/emqx")).args(args);
        process::run(&mut nsenter, process::HANG)
    };
    process::wait_until("the node to be ready", process::HANG, || {
        let told = inside(&["eval", "emqx_machine:is_ready()"])?;
        Ok(told.text() == "true")
    })?;
    let told = inside(&["pid"])?.success()?;
    ensure!(told.text() == "1", "it is not the first process: {told}");
    inside(&["ctl", "status"])?.success()?;
    inside(&["ping"])?.success()?;
    let raw = i32::try_from(pid).unwrap_or(i32::MAX);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(raw), Signal::SIGTERM)
        .map_err(std::io::Error::from)?;
    runtime.wait(process::HANG)?.success()?;
    site.demand_nothing_runs()
}

fn probes(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let mut running = Vec::new();
    for nth in 0..20 {
        let args: &[&str] = if nth % 2 == 0 {
            &["ctl", "status"]
        } else {
            &["ping"]
        };
        let mut probe = with_empty_environment(&site.emqx_command(args));
        probe.env_remove("EMQX_NODE__NAME");
        running.push(Running::spawn(&mut probe)?);
    }
    for probe in &mut running {
        let told = probe.wait(process::HANG)?.success()?;
        ensure!(told.stderr.is_empty(), "{told}");
    }
    ensure!(
        site.eval("nodes()")? == "[]",
        "a probe counts as a node of the cluster"
    );
    Ok(())
}

fn probes_down(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    for args in [&["ctl", "status"][..], &["ping"]] {
        let mut probe = with_empty_environment(&site.emqx_command(args));
        let told = process::run(&mut probe, process::HANG)?;
        ensure!(told.code == Some(1) && told.stdout.is_empty(), "{told}");
    }
    Ok(())
}
