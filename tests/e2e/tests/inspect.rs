//! Looking into the program: `DEBUG` tells each decision and where its value came from.

use e2e::install::Install;
use e2e::process::Finished;
use e2e::sample::V4;

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
    install.set_env("DEBUG", "2");
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
    Ok(())
}
