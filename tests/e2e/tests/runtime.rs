//! The commands for a running node: what they print, how they end, and that none of them starts a
//! VM. All on one node, which none of them changes.

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Finished, Running};
use e2e::sample::V4;
use e2e::witness::faults_of_words;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

/// A command with its exit code and a text that it must print.
type Expectation<'a> = (&'a [&'a str], i32, &'a str);

fn check(install: &Install, expectations: &[Expectation<'_>]) -> e2e::Result<()> {
    let mut told = Vec::new();
    for (args, code, text) in expectations {
        let finished = install.emqx(args)?;
        let said = finished.stdout.contains(text) || finished.stderr.contains(text);
        if finished.code != Some(*code) || !said {
            told.push(format!(
                "expected exit code {code} and {text:?}: {finished}"
            ));
        }
        if finished.stderr.contains("panicked") || finished.output_held {
            told.push(format!("panicked or left its output open: {finished}"));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    Ok(())
}

#[test]
fn commands_for_a_running_node() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let node_log = || fs_err::read_to_string(install.path("log/emqx.log")).unwrap_or_default();
    answers(&install)?;
    evaluation(&install)?;
    remote_calls(&install)?;
    ways_to_end(&install)?;
    output_as_it_comes(&install)?;
    questions_to_the_caller(&install)?;
    readers_that_go_away(&install)?;
    names_and_links(&install)?;
    many_at_once(&install)?;
    for crash in ["crash report", "Error in process", "terminating"] {
        assert!(
            !node_log().to_lowercase().contains(&crash.to_lowercase()),
            "{}",
            node_log()
        );
    }
    no_vm_is_started(&install)?;
    Ok(())
}

fn answers(install: &Install) -> e2e::Result<()> {
    let name = install.node_name();
    let vm = install.vms().pop().expect("one VM runs").pid.to_string();
    let root = install.root().to_string_lossy().into_owned();
    let status = format!("Node '{name}' 5.10.4 is started");
    assert_eq!(install.emqx(&["ping"])?.success()?.stdout, "pong\n");
    assert_eq!(install.emqx(&["pid"])?.success()?.stdout, format!("{vm}\n"));
    assert_eq!(
        install.emqx(&["root_dir"])?.success()?.stdout,
        format!("{root}\n")
    );
    let ertspath = install.emqx(&["ertspath"])?.success()?;
    assert!(
        install.path(ertspath.text()).join("bin/erlexec").exists(),
        "{ertspath}"
    );
    check(
        install,
        &[
            (&["ctl", "status"], 0, &status),
            (&["ctl", "help"], 0, "clients list"),
            (&["ctl"], 0, "Usage: emqx ctl"),
            (&["ctl", "no_such_command"], 1, ""),
            (&["ctl", "listeners"], 0, "tcp:default"),
            (&["check_config"], 0, ""),
        ],
    )?;
    // Everything is found without a variable, too: the process table tells.
    let mut bare = install.emqx_command(&["ctl", "status"]);
    bare.env_remove("EMQX_NODE__NAME")
        .env_remove("EMQX_LISTENERS__TCP__DEFAULT__BIND");
    process::run(&mut bare, process::HANG)?
        .success()?
        .says(&status)?;
    Ok(())
}

fn evaluation(install: &Install) -> e2e::Result<()> {
    check(
        install,
        &[
            (&["eval", "1 + 1"], 0, "2\n"),
            (&["eval", "1", "+", "2."], 0, "3\n"),
            (&["eval", "X = 20, X * 2 + 2"], 0, "42\n"),
            (&["eval", "emqx_release:version()"], 0, "\"5.10.4\"\n"),
            (&["eval", "lists:seq(1, 3)"], 0, "[1,2,3]\n"),
            (
                &["eval", "\"Grüße\""],
                0,
                "\"Grüße\"
",
            ),
            (
                &["eval", "io:format(\"first~n\"), second"],
                0,
                "first\nsecond\n",
            ),
            (&["eval", "fun(A) -> A end(7)"], 0, "7\n"),
            (&["eval", "1 / 0"], 1, "badarith"),
            (&["eval", "no_such:function()"], 1, "undef"),
        ],
    )?;
    for text in ["1 +", "foo(", "\"open", "a b", ""] {
        let finished = install.emqx(&["eval", text])?;
        assert_eq!(finished.code, Some(1), "{finished}");
        assert_eq!(
            faults_of_words(&finished),
            Vec::<String>::new(),
            "{finished}"
        );
    }
    let wrong = install.emqx(&["eval", "X = 1,\n  Y = +,\n  X"])?;
    assert!(
        wrong.stderr.contains('2'),
        "the line of the mistake is told: {wrong}"
    );
    Ok(())
}

fn remote_calls(install: &Install) -> e2e::Result<()> {
    check(
        install,
        &[
            (
                &["rpc", "emqx_ctl", "run_command", "status"],
                0,
                "is started",
            ),
            (&["rpc", "erlang", "length", "a", "b"], 1, "2"),
            (&["rpc", "no_such_module", "f"], 1, "failed"),
            (&["rpcterms", "erlang", "length", "[1,2,3]."], 0, "3\n"),
            (&["rpcterms", "erlang", "length", "[1,2,3]"], 0, "3\n"),
            (&["rpcterms", "lists", "seq", "1. 3."], 0, "[1,2,3]\n"),
            (
                &["rpcterms", "erlang", "node"],
                0,
                &format!("'{}'\n", install.node_name()),
            ),
            (&["rpcterms", "erlang", "length", "no_list."], 1, "failed"),
            (&["rpcterms", "erlang", "length", "[1,"], 1, ""),
        ],
    )
}

fn ways_to_end(install: &Install) -> e2e::Result<()> {
    check(
        install,
        &[
            (&["ctl", "demo", "end", "error"], 1, "asked_for"),
            (&["ctl", "demo", "end", "value"], 1, "{a,value}"),
            (&["ctl", "demo", "end", "crash"], 1, "asked_for"),
            (&["ctl", "demo", "end", "throw"], 1, "asked_for"),
            (&["ctl", "demo", "end", "exit"], 1, "asked_for"),
            (&["ctl", "demo", "end", "kill"], 1, "RPC to"),
        ],
    )
}

fn output_as_it_comes(install: &Install) -> e2e::Result<()> {
    let mut slow = install.spawn(&["ctl", "demo", "stream", "10", "300"])?;
    slow.wait_for("line 2\n", process::HANG)?;
    let so_far = slow.stdout_so_far();
    assert!(!so_far.contains("line 10"), "it came all at once: {so_far}");
    assert!(slow.is_alive(), "the command waits for its end");
    let finished = slow.wait(process::HANG)?.success()?;
    let lines: Vec<_> = (1..=10).map(|number| format!("line {number}")).collect();
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), lines);

    let unicode = install.emqx(&["ctl", "demo", "unicode"])?.success()?;
    assert_eq!(unicode.stdout, "Grüße, 你好, привет, 🙂\n");
    let bulk = install.emqx(&["ctl", "demo", "bulk", "3000"])?.success()?;
    assert_eq!(bulk.stdout.len(), 3000 * 1024);
    let io = install.emqx(&["ctl", "demo", "io"])?.success()?;
    for text in [
        "opts ",
        "columns ",
        "unknown {error",
        "latin1 é",
        "first second",
    ] {
        assert!(io.stdout.contains(text), "{text:?} is missing: {io}");
    }
    let quiet = install.emqx(&["ctl", "demo", "sleep", "1500"])?.success()?;
    assert_eq!(quiet.stdout, "");
    Ok(())
}

