//! Section 3: the process that becomes the VM, and shells on terminals.

use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::subject::Subject;
use e2e::process;
use e2e::terminal::Terminal;
use e2e::{Error, Result};
use nix::sys::signal::Signal;

const TERMINAL: &[Need] = &[Need::Tool("script")];

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "3.11",
        "the foreground process is the VM",
        Steps(foreground),
    ),
    kept("3.11", "the exit code is the VM's", Steps(exit_code)),
    kept("3.12", "an interactive console", Steps(console)).needs(TERMINAL),
    kept("3.13", "a console without the broker", Steps(console_clean)).needs(TERMINAL),
    kept("3.14", "the daemon's console", Steps(attach)).needs(TERMINAL),
    kept("3.15", "a hidden remote shell", Steps(remote)).needs(TERMINAL),
    fix(
        "3.12",
        "Elixir shells where there is none",
        Steps(no_elixir),
    )
    .needs(&[Need::Sample]),
];

fn foreground(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut running = site.spawn(&["foreground"])?;
    site.wait_ready()?;
    let pid = running.pid().to_string();
    let told = site.emqx(&["pid"])?.success()?;
    ensure!(told.text() == pid, "the VM is another process: {told}");
    let vm = site.vms().pop();
    let vm = vm.ok_or_else(|| Error::Unexpected("no VM".to_owned()))?;
    for option in ["-noinput", "-noshell"] {
        ensure!(
            vm.args.iter().any(|arg| arg == option),
            "no {option}: {:?}",
            vm.args
        );
    }
    let words = |arg: &str| vm.args.iter().any(|have| have == arg);
    ensure!(words("+Bd") || words("-Bd"), "no +Bd: {:?}", vm.args);
    for process in site.processes() {
        let name = process.exe.file_name().unwrap_or_default();
        ensure!(name != "run_erl", "a daemon in the foreground");
    }
    running.signal(Signal::SIGTERM)?;
    let ended = running.wait(process::HANG)?.success()?;
    let line = site.fill("Starting {description} {vsn}");
    ensure!(
        ended.stdout.lines().any(|said| said == line),
        "no {line:?}: {ended}"
    );
    site.demand_nothing_runs()
}

fn exit_code(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut running = site.spawn(&["foreground"])?;
    site.wait_ready()?;
    // The node is gone before it can answer.
    site.emqx(&["eval", "erlang:halt(7)"])?;
    running.wait(process::HANG)?.exit_code(7)?;
    Ok(())
}

fn console(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut console = Terminal::run(&site, "console")?;
    console.shows(&site.fill("({name})1>"))?;
    console.types("6 * 7.\n")?;
    console.shows("42")?;
    site.wait_ready()?;
    console.types("init:stop().\n")?;
    console.ends()?;
    site.demand_nothing_runs()
}

fn console_clean(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut console = Terminal::run(&site, "console_clean")?;
    console.shows(&site.fill("({name})1>"))?;
    console.types("[A || {A, _, _} <- application:which_applications()] ++ ['end'].\n")?;
    console.shows(",'end']")?;
    let screen = console.screen();
    let list = screen.rsplit('[').next().unwrap_or_default();
    let list = list.split(']').next().unwrap_or_default();
    ensure!(
        list.contains("kernel") && !list.contains("emqx"),
        "{screen}"
    );
    // The release's code is at hand all the same.
    console.types("{at_hand, code:which(emqx) =/= non_existing}.\n")?;
    console.shows("{at_hand,true}")?;
    console.types("init:stop().\n")?;
    console.ends()?;
    site.demand_nothing_runs()
}

fn attach(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let pid = site.eval("os:getpid()")?;
    let mut attached = Terminal::run(&site, "attach")?;
    attached.types("\n6 * 111.\n")?;
    attached.shows("666")?;
    attached.types("\u{4}")?;
    attached.ends()?;
    ensure!(
        site.eval("os:getpid()")? == pid,
        "leaving a console ends the node"
    );
    site.stop()?;
    Ok(())
}

fn remote(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let pid = site.emqx(&["pid"])?.success()?.stdout;
    for command in ["remote", "remote_console"] {
        let mut remote = Terminal::run(&site, command)?;
        remote.shows(&site.fill("({name})1>"))?;
        remote.types("5 * 111.\n")?;
        remote.shows("555")?;
        let shell = site.processes().into_iter().find(|process| {
            let is_remsh = process.args.iter().any(|arg| arg == "-remsh");
            is_remsh && process.exe.to_string_lossy().contains("beam")
        });
        let shell = shell.ok_or_else(|| Error::Unexpected("no remote shell".to_owned()))?;
        let line: Vec<_> = shell.args.iter().map(|arg| arg.to_string_lossy()).collect();
        let line = line.join(" ");
        for part in [
            "-P 65536 -Q 65536 -S 2",
            "-hidden",
            "-kernel net_ticktime 120",
            "remsh",
        ] {
            ensure!(line.contains(part), "no {part:?}: {line}");
        }
        let own = site.fill("-{name}");
        ensure!(
            line.contains(&own),
            "its name does not end in {own}: {line}"
        );
        ensure!(site.eval("nodes()")? == "[]", "the shell is no hidden node");
        // It is not taken for a node of the installation.
        let mut bare = site.emqx_command(&["pid"]);
        let told = process::run(bare.env_remove("EMQX_NODE__NAME"), process::HANG)?.success()?;
        ensure!(told.stdout == pid, "{told}");
        remote.types("\u{7}")?;
        remote.shows("-->")?;
        remote.types("q\n")?;
        remote.ends()?;
    }
    ensure!(
        site.emqx(&["pid"])?.success()?.stdout == pid,
        "the node ended"
    );
    Ok(())
}

fn no_elixir(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    for command in ["console", "console_clean"] {
        let finished = site.emqx(&[command, "--iex"])?.exit_code(1)?;
        ensure!(finished.stderr.contains("iex"), "{finished}");
        ensure!(
            finished.stderr.matches("ERROR: ").count() == 1,
            "{finished}"
        );
    }
    site.demand_nothing_runs()
}
