//! Stops the VM's own thread at a certain write to the journal: what lies between two records has no
//! instruction at which a hop could wait.

use super::scene::Scene;
use e2e::process::{self, HANG, Running};
use nix::sys::signal::Signal;
use std::process::Command;
use std::time::{Duration, Instant};

/// For how long a thread must not move to count as halted: at other calls it is stopped for an instant.
const STILL: Duration = Duration::from_millis(400);

/// A VM under strace.
pub(super) struct Halt {
    strace: Running,
    vm: u32,
}

impl Halt {
    /// The VM needs this argument, because strace counts the calls of each thread.
    pub(super) const ONE_WRITER: &str = "+SDio 1";

    /// Lets the VM run until it is about to write its `nth` record.
    pub(super) fn before_record(scene: &Scene, nth: u32) -> e2e::Result<Halt> {
        let vm = scene.install.vms().first().map_or(0, |vm| vm.pid);
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o"])
            .arg(scene.install.scratch().join("halt.log"))
            .args(["-e", "trace=write,writev", "-e"])
            // One call of the two is what the VM uses.
            .arg(format!(
                "inject=write,writev:delay_enter=120000000:when={nth}"
            ))
            .arg("-P")
            .arg(scene.install.path("relup/journal.jsonl"))
            .args(["-p", &vm.to_string()]);
        let halt = Halt {
            strace: Running::spawn(&mut strace)?,
            vm,
        };
        process::wait_until("strace to be attached", HANG, || {
            let traced = |task: &String| task.contains("TracerPid:\t0\n");
            Ok(!halt.tasks("status").iter().any(traced))
        })?;
        Ok(halt)
    }

    /// Waits until it is there.
    pub(super) fn is_reached(&self) -> e2e::Result<()> {
        let mut since = None;
        process::wait_until("the VM's writer to halt", HANG, || {
            let is_stopped = |task: &String| {
                let state = task.rsplit(") ").next().unwrap_or_default();
                state.starts_with('t')
            };
            if !self.tasks("stat").iter().any(is_stopped) {
                since = None;
            }
            Ok(since.get_or_insert_with(Instant::now).elapsed() > STILL
                && self.tasks("stat").iter().any(is_stopped))
        })
    }

    /// Lets the VM go on as if nothing had been.
    pub(super) fn let_go(mut self) -> e2e::Result<()> {
        self.strace.signal(Signal::SIGKILL)?;
        self.strace.wait(HANG).map(drop)
    }

    fn tasks(&self, file: &str) -> Vec<String> {
        let tasks = fs_err::read_dir(format!("/proc/{}/task", self.vm));
        let tasks = tasks.into_iter().flatten().flatten();
        tasks
            .filter_map(|task| fs_err::read_to_string(task.path().join(file)).ok())
            .collect()
    }
}
