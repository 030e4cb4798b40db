//! Section 4: which node a command talks to, by its name, its cookie and its files.

use crate::call::{Call, demand_refused, refused};
use crate::case::Check::{Looking, Steps};
use crate::case::{Case, Need, fix, kept, ours};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process::{self, Finished};
use e2e::tree::Snapshot;
use e2e::{Error, Result};
use std::net::TcpStream;

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "4.2",
        "the arguments of the running node are the truth",
        Steps(arguments),
    ),
    kept("4.3", "several nodes of one root", Steps(several)),
    kept(
        "4.4",
        "a name that does not run while another does",
        Looking(NOT_RUNNING),
    ),
    fix(
        "4.4",
        "a name that does not run while nothing does",
        Steps(named_down),
    ),
    kept(
        "4.5",
        "a node that is down by its last arguments",
        Steps(by_vm_args),
    ),
    kept(
        "4.5",
        "a node that is down by its configuration",
        Steps(by_conf),
    ),
    fix(
        "5.20",
        "a node that is down is told at once, without a VM",
        Steps(down),
    ),
    kept(
        "4.6",
        "another cookie than the node's",
        Looking(OTHER_COOKIE),
    ),
    kept("4.6", "the old names of the variables", Steps(old_names)),
    kept("4.7", "names that are none", Steps(bad_names)),
    kept(
        "4.7",
        "a name without a host is a short name",
        Steps(short_name),
    ),
    kept("4.8", "the port follows from the name", Steps(ports)).needs(&[Need::Sample]),
    kept("4.9", "a distribution with epmd", Steps(epmd)),
    kept(
        "4.10",
        "no blank in the path of the TLS options",
        Steps(blank_in_options),
    ),
    ours(
        "4.10",
        "a file of TLS options that is not there",
        Steps(no_options),
    ),
];

const NOT_RUNNING: &[Call] = &[
    not_running(&["ping"]),
    not_running(&["pid"]),
    not_running(&["ctl", "status"]),
    not_running(&["eval", "1"]),
    not_running(&["stop"]),
    not_running(&["remote"]),
    not_running(&["attach"]),
];

const fn not_running(args: &'static [&'static str]) -> Call {
    refused(args, 1, "Node no-such@127.0.0.1 is not running?")
        .env(&[("EMQX_NODE__NAME", "no-such@127.0.0.1")])
}

const OTHER_COOKIE: &[Call] = &[
    other_cookie(&["ping"]),
    other_cookie(&["ctl", "status"]),
    other_cookie(&["eval", "1"]),
    other_cookie(&["pid"]),
    other_cookie(&["stop"]),
    refused(&["ping"], 1, "cookie").env(&[("EMQX_NODE_COOKIE", "another")]),
];

const fn other_cookie(args: &'static [&'static str]) -> Call {
    refused(args, 1, "cookie").env(&[("EMQX_NODE__COOKIE", "another")])
}

/// Runs a command without the variables that name the node.
fn bare(site: &Site, args: &[&str]) -> Result<Finished> {
    let mut command = site.emqx_command(args);
    command
        .env_remove("EMQX_NODE__NAME")
        .env_remove("EMQX_NODE__COOKIE");
    process::run(&mut command, process::HANG)
}

fn arguments(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_NODE__COOKIE", "from-the-environment");
    site.set_env("EMQX_NODE__DATA_DIR", "other data");
    site.start()?;
    site.remove_env("EMQX_NODE__COOKIE");
    site.remove_env("EMQX_NODE__DATA_DIR");
    // What the files say now is about the next start.
    site.append_conf("node.name = \"later@127.0.0.1\"\nnode.cookie = \"later\"")?;
    for args in [
        &["ping"][..],
        &["ctl", "status"],
        &["pid"],
        &["attach", "help"],
    ] {
        bare(&site, args)?.success()?;
    }
    let cookie = bare(&site, &["eval", "erlang:get_cookie()"])?.success()?;
    ensure!(cookie.text() == "'from-the-environment'", "{cookie}");
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()?;
    ensure!(
        !site.path("data/mnesia").exists(),
        "the configured data directory was used"
    );
    Ok(())
}

