//! A systemd that is process 1 in namespaces of its own, on the root of this machine or on another one.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::process::{self, Running};
use crate::sample::workspace;
use crate::unit::Unit;
use std::path::Path;
use std::process::{Command, Stdio};

/// One that runs; it ends with this.
#[derive(Debug)]
pub struct Systemd {
    /// Process 1, by its number here.
    init: String,
    // They go in this order: what runs in the group, then the group.
    _process: Running,
    _group: Unit,
}

impl Systemd {
    /// Boots one by `systemd/boot`, which is given the scratch directory of the installation: units
    /// in it are the machine's.
    ///
    /// # Errors
    /// [`Error::Missing`] where this machine cannot have one.
    pub fn boot(install: &Install, root: Option<&Path>) -> Result<Self> {
        let Some(group) = Unit::of_second_version(install, "machine.service")? else {
            return missing("no group that a systemd could be put into".to_owned());
        };
        let enter = format!("{} && exec unshare \"$@\"", group.enter());
        let mut unshare = install.command("sh");
        unshare.args(["-c", &enter, "sh", "--pid", "--fork", "--kill-child"]);
        unshare.args(["--mount", "--cgroup", "--uts", "--ipc", "--net"]);
        unshare.arg(workspace().join("tests/e2e/systemd/boot"));
        unshare.arg(install.scratch()).args(root);
        let mut systemd = Running::spawn(unshare.stdin(Stdio::null()))?;
        let mut init = String::new();
        process::wait_until("systemd to run", process::HANG, || {
            let children = format!("/proc/{0}/task/{0}/children", systemd.pid());
            let children = fs_err::read_to_string(children).unwrap_or_default();
            children.trim().clone_into(&mut init);
            let exe = fs_err::read_link(format!("/proc/{init}/exe")).unwrap_or_default();
            Ok(!systemd.is_alive() || exe.ends_with("systemd/systemd"))
        })?;
        if !systemd.is_alive() {
            let ended = systemd.wait(process::HANG)?;
            let why = ended.stderr.lines().last().unwrap_or("it ended at once");
            return missing(format!("systemd does not run here: {why}"));
        }
        let booted = Self {
            init,
            _process: systemd,
            _group: group,
        };
        process::wait_until("systemd to answer", process::HANG, || {
            let mut ask = booted.command(install);
            let state = process::run(ask.args(["systemctl", "is-system-running"]), process::HANG)?;
            Ok(state.text() == "running")
        })?;
        Ok(booted)
    }

    /// A command of the installation inside, still to be named.
    #[must_use]
    pub fn command(&self, install: &Install) -> Command {
        let mut nsenter = install.command("nsenter");
        nsenter.args(["--all", "--target", &self.init, "--"]);
        nsenter
    }
}

fn missing<T>(what: String) -> Result<T> {
    Err(Error::Missing {
        what,
        remedy: "run it as root on a machine with systemd and control groups".to_owned(),
    })
}
