//! Section 1: where the program, the base and the node's directories are.

use crate::call::{Text, run};
use crate::case::Check::{Looking, Steps};
use crate::case::{Case, fix, kept};
use crate::ensure;
use crate::subject::Subject;
use e2e::Result;
use e2e::process;
use std::os::unix::fs::symlink;

/// The cases.
pub const CASES: &[Case] = &[
    kept("1.1", "a chain of links leads to the release", Steps(links)),
    fix("1.2", "blanks in the path", Steps(blanks)),
    kept("1.3", "a base somewhere else", Steps(base_elsewhere)),
    kept(
        "1.3",
        "an empty BASE_RUNNER_ROOT_DIR is none",
        Steps(empty_base),
    ),
    kept("1.13", "variables inside the node", Steps(exported)),
    kept(
        "1.13",
        "directories inside the node",
        Looking(EXPORTED_DIRS),
    ),
    kept("1.14", "the node works in the base", Looking(WORKING_DIR)),
    kept("1.15", "a missing log directory is made", Steps(log_dir)),
];

const EXPORTED_DIRS: &[crate::call::Call] = &[
    run(&["eval", "os:getenv(\"RUNNER_ROOT_DIR\")"]).out(Text::Is("\"{root}\"\n")),
    run(&["eval", "os:getenv(\"EMQX_ETC_DIR\")"]).out(Text::Is("\"{root}/etc\"\n")),
    run(&["eval", "os:getenv(\"EMQX_LOG_DIR\")"]).out(Text::Is("\"{root}/log\"\n")),
    run(&["eval", "os:getenv(\"ERTS_LIB_DIR\")"]).out(Text::Is("\"{root}/lib\"\n")),
    run(&["eval", "os:getenv(\"ERTS_DIR\")"]).out(Text::Is("\"{root}/erts-{erts}\"\n")),
    run(&["eval", "os:getenv(\"BINDIR\")"]).out(Text::Is("\"{root}/erts-{erts}/bin\"\n")),
    run(&["eval", "os:getenv(\"BASE_RUNNER_ROOT_DIR\")"]).out(Text::Is("false\n")),
];

const WORKING_DIR: &[crate::call::Call] = &[
    run(&["eval", "element(2, file:get_cwd())"]).out(Text::Is("\"{root}\"\n")),
    run(&["eval", "filelib:is_regular(\"etc/emqx.conf\")"]).out(Text::Is("true\n")),
    run(&["eval", "filelib:is_dir(\"data/configs\")"]).out(Text::Is("true\n")),
];

fn links(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let elsewhere = site.scratch().join("usr/lib");
    fs_err::create_dir_all(&elsewhere)?;
    symlink(site.path("bin/emqx"), elsewhere.join("absolute"))?;
    symlink("absolute", elsewhere.join("relative"))?;
    symlink("../lib/relative", elsewhere.join("emqx"))?;
    symlink(site.root(), elsewhere.join("release"))?;
    symlink(site.path("bin/emqx_ctl"), elsewhere.join("emqx_ctl"))?;
    let root = format!("{}\n", site.root().display());
    for program in ["absolute", "relative", "emqx", "release/bin/emqx"] {
        let mut command = site.command(elsewhere.join(program));
        let finished = process::run(command.arg("root_dir"), process::HANG)?.success()?;
        ensure!(finished.stdout == root, "another root: {finished}");
    }
    // As most callers do: looked up in PATH, from anywhere.
    let mut by_path = site.command("sh");
    by_path.args([
        "-c",
        "PATH=\"$0:$PATH\"; cd / && emqx ping && emqx_ctl status",
    ]);
    let finished = process::run(by_path.arg(&elsewhere), process::HANG)?.success()?;
    ensure!(finished.stdout.starts_with("pong\n"), "{finished}");
    let mut inside = site.command("./emqx");
    inside.arg("root_dir").current_dir(site.path("bin"));
    let finished = process::run(&mut inside, process::HANG)?.success()?;
    ensure!(finished.stdout == root, "another root: {finished}");
    Ok(())
}

