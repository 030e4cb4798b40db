//! Starting and stopping: as a daemon, in the foreground, on a terminal, twice, from a path with
//! blanks, as an ordinary user, and when it can't work.

use e2e::install::{Install, Recipe};
use e2e::node;
use e2e::ports::Slot;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5};
use e2e::swarm::{Options, Swarm};
use e2e::terminal::Terminal;
use e2e::witness::faults_of_words;
use nix::sys::signal::Signal;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn a_daemon_is_started_once_and_stopped_once() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let name = install.node_name();
    let started = install
        .start()?
        .says("EMQX Enterprise 5.10.4 is started successfully!")?;
    assert!(
        !started.output_held,
        "the daemon keeps the caller's output open: {started}"
    );
    assert!(started.stderr.is_empty(), "{started}");
    let swarm = Swarm::start(
        &Options {
            clients: 5,
            ..Options::on_port(install.mqtt_port())
        },
        Duration::from_secs(30),
    )?;
    let figures = swarm.finish(Duration::from_secs(30))?;
    assert!(
        figures.iter().all(e2e::swarm::Figures::unharmed),
        "ready means that clients can connect"
    );

    let pid = node::os_pid(&install)?;
    for with_name in [true, false] {
        if !with_name {
            // Then the name comes from the configuration, as the node's did.
            let conf = install.path("etc/emqx.conf");
            let text = fs_err::read_to_string(&conf)?.replace("emqx@127.0.0.1", &name);
            fs_err::write(&conf, text)?;
            install.remove_env("EMQX_NODE__NAME");
        }
        for command in ["start", "foreground", "console"] {
            let second = install.emqx(&[command])?.exit_code(1)?;
            let text = format!("Node {name} is already running!");
            assert!(second.stderr.contains(&text), "{second}");
        }
    }
    assert_eq!(node::os_pid(&install)?, pid);

    let stopped = install.stop()?;
    assert_eq!(stopped.text(), "ok", "{stopped}");
    assert!(stopped.stderr.is_empty(), "{stopped}");
    assert!(install.processes().is_empty(), "{:?}", install.processes());
    let again = install.emqx(&["stop"])?.exit_code(1)?;
    assert!(
        again.stdout.is_empty() && !again.stderr.is_empty(),
        "{again}"
    );

    // A restart of a stopped node is a start; of a running one a new process.
    install
        .emqx(&["restart"])?
        .success()?
        .says("is started successfully!")?;
    let pid = node::os_pid(&install)?;
    install
        .emqx(&["restart"])?
        .success()?
        .says("is started successfully!")?;
    assert_ne!(node::os_pid(&install)?, pid);
    // A VM that was killed leaves nothing that a start would stumble over.
    let vm = install.vms().pop().expect("one VM runs");
    let raw = i32::try_from(vm.pid).expect("process ids fit");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(raw), Signal::SIGKILL)
        .map_err(std::io::Error::from)?;
    process::wait_until("the VM to vanish", process::HANG, || {
        Ok(install.vms().is_empty())
    })?;
    assert_eq!(install.emqx(&["ping"])?.code, Some(1));
    install.start()?;
    let configs = fs_err::read_dir(install.path("data/configs"))?.count();
    assert!(
        configs <= 6,
        "at most three generations of two files are kept, not {configs}"
    );
    assert!(
        !install.path("erl_crash.dump").exists() && !install.path("log/erl_crash.dump").exists()
    );
    Ok(())
}

#[test]
fn the_foreground_process_is_the_vm_itself() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let mut running = install.spawn(&["foreground"])?;
    process::wait_until("the node to be up", process::HANG, || {
        assert!(
            running.is_alive(),
            "it ended: {:?}",
            running.wait(process::HANG)
        );
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })?;
    assert_eq!(
        install.emqx(&["pid"])?.success()?.text(),
        running.pid().to_string()
    );
    let processes = install.processes();
    let helpers: Vec<_> = processes
        .iter()
        .filter(|process| {
            process
                .exe
                .file_name()
                .is_some_and(|name| name == "run_erl")
        })
        .collect();
    assert!(
        helpers.is_empty(),
        "no daemon in the foreground: {helpers:?}"
    );
    running.signal(Signal::SIGTERM)?;
    let ended = running.wait(process::HANG)?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended.stdout.contains("Starting EMQX Enterprise 5.10.4"),
        "{ended}"
    );
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })
}