fn several(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let (first, second) = (site.node_name(), site.slot().node_name(1));
    site.start()?;
    site.set_env("EMQX_NODE__NAME", &second);
    let data = site.path("data2");
    site.set_env("EMQX_NODE__DATA_DIR", data);
    let logs = site.path("log2");
    site.set_env("EMQX_LOG_DIR", logs);
    let bind = format!("127.0.0.1:{}", site.slot().port(1));
    site.set_env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
    site.start()?;
    for variable in ["EMQX_NODE__DATA_DIR", "EMQX_LOG_DIR", "EMQX_NODE__NAME"] {
        site.remove_env(variable);
    }
    for args in [&["ping"][..], &["ctl", "status"], &["pid"], &["stop"]] {
        let told = site.emqx(args)?.exit_code(1)?;
        for text in [
            "More than one EMQX node",
            &first,
            &second,
            "EMQX_NODE__NAME",
        ] {
            ensure!(told.stderr.contains(text), "no {text:?}: {told}");
        }
    }
    let mut pids = Vec::new();
    for name in [&first, &second] {
        site.set_env("EMQX_NODE__NAME", name);
        let status = site.emqx(&["ctl", "status"])?.success()?;
        ensure!(
            status.stdout.contains(&format!("Node '{name}'")),
            "{status}"
        );
        pids.push(site.emqx(&["pid"])?.success()?.stdout);
    }
    ensure!(pids[0] != pids[1], "one process for both");
    site.stop()?;
    let left = bare(&site, &["pid"])?.success()?;
    ensure!(left.stdout == pids[0], "the wrong one was stopped: {left}");
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()
}

fn named_down(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    for args in [&["ping"][..], &["pid"], &["ctl", "status"], &["stop"]] {
        let text = site.fill("Node {name} is not running?");
        demand_refused(site.emqx(args)?, 1, &text)?;
    }
    Ok(())
}

fn by_vm_args(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let second = site.slot().node_name(1);
    site.append_conf(&format!("node.name = {second:?}"))?;
    site.start()?;
    site.stop()?;
    // What ran last is what an operator asks for; the configuration names another one.
    let told = bare(&site, &["ping"])?;
    demand_refused(told, 1, &site.fill("Node {name} not responding to pings."))?;
    // Files that were written later than the newest by name do not count, nor do half-named ones.
    let args = format!("-name {second}\n-setcookie x\n");
    for name in ["vm.2000.01.01.00.00.00.args", "vm.args", "vm..args"] {
        fs_err::write(site.path("data/configs").join(name), &args)?;
    }
    let told = bare(&site, &["ping"])?;
    demand_refused(told, 1, &site.fill("Node {name} not responding to pings."))?;
    fs_err::write(site.path("data/configs/vm.2999.01.01.00.00.00.args"), &args)?;
    let told = bare(&site, &["ping"])?;
    demand_refused(told, 1, &format!("Node {second} not responding to pings."))?;
    Ok(())
}

fn by_conf(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let text = site.fill("Node {name} not responding to pings.");
    let conf = site.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    let name = site.node_name();
    for lines in [
        format!("node.name = {name:?}"),
        format!("node.name: {name:?} # why not"),
        format!("node {{\n  name = {name}\n  cookie = x\n}}"),
    ] {
        fs_err::write(&conf, format!("{right}\n{lines}\n"))?;
        demand_refused(bare(&site, &["ping"])?, 1, &text)?;
    }
    Ok(())
}

fn down(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let canary = site.scratch().join("a VM was started");
    site.wrap_erlexec(&format!(": >'{}'", canary.display()))?;
    let before = Snapshot::of(site.root())?;
    let text = site.fill("Node {name} not responding to pings.");
    for args in [
        &["ping"][..],
        &["pid"],
        &["ctl", "status"],
        &["eval", "1+1"],
        &["rpc", "erlang", "node"],
        &["rpcterms", "erlang", "node"],
        &["remote"],
    ] {
        demand_refused(bare(&site, args)?, 1, &text)?;
    }
    for args in [&["stop"][..], &["attach"]] {
        bare(&site, args)?.exit_code(1)?;
    }
    ensure!(!canary.exists(), "a VM was started");
    let differences = before.differences(&Snapshot::of(site.root())?);
    ensure!(differences.is_empty(), "{differences:?}");
    Ok(())
}

fn old_names(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let name = site.node_name();
    site.remove_env("EMQX_NODE__NAME");
    site.set_env("EMQX_NODE_NAME", &name);
    site.set_env("EMQX_NODE_COOKIE", "by-its-old-name");
    site.start()?;
    ensure!(site.eval("node()")? == format!("'{name}'"), "another name");
    ensure!(
        site.eval("erlang:get_cookie()")? == "'by-its-old-name'",
        "another cookie"
    );
    site.stop()?;
    Ok(())
}

