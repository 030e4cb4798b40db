//! Section 4: what in the process table is a node of this installation, and what only looks so.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix};
use crate::ensure;
use crate::second_user::{SecondUser, as_ids};
use crate::site::Site;
use crate::subject::Subject;
use e2e::install::{self, Install, Process};
use e2e::ports::Slot;
use e2e::process::{self, Finished, Running};
use e2e::{Error, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const NAMESPACES: &[Need] = &[Need::Namespaces, Need::Tool("setpriv")];

/// The cases.
pub const CASES: &[Case] = &[
    fix(
        "4.1",
        "an installation whose path begins alike",
        Steps(begins_alike),
    ),
    fix(
        "4.1",
        "whoever only has the node's arguments",
        Steps(onlookers),
    ),
    fix("4.1", "escripts of the release", Steps(escripts)),
    fix("4.1", "arguments that are no text", Steps(no_text)),
    fix("4.1", "a crowded machine", Steps(crowd)),
    fix("4.1", "a node whose files were replaced", Steps(replaced)),
    fix("4.1", "a node in a deployed tree", Steps(deployed)),
    fix(
        "4.1",
        "a container's node at the same path",
        Steps(container),
    )
    .needs(NAMESPACES),
    fix("4.1", "a node with mounts of its own", Steps(own_mounts)).needs(NAMESPACES),
    fix("4.1", "another user's node", Steps(other_user)).needs(NAMESPACES),
    fix("4.1", "a process table that is hidden", Steps(hidden)).needs(NAMESPACES),
    fix(
        "4.1",
        "a node that a script has started with blanks",
        Steps(joined),
    ),
];

/// Runs a command without the variable that names the node.
fn bare(site: &Install, args: &[&str]) -> Result<Finished> {
    let mut command = site.emqx_command(args);
    process::run(command.env_remove("EMQX_NODE__NAME"), process::HANG)
}

fn the_vm(site: &Site) -> Result<Process> {
    let vm = site.vms().pop();
    vm.ok_or_else(|| Error::Unexpected("no VM runs".to_owned()))
}

/// Demands that the one node is found without a name, whatever else there is.
fn demand_found(site: &Site) -> Result<()> {
    let pid = the_vm(site)?.pid;
    bare(site, &["ping"])?.success()?;
    let told = bare(site, &["pid"])?.success()?;
    ensure!(told.text() == pid.to_string(), "not {pid}: {told}");
    Ok(())
}

/// A shell that waits, with a VM's arguments for its own.
fn decoy(site: &Site, args: &[&OsStr]) -> Result<Running> {
    let mut shell = site.command("sh");
    shell.args(["-c", "read -r line", "decoy"]).args(args);
    Running::spawn(shell.stdin(Stdio::piped()))
}

fn begins_alike(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let other_root = site.root().with_file_name("emqx2");
    install::copy_tree(site.root(), &other_root)?;
    let slot = Slot::claim()?;
    let mut other = Install::borrow(&other_root, slot)?;
    let run = || -> Result<()> {
        other.start()?;
        let text = site.fill("Node {name} not responding to pings.");
        demand_refused(bare(&site, &["ping"])?, 1, &text)?;
        demand_refused(bare(&site, &["stop"])?, 1, "")?;
        site.start()?;
        demand_found(&site)?;
        bare(&site, &["stop"])?.success()?;
        bare(&other, &["ping"])?.success()?;
        Ok(())
    };
    let outcome = run();
    other.remove_env("EMQX_NODE__NAME");
    other.kill_all()?;
    outcome
}

fn onlookers(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let vm = the_vm(&site)?;
    let args: Vec<&OsStr> = vm.args.iter().map(std::ffi::OsString::as_os_str).collect();
    let _shell = decoy(&site, &args)?;
    // A mail about it is no node either: its words are one argument.
    let line = args.join(OsStr::new(" "));
    let _mail = decoy(&site, &[&line])?;
    demand_found(&site)?;
    demand_refused(site.emqx(&["start"])?, 1, "is already running!")?;
    site.stop()?;
    Ok(())
}

fn escripts(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let script = site.path("bin/waits.escript");
    let text = "#!/usr/bin/env escript\n\
                main(_) -> io:put_chars(\"up\\n\"), io:get_line(\"\").\n";
    fs_err::write(&script, text)?;
    fs_err::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    // Tools of the release name the node that they are for.
    let args = ["escript", "bin/waits.escript", "-name", "escript@127.0.0.1"];
    let mut command = site.emqx_command(&args);
    let mut waiting = Running::spawn(command.stdin(Stdio::piped()))?;
    waiting.wait_for("up", process::HANG)?;
    demand_found(&site)?;
    drop(waiting.stdin());
    waiting.wait(process::HANG)?;
    site.stop()?;
    Ok(())
}

fn no_text(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let root = site.root().as_os_str();
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let option = |text: &'static str| OsStr::new(text);
    let _one = decoy(&site, &[option("-root"), bytes, option("-name"), bytes])?;
    let _two = decoy(&site, &[option("-root"), root, option("-name"), bytes])?;
    let _three = decoy(
        &site,
        &[option("-name"), option("x@127.0.0.1"), option("-root")],
    )?;
    demand_found(&site)?;
    site.stop()?;
    Ok(())
}

fn crowd(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let mut shell = site.command("sh");
    let script =
        "i=0; while [ $i -lt 2000 ]; do sleep 300 & i=$((i + 1)); done; echo up; read -r line";
    let mut crowd = Running::spawn(shell.args(["-c", script]).stdin(Stdio::piped()))?;
    crowd.wait_for("up", process::HANG)?;
    demand_found(&site)?;
    site.stop()?;
    crowd.signal(nix::sys::signal::Signal::SIGKILL)?;
    crowd.wait(process::HANG)?;
    Ok(())
}

fn replaced(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let erts = site.path(format!("erts-{}", site.facts.erts));
    let aside = erts.with_file_name("erts-aside");
    fs_err::rename(&erts, &aside)?;
    install::copy_tree(&aside, &erts)?;
    fs_err::remove_dir_all(&aside)?;
    let exe = fs_err::read_link(format!("/proc/{}/exe", the_vm_by_args(&site)?))?;
    ensure!(
        exe.to_string_lossy().ends_with(" (deleted)"),
        "{}",
        exe.display()
    );
    bare(&site, &["ping"])?.success()?;
    demand_refused(site.emqx(&["start"])?, 1, "is already running!")?;
    bare(&site, &["stop"])?.success()?;
    site.start()?;
    site.stop()?;
    Ok(())
}

/// The VM's process id where its program has no name any more.
fn the_vm_by_args(site: &Site) -> Result<u32> {
    let vm = site
        .processes()
        .into_iter()
        .find(|process| process.args.iter().any(|arg| arg == "-emqx_data_dir"));
    Ok(vm
        .ok_or_else(|| Error::Unexpected("no VM runs".to_owned()))?
        .pid)
}

fn deployed(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    site.start()?;
    demand_found(&site)?;
    // Also after the marker has gone: the base's program talks to what runs.
    fs_err::remove_file(site.path("relup/current"))?;
    demand_found(&site)?;
    let root = site.path("relup").join(&vsn);
    site.demand_string("code:root_dir()", &root)?;
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()
}

/// Runs a command in a mount namespace of its own, after a line of shell.
fn apart(site: &Install, prepare: &str, args: &[&str]) -> std::process::Command {
    let mut command = site.command("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        &format!("{prepare} && exec \"$@\""),
        "sh",
    ]);
    command.arg(site.path("bin/emqx")).args(args);
    command.env("ROOT", site.root());
    command
}

