//! Section 3: `start`, `stop` and `restart` of the daemon.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept, ours};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::process;
use e2e::swarm::{Figures, Options, Swarm};
use e2e::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

const SAMPLE: &[Need] = &[Need::Sample];

/// The cases.
pub const CASES: &[Case] = &[
    kept("3.5", "a daemon under run_erl that is ready", Steps(daemon)),
    kept("3.6", "exit 1 for a node that is gone", Steps(gone)),
    kept(
        "3.6",
        "exit 2 for a node that does not answer",
        Steps(no_answer),
    )
    .needs(SAMPLE),
    kept(
        "3.6",
        "exit 3 for a node that is not ready in time",
        Steps(not_in_time),
    )
    .needs(SAMPLE),
    fix("3.7", "a second start is refused", Steps(second)),
    fix("3.8", "stop waits until the process is gone", Steps(stop)),
    kept("3.8", "a stop that takes time says so", Steps(slow_stop)).needs(SAMPLE),
    ours(
        "3.8",
        "boot and stop are in the system log",
        Steps(system_log),
    )
    .needs(&[Need::Namespaces]),
    fix("3.8", "a VM whose parent does not reap it", Steps(zombie)),
    fix(
        "3.9",
        "a node that does not answer is stopped by its console",
        Steps(by_console),
    ),
    fix(
        "3.10",
        "restart starts what is down and replaces what runs",
        Steps(restart),
    ),
    fix(
        "3.10",
        "restart where several nodes run",
        Steps(restart_of_several),
    ),
    fix("5.15", "stop of a stopped node", Steps(stop_of_stopped)),
];

fn vm_pid(site: &Site) -> Result<u32> {
    let vm = site.vms().pop();
    Ok(vm
        .ok_or_else(|| Error::Unexpected("no VM runs".to_owned()))?
        .pid)
}

fn daemon(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let started = site.start()?;
    let line = site.fill("{description} {vsn} is started successfully!");
    ensure!(
        started.stdout.lines().last() == Some(&line),
        "no {line:?} last: {started}"
    );
    ensure!(started.stderr.is_empty(), "{started}");
    ensure!(
        !started.output_held,
        "the daemon keeps the caller's output open: {started}"
    );
    ensure!(site.eval("emqx:is_running()")? == "true", "it does not run");
    // Ready means that clients can connect.
    let options = Options {
        clients: 5,
        ..Options::on_port(site.mqtt_port())
    };
    let swarm = Swarm::start(&options, Duration::from_secs(30))?;
    let figures = swarm.finish(Duration::from_secs(30))?;
    ensure!(
        figures.iter().all(Figures::unharmed),
        "a client was harmed: {figures:?}"
    );
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).map_err(std::io::Error::from)?;
    let user = user.map_or_else(|| "nobody".to_owned(), |user| user.name);
    let pipes = site.fill(&format!("{{root}}/data/{user}_erl_pipes/{{name}}/"));
    let keeper = site.processes().into_iter().find(|process| {
        let name = process.exe.file_name().unwrap_or_default();
        name == "run_erl"
    });
    let keeper = keeper.ok_or_else(|| Error::Unexpected("no run_erl".to_owned()))?;
    ensure!(
        keeper.args.iter().any(|arg| arg == &*pipes),
        "not {pipes}: {:?}",
        keeper.args
    );
    ensure!(
        Path::new(&pipes).join("erlang.pipe.1.w").exists(),
        "no pipe in {pipes}"
    );
    ensure!(
        site.path("log/erlang.log.1").exists(),
        "no log of the console"
    );
    site.stop()?;
    Ok(())
}

fn gone(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let taken = TcpListener::bind(("127.0.0.1", site.mqtt_port()))?;
    let finished = site.emqx(&["start"])?.exit_code(1)?;
    ensure!(
        finished.stderr.contains("erlang.log"),
        "it points at no log: {finished}"
    );
    ensure!(!finished.stdout.contains("successfully"), "{finished}");
    site.demand_nothing_runs()?;
    drop(taken);
    let _taken = TcpListener::bind(("0.0.0.0", site.slot().dist_port(0)))?;
    let finished = site.emqx(&["start"])?.exit_code(1)?;
    ensure!(!finished.stdout.contains("successfully"), "{finished}");
    site.demand_nothing_runs()
}

