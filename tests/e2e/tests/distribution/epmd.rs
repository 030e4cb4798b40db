//! Nodes that a real port mapper daemon knows, in place of a port that their name tells.

use e2e::Result;
use e2e::install::Install;
use e2e::process::{self, Running};
use e2e::sample::V4;
use e2e::terminal::Terminal;
use e2e::witness::faults_of_words;

/// The release's own epmd; it ends with the value.
fn epmd(install: &Install, port: u16) -> Result<Running> {
    let ertspath = install.emqx(&["ertspath"])?.success()?;
    let program = install.path(ertspath.text()).join("bin/epmd");
    let mut command = install.command(program);
    let running = Running::spawn(command.args(["-port", &port.to_string()]))?;
    process::wait_until("epmd to listen", process::HANG, || {
        Ok(e2e::ports::is_served(port))
    })?;
    Ok(running)
}

#[test]
fn a_node_at_a_real_epmd_is_served() -> Result<()> {
    let mut install = Install::sample(V4)?;
    let port = install.slot().port(1);
    install.set_env("EPMD_ARGS", "-start_epmd false");
    install.set_env("ERL_EPMD_PORT", port.to_string());
    let daemon = epmd(&install, port)?;
    install.start()?;
    assert!(
        e2e::ports::is_free(install.slot().dist_port(0)),
        "the port is epmd's choice"
    );
    install.emqx(&["ping"])?.success()?.says("pong")?;
    install
        .emqx(&["ctl", "status"])?
        .success()?
        .says("is started")?;
    // The node's own arguments tell where its epmd is, whatever the caller's environment says.
    for caller in [None, Some("1")] {
        let mut command = install.emqx_command(&["ctl", "status"]);
        command.env_remove("EPMD_ARGS").env_remove("ERL_EPMD_PORT");
        command.envs(caller.map(|port| ("ERL_EPMD_PORT", port)));
        process::run(&mut command, process::HANG)?.success()?;
    }
    shell_from_elsewhere(&mut install, port)?;
    // Without it nobody knows where the node is.
    drop(daemon);
    process::wait_until("epmd to end", process::HANG, || {
        Ok(e2e::ports::is_free(port))
    })?;
    let ping = install.emqx(&["ping"])?.exit_code(1)?;
    let told = [
        &format!("epmd at 127.0.0.1:{port}"),
        "Connection refused",
        "ERL_EPMD_PORT",
    ];
    assert!(
        told.iter().all(|text| ping.stderr.contains(*text)),
        "{ping}"
    );
    assert_eq!(faults_of_words(&ping), Vec::<String>::new(), "{ping}");
    // An epmd that does not know it says so.
    let _daemon = epmd(&install, port)?;
    let ping = install.emqx(&["ping"])?;
    if ping.code == Some(1) {
        ping.says("has no node of that name")?;
    }
    // The node tells a new epmd its name after a while.
    process::wait_until("the node to be known again", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    install.stop()?;
    assert!(install.vms().is_empty());
    Ok(())
}

/// A shell from an environment that knows nothing of epmd.
fn shell_from_elsewhere(install: &mut Install, port: u16) -> Result<()> {
    if !Terminal::is_available() {
        println!("skipped: script(1) is not installed");
        return Ok(());
    }
    install.remove_env("EPMD_ARGS");
    install.remove_env("ERL_EPMD_PORT");
    let mut terminal = Terminal::run(install, "remote")?;
    terminal.shows(")1>")?;
    terminal.types("\u{7}")?;
    terminal.shows("-->")?;
    terminal.types("q\n")?;
    terminal.ends()?;
    install.set_env("EPMD_ARGS", "-start_epmd false");
    install.set_env("ERL_EPMD_PORT", port.to_string());
    Ok(())
}

#[test]
fn epmd_may_be_named_in_the_arguments_of_the_vm() -> Result<()> {
    let mut install = Install::sample(V4)?;
    let port = install.slot().port(1);
    install.set_env("EPMD_ARGS", "-start_epmd false -proto_dist inet_tcp");
    let arguments = install.path("etc/vm.args");
    let text = fs_err::read_to_string(&arguments)?;
    fs_err::write(&arguments, format!("{text}-epmd_port {port}\n"))?;
    let _daemon = epmd(&install, port)?;
    install.start()?;
    install.emqx(&["ping"])?.success()?.says("pong")?;
    install.stop()?;
    Ok(())
}
