//! `stop`: ask the node to shut down in good order, then wait until its process is gone.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use shims::dist::{CallOptions, CallOutcome, DistError};

use crate::environment::Environment;
use crate::error::Error;
use crate::host::{Host, is_alive};
use crate::message;
use crate::pipe;
use crate::release::Release;
use crate::running::RunningNode;
use crate::syslog;
use crate::target::Contact;

/// How long the node may take to shut its applications down.
const GRACE: Duration = Duration::from_secs(120);

/// How often a waiting operator hears something.
const REPORT: Duration = Duration::from_secs(10);

/// How often the process is looked for.
const POLL: Duration = Duration::from_millis(10);

/// Stops the node.
///
/// # Errors
/// It is not running, it refuses, or it is still there after the time to wait.
pub fn stop(host: &Host, release: &Release, contact: &Contact) -> Result<(), Error> {
    let Some(process) = &contact.process else {
        // It may run where its process cannot be seen: then it answers.
        let mut connection = contact.connect()?;
        let outcome = shut_down(&mut connection);
        return finish_rpc(0, outcome).map(|()| message::answer("ok"));
    };
    // Its run_erl ends a moment after it: a start right behind must not meet it.
    let keepers = console_dir(host, process)
        .map(|dir| pipe::run_erls(&dir))
        .unwrap_or_default();
    with_reports(|| match contact.connect() {
        Ok(mut connection) => finish_rpc(process.pid, shut_down(&mut connection)),
        Err(unreachable) => through_the_console(host, process, unreachable),
    })?;
    let ending: Vec<i32> = std::iter::once(process.pid).chain(keepers).collect();
    wait_until_gone(&host.env, &ending).inspect_err(|error| {
        syslog::log(&release.name, process.pid, &format!("STOP: {error}"));
    })?;
    message::answer("ok");
    syslog::log(&release.name, process.pid, "STOP: OK");
    Ok(())
}

fn shut_down(connection: &mut shims::dist::Connection) -> Result<CallOutcome, DistError> {
    let options = CallOptions {
        timeout: Some(GRACE),
        console: None,
    };
    connection.call("emqx_machine", "graceful_shutdown", Vec::new(), options)
}

fn finish_rpc(pid: i32, outcome: Result<CallOutcome, DistError>) -> Result<(), Error> {
    let failed = |reason: String| Err(Error::StopFailed { pid, reason });
    match outcome {
        Ok(CallOutcome::Return(_) | CallOutcome::NodeDown) => Ok(()),
        // The node went away before it could answer: that is what was asked for.
        Err(DistError::Closed(_)) => Ok(()),
        Ok(CallOutcome::Timeout) => failed(format!("no answer within {} s", GRACE.as_secs())),
        Ok(CallOutcome::Throw(reason) | CallOutcome::Exit(reason) | CallOutcome::Error(reason)) => {
            failed(reason.to_string())
        }
        Err(error) => failed(error.to_string()),
    }
}

/// A node that does not answer can still read its console, if it has one.
fn through_the_console(
    host: &Host,
    process: &RunningNode,
    unreachable: Error,
) -> Result<(), Error> {
    let Some(pipe_dir) = console_dir(host, process).filter(|dir| dir.is_dir()) else {
        return Err(unreachable);
    };
    message::warning(&format!(
        "{unreachable} Shutting it down through its console."
    ));
    pipe::shut_down(&pipe_dir)
}

/// Runs something slow and tells the operator every ten seconds that it still runs.
fn with_reports<T: Send>(work: impl FnOnce() -> T + Send) -> T {
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

/// Where the node's console has its pipes, if it was started as a daemon by this user.
fn console_dir(host: &Host, process: &RunningNode) -> Option<PathBuf> {
    let data_dir = process.data_dir.as_ref()?;
    Some(pipe::dir(data_dir, &host.user_name(), &process.name))
}

fn wait_until_gone(env: &Environment, pids: &[i32]) -> Result<(), Error> {
    let limit = env.seconds("EMQX_WAIT_FOR_STOP", 120);
    let deadline = Instant::now() + limit;
    while let Some(pid) = pids.iter().copied().find(|pid| is_alive(*pid)) {
        if Instant::now() >= deadline {
            let seconds = limit.as_secs();
            return Err(Error::StopTimeout { pid, seconds });
        }
        thread::sleep(POLL);
    }
    Ok(())
}
