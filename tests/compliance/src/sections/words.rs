//! Section 3: usage, help, and how messages are worded.

use crate::call::{Call, Text, refused, run};
use crate::case::Check::{Down, Looking, Steps};
use crate::case::{Case, Need, fix, kept, ours};
use crate::ensure;
use crate::subject::Subject;
use e2e::process::{self, Running};
use e2e::tree::Snapshot;
use e2e::{Error, Result};
use std::process::Stdio;

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "3.1",
        "no argument is answered with the usage",
        Down(NO_ARGUMENT),
    ),
    kept("3.2", "help is an answer", Down(HELP)),
    kept("3.3", "every command has a help text", Down(COMMAND_HELP)),
    fix("3.10", "restart has a help text", Down(RESTART_HELP)),
    kept("3.3", "ctl has help of its own", Looking(CTL_HELP)),
    kept(
        "3.4",
        "an unknown command is answered with the usage",
        Down(UNKNOWN),
    ),
    kept("3.27", "emqx_ctl is emqx ctl", Steps(second_name)),
    fix(
        "3.28",
        "answers and errors on their streams",
        Steps(streams),
    ),
    ours("3.28", "colours on terminals only", Steps(colours)).needs(&[Need::Tool("script")]),
    ours("3.28", "DEBUG traces on standard error", Steps(debug)),
    ours(
        "3.28",
        "asking for words touches nothing",
        Steps(words_touch_nothing),
    ),
    ours(
        "3.29",
        "words that mean nothing are refused",
        Down(WRONG_WORDS),
    ),
];

const NO_ARGUMENT: &[Call] = &[run(&[]).code(1).out(Text::Has(ALL)).err(Text::Nothing)];

const HELP: &[Call] = &[
    run(&["help"]).out(Text::Has(ALL)).err(Text::Nothing),
    run(&["--help"]).out(Text::Has(ALL)).err(Text::Nothing),
];

const ALL: &[&str] = &[
    "Usage: ",
    "start",
    "stop",
    "foreground",
    "console",
    "console_clean",
    "attach",
    "remote",
    "ctl",
    "eval",
    "eval-ex",
    "rpc",
    "rpcterms",
    "ping",
    "pid",
    "root_dir",
    "ertspath",
    "escript",
    "check_config",
];

const fn help_of(args: &'static [&'static str], text: &'static [&'static str]) -> Call {
    run(args).out(Text::Has(text)).err(Text::Nothing)
}

const COMMAND_HELP: &[Call] = &[
    help_of(&["start", "help"], &["start"]),
    help_of(&["stop", "help"], &["stop"]),
    help_of(&["foreground", "help"], &["foreground"]),
    help_of(&["console", "help"], &["console"]),
    help_of(&["console_clean", "help"], &["console_clean"]),
    help_of(&["attach", "help"], &["attach"]),
    help_of(&["remote", "help"], &["remote"]),
    help_of(&["remote_console", "help"], &["remote_console"]),
    help_of(&["eval", "help"], &["eval"]),
    help_of(&["eval-ex", "help"], &["eval-ex"]),
    help_of(&["rpc", "help"], &["rpc"]),
    help_of(&["rpcterms", "help"], &["rpcterms"]),
    help_of(&["ping", "help"], &["ping"]),
    help_of(&["pid", "help"], &["pid"]),
    help_of(&["root_dir", "help"], &["root_dir"]),
    help_of(&["ertspath", "help"], &["ertspath"]),
    help_of(&["escript", "help"], &["escript"]),
    help_of(&["check_config", "help"], &["check_config"]),
];

const RESTART_HELP: &[Call] = &[
    help_of(&["restart", "help"], &["restart"]),
    help_of(&["help"], &["restart"]),
];

const CTL_HELP: &[Call] = &[
    run(&["ctl", "help"]).out(Text::Has(&["Usage: ", "status", "listeners"])),
    run(&["ctl"]).out(Text::Has(&["Usage: ", "listeners"])),
];

const UNKNOWN: &[Call] = &[
    run(&["no_such_command"]).code(1).out(Text::Has(ALL)),
    run(&["no_such_command", "help"])
        .code(1)
        .out(Text::Has(ALL)),
    run(&["status"]).code(1).out(Text::Has(ALL)),
    run(&[""]).code(1).out(Text::Has(ALL)),
];

