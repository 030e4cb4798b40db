//! `--show-plan`: what a command would do is what it does, and showing it does nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use e2e::install::Install;
use e2e::process::{Finished, HANG, Running, run, wait_until};
use e2e::sample::V4;
use e2e::tree::Snapshot;

/// A secret that must be read nowhere.
const COOKIE: &str = "s3cretOfThisTest";

/// The steps of a plan: their titles, and the lines below.
fn steps(plan: &Finished) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in plan.stdout.lines() {
        if let Some(detail) = line.strip_prefix("  ") {
            if let Some((_, details)) = steps.last_mut() {
                details.push(detail.to_owned());
            }
        } else if let Some((_, title)) = line.split_once(": ").filter(|_| line.starts_with("step "))
        {
            steps.push((title.to_owned(), Vec::new()));
        }
    }
    steps
}

fn details(step: &[String], kind: &str) -> Vec<String> {
    let values = step.iter().filter_map(|line| line.strip_prefix(kind));
    values.map(str::to_owned).collect()
}

fn titles(plan: &Finished) -> Vec<String> {
    steps(plan).into_iter().map(|(title, _)| title).collect()
}

/// Shows a plan, and demands that nothing is different afterwards.
fn shown(install: &Install, args: &[&str]) -> e2e::Result<Finished> {
    let before = Snapshot::of(install.root())?;
    let processes = install.processes().len();
    let plan = install.emqx(args)?;
    let changes = before.differences(&Snapshot::of(install.root())?);
    assert_eq!(changes, Vec::<String>::new(), "{plan}");
    assert_eq!(install.processes().len(), processes, "{plan}");
    assert!(!format!("{plan}").contains(COOKIE), "{plan}");
    Ok(plan)
}