fn questions_to_the_caller(install: &Install) -> e2e::Result<()> {
    let mut command = install.emqx_command(&["ctl", "demo", "ask"]);
    let mut asking = Running::spawn(command.stdin(Stdio::piped()))?;
    asking
        .stdin()
        .expect("it was asked for")
        .write_all("Zoë\n".as_bytes())?;
    let answered = asking.wait(process::HANG)?.success()?;
    assert!(answered.stdout.contains("hello Zoë"), "{answered}");
    let unanswered = install.emqx(&["ctl", "demo", "ask"])?.success()?;
    assert!(unanswered.stdout.contains("no answer"), "{unanswered}");
    Ok(())
}

fn readers_that_go_away(install: &Install) -> e2e::Result<()> {
    let script = "{ \"$0\" ctl demo bulk 20000; echo \"code $?\" >&2; } | head -n 1";
    let mut command = install.command("sh");
    command.args(["-c", script]).arg(install.path("bin/emqx"));
    let finished = process::run(&mut command, process::HANG)?.success()?;
    assert_eq!(finished.stdout, format!("{}\n", "x".repeat(63)));
    assert_eq!(
        finished.stderr, "code 141\n",
        "it ends quietly, as if by SIGPIPE"
    );
    let mut full = install.emqx_command(&["ctl", "demo", "unicode"]);
    let device = fs_err::OpenOptions::new().write(true).open("/dev/full")?;
    let status = full
        .stdout(device.into_parts().0)
        .stderr(Stdio::null())
        .status()?;
    assert!(
        !status.success(),
        "output that can't be written is no success"
    );
    install.emqx(&["ping"])?.success()?;
    Ok(())
}

