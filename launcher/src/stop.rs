//! `stop`: ask the node to shut down in good order, then wait until its process is gone.

mod unseen;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shims::dist::{CallOptions, CallOutcome, Connection, DistError};
use shims::term::{as_atom, as_tuple};

use crate::assessment;
use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::host::ending::Ending;
use crate::host::syslog;
use crate::message;
use crate::node::pipe::Daemon;
use crate::node::running::RunningNode;
use crate::node::target::{CONNECT_TIMEOUT, Contact};
use crate::node::underway::{self, Underway};
use crate::patience::{self, Patience};
use crate::release::Release;
use crate::release::dialect::Dialect;

/// How long the node may at least take to shut its applications down.
const GRACE: Duration = Duration::from_secs(120);

/// How often a waiting operator hears something, and how often a VM that does not answer is sent
/// a signal: while it boots it loses some.
const REPORT: Duration = Duration::from_secs(10);

/// How long a node whose port is closed may be on its way, up or down.
const TRANSIT: Duration = Duration::from_secs(5);

/// How often the port of a node on its way is tried.
const RETRY: Duration = Duration::from_millis(50);

/// How often the way of a boot is looked at, and how often in a row nothing may be seen: processes
/// that fork and end can be missed.
const LOOK: Duration = Duration::from_millis(10);
const SILENCE: u32 = 3;

/// How long `run_erl` may outlive its VM.
const KEEPER: Duration = Duration::from_secs(2);

/// How long a connection may take whose failure is what is waited for.
const KNOCK: Duration = Duration::from_secs(1);

/// The command: stops the node, or the boot that is still on its way to one.
///
/// # Errors
/// Neither is there, or it does not stop.
pub fn run(host: &Host, release: &Release) -> Result<(), Error> {
    let mut ended = false;
    let mut silence = 0;
    let begun = Instant::now();
    loop {
        let found = Contact::find(release, &host.env);
        if let Ok(contact) = &found
            && contact.process.is_some()
        {
            return stop(host, release, contact);
        }
        if matches!(
            found,
            Err(Error::SeveralNodes { .. } | Error::CookieDiffers { .. })
        ) {
            return found.map(drop);
        }
        // It becomes the VM in the same process: what is on its way no more is found above.
        let underway = underway::observe(release, host.env.get("EMQX_NODE__NAME"));
        match underway.first() {
            Some(Underway::Process(pid)) => {
                message::info(&format!("Process {pid} is about to boot the node."));
                end_launcher(*pid)?;
            }
            Some(Underway::Daemon(pid)) if begun.elapsed() < KEEPER => {
                Ending::of(*pid).wait(Some(Instant::now() + LOOK));
            }
            // It has lost its VM, and something else holds its console.
            Some(Underway::Daemon(pid)) => end_launcher(*pid)?,
            None if !ended => {
                // What was on its way at the first look may have arrived before the second.
                let found = Contact::find(release, &host.env)?;
                return stop(host, release, &found);
            }
            None if silence < SILENCE => {
                silence += 1;
                thread::sleep(LOOK);
                continue;
            }
            None => {
                message::answer("ok");
                return Ok(());
            }
        }
        (ended, silence) = (true, 0);
    }
}

fn end_launcher(pid: i32) -> Result<(), Error> {
    let launcher = Ending::of(pid);
    match kill(Pid::from_raw(pid), Signal::SIGTERM) {
        Ok(()) | Err(Errno::ESRCH) => {
            launcher.wait(Some(Instant::now() + KNOCK));
            Ok(())
        }
        Err(errno) => Err(Error::StopFailed {
            pid,
            reason: format!("SIGTERM: {}", errno.desc()),
        }),
    }
}

/// Stops a node.
///
/// # Errors
/// It is not running, it refuses, or it is still there after the time to wait.
pub fn stop(host: &Host, release: &Release, contact: &Contact) -> Result<(), Error> {
    assessment::look_at(release, contact, Command::Stop);
    let patience = Patience::observe(&host.env, patience::STOP);
    let (pid, result) = match &contact.process {
        Some(process) => {
            let stopping = || stop_process(contact, process, patience);
            (process.pid, with_reports(stopping))
        }
        // It may run where its process cannot be seen: then it answers.
        None => {
            let connection = contact.connect()?;
            let stopping = || unseen::stop(contact, connection, patience);
            (host.pid, with_reports(stopping))
        }
    };
    match &result {
        Ok(()) => {
            message::answer("ok");
            syslog::log(&release.name, pid, "STOP: OK");
        }
        Err(error) => syslog::log(&release.name, pid, &format!("STOP: {error}")),
    }
    result
}

fn stop_process(contact: &Contact, process: &RunningNode, patience: Patience) -> Result<(), Error> {
    let vm = Ending::of(process.pid);
    // Its run_erl ends a moment after it: a start right behind must not meet it.
    let daemon = Daemon::of_vm(process.pid);
    let keeper = daemon.as_ref().map(|daemon| Ending::of(daemon.pid));
    match reach(contact, &vm) {
        Ok(None) => {}
        Ok(Some(mut connection)) => {
            let outcome = shut_down(&mut connection, contact.dialect, patience);
            finish_rpc(process.pid, outcome)?;
        }
        Err(error) => {
            unheard(
                contact,
                &contact.not_responding(error),
                daemon.as_ref(),
                &vm,
                patience,
            )?;
        }
    }
    if !vm.wait(patience.deadline()) {
        return Err(Error::StopTimeout {
            pid: process.pid,
            seconds: patience.seconds(),
        });
    }
    // A program that the node left behind may hold the console: the node has ended all the same.
    if let Some(keeper) = keeper {
        keeper.wait(Some(Instant::now() + KEEPER));
    }
    Ok(())
}

