//! Looking into the program: `DEBUG` tells each decision and where its value came from, strace tells
//! what it opens, a terminal shows its colours.

use std::path::{Path, PathBuf};

use e2e::install::Install;
use e2e::process::{Finished, HANG, run};
use e2e::sample::{Sample, V4, V5};
use e2e::terminal::Terminal;

/// A cookie that must be read nowhere.
const COOKIE: &str = "s3cretOfThisTest";

/// Demands that a line of standard error tells a decision.
fn told(finished: &Finished, decision: &str) {
    let line = format!("DEBUG {decision}");
    assert!(
        finished.stderr.lines().any(|told| told == line),
        "not told: {line}\n{finished}"
    );
}

#[test]
fn debug_tells_each_decision_with_its_origin() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let root = install.root().display().to_string();
    install.set_env("EMQX_NODE__NAME", install.node_name());
    install.set_env("DEBUG", "1");
    let name = install.node_name();
    let checked = install.emqx(&["check_config"])?.success()?;
    for decision in [
        format!("base = {root} (from the place of {root}/bin/emqx)"),
        format!("tree = {root} (from the installation, no marker leads away from it)"),
        format!("configuration directory = {root}/etc (from {root}/releases/emqx_vars:11)"),
        format!("node name = {name} (from environment variable EMQX_NODE__NAME)"),
        format!("data directory = {root}/data (from {root}/etc/emqx.conf:8)"),
        format!("cookie = <redacted> (from {root}/etc/emqx.conf:7)"),
        "code loading mode = embedded (from default)".to_owned(),
        format!(
            "transport between nodes = inet_tcp \
             (from hocon, cluster.proto_dist has no line in {root}/etc/emqx.conf)"
        ),
    ] {
        told(&checked, &decision);
    }
    let text = "EMQX_ETC_DIR=\"$BASE_RUNNER_ROOT_DIR/etc\"\n";
    let vars = install.path("releases/emqx_vars");
    let lines = fs_err::read_to_string(&vars)?;
    fs_err::write(&vars, lines.clone() + text)?;
    install.set_env("EMQX_FEATURES", "ESSENTIAL");
    install.set_env("EMQX_CLUSTER__PROTO_DIST", "inet6_tcp");
    install.set_env("EPMD_ARGS", "-start_epmd false -epmd_module ekka_epmd");
    let link = install.scratch().join("a link");
    std::os::unix::fs::symlink(install.root(), &link)?;
    install.set_env("BASE_RUNNER_ROOT_DIR", &link);
    let checked = install.emqx(&["check_config"])?.success()?;
    let last = lines.lines().count() + 1;
    for decision in [
        format!("base = {root} (from environment variable BASE_RUNNER_ROOT_DIR)"),
        format!("configuration directory = {root}/etc (from {root}/releases/emqx_vars:{last})"),
        "code loading mode = interactive (from environment variable EMQX_FEATURES)".to_owned(),
        "transport between nodes = inet6_tcp \
         (from environment variable EMQX_CLUSTER__PROTO_DIST)"
            .to_owned(),
        "arguments of the distribution = -start_epmd false -epmd_module ekka_epmd \
         (from environment variable EPMD_ARGS)"
            .to_owned(),
    ] {
        told(&checked, &decision);
    }
    Ok(())
}