fn container(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    // What a container has at the same path is another installation.
    let image = site.scratch().join("image");
    install::copy_tree(site.root(), &image)?;
    let prepare = format!("mount --bind '{}' \"$ROOT\"", image.display());
    let second = site.slot().node_name(1);
    let bind = format!("127.0.0.1:{}", site.slot().port(1));
    let run = |args: &[&str]| {
        let mut command = apart(&site, &prepare, args);
        command.env("EMQX_NODE__NAME", &second);
        command.env("EMQX_LISTENERS__TCP__DEFAULT__BIND", &bind);
        process::run(&mut command, process::HANG)
    };
    run(&["start"])?.success()?;
    let text = site.fill("Node {name} not responding to pings.");
    demand_refused(bare(&site, &["ping"])?, 1, &text)?;
    demand_refused(bare(&site, &["stop"])?, 1, "")?;
    site.start()?;
    let pid = bare(&site, &["pid"])?.success()?.stdout;
    ensure!(
        pid == site.emqx(&["pid"])?.success()?.stdout,
        "another node: {pid}"
    );
    bare(&site, &["stop"])?.success()?;
    // From inside a container of the same files it is the node of these files.
    Ok(())
}

fn own_mounts(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    // As systemd does it for a unit with a private directory for temporary files.
    let mut start = apart(&site, "mount -t tmpfs none /mnt", &["start"]);
    process::run(&mut start, process::HANG)?.success()?;
    demand_found(&site)?;
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()
}