/// Connects. A node that does not listen is mostly on its way: one that another `stop` has asked
/// before ends, one that boots will listen. `None`: its process has ended meanwhile.
fn reach(contact: &Contact, vm: &Ending) -> Result<Option<Connection>, DistError> {
    let deadline = Instant::now() + TRANSIT;
    loop {
        let error = match Connection::connect(&contact.target, CONNECT_TIMEOUT) {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) => error,
        };
        if vm.wait(Some(Instant::now() + RETRY)) {
            return Ok(None);
        }
        let may_change = matches!(error, DistError::Unreachable { .. } | DistError::Closed(_));
        if !may_change || Instant::now() >= deadline {
            return Err(error);
        }
    }
}

/// Asks for the shutdown. Where the broker cannot be asked because it is not there yet, or never
/// will be (`console_clean`), the VM itself is.
fn shut_down(
    connection: &mut Connection,
    dialect: Dialect,
    patience: Patience,
) -> Result<CallOutcome, DistError> {
    let mut call = |module: &str, function: &str| {
        let options = CallOptions {
            timeout: Some(GRACE.max(patience.duration())),
            console: None,
        };
        connection.call(module, function, Vec::new(), options)
    };
    if dialect == Dialect::Cuttlefish {
        // The VM stops every application in good order by itself.
        return call("init", "stop");
    }
    let outcome = call("emqx_machine", "graceful_shutdown")?;
    if !matches!(outcome, CallOutcome::Exit(_) | CallOutcome::Error(_)) {
        return Ok(outcome);
    }
    let CallOutcome::Return(status) = call("init", "get_status")? else {
        return Ok(outcome);
    };
    let phase = as_tuple(&status).and_then(|parts| as_atom(parts.first()?));
    match phase {
        Some("stopping") => Ok(CallOutcome::NodeDown),
        // The boot may have gone on meanwhile.
        Some("started") if !is_undefined(&outcome) => call("emqx_machine", "graceful_shutdown"),
        Some(_) | None => {
            message::info("The broker does not run yet: its VM is asked to stop.");
            call("init", "stop")
        }
    }
}

/// `{undef, StackTrace}`.
fn is_undefined(outcome: &CallOutcome) -> bool {
    match outcome {
        CallOutcome::Error(reason) => as_tuple(reason)
            .and_then(|parts| as_atom(parts.first()?))
            .is_some_and(|reason| reason == "undef"),
        _ => false,
    }
}

fn finish_rpc(pid: i32, outcome: Result<CallOutcome, DistError>) -> Result<(), Error> {
    let failed = |reason: String| Err(Error::StopFailed { pid, reason });
    match outcome {
        Ok(CallOutcome::Return(_) | CallOutcome::NodeDown) => Ok(()),
        // The node went away before it could answer: that is what was asked for.
        Err(DistError::Closed(_)) => Ok(()),
        Ok(CallOutcome::Timeout) => failed("it did not answer in time".to_owned()),
        Ok(CallOutcome::Throw(reason) | CallOutcome::Exit(reason) | CallOutcome::Error(reason)) => {
            failed(reason.to_string())
        }
        Err(error) => failed(error.to_string()),
    }
}

/// A node that does not answer can still read its console, if it has one, and every VM shuts down
/// in good order at SIGTERM. Returns when it has ended, or has had its time.
fn unheard(
    contact: &Contact,
    why: &Error,
    daemon: Option<&Daemon>,
    vm: &Ending,
    patience: Patience,
) -> Result<(), Error> {
    let typed = daemon.is_some_and(|daemon| {
        message::warning(&format!("{why} Shutting it down through its console."));
        let typed = daemon.shut_down(contact.dialect);
        if let Err(error) = &typed {
            message::warning(&error.to_string());
        }
        typed.is_ok()
    });
    let deadline = patience.deadline();
    let turn = || {
        let turn = Instant::now() + REPORT;
        Some(deadline.map_or(turn, |deadline| deadline.min(turn)))
    };
    // A shell reads what is typed when the boot is over, which it may never be.
    if typed && vm.wait(turn()) {
        return Ok(());
    }
    message::warning(&format!("Sending SIGTERM to process {}.", vm.pid()));
    while !vm.has_come() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        kill(Pid::from_raw(vm.pid()), Signal::SIGTERM).map_err(|errno| Error::StopFailed {
            pid: vm.pid(),
            reason: format!("{why} SIGTERM: {}", errno.desc()),
        })?;
        vm.wait(turn());
    }
    Ok(())
}

/// Runs something slow and tells the operator every ten seconds that it still runs.
pub fn with_reports<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (done, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            while waiting.recv_timeout(REPORT) == Err(mpsc::RecvTimeoutError::Timeout) {
                message::answer("EMQX is shutting down, please wait...");
            }
        });
        let result = work();
        drop(done);
        result
    })
}
