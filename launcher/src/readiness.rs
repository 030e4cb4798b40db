//! Telling a service manager how far a boot has come, by the protocol of systemd's `Type=notify`.
//!
//! `foreground` becomes the VM, which knows nothing of service managers. So a process of this
//! launcher is left beside it: it is nobody's child that the VM would have to see to, waits until the
//! node is ready, says so, and ends, with the VM at the latest. Nothing of this may stop a boot: what
//! cannot be said is not said.

mod helper;
mod manager;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

pub use helper::{WORD, run};
pub use manager::Manager;

use crate::exec::ExecSpec;
use crate::handover;
use crate::host::{Host, OWN_PROGRAM};
use crate::release::Release;

/// How long the configuration may take to be prepared, beyond the time that the unit gives.
const PREPARING: Duration = Duration::from_secs(60);

/// A boot that a service manager wants to hear of, before its VM is there.
#[derive(Debug)]
pub struct Announcer {
    manager: Manager,
}

impl Announcer {
    /// Takes what a service manager has left for this process out of the environment: its children
    /// have nothing to say to it. `None` where there is none, or none that can be reached.
    pub fn take(host: &mut Host) -> Option<Announcer> {
        // Nobody here would send the signs of life that are asked for.
        for name in ["WATCHDOG_USEC", "WATCHDOG_PID"] {
            host.env.take(name);
        }
        let manager = Manager::take(&mut host.env)?;
        Some(Announcer { manager })
    }

    /// Says that the boot has begun.
    pub fn preparing(&self, release: &Release) {
        let status = format!(
            "preparing the boot of {} {}",
            release.description, release.vsn
        );
        self.manager.says(&status, Some(PREPARING));
    }

    /// Says why there will be no VM.
    pub fn refused(&self, why: &str) {
        self.manager.says(&format!("refused: {why}"), None);
    }

    /// Leaves the helper behind, right before this process becomes the VM.
    pub fn leave_helper(&self, host: &Host, release: &Release) {
        let status = format!("starting {} {}", release.description, release.vsn);
        self.manager.says(&status, Some(PREPARING));
        let mut env = host.env.clone();
        self.manager.put_back(&mut env);
        // The VM's own arguments tell; a FIFO is not read again.
        env.take("EMQX_NODE__COOKIE");
        handover::remember(host, &mut env);
        let words = [WORD.into(), host.pid.to_string().into()];
        let started = run_apart(env, &words).and_then(|mut child| child.wait());
        if let Err(error) = started {
            tracing::debug!(%error, "nobody will say when the node is ready");
        }
    }
}

/// This very program once more, with nothing of this process's streams.
fn run_apart(
    env: crate::host::environment::Environment,
    words: &[OsString],
) -> std::io::Result<std::process::Child> {
    let spec = ExecSpec {
        program: PathBuf::from(OWN_PROGRAM),
        args: words.to_vec(),
        env,
        cwd: "/".into(),
    };
    spec.command()?
        .arg0("emqx")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