#[test]
fn shells_work_on_a_terminal() -> e2e::Result<()> {
    if !Terminal::is_available() {
        println!("not tried here: script(1) is not installed");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let prompt = format!("({})1>", install.node_name());
    let mut console = Terminal::run(&install, "console")?;
    console.shows(&prompt)?;
    console.types("6 * 7.\n")?;
    console.shows("42")?;
    process::wait_until("the node to be up", process::HANG, || {
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })?;
    console.types("init:stop().\n")?;
    console.ends()?;
    process::wait_until("the VM to vanish", process::HANG, || {
        Ok(install.vms().is_empty())
    })?;

    install.start()?;
    let pid = node::os_pid(&install)?;
    let mut attached = Terminal::run(&install, "attach")?;
    attached.types("\n6 * 111.\n")?;
    attached.shows("666")?;
    attached.types("\u{4}")?;
    attached.ends()?;
    for command in ["remote", "remote_console"] {
        let mut remote = Terminal::run(&install, command)?;
        remote.shows(&prompt)?;
        remote.types("5 * 111.\n")?;
        remote.shows("555")?;
        assert_eq!(
            node::eval(&install, "nodes()")?,
            "[]",
            "the shell is a hidden node"
        );
        assert_eq!(install.emqx(&["pid"])?.success()?.text(), pid.to_string());
        remote.types("\u{7}")?;
        remote.shows("-->")?;
        remote.types("q\n")?;
        remote.ends()?;
    }
    assert_eq!(
        node::os_pid(&install)?,
        pid,
        "leaving a shell leaves the node alone"
    );
    Ok(())
}

#[test]
fn several_nodes_of_one_root_are_told_apart_by_name() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let (first, second) = (install.node_name(), install.slot().node_name(1));
    install.start()?;
    install.set_env("EMQX_NODE__NAME", &second);
    install.set_env("EMQX_NODE__DATA_DIR", install.path("data2"));
    install.set_env("EMQX_LOG_DIR", install.path("log2"));
    let bind = format!("127.0.0.1:{}", install.slot().port(1));
    install.set_env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
    install.start()?;
    for variable in ["EMQX_NODE__DATA_DIR", "EMQX_LOG_DIR", "EMQX_NODE__NAME"] {
        install.remove_env(variable);
    }
    for args in [&["ping"][..], &["ctl", "status"], &["pid"], &["stop"]] {
        let finished = install.emqx(args)?.exit_code(1)?;
        assert!(finished.stderr.contains("EMQX_NODE__NAME"), "{finished}");
        assert!(
            finished.stderr.contains(&first) && finished.stderr.contains(&second),
            "{finished}"
        );
    }
    let mut pids = Vec::new();
    for name in [&first, &second] {
        install.set_env("EMQX_NODE__NAME", name);
        install
            .emqx(&["ctl", "status"])?
            .success()?
            .says(&format!("Node '{name}'"))?;
        pids.push(install.emqx(&["pid"])?.success()?.text().to_owned());
    }
    assert_ne!(pids[0], pids[1]);
    install.stop()?;
    install.remove_env("EMQX_NODE__NAME");
    assert_eq!(
        install.emqx(&["pid"])?.success()?.text(),
        pids[0],
        "the other one still runs"
    );
    install.stop()?;
    Ok(())
}

#[test]
fn a_start_that_fails_says_why_and_leaves_no_process() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let taken = TcpListener::bind(("127.0.0.1", install.mqtt_port()))?;
    let finished = install.emqx(&["start"])?.exit_code(1)?;
    assert!(
        finished.stderr.contains("erlang.log"),
        "it points at the log: {finished}"
    );
    assert!(!finished.stdout.contains("successfully"), "{finished}");
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })?;
    drop(taken);
    let taken = TcpListener::bind(("0.0.0.0", install.slot().dist_port(0)))?;
    let finished = install.emqx(&["start"])?.exit_code(1)?;
    assert!(!finished.stdout.contains("successfully"), "{finished}");
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })?;
    drop(taken);
    // No time at all to become ready.
    install.set_env("EMQX_WAIT_FOR_START", "0");
    let finished = install.emqx(&["start"])?;
    assert!(
        finished.code == Some(2) || finished.code == Some(3),
        "{finished}"
    );
    assert!(finished.stderr.contains("ERROR: "), "{finished}");
    process::wait_until("all to vanish", process::HANG, || {
        Ok(install.processes().is_empty())
    })?;
    install.remove_env("EMQX_WAIT_FOR_START");
    install.start()?;
    Ok(())
}

