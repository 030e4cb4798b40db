//! Section 3: commands for the running node: what they print and how they end.

use crate::call::{Call, Text, refused, run};
use crate::case::Check::{Looking, Steps};
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::subject::Subject;
use e2e::Result;
use e2e::process::{self, Running};
use std::io::Write;
use std::process::Stdio;

const SAMPLE: &[Need] = &[Need::Sample];

/// The cases.
pub const CASES: &[Case] = &[
    kept("3.16", "ctl prints what the command prints", Looking(CTL)),
    kept(
        "3.16",
        "ways in which a ctl command ends",
        Looking(CTL_ENDS),
    )
    .needs(SAMPLE),
    kept("3.16", "ctl output as it is printed", Steps(as_it_comes)).needs(SAMPLE),
    fix("3.16", "ctl output of every kind", Steps(every_kind)).needs(SAMPLE),
    kept("3.16", "ctl commands that ask", Steps(questions)).needs(SAMPLE),
    kept("3.17", "eval joins words and adds the dot", Looking(EVAL)),
    kept(
        "3.17",
        "eval runs as an administration command",
        Looking(EVAL_PATH),
    ),
    fix(
        "3.17",
        "eval of what fails on the node",
        Looking(EVAL_FAILS),
    ),
    fix("3.17", "eval of what is no Erlang", Steps(eval_syntax)),
    kept("3.18", "eval-ex without Elixir", Looking(EVAL_EX)).needs(SAMPLE),
    kept("3.19", "rpc calls with one list of strings", Looking(RPC)),
    kept("3.20", "rpcterms calls with terms", Looking(RPCTERMS)),
    kept("3.21", "ping of a running node", Looking(PING)),
    kept("3.22", "pid of a running node", Looking(PID)),
    fix("5.17", "a reader that goes away", Steps(closed_pipe)).needs(SAMPLE),
];

const CTL: &[Call] = &[
    run(&["ctl", "status"]).out(Text::Has(&["Node '{name}' {vsn} is started"])),
    run(&["ctl", "listeners"]).out(Text::Has(&["tcp:default"])),
    run(&["ctl", "no_such_command"])
        .code(1)
        .out(Text::Has(&["Usage: "])),
];

const CTL_ENDS: &[Call] = &[
    run(&["ctl", "demo", "end", "error"])
        .code(1)
        .err(Text::OneError("asked_for")),
    run(&["ctl", "demo", "end", "value"])
        .code(1)
        .err(Text::OneError("{a,value}")),
    run(&["ctl", "demo", "end", "crash"])
        .code(1)
        .err(Text::OneError("asked_for")),
    run(&["ctl", "demo", "end", "throw"])
        .code(1)
        .err(Text::OneError("asked_for")),
    run(&["ctl", "demo", "end", "exit"])
        .code(1)
        .err(Text::OneError("asked_for")),
    run(&["ctl", "demo", "end", "kill"])
        .code(1)
        .err(Text::OneError("RPC to {name} failed: ")),
    run(&["ctl", "demo", "sleep", "300"])
        .out(Text::Nothing)
        .err(Text::Nothing),
];

const EVAL: &[Call] = &[
    run(&["eval", "1 + 1"])
        .out(Text::Is("2\n"))
        .err(Text::Nothing),
    run(&["eval", "1", "+", "2"]).out(Text::Is("3\n")),
    run(&["eval", "1", "+", "2."]).out(Text::Is("3\n")),
    run(&["eval", "  7 .  "]).out(Text::Is("7\n")),
    run(&["eval", "X = 20, X * 2 + 2"]).out(Text::Is("42\n")),
    run(&["eval", "fun(A) -> A end(7)"]).out(Text::Is("7\n")),
    run(&["eval", "\"a.b\""]).out(Text::Is("\"a.b\"\n")),
    run(&["eval", "ok"]).out(Text::Is("ok\n")),
    run(&["eval", "{error, reason}"]).out(Text::Is("{error,reason}\n")),
    run(&["eval", "lists:seq(1, 3)"]).out(Text::Is("[1,2,3]\n")),
    run(&["eval", "node()"]).out(Text::Is("'{name}'\n")),
    run(&["eval", "io:format(\"first~n\"), second"]).out(Text::Is("first\nsecond\n")),
];

const EVAL_PATH: &[Call] =
    &[run(&["eval", "process_info(self(), current_stacktrace)"]).out(Text::Has(&["emqx_ctl"]))];

const EVAL_FAILS: &[Call] = &[
    run(&["eval", "1 / 0"])
        .code(1)
        .out(Text::Nothing)
        .err(Text::OneError("badarith")),
    run(&["eval", "no_such:function()"])
        .code(1)
        .err(Text::OneError("undef")),
    run(&["eval", "throw(thrown)"])
        .code(1)
        .err(Text::OneError("thrown")),
    run(&["eval", "exit(left)"])
        .code(1)
        .err(Text::OneError("left")),
];

const EVAL_EX: &[Call] = &[
    refused(&["eval-ex", "1 + 1"], 1, "elixir"),
    refused(&["remote", "--iex"], 1, "iex"),
];

const RPC: &[Call] = &[
    run(&["rpc", "emqx_ctl", "run_command", "status"]).out(Text::Has(&["is started"])),
    run(&["rpc", "erlang", "length", "a", "b"])
        .code(1)
        .out(Text::Nothing),
    run(&["rpc", "io", "put_chars", "a b", "c"]).out(Text::Is("a bc")),
    refused(&["rpc", "no_such_module", "f"], 1, "RPC to {name} failed: "),
    run(&["rpc", "erlang"]).code(1),
    run(&["rpc"]).code(1),
];

