//! The two sides of the benchmark of the boot path: the launcher, and a script that boots and stops
//! the same release the old way (`old_way.sh`).

use super::measure::time;
use crate::error::{Error, Result};
use crate::exec_trace::{self, Execs};
use crate::install::Install;
use crate::process;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("old_way.sh");
/// How often it is looked whether a process has become the VM; far below what is measured.
const LOOK: Duration = Duration::from_micros(500);

/// One way to boot an installation.
pub(super) struct Way<'a> {
    install: &'a Install,
    /// `None` for the launcher.
    script: Option<PathBuf>,
}

impl<'a> Way<'a> {
    /// The launcher's.
    pub(super) fn ours(install: &'a Install) -> Self {
        Self {
            install,
            script: None,
        }
    }

    /// The old one.
    pub(super) fn old(install: &'a Install) -> Result<Self> {
        let script = install.scratch().join("old_way.sh");
        fs_err::write(&script, SCRIPT)?;
        Ok(Self {
            install,
            script: Some(script),
        })
    }

    fn command(&self, name: &str) -> Command {
        let Some(script) = &self.script else {
            return self.install.emqx_command(&[name]);
        };
        let mut command = self.install.command("bash");
        command.arg(script).arg(self.install.root()).arg(name);
        command
    }

    /// Runs a command that ends by itself.
    pub(super) fn run(&self, name: &str) -> Result<Duration> {
        time(self.command(name).stdin(Stdio::null()))
    }

    /// Time until `foreground` has become the VM; ends that again.
    pub(super) fn foreground(&self) -> Result<Duration> {
        let mut command = self.command("foreground");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let took = until_it_is_the_vm(&mut child, started);
        self.install.kill_all()?;
        child.wait()?;
        took
    }

    /// What it starts before `foreground` or `start` has become the VM.
    pub(super) fn execs(&self, name: &str) -> Result<Execs> {
        exec_trace::trace_boot(self.install, &self.command(name))
    }
}

fn until_it_is_the_vm(child: &mut Child, started: Instant) -> Result<Duration> {
    let exe = PathBuf::from(format!("/proc/{}/exe", child.id()));
    loop {
        let took = started.elapsed();
        // Without it being followed: the process may be gone between two looks.
        let program = std::fs::read_link(&exe).unwrap_or_default();
        let name = program.file_name().unwrap_or_default();
        if name == "erlexec" || name == "beam.smp" {
            return Ok(took);
        }
        if let Some(status) = child.try_wait()? {
            let what = format!("foreground ended with {status} before it was a VM");
            return Err(Error::Unexpected(what));
        }
        if took > process::HANG {
            return Err(Error::TimedOut {
                what: "foreground to become the VM".to_owned(),
                limit: process::HANG,
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// The arguments of the one node of an installation, but for the times in the names of its files, and
/// for the place of the cookie: hocon and the launcher write it into different lines.
pub(super) fn arguments(install: &Install) -> Result<Vec<String>> {
    let vms = install.vms();
    let [vm] = vms.as_slice() else {
        let what = format!("{} nodes run instead of one", vms.len());
        return Err(Error::Unexpected(what));
    };
    let masked = vm.args.iter().map(|arg| {
        let path = Path::new(arg);
        let generated = path.extension().is_some_and(|it| it == "config");
        let shown = if generated {
            path.with_file_name("app.config")
        } else {
            path.to_path_buf()
        };
        shown.to_string_lossy().into_owned()
    });
    let mut words: Vec<String> = masked.collect();
    if let Some(at) = words.iter().position(|word| word == "-setcookie") {
        let last = (at + 2).min(words.len());
        let cookie: Vec<String> = words.drain(at..last).collect();
        words.extend(cookie);
    }
    Ok(words)
}
