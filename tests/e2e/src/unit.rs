//! A place in the control groups that looks like a service of systemd, with a `systemctl` that
//! writes down what it is asked: for machines that systemd does not run.
//!
//! The group is real, the node in it is real, and the launcher reads what the kernel says of both.
//! Only root may make one, and only where the hierarchy can be written.

use crate::error::Result;
use crate::install::Install;
use crate::process::{self, Finished, Running};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A group named like a unit.
#[derive(Debug)]
pub struct Unit {
    /// `name.service`.
    pub name: String,
    slice: PathBuf,
    tools: PathBuf,
}

impl Unit {
    /// Makes the group. `None`, with a word about it, where this machine does not let us.
    pub fn make(install: &Install, name: &str) -> Result<Option<Self>> {
        Self::below(
            hierarchy(named).or_else(|| hierarchy(second)),
            install,
            name,
        )
    }

    /// The same in the hierarchy of the second version, for a systemd below it.
    pub fn of_second_version(install: &Install, name: &str) -> Result<Option<Self>> {
        Self::below(hierarchy(second), install, name)
    }

    fn below(hierarchy: Option<PathBuf>, install: &Install, name: &str) -> Result<Option<Self>> {
        let Some(hierarchy) = hierarchy else {
            println!("not tried here: no hierarchy of control groups that can be written");
            return Ok(None);
        };
        let slice = hierarchy.join(format!("emqx_e2e_{:x}.slice", fastrand::u64(..)));
        // A unit may have groups of its own.
        if let Err(error) = fs_err::create_dir_all(slice.join(name).join("below")) {
            println!("not tried here: {error}");
            return Ok(None);
        }
        let tools = install.scratch().join("tools");
        fs_err::create_dir_all(&tools)?;
        let unit = Self {
            name: name.to_owned(),
            slice,
            tools,
        };
        unit.set_systemctl("exit 0")?;
        Ok(Some(unit))
    }

    /// What `systemctl` does after it has written down its arguments.
    pub fn set_systemctl(&self, script: &str) -> Result<()> {
        let record = self.record();
        let program = self.tools.join("systemctl");
        let text = format!(
            "#!/bin/sh\necho \"$@\" >>'{}'\n{script}\n",
            record.display()
        );
        fs_err::write(&program, text)?;
        fs_err::set_permissions(program, PermissionsExt::from_mode(0o755))?;
        if record.exists() {
            fs_err::remove_file(record)?;
        }
        Ok(())
    }

    /// What `systemctl` was asked to do since its script was set, but for questions.
    pub fn asked(&self) -> Vec<String> {
        let record = fs_err::read_to_string(self.record()).unwrap_or_default();
        let lines = record.lines().filter(|line| !line.contains(" show "));
        lines.map(str::to_owned).collect()
    }

    /// A shell's words that put the shell into the group.
    #[must_use]
    pub fn enter(&self) -> String {
        let group = self.slice.join(&self.name).join("below/cgroup.procs");
        format!("echo $$ >'{}'", group.display())
    }

    /// Starts a command inside the group.
    pub fn spawn(&self, install: &Install, args: &[&str]) -> Result<Running> {
        let script = format!("{} && exec \"$@\"", self.enter());
        let mut command = install.command("sh");
        command.args(["-c", &script, "sh"]);
        command.arg(install.path("bin/emqx")).args(args);
        Running::spawn(command.stdin(Stdio::null()))
    }

    /// Runs `emqx` where a directory tells that systemd runs the machine.
    pub fn emqx(&self, install: &Install, args: &[&str]) -> Result<Finished> {
        process::run(&mut self.booted(install, None, args), process::HANG)
    }

    /// The same, inside the group.
    pub fn emqx_inside(&self, install: &Install, args: &[&str]) -> Result<Finished> {
        let enter = self.enter();
        process::run(&mut self.booted(install, Some(&enter), args), process::HANG)
    }

    fn booted(&self, install: &Install, first: Option<&str>, args: &[&str]) -> Command {
        let script = format!(
            "mount -t tmpfs none /run && mkdir -p /run/systemd/system && {} && exec \"$@\"",
            first.unwrap_or("true")
        );
        let mut command = install.command("unshare");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.tools.display()));
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command.arg(install.path("bin/emqx")).args(args);
        command
    }

    fn record(&self) -> PathBuf {
        self.tools.join("asked")
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = process::wait_until("the group to be empty", process::HANG, || {
            remove(&self.slice);
            Ok(!self.slice.exists())
        });
    }
}

/// A group can be removed when the last process in it is gone; its parents after it.
fn remove(group: &Path) {
    let Ok(entries) = fs_err::read_dir(group) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs_err::remove_dir(group);
}

/// The hierarchy that is systemd's own where others are of the first version.
fn named(kind: &str, options: &str) -> bool {
    kind == "cgroup" && options.split(',').any(|option| option == "name=systemd")
}

fn second(kind: &str, _: &str) -> bool {
    kind == "cgroup2"
}

/// Where such a hierarchy is mounted and may be written.
fn hierarchy(is_it: fn(&str, &str) -> bool) -> Option<PathBuf> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let mounts = fs_err::read_to_string("/proc/mounts").ok()?;
    let mut places = mounts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        is_it(words.get(2)?, words.get(3)?).then(|| PathBuf::from(words[1]))
    });
    places.find(|place| is_writable(place))
}

fn is_writable(place: &Path) -> bool {
    let probe = place.join(format!("emqx_e2e_probe_{}", std::process::id()));
    fs_err::create_dir(&probe)
        .and_then(|()| fs_err::remove_dir(&probe))
        .is_ok()
}