const WRONG_WORDS: &[Call] = &[
    refused(&["console", "--no-such-option"], 1, "console"),
    refused(&["escript"], 1, "escript"),
];

fn second_name(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    for args in [&["status"][..], &["listeners"], &["help"], &[]] {
        let mut command = site.command(site.path("bin/emqx_ctl"));
        let second = process::run(command.args(args), process::HANG)?;
        let first = site.emqx(&[&["ctl"], args].concat())?;
        ensure!(second.code == first.code, "{args:?}: {second} but {first}");
        // Counters and times move on between two calls.
        let lines = |text: &str| text.lines().count();
        ensure!(
            lines(&second.stdout) == lines(&first.stdout) && !second.stdout.is_empty(),
            "{args:?}: {second} but {first}"
        );
    }
    Ok(())
}

fn streams(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.deploy()?;
    let told = site.emqx(&["check_config"])?.success()?;
    ensure!(told.stdout.contains("INFO: Loading emqx"), "{told}");
    ensure!(told.stderr.is_empty(), "{told}");
    fs_err::remove_file(site.path("relup/current"))?;
    // A warning of a boot is for whoever reads its output, an error is not.
    site.set_env("EMQX_SECURITY_PROFILE", "hardened");
    site.set_env("EMQX_NODE__COOKIE", "emqxsecretcookie");
    let mut command = site.command("sh");
    command.args(["-c", "ulimit -n 512; exec \"$0\" start"]);
    let told = process::run(command.arg(site.path("bin/emqx")), process::HANG)?.exit_code(1)?;
    ensure!(told.stdout.contains("WARNING: "), "{told}");
    ensure!(!told.stdout.contains("ERROR: "), "{told}");
    ensure!(told.stderr.contains("ERROR: "), "{told}");
    ensure!(!told.stderr.contains("WARNING: "), "{told}");
    site.demand_nothing_runs()
}

fn colours(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.deploy()?;
    let escape = '\u{1b}';
    let on_terminal = |settings: &[(&str, &str)], command: &str| -> Result<String> {
        let mut script = site.command("script");
        let line = format!("'{}' {command}", site.path("bin/emqx").display());
        script.args(["-q", "-e", "-f", "-c", &line, "/dev/null"]);
        script.env_remove("NO_COLOR").env("TERM", "xterm");
        script.envs(settings.iter().copied()).stdin(Stdio::null());
        Ok(Running::spawn(&mut script)?.wait(process::HANG)?.stdout)
    };
    for command in ["check_config", "console --no-such-option"] {
        let coloured = on_terminal(&[], command)?;
        ensure!(
            coloured.contains(escape),
            "no colour on a terminal: {coloured:?}"
        );
        for settings in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = on_terminal(&[settings], command)?;
            ensure!(!plain.contains(escape), "{settings:?}: {plain:?}");
        }
    }
    for command in ["check_config", "no_such_command", "help"] {
        let piped = site.emqx(&[command])?;
        let text = piped.stdout + &piped.stderr;
        ensure!(!text.contains(escape), "colour on a pipe: {text:?}");
    }
    Ok(())
}

fn debug(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let quiet = site.emqx(&["ping"])?.success()?;
    ensure!(quiet.stderr.is_empty(), "{quiet}");
    for level in ["1", "2"] {
        let told = site.emqx_with("DEBUG", level, &["ping"])?.success()?;
        ensure!(told.stdout == "pong\n", "the answer stays clean: {told}");
        ensure!(!told.stderr.is_empty(), "DEBUG={level} tells nothing");
    }
    let none = site.emqx_with("DEBUG", "0", &["ping"])?.success()?;
    ensure!(none.stderr.is_empty(), "{none}");
    Ok(())
}

fn words_touch_nothing(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let canary = site.scratch().join("a VM was started");
    site.wrap_erlexec(&format!(": >'{}'", canary.display()))?;
    let before = Snapshot::of(site.root())?;
    for args in [
        &[][..],
        &["help"],
        &["start", "help"],
        &["nonsense"],
        &["root_dir"],
    ] {
        site.emqx(args)?;
    }
    let differences = before.differences(&Snapshot::of(site.root())?);
    ensure!(differences.is_empty(), "{differences:?}");
    if canary.exists() {
        return Err(Error::Unexpected("a VM was started".to_owned()));
    }
    Ok(())
}