fn no_answer(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.append_vm_args("-kernel start_distribution false")?;
    site.set_env("EMQX_WAIT_FOR_START", "3");
    let finished = site.emqx(&["start"])?;
    let told = demand_refused(finished, 2, "not responding to pings")?;
    ensure!(!told.stdout.contains("successfully"), "{told}");
    site.demand_nothing_runs()
}

fn not_in_time(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    site.patch(
        "emqx_dashboard_app",
        "-export([start/2, stop/1]).\n\
         start(_, _) -> receive never -> {ok, self()} end.\n\
         stop(_) -> ok.\n",
    )?;
    site.set_env("EMQX_WAIT_FOR_START", "4");
    let finished = site.emqx(&["start"])?;
    let told = demand_refused(finished, 3, "failed to complete the boot sequence in time")?;
    ensure!(!told.stdout.contains("successfully"), "{told}");
    site.demand_nothing_runs()
}

fn second(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let name = site.node_name();
    site.start()?;
    let pid = vm_pid(&site)?;
    let text = format!("Node {name} is already running!");
    for with_name in [true, false] {
        if !with_name {
            site.remove_env("EMQX_NODE__NAME");
        }
        for command in ["start", "foreground", "console"] {
            demand_refused(site.emqx(&[command])?, 1, &text)?;
        }
        // By its data directory, which two nodes would destroy together.
        let other = site.slot().node_name(1);
        let refused = site.emqx_with("EMQX_NODE__NAME", &other, &["start"])?;
        demand_refused(refused, 1, &text)?;
    }
    ensure!(vm_pid(&site)? == pid, "another VM runs");
    site.stop()?;
    Ok(())
}

fn stop(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    let stopped = site.stop()?;
    ensure!(stopped.stdout == "ok\n", "{stopped}");
    ensure!(stopped.stderr.is_empty(), "{stopped}");
    ensure!(site.processes().is_empty(), "left: {:?}", site.processes());
    // Right behind each other, with nothing to wait for.
    site.start()?;
    site.stop()?;
    site.start()?;
    // What was killed leaves nothing that a start would stumble over.
    let pid = i32::try_from(vm_pid(&site)?).unwrap_or(i32::MAX);
    kill(Pid::from_raw(pid), Signal::SIGKILL).map_err(std::io::Error::from)?;
    site.demand_nothing_runs()?;
    site.emqx(&["ping"])?.exit_code(1)?;
    site.start()?;
    site.stop()?;
    let dumps = ["erl_crash.dump", "log/erl_crash.dump"];
    let dump = dumps.iter().find(|dump| site.path(dump).exists());
    ensure!(dump.is_none(), "a crash dump was left: {dump:?}");
    Ok(())
}

fn stop_of_stopped(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    for _ in 0..2 {
        let finished = site.emqx(&["stop"])?.exit_code(1)?;
        ensure!(finished.stdout.is_empty(), "{finished}");
        ensure!(finished.stderr.contains("ERROR: "), "{finished}");
    }
    Ok(())
}

fn slow_stop(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    site.patch(
        "emqx_dashboard_app",
        "-export([start/2, stop/1, init/1]).\n\
         start(_, _) -> supervisor:start_link(?MODULE, []).\n\
         init([]) -> {ok, {#{}, []}}.\n\
         stop(_) -> timer:sleep(11000).\n",
    )?;
    site.start()?;
    let stopped = site.stop()?;
    let line = "EMQX is shutting down, please wait...";
    ensure!(stopped.stdout == format!("{line}\nok\n"), "{stopped}");
    Ok(())
}