#[test]
fn blanks_in_the_path_are_part_of_the_path() -> e2e::Result<()> {
    let recipe = Recipe {
        prefix: "emqx e2e with  blanks ".to_owned(),
        ..Recipe::sample(V4)?
    };
    let install = Install::unpack(&recipe, Slot::claim()?)?;
    install.start()?;
    assert_eq!(node::root_dir(&install)?, install.root().to_string_lossy());
    install.emqx(&["ctl", "status"])?.success()?;
    let tarball = Sample::find()?.tarball(V5)?;
    let copy = install.scratch().join("the target.tar.gz");
    fs_err::copy(&tarball, &copy)?;
    e2e::tarball::seal(&copy)?;
    install
        .emqx(&["relup", "upgrade", &copy.to_string_lossy()])?
        .success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(
        node::root_dir(&install)?,
        install.path("relup/5.10.5").to_string_lossy()
    );
    let relative = process::run(
        install
            .emqx_command(&["ping"])
            .current_dir(install.path("bin")),
        process::HANG,
    )?;
    relative.success()?;
    install.stop()?;
    assert!(install.processes().is_empty());
    Ok(())
}

#[test]
fn an_ordinary_user_can_do_all_of_it() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: all other tests run as an ordinary user already");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let mut chown = install.command("chown");
    process::run(
        chown.args(["-R", "65534:65534"]).arg(install.root()),
        process::HANG,
    )?
    .success()?;
    let tarball = install.scratch().join("target.tar.gz");
    fs_err::copy(Sample::find()?.tarball(V5)?, &tarball)?;
    e2e::tarball::seal(&tarball)?;
    let tarball = tarball.to_string_lossy();
    let as_nobody = |args: &[&str]| -> e2e::Result<process::Finished> {
        let mut command = install.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.env("HOME", "/nonexistent").env("USER", "nobody");
        process::run(
            command.arg(install.path("bin/emqx")).args(args),
            process::HANG,
        )
    };
    as_nobody(&["start"])?.success()?;
    as_nobody(&["ping"])?.success()?;
    as_nobody(&["relup", "upgrade", &tarball])?.success()?;
    as_nobody(&["restart"])?.success()?;
    assert_eq!(
        as_nobody(&["eval", "emqx_release:version()"])?
            .success()?
            .text(),
        "\"5.10.5\""
    );
    for vm in install.vms() {
        let status = fs_err::read_to_string(format!("/proc/{}/status", vm.pid))?;
        assert!(
            status.contains("Uid:\t65534\t65534"),
            "the VM runs as another user"
        );
    }
    as_nobody(&["relup", "rollback"])?.success()?;
    as_nobody(&["stop"])?.success()?;
    // A place that it may not write to is told with the path.
    fs_err::set_permissions(install.path("data"), PermissionsExt::from_mode(0o555))?;
    fs_err::set_permissions(
        install.path("data/configs"),
        PermissionsExt::from_mode(0o555),
    )?;
    let refused = as_nobody(&["start"])?.exit_code(1)?;
    assert!(refused.stderr.contains("data"), "{refused}");
    assert_eq!(faults_of_words(&refused), Vec::<String>::new(), "{refused}");
    Ok(())
}

#[test]
fn signals_to_the_waiting_start_leave_nothing_half_done() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let mut command = install.emqx_command(&["start"]);
    let mut starting = Running::spawn(command.stdin(std::process::Stdio::null()))?;
    std::thread::sleep(Duration::from_millis(300));
    starting.signal(Signal::SIGINT)?;
    let ended = starting.wait(process::HANG)?;
    // Whatever is left answers to the ordinary commands.
    if install.vms().is_empty() {
        process::wait_until("helpers to vanish", process::HANG, || {
            Ok(install.processes().is_empty() || !install.vms().is_empty())
        })?;
    }
    if install.processes().is_empty() {
        install.start()?;
    }
    process::wait_until("the node to answer", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    install.stop().inspect_err(|_| println!("{ended}"))?;
    Ok(())
}
