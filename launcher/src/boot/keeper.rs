//! The daemon that a `start` has made: `run_erl`, and the VM that is its only child. Found by the
//! directory of its pipes, told from those of a node that is just ending, and ended when the boot
//! has failed.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::boot::watch::Sighting;
use crate::host::ending::Ending;
use crate::host::process::is_alive;
use crate::message;
use crate::node::pipe::{self, run_erls};
use crate::patience::Patience;
use crate::release::dialect::Dialect;

/// How often in a row no process may be seen. `run_erl` forks twice on its way to being a daemon,
/// and one look at the process table can miss the old process and the new one.
const MISSES: u32 = 3;

/// How long the console may take to be obeyed. A shell reads what is typed when the boot is over,
/// and a boot that was too slow may never be.
const TYPED: Duration = Duration::from_secs(10);

/// How long `run_erl` may take to write down what its VM said last.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The `run_erl` of one boot.
#[derive(Debug, Clone)]
pub struct Keeper {
    pipe_dir: PathBuf,
    /// Processes of `run_erl` that were there before.
    older: Vec<i32>,
    pid: Option<i32>,
    misses: u32,
    /// What its console understands.
    dialect: Dialect,
}

impl Keeper {
    /// The daemon that will serve the pipes of a directory, and is not there yet.
    pub fn expect(pipe_dir: &Path, dialect: Dialect) -> Keeper {
        Keeper {
            pipe_dir: pipe_dir.to_owned(),
            older: run_erls(pipe_dir),
            pid: None,
            misses: 0,
            dialect,
        }
    }

    /// Looks for the VM's process.
    pub fn look(&mut self) -> Sighting {
        // What has no child yet may still be a process that forks and ends.
        if self.pid.is_none_or(|pid| !is_alive(pid)) {
            self.pid = self.daemons().first().copied();
        }
        match self.pid {
            None if self.misses >= MISSES => Sighting::Gone,
            None => {
                self.misses += 1;
                Sighting::Coming
            }
            Some(pid) => {
                self.misses = 0;
                pipe::vm_of(pid).map_or(Sighting::Coming, Sighting::There)
            }
        }
    }

    /// Waits a little for what is written down about a VM that has ended.
    pub fn last_words(&self) {
        let deadline = Instant::now() + LAST_WORDS;
        for pid in self.daemons() {
            Ending::of(pid).wait(Some(deadline));
        }
    }

    /// Ends a node that did not get ready: through its console, then by signals. Gives the process
    /// that is still there when its time is up.
    pub fn give_up(&mut self, name: &str, patience: Patience) -> Option<i32> {
        message::answer(&format!("Shutting down {name} through its console."));
        let deadline = patience.deadline();
        let typed = pipe::shut_down(&self.pipe_dir, self.dialect).is_ok();
        let mut signal_at = Instant::now() + if typed { TYPED } else { Duration::ZERO };
        loop {
            let left = match (self.look(), self.daemons().first()) {
                (Sighting::There(vm), _) => vm,
                (Sighting::Coming | Sighting::Gone, Some(run_erl)) => *run_erl,
                (Sighting::Coming, None) => {
                    sleep(Duration::from_millis(10));
                    continue;
                }
                (Sighting::Gone, None) => return None,
            };
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Some(left);
            }
            if now >= signal_at {
                // It may have ended by itself meanwhile.
                let _ = kill(Pid::from_raw(left), Signal::SIGTERM);
                signal_at = now + TYPED;
            }
            let wake = deadline.map_or(signal_at, |deadline| deadline.min(signal_at));
            Ending::of(left).wait(Some(wake));
        }
    }

    fn daemons(&self) -> Vec<i32> {
        let mut pids = run_erls(&self.pipe_dir);
        pids.retain(|pid| !self.older.contains(pid));
        pids
    }
}
