//! The configuration, which is read by the release's own cuttlefish.

use e2e::install::Install;
use e2e::node;
use e2e::process::Finished;
use e2e::sample::FOUR_0;

/// What is left of a run of cuttlefish, in the directory of the generated files or of temporary ones.
fn left_overs(install: &Install) -> e2e::Result<Vec<String>> {
    let mut names = Vec::new();
    for dir in [install.path("data/configs"), install.scratch().join("tmp")] {
        for entry in fs_err::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// An installation whose temporary files can be counted.
fn install() -> e2e::Result<Install> {
    let mut install = Install::four(FOUR_0)?;
    let tmp = install.scratch().join("tmp");
    fs_err::create_dir(&tmp)?;
    install.set_env("TMPDIR", tmp);
    Ok(install)
}

/// One error with one remedy.
fn errors(finished: &Finished) -> Vec<&str> {
    let lines = finished.stderr.lines();
    lines.filter(|line| line.starts_with("ERROR: ")).collect()
}

#[test]
fn a_wrong_value_is_one_error_in_cuttlefishs_own_words() -> e2e::Result<()> {
    let mut install = install()?;
    install.set_env("EMQX_NODE__MAX_PORTS", "7");
    let conf = install.path("etc/emqx.conf");
    let expected = format!(
        "ERROR: {} is refused by cuttlefish: node.max_ports invalid, must be 1024 to 134217727",
        conf.display()
    );
    for command in ["check_conf", "check_config", "start", "foreground"] {
        let refused = install.emqx(&[command])?.exit_code(1)?;
        assert_eq!(errors(&refused), [&expected], "{refused}");
        assert!(refused.stderr.contains("hint: mend emqx.conf"), "{refused}");
        assert_eq!(left_overs(&install)?, Vec::<String>::new());
    }
    install.remove_env("EMQX_NODE__MAX_PORTS");
    assert_eq!(
        install.emqx(&["check_conf"])?.success()?.text(),
        format!("{} is ok", conf.display())
    );
    assert_eq!(left_overs(&install)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_place() -> e2e::Result<()> {
    let mut install = install()?;
    // It would override what the file says.
    install.remove_env("EMQX_LISTENER__TCP__EXTERNAL");
    let conf = install.path("etc/emqx.conf");
    let good = fs_err::read_to_string(&conf)?;
    for (line, says) in [
        ("node.nmae = x@127.0.0.1", "unknown variable: node.nmae"),
        ("listener.tcp.external = here", "listener.tcp.external"),
        ("log.level = loud", "log.level"),
        ("what is this", "Syntax error"),
    ] {
        fs_err::write(&conf, format!("{good}\n{line}\n"))?;
        let refused = install.emqx(&["check_conf"])?.exit_code(1)?;
        let errors = errors(&refused);
        assert_eq!(errors.len(), 1, "{refused}");
        assert!(errors[0].contains(says), "{refused}");
        assert!(!errors[0].contains("[error]"), "{refused}");
    }
    fs_err::remove_file(&conf)?;
    install
        .emqx(&["check_conf"])?
        .exit_code(1)?
        .says("emqx.conf is not found in")?;
    Ok(())
}

#[test]
fn temporary_files_have_a_place_wherever_there_is_one() -> e2e::Result<()> {
    let mut install = install()?;
    // Relative to wherever the caller is.
    install.set_env("TMPDIR", "tmp");
    install.emqx(&["check_conf"])?.success()?;
    install.set_env("TMPDIR", "/no/such/directory");
    install.emqx(&["check_conf"])?.success()?;
    assert_eq!(left_overs(&install)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_release_without_its_reader_or_schema_is_told_to_be_incomplete() -> e2e::Result<()> {
    let install = install()?;
    // Its own copy is as good as the one that upgrades exchange.
    fs_err::remove_file(install.path("bin/cuttlefish"))?;
    install.emqx(&["check_conf"])?.success()?;
    fs_err::rename(
        install.path("bin/cuttlefish-4.4.0"),
        install.path("bin/cuttlefish"),
    )?;
    install.emqx(&["check_conf"])?.success()?;
    for missing in ["bin/cuttlefish", "releases/4.4.0/emqx.schema"] {
        fs_err::remove_file(install.path(missing))?;
        let refused = install.emqx(&["start"])?.exit_code(1)?;
        let says = format!(
            "release 4.4.0 is not complete: {} is missing",
            install.path(missing).display()
        );
        assert!(refused.stderr.contains(&says), "{refused}");
    }
    Ok(())
}

#[test]
fn variables_override_the_configuration_by_every_prefix() -> e2e::Result<()> {
    let mut install = install()?;
    install.set_env("EMQX_MQTT__MAX_PACKET_SIZE", "2MB");
    install.set_env("EMQX_NODE__ASYNC_THREADS", "3");
    install.set_env("EMQX_NODE_COOKIE", "other");
    install.start()?;
    let size = "application:get_env(emqx, max_packet_size)";
    assert_eq!(node::eval(&install, size)?, "{ok,2097152}");
    assert_eq!(node::eval(&install, "erlang:get_cookie()")?, "other");
    assert_eq!(
        node::eval(&install, "erlang:system_info(thread_pool_size)")?,
        "3"
    );
    // As a daemon it logs where the configuration says.
    let handlers = "[H || H <- [console, file], {ok, _} <- [logger:get_handler_config(H)]]";
    assert_eq!(node::eval(&install, handlers)?, "[file]");
    install.stop()?;

    install.set_env("CUTTLEFISH_ENV_OVERRIDE_PREFIX", "DEV_");
    let bind = format!("127.0.0.1:{}", install.mqtt_port());
    install.set_env("DEV_LISTENER__TCP__EXTERNAL", bind);
    install.start()?;
    assert_eq!(node::eval(&install, size)?, "{ok,1048576}");
    install.stop()?;
    Ok(())
}

#[test]
fn a_name_in_two_parts_is_the_nodes_name() -> e2e::Result<()> {
    let mut install = install()?;
    let name = install.node_name();
    let (short, host) = name.split_once('@').expect("a long name");
    install.remove_env("EMQX_NODE__NAME");
    install.set_env("EMQX_NAME", short);
    install.set_env("EMQX_HOST", host);
    install.start()?;
    assert_eq!(node::eval(&install, "node()")?, format!("'{name}'"));
    // Whoever asks need not know.
    install.remove_env("EMQX_NAME");
    install.remove_env("EMQX_HOST");
    install.emqx(&["ping"])?.success()?;
    install.stop()?;
    // The last boot's arguments tell which node is meant.
    install
        .emqx(&["ping"])?
        .exit_code(1)?
        .says(&format!("Node {name} not responding"))?;
    Ok(())
}

#[test]
fn with_epmd_the_node_registers_there() -> e2e::Result<()> {
    let mut install = install()?;
    let port = install.slot().port(3).to_string();
    install.set_env("ERL_EPMD_PORT", &port);
    install.set_env("WITH_EPMD", "true");
    install.start()?;
    let arguments = node::eval(&install, "init:get_argument(proto_dist)")?;
    assert_eq!(arguments, "{ok,[[\"inet_tcp\"]]}");
    let epmd = install.path(format!("erts-{}/bin/epmd", erts(&install)?));
    let names = install.command(&epmd).arg("-names").output()?;
    let names = String::from_utf8_lossy(&names.stdout).into_owned();
    let short = install
        .node_name()
        .split('@')
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(names.contains(&format!("name {short} at port")), "{names}");
    install.emqx(&["ctl", "status"])?.success()?;
    install.stop()?;
    // Nobody is registered any more, so it may go.
    install.command(&epmd).arg("-kill").output()?;
    Ok(())
}

fn erts(install: &Install) -> e2e::Result<String> {
    let data = fs_err::read_to_string(install.path("releases/start_erl.data"))?;
    Ok(data.split(' ').next().unwrap_or_default().to_owned())
}
