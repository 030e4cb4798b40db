//! The wait for a node that boots as a daemon: until it is ready, gone, or late.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shims::dist::{CallOptions, CallOutcome, Connection, Target};
use shims::term::{self, Term};

use crate::boot::Boot;
use crate::boot::console_log::died;
use crate::error::Error;
use crate::host::is_alive;
use crate::message;
use crate::pipe::{self, run_erls};
use crate::release::Release;
use crate::running::nodes_of;

/// How often the node is looked at: well below what a person notices, and cheap.
const POLL: Duration = Duration::from_millis(20);

/// How long one question to the booting node may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait for a node that boots.
pub struct Watch<'a> {
    /// What is booted.
    pub release: &'a Release,
    /// With what.
    pub boot: &'a Boot,
    /// The way to it.
    pub target: &'a Target,
    /// The pipes of its console.
    pub pipe_dir: &'a Path,
    /// Processes of `run_erl` that were there before: of a node that is just ending.
    pub older: Vec<i32>,
}

impl Watch<'_> {
    /// Waits until the node is ready.
    ///
    /// # Errors
    /// It ended, or was not ready at the deadline and has been shut down.
    pub fn wait(&self, deadline: Instant) -> Result<(), Error> {
        let mut daemon = Daemon {
            pipe_dir: self.pipe_dir,
            older: &self.older,
            pid: None,
            misses: 0,
        };
        let mut connection: Option<Connection> = None;
        let mut unreachable = String::new();
        while Instant::now() < deadline {
            if !daemon.is_alive() {
                return Err(died(self.release, self.boot));
            }
            match connection.as_mut().map(is_ready) {
                Some(Ok(true)) => return Ok(()),
                Some(Ok(false)) => {}
                // A connection that broke says nothing yet: the next look tells whether it died.
                Some(Err(())) => connection = None,
                None => match Connection::connect(self.target, PROBE_TIMEOUT) {
                    Ok(connected) => connection = Some(connected),
                    Err(error) => unreachable = error.to_string(),
                },
            }
            sleep(POLL);
        }
        let name = self.boot.name.to_string();
        self.give_up(&name);
        Err(match connection {
            None => Error::StartUnreachable {
                host: self.target.host.clone(),
                name,
                reason: unreachable,
            },
            Some(_) => Error::StartTimeout { name },
        })
    }

    /// Ends a node that did not get ready: through its console, or by a signal where the console
    /// is not there yet. Returns when it is gone, or has had its time to go.
    fn give_up(&self, name: &str) {
        message::answer(&format!("Shutting down {name} through its console."));
        let daemons = || {
            let mut pids = run_erls(self.pipe_dir);
            pids.retain(|pid| !self.older.contains(pid));
            pids
        };
        if pipe::shut_down(self.pipe_dir).is_err() {
            let nodes = nodes_of(self.release);
            let vms = nodes
                .iter()
                .filter(|node| node.name == name)
                .map(|node| node.pid);
            for pid in vms.chain(daemons()) {
                // It may have ended by itself meanwhile.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        let deadline = Instant::now() + self.boot.env.seconds("EMQX_WAIT_FOR_STOP", 120);
        while !daemons().is_empty() && Instant::now() < deadline {
            sleep(POLL);
        }
    }
}

/// The process of `run_erl`, which lives exactly as long as the VM.
struct Daemon<'a> {
    pipe_dir: &'a Path,
    older: &'a [i32],
    pid: Option<i32>,
    misses: u32,
}

impl Daemon<'_> {
    /// How often in a row no process may be seen. `run_erl` forks twice on its way to being a
    /// daemon, and one look at the process table can miss the old process and the new one.
    const MISSES: u32 = 3;

    fn is_alive(&mut self) -> bool {
        if self.pid.is_none_or(|pid| !is_alive(pid)) {
            self.pid = run_erls(self.pipe_dir)
                .into_iter()
                .find(|pid| !self.older.contains(pid));
        }
        self.misses = if self.pid.is_some() {
            0
        } else {
            self.misses + 1
        };
        self.misses < Self::MISSES
    }
}

/// Asks whether the boot is complete; `Err` when the connection cannot be used any more. Releases
/// without `emqx_machine:is_ready/0` tell only whether the broker itself runs, which is true a
/// little earlier: it must not stand in for an `is_ready` that merely cannot answer yet.
fn is_ready(connection: &mut Connection) -> Result<bool, ()> {
    let machine = || term::atom("emqx_machine");
    // A node that loads its code on demand exports nothing before.
    if ask(connection, "code", "ensure_loaded", vec![machine()])?.is_none() {
        return Ok(false);
    }
    let exported = vec![machine(), term::atom("is_ready"), term::int(0)];
    let (module, function) = match ask(connection, "erlang", "function_exported", exported)? {
        Some(answer) if answer == term::atom("true") => ("emqx_machine", "is_ready"),
        Some(_) | None => ("emqx", "is_running"),
    };
    Ok(ask(connection, module, function, Vec::new())? == Some(term::atom("true")))
}

/// A call's value; `None` where it failed on the node.
fn ask(
    connection: &mut Connection,
    module: &str,
    function: &str,
    args: Vec<Term>,
) -> Result<Option<Term>, ()> {
    let options = CallOptions {
        timeout: Some(PROBE_TIMEOUT),
        console: None,
    };
    match connection
        .call(module, function, args, options)
        .map_err(drop)?
    {
        CallOutcome::Return(value) => Ok(Some(value)),
        CallOutcome::NodeDown => Err(()),
        CallOutcome::Throw(_)
        | CallOutcome::Exit(_)
        | CallOutcome::Error(_)
        | CallOutcome::Timeout => Ok(None),
    }
}