/// A call of execve, as `strace -v` writes it.
struct Exec {
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// The strings of `["a", "b"]`.
fn strings(array: &str) -> Vec<String> {
    let inner = array.trim_start_matches('[').trim_end_matches(']');
    let inner = inner.trim_start_matches('"').trim_end_matches('"');
    let unescape = |text: &str| text.replace("\\\"", "\"").replace("\\n", "\n");
    inner.split("\", \"").map(unescape).collect()
}

/// Boots under strace, stops the node, and gives the last execve of a program.
fn really_executed(install: &Install, args: &[&str], program: &str) -> e2e::Result<Option<Exec>> {
    let log = install.scratch().join("strace.log");
    let mut strace = install.command("strace");
    strace
        .args([
            "-f",
            "-qq",
            "-v",
            "-s",
            "100000",
            "-e",
            "trace=execve",
            "-o",
        ])
        .arg(&log)
        .arg(install.path("bin/emqx"))
        .args(args);
    let mut probe = install.command("strace");
    let can = run(probe.args(["-o", "/dev/null", "true"]), HANG);
    if !can.as_ref().is_ok_and(|finished| finished.code == Some(0)) {
        println!("skipped: strace cannot trace here: {can:?}");
        return Ok(None);
    }
    // It ends when the last of those that it follows does.
    let mut tracer = Running::spawn(strace.stdin(Stdio::null()))?;
    wait_until("the node to be ready", HANG, || {
        Ok(install.emqx(&["eval", "emqx:is_running()"])?.text() == "true")
    })?;
    install.stop()?;
    tracer.wait(HANG)?;
    let calls = fs_err::read_to_string(&log)?;
    let call = calls
        .lines()
        .rfind(|line| {
            let path = line.split('"').nth(1).unwrap_or_default();
            Path::new(path)
                .file_name()
                .is_some_and(|name| name == program)
        })
        .unwrap_or_default();
    let arrays: Vec<&str> = call.splitn(2, ", [").collect();
    let (args, env) = arrays
        .get(1)
        .and_then(|rest| rest.split_once("], ["))
        .unwrap_or_default();
    // `])  = 0`, or `] <unfinished ...>` where another process came between.
    let env = env.rsplit_once("\"]").map_or(env, |(env, _)| env);
    let env = strings(env);
    let pairs = env.iter().filter_map(|pair| pair.split_once('='));
    Ok(Some(Exec {
        args: strings(args),
        env: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }))
}

/// Demands that a step is what really was executed.
fn same(install: &Install, step: &[String], real: &Exec) -> e2e::Result<()> {
    let time = newest_time(install)?;
    let planned: Vec<String> = details(step, "argument: ")
        .iter()
        .map(|arg| arg.trim_matches('\'').replace("<time>", &time))
        .collect();
    assert_eq!(planned, real.args[1..], "arguments");
    let mut names = 0;
    for change in details(step, "environment: ") {
        match change.split_once('=') {
            Some((_, "<redacted>")) => {}
            Some((name, value)) if !value.starts_with('$') => {
                names += 1;
                let value = value.trim_matches('\'').replace("<time>", &time);
                assert_eq!(real.env.get(name), Some(&value), "{name}");
            }
            Some(_) => {}
            None => {
                let name = change.trim_end_matches(" is removed");
                assert!(!real.env.contains_key(name), "{name} is still there");
            }
        }
    }
    assert!(names > 10, "{step:?}");
    Ok(())
}

fn newest_time(install: &Install) -> e2e::Result<String> {
    let mut times = Vec::new();
    for entry in fs_err::read_dir(install.path("data/configs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let time = name
            .strip_prefix("vm.")
            .and_then(|rest| rest.strip_suffix(".args"));
        times.extend(time.map(str::to_owned));
    }
    Ok(times.into_iter().max().unwrap_or_default())
}

#[test]
fn the_plan_of_a_start_is_what_a_start_does() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_NODE__COOKIE", COOKIE);
    install.set_env("EMQX_NODE__NAME", install.node_name());
    let plan = shown(&install, &["start", "--show-plan"])?.success()?;
    let again = shown(&install, &["start", "--show-plan"])?.success()?;
    assert_eq!(plan.stdout, again.stdout, "a plan is the same each time");
    let name = install.node_name();
    let root = install.root().display().to_string();
    for line in [
        format!("base = {root} (from the place of {root}/bin/emqx)"),
        format!("node name = {name} (from environment variable EMQX_NODE__NAME)"),
        "cookie = <redacted> (from environment variable EMQX_NODE__COOKIE)".to_owned(),
        format!("address = 127.0.0.1:{}", install.slot().dist_port(0)),
        format!(
            "console pipes = {root}/data/root_erl_pipes/{name} \
             (from data directory, user and node name)"
        ),
        "time to start = 120 s (from default)".to_owned(),
        "  line: -setcookie <redacted>".to_owned(),
        format!("  line: -name {name}"),
    ] {
        assert!(
            plan.stdout.lines().any(|told| told == line),
            "{line}\n{plan}"
        );
    }
    let steps = steps(&plan);
    let step = |title: &str| {
        let found = steps.iter().find(|(found, _)| found == title);
        found
            .map(|(_, details)| details.clone())
            .unwrap_or_default()
    };
    let order = [
        "ask the release's own code in a helper VM".to_owned(),
        format!("make directory {root}/data/configs"),
        format!("write {root}/data/configs/app.<time>.config"),
        format!("write {root}/data/configs/vm.<time>.args"),
        format!("make directory {root}/data/root_erl_pipes/{name}"),
        "start the console of the daemon".to_owned(),
        "in it, become the node's VM".to_owned(),
    ];
    assert_eq!(titles(&plan)[..order.len()], order);
    let written = details(&step(&order[3]), "line:");
    let Some(real) = really_executed(&install, &["start"], "run_erl")? else {
        return Ok(());
    };
    same(&install, &step("start the console of the daemon"), &real)?;
    let args_file = install.path(format!("data/configs/vm.{}.args", newest_time(&install)?));
    let lines = fs_err::read_to_string(args_file)?;
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    assert_eq!(written.len(), lines.len());
    for (planned, real) in written.iter().zip(lines) {
        assert!(
            planned.trim() == real || (planned.contains("<redacted>") && real.contains(COOKIE)),
            "{planned:?} {real:?}"
        );
    }
    Ok(())
}

#[test]
fn the_plan_of_a_foreground_boot_names_the_vm_that_is_executed() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_NODE__COOKIE", COOKIE);
    install.set_env("ROOTDIR", "/another/release");
    let plan = shown(&install, &["foreground", "--show-plan"])?.success()?;
    let steps = steps(&plan);
    let (title, vm) = steps.last().expect("a plan has steps");
    assert_eq!(title, "become the node's VM, in place of this process");
    assert!(
        vm.contains(&"environment: ROOTDIR is removed".to_owned()),
        "{plan}"
    );
    if let Some(real) = really_executed(&install, &["foreground"], "erlexec")? {
        same(&install, vm, &real)?;
    }
    Ok(())
}