#[test]
fn debug_of_a_running_node_names_its_process_and_no_secret() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let cookie_file = install.scratch().join("cookie");
    fs_err::write(&cookie_file, COOKIE)?;
    let setting = format!("file://{}", cookie_file.display());
    install.set_env("EMQX_NODE__COOKIE", &setting);
    install.set_env("EMQX_LOG__TO", "both");
    install.set_env("DEBUG", "2");
    let log = "environment variable EMQX_LOG__TO";
    let started = install.start()?;
    told(
        &started,
        &format!(
            "cookie = <redacted> (from file {}, \
             named by environment variable EMQX_NODE__COOKIE)",
            cookie_file.display()
        ),
    );
    assert!(started.stderr.contains("TRACE execute "), "{started}");
    told(&started, "time to start = 120 s (from default)");
    told(&started, &format!("log = both (from {log})"));
    let license = "DEBUG license key = <redacted> (from hocon, license.key has no line in ";
    assert!(started.stderr.contains(license), "{started}");
    assert!(started.stderr.contains("run_erl"), "{started}");
    install.remove_env("EMQX_NODE__COOKIE");
    install.remove_env("EMQX_NODE__NAME");
    let pid = install.emqx(&["pid"])?.success()?;
    let origin = format!("arguments of process {}", pid.text());
    told(
        &pid,
        &format!("node name = {} (from {origin})", install.node_name()),
    );
    told(&pid, &format!("cookie = <redacted> (from {origin})"));
    let stopped = install.stop()?;
    let pinged = install.emqx(&["ping"])?.exit_code(1)?;
    let generated = "from generated file ";
    assert!(pinged.stderr.contains(generated), "{pinged}");
    for finished in [&started, &pid, &stopped, &pinged] {
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!said.contains(COOKIE), "{finished}");
    }
    for entry in fs_err::read_dir(install.path("log"))? {
        let path = entry?.path();
        let log = fs_err::read(&path)?;
        let log = String::from_utf8_lossy(&log);
        assert!(!log.contains(COOKIE), "{} has it", path.display());
    }
    Ok(())
}

#[test]
fn an_error_says_where_the_wrong_value_came_from() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let conf = install.path("etc/emqx.conf");
    install.set_env("EMQX_NODE__NAME", "a b@127.0.0.1");
    let refused = install.emqx(&["start"])?.exit_code(1)?;
    let hint = "hint: the name in force is 'a b@127.0.0.1' \
                (from environment variable EMQX_NODE__NAME)";
    assert!(refused.stderr.contains(hint), "{refused}");
    install.remove_env("EMQX_NODE__NAME");
    let text = fs_err::read_to_string(&conf)?.replace("emqx@127.0.0.1", "e+x@127.0.0.1");
    fs_err::write(&conf, text)?;
    let refused = install.emqx(&["start"])?.exit_code(1)?;
    let hint = format!("'e+x@127.0.0.1' (from {}:6)", conf.display());
    assert!(refused.stderr.contains(&hint), "{refused}");
    install.set_env("EMQX_NODE_NAME", "nobody@127.0.0.1");
    let refused = install.emqx(&["ping"])?.exit_code(1)?;
    let hint = "hint: the name is nobody@127.0.0.1 (from environment variable EMQX_NODE_NAME)";
    assert!(refused.stderr.contains(hint), "{refused}");
    fs_err::remove_file(&conf)?;
    let refused = install.emqx(&["check_config"])?.exit_code(1)?;
    let vars = install.path("releases/emqx_vars");
    let hint = format!("etc (from {}:11)", vars.display());
    assert!(refused.stderr.contains(&hint), "{refused}");
    Ok(())
}

/// What a command asks the system for, as strace tells it; `None` where nothing can be traced.
fn traced(install: &Install, args: &[&str]) -> e2e::Result<Option<Vec<String>>> {
    let log = install.scratch().join("strace.log");
    let mut probe = install.command("strace");
    let can = run(probe.args(["-o", "/dev/null", "true"]), HANG);
    if !can.as_ref().is_ok_and(|finished| finished.code == Some(0)) {
        println!("skipped: strace cannot trace here: {can:?}");
        return Ok(None);
    }
    let mut strace = install.command("strace");
    strace
        .args(["-f", "-qq", "-e", "trace=%file,%process,%network", "-o"])
        .arg(&log)
        .arg(install.path("bin/emqx"))
        .args(args)
        // What makes other programs look for catalogues, time zones and terminals' descriptions.
        .env("LANG", "de_DE.UTF-8")
        .env("TZ", "Europe/Berlin")
        .env("TERM", "xterm");
    run(&mut strace, HANG)?.success()?;
    let calls = fs_err::read_to_string(&log)?;
    // The process id stands in front.
    let calls = calls.lines().filter_map(|line| line.split_once(' '));
    Ok(Some(
        calls
            .map(|(_, call)| call.trim_start().to_owned())
            .collect(),
    ))
}