/// A system log of its own, where the machine's would be looked for.
fn system_log(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let path = site.scratch().join("log.socket");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let script = "if [ -S /dev/log ] && [ ! -L /dev/log ]; then mount --bind \"$SOCKET\" /dev/log; \
                  else mount -t tmpfs none /run && ln -s \"$SOCKET\" /run/syslog; fi && exec \"$@\"";
    let run = |command: &str| {
        let mut unshare = site.command("unshare");
        unshare.args(["--mount", "sh", "-c", script, "sh"]);
        unshare.arg(site.path("bin/emqx")).arg(command);
        process::run(unshare.env("SOCKET", &path), process::HANG)
    };
    run("start")?.success()?;
    run("stop")?.success()?;
    let mut lines = Vec::new();
    let mut buffer = [0; 16384];
    while lines.iter().all(|line: &String| !line.contains("STOP: OK")) {
        let Ok(length) = socket.recv(&mut buffer) else {
            break;
        };
        lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    let has = |words: &[&str]| {
        let mut lines = lines.iter();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    let name = site.node_name();
    ensure!(
        has(&["EXEC: ", "erlexec", "-mode embedded", "-emqx_data_dir"]),
        "the VM's command line is not logged for {name}: {lines:?}"
    );
    ensure!(has(&["STOP: OK"]), "the stop is not logged: {lines:?}");
    Ok(())
}

fn zombie(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    // A shell that becomes `sleep` never asks for the end of its children.
    let script = "\"$0\" foreground >/dev/null 2>&1 & exec sleep 120";
    let mut parent = site.command("sh");
    parent.args(["-c", script]).arg(site.path("bin/emqx"));
    let mut running = e2e::process::Running::spawn(parent.stdin(std::process::Stdio::null()))?;
    site.wait_ready()?;
    let pid = vm_pid(&site)?;
    let stopped = site.stop()?;
    ensure!(
        stopped.stdout == "ok\n" && stopped.stderr.is_empty(),
        "{stopped}"
    );
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
    ensure!(
        status.contains("State:\tZ"),
        "no zombie to test with: {status}"
    );
    // It is gone for everybody who asks, and for a start.
    site.emqx(&["ping"])?.exit_code(1)?;
    site.start()?;
    site.stop()?;
    running.signal(Signal::SIGKILL)?;
    running.wait(process::HANG)?;
    Ok(())
}

fn by_console(subject: &Subject) -> Result<()> {
    let site = subject.running()?;
    // From now on the arguments of the process tell the wrong cookie.
    site.eval("erlang:set_cookie('changed-since')")?;
    let told = site.emqx(&["ping"])?;
    demand_refused(told, 1, &site.fill("Node {name} not responding to pings."))?;
    let stopped = site.emqx(&["stop"])?.success()?;
    ensure!(stopped.stdout.lines().last() == Some("ok"), "{stopped}");
    site.demand_nothing_runs()
}

fn restart_of_several(subject: &Subject) -> Result<()> {
    let mut site = subject.running()?;
    let second = site.slot().node_name(1);
    site.remove_env("EMQX_NODE__NAME");
    let bind = format!("127.0.0.1:{}", site.slot().port(1));
    let mut start = site.emqx_command(&["start"]);
    start.env("EMQX_NODE__NAME", &second);
    start.env("EMQX_NODE__DATA_DIR", site.path("data2"));
    start.env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
    process::run(&mut start, process::HANG)?.success()?;
    demand_refused(site.emqx(&["restart"])?, 1, &second)?;
    ensure!(site.vms().len() == 2, "one was stopped: {:?}", site.vms());
    Ok(())
}

fn restart(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let line = site.fill("{description} {vsn} is started successfully!");
    let of_stopped = site.emqx(&["restart"])?.success()?;
    ensure!(
        of_stopped.stdout.lines().last() == Some(&line),
        "{of_stopped}"
    );
    let pid = vm_pid(&site)?;
    let of_running = site.emqx(&["restart"])?.success()?;
    ensure!(
        of_running.stdout.lines().last() == Some(&line),
        "{of_running}"
    );
    ensure!(of_running.stderr.is_empty(), "{of_running}");
    ensure!(vm_pid(&site)? != pid, "the same VM runs");
    ensure!(site.vms().len() == 1, "{:?}", site.vms());
    site.stop()?;
    Ok(())
}