fn bad_names(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let text = "Invalid node name, should be of format '^[0-9A-Za-z_-]+$'.";
    for name in [
        "two words@127.0.0.1",
        "semi;colon@127.0.0.1",
        "@127.0.0.1",
        "under.dot@127.0.0.1",
        "dot.only",
        "quote'@127.0.0.1",
        "umlautü@127.0.0.1",
        "$HOME@127.0.0.1",
    ] {
        for command in ["start", "foreground", "console"] {
            let finished = site.emqx_with("EMQX_NODE__NAME", name, &[command])?;
            demand_refused(finished, 1, text)?;
        }
    }
    site.append_conf("node.name = \"a b@127.0.0.1\"")?;
    demand_refused(bare(&site, &["start"])?, 1, text)?;
    site.demand_nothing_runs()
}

fn short_name(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let name = site.node_name();
    let short = name.split('@').next().unwrap_or_default().to_owned();
    site.set_env("EMQX_NODE__NAME", &short);
    let mut hostname = site.command("hostname");
    let resolves = process::run(hostname.arg("-i"), process::HANG);
    if !resolves.is_ok_and(|finished| finished.code == Some(0)) {
        println!("not tried here: the name of this machine has no address");
        return Ok(());
    }
    site.start()?;
    for args in [&["ping"][..], &["ctl", "status"]] {
        site.emqx(args)?.success()?;
        bare(&site, args)?.success()?;
    }
    let node = site.eval("node()")?;
    ensure!(node.starts_with(&format!("{short}@")), "the name is {node}");
    ensure!(
        site.eval("net_kernel:longnames()")? == "false",
        "names are long"
    );
    let vm = site.vms().pop();
    let vm = vm.ok_or_else(|| Error::Unexpected("no VM".to_owned()))?;
    ensure!(vm.args.iter().any(|arg| arg == "-sname"), "{:?}", vm.args);
    site.stop()?;
    Ok(())
}

fn ports(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let number: u16 = site.slot().dist_port(0) - e2e::ports::DIST_BASE;
    for name in [
        format!("emqx{number}@127.0.0.1"),
        format!("a_b-C{number}@127.0.0.1"),
        format!("x1y{number}@127.0.0.1"),
        format!("emqx6{number:04}@127.0.0.1"),
    ] {
        site.set_env("EMQX_NODE__NAME", &name);
        site.start()?;
        let port = site.slot().dist_port(0);
        TcpStream::connect(("127.0.0.1", port))
            .map_err(|error| Error::Unexpected(format!("{name}: port {port}: {error}")))?;
        site.emqx(&["ping"])?.success()?;
        site.stop()?;
    }
    Ok(())
}

/// The epmd that the node starts is one of its own, so that it is nobody else's afterwards.
fn epmd(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EPMD_ARGS", "-start_epmd true");
    let port = site.slot().port(6);
    site.set_env("ERL_EPMD_PORT", port.to_string());
    site.start()?;
    for args in [&["ping"][..], &["ctl", "status"], &["pid"]] {
        site.emqx(args)?.success()?;
    }
    let mut names = site.command(site.path(format!("erts-{}/bin/epmd", site.facts.erts)));
    names.args(["-port", &port.to_string(), "-names"]);
    let known = process::run(&mut names, process::HANG)?.success()?;
    let name = site.node_name();
    let short = name.split('@').next().unwrap_or_default();
    ensure!(
        known.stdout.contains(&format!("name {short} at port ")),
        "{known}"
    );
    // The arguments of the running node tell; only epmd's own port has to be known.
    let mut bare = site.emqx_command(&["ping"]);
    bare.env_remove("EPMD_ARGS").env_remove("EMQX_NODE__NAME");
    process::run(&mut bare, process::HANG)?.success()?;
    site.stop()?;
    site.kill_all()
}

fn blank_in_options(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_CLUSTER__PROTO_DIST", "inet_tls");
    site.set_env("EMQX_SSL_DIST_OPTFILE", "/etc/with blank/ssl_dist.conf");
    let finished = site.emqx(&["start"])?;
    demand_refused(finished, 1, "/etc/with blank/ssl_dist.conf")?;
    site.demand_nothing_runs()
}

fn no_options(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.set_env("EMQX_CLUSTER__PROTO_DIST", "inet_tls");
    site.set_env("EMQX_SSL_DIST_OPTFILE", "/no/such/ssl_dist.conf");
    let finished = site.emqx(&["start"])?;
    demand_refused(finished, 1, "/no/such/ssl_dist.conf")?;
    site.demand_nothing_runs()
}