/// Demands that a command opens nothing but the files, starts nothing and connects to nothing.
fn opens_only(install: &Install, args: &[&str], files: &[PathBuf]) -> e2e::Result<()> {
    let Some(calls) = traced(install, args)? else {
        return Ok(());
    };
    for call in &calls {
        let name = call.split('(').next().unwrap_or_default();
        let path = call.split('"').nth(1).unwrap_or_default();
        let allowed = match name {
            "open" | "openat" | "openat2" => {
                // The language's runtime looks up where the stack ends.
                path == "/proc/self/maps" || files.iter().any(|file| file == Path::new(path))
            }
            // These open nothing; the own path and the marker's tree are looked at by them.
            "readlink" | "readlinkat" | "access" | "stat" | "statx" | "newfstatat" | "fstat" => {
                path.is_empty()
                    || path == "/proc/self/exe"
                    || Path::new(path).starts_with(install.root())
            }
            "execve" => path == install.path("bin/emqx").to_string_lossy(),
            "exit_group" | "exit" => true,
            _ => call.starts_with("+++"),
        };
        assert!(
            allowed,
            "emqx {} (the static one of `make build`?): {call}",
            args.join(" ")
        );
    }
    let execs = calls.iter().filter(|call| call.starts_with("execve("));
    assert_eq!(execs.count(), 1, "{calls:?}");
    Ok(())
}

#[test]
fn commands_that_only_tell_open_no_file_they_do_not_need() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    for args in [
        &["help"][..],
        &["start", "help"],
        &["relup", "--help"],
        &["completions", "bash"],
        &["man"],
        &["man", "relup", "upgrade"],
    ] {
        opens_only(&install, args, &[])?;
    }
    let own = [
        install.path("relup/current"),
        install.path("releases/emqx_vars"),
    ];
    for command in ["root_dir", "ertspath", "version"] {
        opens_only(&install, &[command], &own)?;
    }
    // A deployed tree has a file of the same kind, and could have a marker of its own.
    let deployed = install.path("relup").join(V5);
    fs_err::create_dir_all(&deployed)?;
    let mut tar = install.command("tar");
    tar.arg("-xzf").arg(Sample::find()?.tarball(V5)?);
    run(tar.arg("-C").arg(&deployed), HANG)?.success()?;
    fs_err::write(install.path("relup/current"), V5)?;
    let mut files = own.to_vec();
    files.extend([
        deployed.join("relup/current"),
        deployed.join("releases/emqx_vars"),
    ]);
    for command in ["root_dir", "ertspath", "version"] {
        opens_only(&install, &[command], &files)?;
    }
    let root = install.emqx(&["root_dir"])?.success()?;
    assert_eq!(root.text(), deployed.to_string_lossy());
    Ok(())
}

/// Runs a command that fails, on a terminal, and gives what the screen showed.
fn shown_on_a_terminal(install: &Install, name: &str, value: &str) -> e2e::Result<String> {
    let mut script = install.command("script");
    script.env("TERM", "xterm");
    let line = format!(
        "{name}={value} '{}' nonsense",
        install.path("bin/emqx").display()
    );
    let terminal = Terminal::run_line(script, &line)?;
    Ok(terminal.ends()?.exit_code(1)?.stdout)
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    for (name, value, coloured) in [
        ("NOTHING", "1", true),
        ("NO_COLOR", "1", false),
        // An empty value is none.
        ("NO_COLOR", "", true),
        ("CLICOLOR", "0", false),
        ("CLICOLOR", "1", true),
        ("TERM", "dumb", false),
        // The log of a build is taken for one that shows colours.
        ("TERM=dumb CI", "true", true),
    ] {
        let screen = shown_on_a_terminal(&install, name, value)?;
        assert!(screen.contains("ERROR: 'nonsense'"), "{screen}");
        let found = screen.contains("\u{1b}[");
        assert_eq!(found, coloured, "{name}={value}: {screen:?}");
    }
    for (name, coloured) in [("NOTHING", false), ("CLICOLOR_FORCE", true)] {
        let mut command = install.emqx_command(&["nonsense"]);
        let piped = run(command.env(name, "1"), HANG)?.exit_code(1)?;
        assert_eq!(piped.stderr.contains("\u{1b}["), coloured, "{piped}");
    }
    Ok(())
}