fn names_and_links(install: &Install) -> e2e::Result<()> {
    let elsewhere = install.scratch().join("usr bin");
    fs_err::create_dir_all(&elsewhere)?;
    symlink(install.path("bin/emqx"), elsewhere.join("emqx"))?;
    symlink("emqx", elsewhere.join("other"))?;
    symlink(install.path("bin/emqx_ctl"), elsewhere.join("emqx_ctl"))?;
    let run = |path: &str, args: &[&str]| -> e2e::Result<Finished> {
        process::run(
            install.command(elsewhere.join(path)).args(args),
            process::HANG,
        )
    };
    run("emqx", &["ping"])?.success()?.says("pong")?;
    run("other", &["ctl", "status"])?
        .success()?
        .says("is started")?;
    run("emqx_ctl", &["status"])?
        .success()?
        .says("is started")?;
    run("emqx_ctl", &["relup", "status"])?
        .success()?
        .says("idle")?;
    assert_eq!(
        run("emqx", &["root_dir"])?.success()?.text(),
        install.root().to_string_lossy()
    );
    // Looked up in PATH, as most callers do.
    let mut by_path = install.command("sh");
    by_path
        .args([
            "-c",
            "PATH=\"$0:$PATH\"; emqx_ctl status && cd / && emqx ping",
        ])
        .arg(&elsewhere);
    process::run(&mut by_path, process::HANG)?
        .success()?
        .says("pong")?;
    Ok(())
}

fn many_at_once(install: &Install) -> e2e::Result<()> {
    let mut running = Vec::new();
    for _ in 0..20 {
        running.push(install.spawn(&["ctl", "demo", "stream", "3", "50"])?);
    }
    for command in &mut running {
        let finished = command.wait(process::HANG)?.success()?;
        assert_eq!(finished.stdout, "line 1\nline 2\nline 3\n");
    }
    assert_eq!(
        node::eval(install, "nodes()")?,
        "[]",
        "no call is seen as a node of the cluster"
    );
    process::wait_until("hidden connections to go", process::HANG, || {
        // The one that asks is there itself.
        Ok(node::eval(install, "length(nodes(hidden))")?.trim() == "1")
    })
}

/// The runtime system is taken away while the node runs: a command that starts a VM, or any other
/// helper of it, would now leave a trace and fail. Where strace works, no program at all may be
/// started.
fn no_vm_is_started(install: &Install) -> e2e::Result<()> {
    let ertspath = install.emqx(&["ertspath"])?.success()?;
    let bin = install.path(ertspath.text()).join("bin");
    let away = bin.with_file_name("bin-away");
    let canary = install.scratch().join("canary");
    fs_err::rename(&bin, &away)?;
    fs_err::create_dir(&bin)?;
    for entry in fs_err::read_dir(&away)? {
        let trap = bin.join(entry?.file_name());
        fs_err::write(
            &trap,
            format!(
                "#!/bin/sh\necho \"$0\" >>\"{}\"\nexit 99\n",
                canary.display()
            ),
        )?;
        fs_err::set_permissions(&trap, PermissionsExt::from_mode(0o755))?;
    }
    let traced = process::run(install.command("strace").arg("-V"), process::HANG);
    let can_trace = traced.is_ok_and(|finished| finished.code == Some(0));
    let log = install.scratch().join("execve.log");
    for args in [
        &["ping"][..],
        &["pid"],
        &["root_dir"],
        &["ertspath"],
        &["ctl", "status"],
        &["eval", "1+1"],
        &["rpc", "emqx_ctl", "run_command", "status"],
        &["rpcterms", "erlang", "node"],
        &["relup", "status"],
        &["stop"],
    ] {
        let mut command = if can_trace {
            let mut strace = install.command("strace");
            strace
                .args(["-f", "-qq", "-e", "trace=execve", "-o"])
                .arg(&log);
            strace.arg(install.path("bin/emqx"));
            strace
        } else {
            install.command(install.path("bin/emqx"))
        };
        let finished = process::run(command.args(args), process::HANG)?;
        if can_trace && finished.stderr.contains("ptrace") {
            println!("strace does not work here: {}", finished.stderr.trim());
            process::run(&mut install.emqx_command(args), process::HANG)?.success()?;
        } else {
            finished.success()?;
            if can_trace {
                let calls = fs_err::read_to_string(&log)?;
                let count = calls.matches("execve(").count();
                assert_eq!(
                    count,
                    1,
                    "emqx {} started a program:\n{calls}",
                    args.join(" ")
                );
            }
        }
        let caught = fs_err::read_to_string(&canary).unwrap_or_default();
        assert_eq!(caught, "", "emqx {} started a VM", args.join(" "));
    }
    assert!(install.vms().is_empty(), "stop stopped the node");
    fs_err::remove_dir_all(&bin)?;
    fs_err::rename(&away, &bin)?;
    Ok(())
}