#[test]
fn plans_of_a_running_node_leave_it_alone() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_NODE__COOKIE", COOKIE);
    install.start()?;
    let pid = install.emqx(&["pid"])?.success()?.text().to_owned();
    let shown = |args: &[&str]| -> e2e::Result<Finished> {
        let plan = install.emqx(args)?;
        assert!(!format!("{plan}").contains(COOKIE), "{plan}");
        Ok(plan)
    };
    for (args, last) in [
        (
            &["stop", "--show-plan"][..],
            format!("wait until process {pid} is gone, 120 s at most"),
        ),
        (
            &["ctl", "--show-plan", "status", "a b"],
            "call emqx_ctl:run_command with the words [status 'a b']".to_owned(),
        ),
        (
            &["eval", "--show-plan", "1+1"],
            "have evaluated: 1+1".to_owned(),
        ),
        (
            &["rpcterms", "--show-plan", "erlang", "node"],
            "call erlang:node without a term".to_owned(),
        ),
        (&["ping", "--show-plan"], "print pong".to_owned()),
        (
            &["remote", "--show-plan"],
            "become a remote shell, in place of this process".to_owned(),
        ),
        (
            &["attach", "--show-plan"],
            "attach to the console, in place of this process".to_owned(),
        ),
    ] {
        let plan = shown(args)?.success()?;
        assert_eq!(
            titles(&plan).last().map(String::as_str),
            Some(last.as_str()),
            "{plan}"
        );
        let process = format!("process of the running node = {pid}");
        assert!(plan.stdout.lines().any(|line| line == process), "{plan}");
    }
    let plan = shown(&["restart", "--show-plan"])?.success()?;
    let titles = titles(&plan);
    let place = |title: &str| titles.iter().position(|found| found.contains(title));
    let gone = place(&format!("process {pid} is gone"));
    assert!(
        gone.is_some() && gone < place("start the console"),
        "{plan}"
    );
    assert!(place("vm.<time>.args") < gone, "{plan}");
    let refused = shown(&["start", "--show-plan"])?.exit_code(1)?;
    assert!(refused.stderr.contains("is already running"), "{refused}");
    assert!(
        refused.stdout.starts_with("plan of emqx start\n"),
        "{refused}"
    );
    assert_eq!(install.emqx(&["pid"])?.success()?.text(), pid);
    Ok(())
}

#[test]
fn what_would_stop_a_command_stops_its_plan_behind_what_is_known() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?;
    fs_err::write(&conf, format!("{text}\nnode.no_such_field = 1\n"))?;
    for command in ["start", "foreground", "console_clean", "restart"] {
        let plan = shown(&install, &[command, "--show-plan"])?.exit_code(1)?;
        assert!(plan.stderr.contains("no_such_field"), "{plan}");
        assert!(plan.stdout.contains("configuration directory = "), "{plan}");
        assert_eq!(
            titles(&plan)[0],
            "ask the release's own code in a helper VM"
        );
    }
    fs_err::remove_file(&conf)?;
    let plan = shown(&install, &["start", "--show-plan"])?.exit_code(1)?;
    assert!(plan.stderr.contains("emqx.conf"), "{plan}");
    let plan = shown(&install, &["stop", "--show-plan"])?;
    assert!(plan.stdout.starts_with("plan of emqx stop\n"), "{plan}");
    Ok(())
}

#[test]
fn a_plan_leaves_a_fifo_full() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let fifo = install.scratch().join("cookie.fifo");
    run(install.command("mkfifo").arg(&fifo), HANG)?.success()?;
    // Nobody writes: whoever opens it to read waits for ever.
    install.set_env("EMQX_NODE__COOKIE", format!("file://{}", fifo.display()));
    for command in ["start", "foreground", "check_config"] {
        let plan = shown(&install, &[command, "--show-plan"])?.success()?;
        let told = format!(
            "cookie = <redacted> (from file {}, named by",
            fifo.display()
        );
        assert!(plan.stdout.contains(&told), "{plan}");
    }
    install.emqx(&["check_config"])?.success()?;
    Ok(())
}

#[test]
fn the_flag_is_hidden_and_belongs_to_the_first_words() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    for args in [
        &["help"][..],
        &["start", "help"],
        &["man"],
        &["man", "start"],
        &["completions", "bash"],
        &["completions", "zsh"],
    ] {
        let told = install.emqx(args)?.success()?;
        assert!(!told.stdout.contains("show-plan"), "{told}");
    }
    let script = install.path("bin/hello.escript");
    let text = "#!/usr/bin/env escript\nmain(Args) -> io:format(\"~p~n\", [Args]).\n";
    fs_err::write(&script, text)?;
    let ran = install
        .emqx(&["escript", "bin/hello.escript", "--show-plan"])?
        .success()?;
    assert_eq!(ran.text(), "[\"--show-plan\"]");
    let plan = install
        .emqx(&["escript", "--show-plan", "bin/hello.escript"])?
        .success()?;
    assert_eq!(
        titles(&plan),
        ["become the escript, in place of this process"]
    );
    let root = install.root().display();
    let plan = install.emqx(&["root_dir", "--show-plan"])?.success()?;
    assert_eq!(titles(&plan), [format!("print {root}")]);
    Ok(())
}