const RPCTERMS: &[Call] = &[
    run(&["rpcterms", "erlang", "length", "[1,2,3]."]).out(Text::Is("3\n")),
    run(&["rpcterms", "erlang", "length", "[1,2,3]"]).out(Text::Is("3\n")),
    run(&["rpcterms", "lists", "seq", "1. 3."]).out(Text::Is("[1,2,3]\n")),
    run(&["rpcterms", "lists", "seq", "1.", "3."]).out(Text::Is("[1,2,3]\n")),
    run(&["rpcterms", "erlang", "node"]).out(Text::Is("'{name}'\n")),
    run(&["rpcterms", "io", "put_chars", "\"a\"."]).out(Text::Is("aok\n")),
    refused(
        &["rpcterms", "erlang", "length", "no_list."],
        1,
        "RPC to {name} failed: ",
    ),
    run(&["rpcterms", "erlang", "length", "[1,"])
        .code(1)
        .out(Text::Nothing),
    run(&["rpcterms", "erlang"]).code(1),
];

const PING: &[Call] = &[run(&["ping"]).out(Text::Is("pong\n")).err(Text::Nothing)];

const PID: &[Call] = &[
    run(&["pid"]).out(Text::Is("{pid}\n")).err(Text::Nothing),
    run(&["eval", "os:getpid()"]).out(Text::Is("\"{pid}\"\n")),
];

fn as_it_comes(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let mut slow = site.spawn(&["ctl", "demo", "stream", "10", "300"])?;
    slow.wait_for("line 2\n", process::HANG)?;
    let so_far = slow.stdout_so_far();
    ensure!(!so_far.contains("line 10"), "it came all at once: {so_far}");
    ensure!(slow.is_alive(), "the command did not wait for its end");
    let finished = slow.wait(process::HANG)?.success()?;
    let lines: Vec<String> = (1..=10).map(|number| format!("line {number}")).collect();
    ensure!(finished.stdout.lines().eq(&lines), "{finished}");
    Ok(())
}

fn every_kind(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let unicode = site.emqx(&["ctl", "demo", "unicode"])?.success()?;
    ensure!(unicode.stdout == "Grüße, 你好, привет, 🙂\n", "{unicode}");
    let bulk = site.emqx(&["ctl", "demo", "bulk", "3000"])?.success()?;
    ensure!(
        bulk.stdout.len() == 3000 * 1024,
        "{} bytes",
        bulk.stdout.len()
    );
    let io = site.emqx(&["ctl", "demo", "io"])?.success()?;
    for text in [
        "opts ",
        "columns ",
        "unknown {error",
        "latin1 é",
        "first second",
    ] {
        ensure!(io.stdout.contains(text), "{text:?} is missing: {io}");
    }
    Ok(())
}

fn questions(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let mut command = site.emqx_command(&["ctl", "demo", "ask"]);
    let mut asking = Running::spawn(command.stdin(Stdio::piped()))?;
    if let Some(mut keyboard) = asking.stdin() {
        keyboard.write_all("Zoë\n".as_bytes())?;
    }
    let answered = asking.wait(process::HANG)?.success()?;
    ensure!(answered.stdout.contains("hello Zoë"), "{answered}");
    let unanswered = site.emqx(&["ctl", "demo", "ask"])?.success()?;
    ensure!(unanswered.stdout.contains("no answer"), "{unanswered}");
    Ok(())
}

fn eval_syntax(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    for text in ["1 +", "foo(", "\"open", "a b", "1. 2", ""] {
        let finished = site.emqx(&["eval", text])?.exit_code(1)?;
        let errors = finished.stderr.matches("ERROR: ").count();
        ensure!(
            errors == 1 && finished.stdout.is_empty(),
            "{text:?}: {finished}"
        );
        ensure!(!finished.stderr.contains("crash"), "{text:?}: {finished}");
    }
    let wrong = site
        .emqx(&["eval", "X = 1,\n  Y = +,\n  X"])?
        .exit_code(1)?;
    ensure!(wrong.stderr.contains("2:8"), "no place is told: {wrong}");
    Ok(())
}

fn closed_pipe(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let script = "{ \"$0\" ctl demo bulk 20000; echo \"code $?\" >&2; } | head -n 1";
    let mut command = site.command("sh");
    command.args(["-c", script]).arg(site.path("bin/emqx"));
    let finished = process::run(&mut command, process::HANG)?.success()?;
    ensure!(
        finished.stdout == format!("{}\n", "x".repeat(63)),
        "{finished}"
    );
    ensure!(
        finished.stderr == "code 141\n",
        "not as if by SIGPIPE: {finished}"
    );
    let mut full = site.emqx_command(&["ctl", "demo", "unicode"]);
    let device = fs_err::OpenOptions::new().write(true).open("/dev/full")?;
    full.stdout(device.into_parts().0).stderr(Stdio::null());
    ensure!(
        !full.status()?.success(),
        "output that can't be written is no success"
    );
    site.emqx(&["ping"])?.success()?;
    let log = fs_err::read_to_string(site.path("log/emqx.log")).unwrap_or_default();
    ensure!(
        !log.contains("bulk"),
        "the command crashed in the node: {log}"
    );
    Ok(())
}
