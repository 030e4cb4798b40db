//! Nodes that speak TLS are served like others, by every command.

use crate::secure::{HOST, Secure, identity, list, verified_by};
use e2e::Result;
use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V5};
use e2e::terminal::Terminal;
use e2e::witness::faults_of_words;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn a_node_of_tls_1_2_is_served_by_every_command() -> Result<()> {
    // What a node speaks that is told nothing, and what EMQX is delivered with.
    let secure = Secure::new("", "{verify, verify_none}")?;
    every_command(&secure.install, "TLSv1_2")
}

#[test]
fn a_node_of_tls_1_3_that_checks_and_is_checked_is_served_by_every_command() -> Result<()> {
    let version = "{versions, ['tlsv1.3']}";
    let demands = list(&[&verified_by("ca"), "{fail_if_no_peer_cert, true}", version]);
    let client = list(&[&identity("client"), &verified_by("ca"), version]);
    let secure = Secure::new(&demands, &client)?;
    every_command(&secure.install, "TLSv1_3")
}

fn every_command(install: &Install, version: &str) -> Result<()> {
    // A tick every second; who does not answer in four is cut off.
    let mut start = install.emqx_command(&["start"]);
    start.env("EMQX_NODE__DIST_NET_TICKTIME", "4s");
    process::run(&mut start, process::HANG)?.success()?;
    let vm = install.vms().pop().expect("one VM runs").pid.to_string();
    assert_eq!(install.emqx(&["ping"])?.success()?.stdout, "pong\n");
    assert_eq!(install.emqx(&["pid"])?.success()?.stdout, format!("{vm}\n"));
    install
        .emqx(&["ctl", "status"])?
        .success()?
        .says("is started")?;
    install.emqx(&["eval", "1 + 1"])?.success()?.says("2")?;
    install
        .emqx(&["rpcterms", "erlang", "length", "[1,2]"])?
        .success()?
        .says("2")?;
    install
        .emqx(&["relup", "status"])?
        .success()?
        .says("idle")?;
    is_spoken(install, version)?;
    much_output(install)?;
    slow_commands(install)?;
    questions(install)?;
    side_by_side(install)?;
    remote_shell(install)?;
    elixir(install)?;
    upgrade(install)?;
    assert_eq!(install.emqx(&["stop"])?.success()?.text(), "ok");
    assert!(install.vms().is_empty(), "the node is gone");
    let ping = install.emqx(&["ping"])?.exit_code(1)?;
    assert_eq!(faults_of_words(&ping), Vec::<String>::new(), "{ping}");
    Ok(())
}

fn is_spoken(install: &Install, version: &str) -> Result<()> {
    let carrier = install.emqx(&["eval", "os:getenv(\"EKKA_PROTO_DIST_MOD\")"])?;
    carrier.success()?.says("inet_tls")?;
    let mut ping = install.emqx_command(&["ping"]);
    let told = process::run(ping.env("DEBUG", "1"), process::HANG)?.success()?;
    told.says(version)?;
    Ok(())
}

fn much_output(install: &Install) -> Result<()> {
    let bulk = install.emqx(&["ctl", "demo", "bulk", "3000"])?.success()?;
    assert_eq!(bulk.stdout.len(), 3000 * 1024);
    let script = "{ \"$0\" ctl demo bulk 20000; echo \"code $?\" >&2; } | head -n 1";
    let mut command = install.command("sh");
    command.args(["-c", script]).arg(install.path("bin/emqx"));
    let finished = process::run(&mut command, process::HANG)?.success()?;
    assert_eq!(finished.stdout, format!("{}\n", "x".repeat(63)));
    assert_eq!(finished.stderr, "code 141\n");
    // An argument of many records in the other direction.
    let long = "a".repeat(100_000);
    let sent = install
        .emqx(&["eval", &format!("length(\"{long}\")")])?
        .success()?;
    assert_eq!(sent.text(), "100000");
    Ok(())
}

fn slow_commands(install: &Install) -> Result<()> {
    let mut slow = install.spawn(&["ctl", "demo", "stream", "5", "300"])?;
    slow.wait_for("line 2\n", process::HANG)?;
    assert!(slow.is_alive(), "it came all at once");
    slow.wait(process::HANG)?.success()?.says("line 5")?;
    // Longer than the node bears silence.
    install
        .emqx(&["eval", "net_kernel:get_net_ticktime()"])?
        .success()?
        .says("4")?;
    install.emqx(&["ctl", "demo", "sleep", "8000"])?.success()?;
    Ok(())
}

fn questions(install: &Install) -> Result<()> {
    let mut command = install.emqx_command(&["ctl", "demo", "ask"]);
    let mut asking = Running::spawn(command.stdin(Stdio::piped()))?;
    asking
        .stdin()
        .expect("it was asked for")
        .write_all("Zoë\n".as_bytes())?;
    asking.wait(process::HANG)?.success()?.says("hello Zoë")?;
    Ok(())
}

fn side_by_side(install: &Install) -> Result<()> {
    let mut running = Vec::new();
    for _ in 0..10 {
        running.push(install.spawn(&["ctl", "demo", "stream", "3", "50"])?);
    }
    for command in &mut running {
        let finished = command.wait(process::HANG)?.success()?;
        assert_eq!(finished.stdout, "line 1\nline 2\nline 3\n");
    }
    Ok(())
}

/// The release's own VM has to be given everything, too.
fn remote_shell(install: &Install) -> Result<()> {
    if !Terminal::is_available() {
        println!("skipped: script(1) is not installed");
        return Ok(());
    }
    let mut terminal = Terminal::run(install, "remote")?;
    let name = install.node_name();
    assert!(name.ends_with(HOST));
    terminal.shows(&format!("({name})1>"))?;
    terminal.types("{hidden, length(nodes(hidden))}.\n")?;
    terminal.shows("{hidden,1}")?;
    // Ctrl-G and q leave the shell without ending the node.
    terminal.types("\u{7}")?;
    terminal.shows("-->")?;
    terminal.types("q\n")?;
    terminal.ends()?;
    install.emqx(&["ping"])?.success()?.says("pong")?;
    Ok(())
}

/// The release has no Elixir: what it would be given is what counts.
fn elixir(install: &Install) -> Result<()> {
    let elixir = install.path("releases/5.10.4/elixir");
    let script = "#!/bin/sh\nprintf '%s\\n' \"$EKKA_PROTO_DIST_MOD\" \"$@\"\n";
    fs_err::write(&elixir, script)?;
    fs_err::set_permissions(&elixir, PermissionsExt::from_mode(0o755))?;
    let told = install.emqx(&["eval-ex", "1 + 1"])?.success()?;
    let options = install.path("etc/ssl_dist.conf");
    for text in ["inet_tls\n", "-proto_dist ekka", "1 + 1"] {
        assert!(told.stdout.contains(text), "{text}: {told}");
    }
    let file = format!("-ssl_dist_optfile {}", options.display());
    assert!(told.stdout.contains(&file), "{told}");
    fs_err::remove_file(&elixir)?;
    Ok(())
}

/// A hot upgrade talks much and long, and the next boot is that of another tree.
fn upgrade(install: &Install) -> Result<()> {
    let tarball = Sample::find()?.tarball(V5)?;
    let tarball = tarball.to_string_lossy();
    install.emqx(&["relup", "upgrade", &tarball])?.success()?;
    assert_eq!(node::version(install)?, V5);
    install
        .emqx(&["restart"])?
        .success()?
        .says("is started successfully")?;
    assert_eq!(node::version(install)?, V5);
    Ok(())
}
