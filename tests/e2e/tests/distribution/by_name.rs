//! Names of nodes and what follows from them: ports, families of addresses, short names.

use crate::authority::Wanted;
use crate::secure::{Secure, list, verified_by};
use e2e::Result;
use e2e::install::Install;
use e2e::ports::DIST_BASE;
use e2e::process;
use e2e::sample::V4;
use e2e::terminal::Terminal;
use e2e::witness::faults_of_words;
use std::net::TcpListener;

/// The whole life of a node under its name, a shell of the release's own VM included.
fn serves(install: &Install) -> Result<()> {
    begins(install)?;
    shell(install)?;
    ends(install)
}

fn begins(install: &Install) -> Result<()> {
    install.start()?;
    install.emqx(&["ping"])?.success()?.says("pong")?;
    install
        .emqx(&["ctl", "status"])?
        .success()?
        .says("is started")?;
    // The process table knows its name as well.
    let mut bare = install.emqx_command(&["ctl", "status"]);
    process::run(bare.env_remove("EMQX_NODE__NAME"), process::HANG)?.success()?;
    Ok(())
}

fn ends(install: &Install) -> Result<()> {
    install.stop()?;
    assert!(install.vms().is_empty());
    Ok(())
}

fn shell(install: &Install) -> Result<()> {
    if !Terminal::is_available() {
        println!("skipped: script(1) is not installed");
        return Ok(());
    }
    let mut terminal = Terminal::run(install, "remote")?;
    terminal.shows(")1>")?;
    terminal.types("{hidden, length(nodes(hidden))}.\n")?;
    terminal.shows("{hidden,1}")?;
    terminal.types("\u{7}")?;
    terminal.shows("-->")?;
    terminal.types("q\n")?;
    terminal.ends()?;
    Ok(())
}

fn named(name: &str) -> Result<Install> {
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_NODE__NAME", name);
    Ok(install)
}

/// The number at the end of the names of this test's nodes.
fn number(install: &Install) -> u16 {
    install.slot().dist_port(0) - DIST_BASE
}

fn listens(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
}

#[test]
fn a_short_name_without_a_host_is_served() -> Result<()> {
    let mut install = Install::sample(V4)?;
    let name = format!("emqx{}", number(&install));
    install.set_env("EMQX_NODE__NAME", &name);
    serves(&install)
}

#[test]
fn a_name_with_a_host_without_dots_is_served() -> Result<()> {
    let mut install = Install::sample(V4)?;
    let name = format!("emqx{}@localhost", number(&install));
    install.set_env("EMQX_NODE__NAME", &name);
    serves(&install)
}

#[test]
fn a_node_on_ipv6_is_served() -> Result<()> {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no ::1");
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_CLUSTER__PROTO_DIST", "inet6_tcp");
    install.set_env("EMQX_NODE__NAME", format!("emqx{}@::1", number(&install)));
    serves(&install)?;
    // Machines often know no IPv6 address of this name; a VM then finds no node of it.
    let name = format!("emqx{}@localhost", number(&install));
    install.set_env("EMQX_NODE__NAME", name);
    begins(&install)?;
    ends(&install)
}

#[test]
fn a_node_on_ipv6_with_tls_is_served() -> Result<()> {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no ::1");
        return Ok(());
    }
    let client = list(&[&verified_by("ca"), "{versions, ['tlsv1.2', 'tlsv1.3']}"]);
    let mut secure = Secure::with_node(Wanted::new("node", &["::1"]), "", &client)?;
    let name = format!("emqx{}@::1", number(&secure.install));
    secure.install.set_env("EMQX_NODE__NAME", name);
    secure
        .install
        .set_env("EMQX_CLUSTER__PROTO_DIST", "inet6_tls");
    serves(&secure.install)
}

#[test]
fn the_port_is_the_number_of_the_name_modulo_60000_above_the_base() -> Result<()> {
    let mut install = Install::sample(V4)?;
    let (number, port) = (number(&install), install.slot().dist_port(0));
    let names = [
        format!("node{number}@127.0.0.1"),
        format!("emqx{}@127.0.0.1", 60_000 + u32::from(number)),
    ];
    for name in names {
        install.set_env("EMQX_NODE__NAME", &name);
        assert!(!listens(port));
        install.start()?;
        assert!(listens(port), "{name} is not at {port}");
        install.emqx(&["ping"])?.success()?;
        install.stop()?;
    }
    // Counted from another base.
    let arguments = install.path("etc/vm.args");
    let text = fs_err::read_to_string(&arguments)?;
    let base = format!("-kernel inet_dist_base_port {}\n", port - 1);
    fs_err::write(&arguments, text + &base)?;
    install.set_env("EMQX_NODE__NAME", "emqx1@127.0.0.1");
    serves(&install)
}

#[test]
fn a_name_with_other_characters_is_refused_by_every_command() -> Result<()> {
    for name in [
        "em qx@127.0.0.1",
        "emq.x@127.0.0.1",
        "émqx@h",
        "@h",
        "emqx@",
    ] {
        let install = named(name)?;
        for command in ["start", "ping", "ctl", "stop", "remote"] {
            let finished = install.emqx(&[command])?.exit_code(1)?;
            let line = "ERROR: Invalid node name, should be of format '^[0-9A-Za-z_-]+$'.";
            assert!(finished.stderr.contains(line), "{finished}");
            assert!(finished.stderr.contains(name), "{finished}");
            assert_eq!(
                faults_of_words(&finished),
                Vec::<String>::new(),
                "{finished}"
            );
        }
        assert!(install.vms().is_empty());
    }
    Ok(())
}