fn other_user(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.open_to_all()?;
    let user = SecondUser::make("/bin/sh")?;
    user.own(site.root())?;
    user.run(&site.emqx_command(&["start"]))?.success()?;
    // Root finds it, and so does a user who may not look into its process.
    demand_found(&site)?;
    let mut ping = site.emqx_command(&["ping"]);
    ping.env_remove("EMQX_NODE__NAME");
    let mut ping = as_ids(&ping, 65534, 65534, None);
    process::run(&mut ping, process::HANG)?.success()?;
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()
}

fn hidden(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.open_to_all()?;
    site.start()?;
    let prepare = "mount -t proc -o hidepid=2 proc /proc";
    for with_name in [true, false] {
        for args in [&["ping"][..], &["ctl", "status"], &["eval", "1 + 1"]] {
            let mut command = apart(&site, prepare, args);
            if !with_name {
                command.env_remove("EMQX_NODE__NAME");
            }
            // The switch of users comes after the mount.
            let mut inner = as_ids(&site.emqx_command(args), 65534, 65534, None);
            if !with_name {
                inner.env_remove("EMQX_NODE__NAME");
            }
            let mut unshare = site.command("unshare");
            unshare.args([
                "--mount",
                "sh",
                "-c",
                &format!("{prepare} && exec \"$@\""),
                "sh",
            ]);
            unshare.arg(inner.get_program()).args(inner.get_args());
            if !with_name {
                unshare.env_remove("EMQX_NODE__NAME");
            }
            process::run(&mut unshare, process::HANG)?.success()?;
            // Root sees everything all the same.
            process::run(&mut command, process::HANG)?.success()?;
        }
    }
    site.stop()?;
    Ok(())
}

/// A shell that joins words hands the data directory over in pieces.
fn joined(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh_named("emqx comp with blanks ")?;
    let data = site.path("the  data");
    site.set_env("EMQX_NODE__DATA_DIR", &data);
    site.wrap_erlexec(
        "case \" $* \" in *' -emqx_data_dir '*) ;; *) exec \"$0.real\" \"$@\" ;; esac\n\
         n=$#; i=0; while [ $i -lt $((n - 1)) ]; do set -- \"$@\" \"$1\"; shift; i=$((i + 1)); done\n\
         last=$1; shift; set -f; IFS=' '\n\
         # shellcheck disable=SC2086\n\
         set -- \"$@\" ${last%data} data; IFS=",
    )?;
    let data = data.to_string_lossy().replace("  ", " ");
    let joined = site.emqx(&["start"])?;
    joined.success()?;
    let vm = the_vm(&site)?;
    ensure!(
        vm.args.iter().any(|arg| arg == "data"),
        "not split: {:?}",
        vm.args
    );
    demand_found(&site)?;
    ensure!(data.contains("the data"), "{data}");
    bare(&site, &["stop"])?.success()?;
    site.demand_nothing_runs()
}