fn blanks(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh_named("emqx comp with  blanks ")?;
    let root = site.root().to_string_lossy().into_owned();
    let data = site.path("the data");
    site.set_env("EMQX_NODE__DATA_DIR", data);
    site.start()?;
    site.demand_string("code:root_dir()", root)?;
    // Without a variable: the data directory of the running node is told by its arguments.
    site.remove_env("EMQX_NODE__DATA_DIR");
    site.remove_env("EMQX_NODE__NAME");
    site.emqx(&["ctl", "status"])?
        .success()?
        .says("is started")?;
    site.emqx(&["attach", "help"])?.success()?;
    site.stop()?;
    site.demand_nothing_runs()?;
    ensure!(site.path("the data/configs").is_dir(), "no data directory");
    ensure!(!site.path("the").exists(), "a path was split");
    Ok(())
}

fn base_elsewhere(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let base = site.scratch().join("base");
    fs_err::create_dir(&base)?;
    for part in ["etc", "data", "log"] {
        fs_err::rename(site.path(part), base.join(part))?;
    }
    site.set_env("BASE_RUNNER_ROOT_DIR", &base);
    let told = site.emqx(&["root_dir"])?.success()?;
    ensure!(told.stdout == site.fill("{root}\n"), "not the tree: {told}");
    site.start()?;
    let base = fs_err::canonicalize(&base)?.to_string_lossy().into_owned();
    for (expression, expected) in [
        ("element(2, file:get_cwd())", base.clone()),
        ("os:getenv(\"EMQX_ETC_DIR\")", format!("{base}/etc")),
        ("os:getenv(\"EMQX_LOG_DIR\")", format!("{base}/log")),
        ("code:root_dir()", site.fill("{root}")),
    ] {
        site.demand_string(expression, expected)?;
    }
    for part in ["etc", "data", "log"] {
        ensure!(!site.path(part).exists(), "{part} was made in the root");
    }
    site.emqx(&["stop"])?.success()?;
    Ok(())
}

fn empty_base(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let told = site.emqx_with("BASE_RUNNER_ROOT_DIR", "", &["ping"])?;
    told.success()?.says("pong")?;
    Ok(())
}

fn exported(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let short = site.node_name();
    let short = short.split('@').next().unwrap_or_default();
    let script = ". \"$RUNNER_ROOT_DIR/releases/emqx_vars\"; echo \"$SCHEMA_MOD $IS_ENTERPRISE\"";
    let mut sh = site.command("sh");
    sh.args(["-c", script]);
    sh.env("RUNNER_ROOT_DIR", site.root());
    sh.env("BASE_RUNNER_ROOT_DIR", site.root());
    let read = process::run(&mut sh, process::HANG)?.success()?;
    let (schema, enterprise) = read.text().split_once(' ').unwrap_or_default();
    for (name, expected) in [
        ("REL_VSN", site.facts.vsn.as_str()),
        ("SCHEMA_MOD", schema),
        ("IS_ENTERPRISE", enterprise),
        ("EMQX_DESCRIPTION", &site.facts.description),
        ("HOCON_ENV_OVERRIDE_PREFIX", "EMQX_"),
        ("EMU", "beam"),
        ("EKKA_PROTO_DIST_MOD", "inet_tcp"),
        ("ESCRIPT_NAME", short),
    ] {
        site.demand_variable(name, expected)?;
    }
    let value = site.eval("os:getenv(\"PROGNAME\")")?;
    ensure!(value != "false" && value != "[]", "PROGNAME is {value}");
    Ok(())
}

fn log_dir(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    fs_err::remove_dir_all(site.path("log"))?;
    site.emqx(&["check_config"])?.success()?;
    ensure!(site.path("log").is_dir(), "no log directory was made");
    let other = site.scratch().join("other logs/emqx");
    let other_text = other.to_string_lossy();
    site.emqx_with("EMQX_LOG_DIR", &other_text, &["check_config"])?
        .success()?;
    ensure!(other.is_dir(), "no log directory was made at {other_text}");
    Ok(())
}
