//! What the agent in the VM writes, held up before its first record: an attempt whose command has done
//! its part, with strace attached to the VM, so that all that follows can be recorded or killed.

use crate::fault;
use crate::image::Image;
use crate::power::{Recording, replay};
use crate::scene::{Scene, Situation, is_version};
use crate::trace;
use crate::tracer::recorded_calls;
use e2e::install::Install;
use e2e::process::{self, Finished, HANG, Running};
use e2e::relay::Relay;
use e2e::sample::{V4, V5};
use e2e::{Result, journal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long strace may take to let go of a VM.
const DETACHED: Duration = Duration::from_secs(20);

/// An attempt of which the node has not heard yet.
pub struct Attempt {
    /// The installation, with its node running.
    pub install: Install,
    relay: Relay,
    command: Running,
    vm: u32,
}

impl Attempt {
    /// Begins an upgrade to 5.10.5 and holds it up between the command's last record and the node's
    /// first one.
    pub fn begin(tarball: &Path) -> Result<Attempt> {
        let mut install = Install::sample(V4)?;
        let relay = Relay::before(&mut install)?;
        // strace counts the calls of each thread; with one thread that writes it counts all.
        let arguments = install.path("etc/vm.args");
        let text = fs_err::read_to_string(&arguments)?;
        fs_err::write(&arguments, text.replace("+SDio 8", "+SDio 1"))?;
        install.start()?;
        let root = install.root().to_path_buf();
        relay.hold_when(move || {
            let records = journal::read(&root).unwrap_or_default();
            records.iter().any(|record| record.step == "deployed")
        });
        let mut command = install.emqx_command(&["relup", "upgrade"]);
        let command = Running::spawn(command.arg(tarball).stdin(Stdio::null()))?;
        relay.wait_until_held()?;
        let vm = install.vms().first().map_or(0, |vm| vm.pid);
        Ok(Attempt {
            install,
            relay,
            command,
            vm,
        })
    }

    /// The files that the agent touches, and their directory.
    pub fn files(&self) -> Result<[PathBuf; 4]> {
        let records = journal::last_attempt(self.install.root())?;
        let id = records.first().map_or("", |record| &record.attempt);
        let temp = format!("relup/.current-{id}");
        let names = ["relup/journal.jsonl", "relup/current", &temp, "relup"];
        Ok(names.map(|name| self.install.path(name)))
    }

    /// Lets the node go on below strace, to the end of the command.
    pub fn go_on(&mut self, options: &[String]) -> Result<Finished> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq"]).args(options);
        let mut strace = Running::spawn(strace.args(["-p", &self.vm.to_string()]))?;
        let tasks = format!("/proc/{}/task", self.vm);
        process::wait_until("strace to be attached", HANG, || {
            let mut all = true;
            for task in fs_err::read_dir(&tasks)? {
                let status = fs_err::read_to_string(task?.path().join("status"));
                all &= status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"));
            }
            Ok(all)
        })?;
        self.relay.let_go(None);
        let finished = self.command.wait(HANG)?;
        // One whose VM was killed waits for a thread that is gone, and does not end by itself.
        let is_gone = self.install.vms().is_empty();
        let signal = if is_gone {
            Signal::SIGKILL
        } else {
            Signal::SIGINT
        };
        strace.signal(signal)?;
        if strace.wait(DETACHED).is_err() {
            process::wait_until("a killed VM to vanish", HANG, || {
                Ok(self.install.vms().is_empty())
            })?;
        }
        Ok(finished)
    }

    /// `kill -9` of the VM; the epmd that knows it stays.
    pub fn kill_vm(&self) -> Result<()> {
        for vm in self.install.vms() {
            // It may have ended by itself since it was seen.
            let _ = kill(
                Pid::from_raw(i32::try_from(vm.pid).unwrap_or(i32::MAX)),
                Signal::SIGKILL,
            );
        }
        process::wait_until("the VM to vanish", HANG, || {
            Ok(self.install.vms().is_empty())
        })
    }

    /// `relup/` as far as the agent has to do with it: what is in it, and of each tree one file.
    pub fn observe(&self) -> Result<Image> {
        let mut image = Image::default();
        for entry in fs_err::read_dir(self.install.path("relup"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let tree = entry.path().join("releases/emqx_vars");
            if is_version(&name) && tree.is_file() {
                let path = format!("emqx/relup/{name}/releases/emqx_vars");
                image.put(&path, 0o644, fs_err::read(tree)?);
            } else if entry.file_type()?.is_file() && name != "lock" {
                let mode = std::os::unix::fs::MetadataExt::mode(&entry.metadata()?) & 0o7777;
                image.put(
                    &format!("emqx/relup/{name}"),
                    mode,
                    fs_err::read(entry.path())?,
                );
            }
        }
        Ok(image)
    }
}

/// Records what the agent writes in a whole upgrade.
pub fn record(attempt: &mut Attempt) -> Result<(Scene, Recording)> {
    let start = attempt.observe()?;
    let file = attempt.install.scratch().join("trace");
    let options = ["-y", "-xx", "-s", "10000000", "-e"].map(str::to_owned);
    let mut options = options.to_vec();
    options.push(recorded_calls());
    options.extend(["-o".to_owned(), file.to_string_lossy().into_owned()]);
    attempt
        .go_on(&options)?
        .success()?
        .says("upgrade complete")?;
    let after = attempt.observe()?;
    let situation = Situation {
        name: "agent",
        words: Vec::new(),
        home: "emqx",
        start,
        done: &[],
    };
    let scene = Scene::seen(situation, after.clone(), &[])?;
    // The VM writes much else; with `-xx` a path is found by its digits.
    let relup = attempt.install.path("relup");
    let mut digits = String::new();
    for byte in relup.to_string_lossy().bytes() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "\\x{byte:02x}");
    }
    let mut calls = trace::parse(&fs_err::read_to_string(file)?)?;
    calls.retain(|call| call.line.contains(&digits));
    let site = relup.ancestors().nth(2).ok_or_else(|| fault("no parent"))?;
    let mut recording = replay(&scene, site, &calls, &after)?;
    recording.is_strict = true;
    let marker = scene.after.file("emqx/relup/current").unwrap_or_default();
    if marker != format!("{V5}\n").as_bytes() {
        return Err(fault("the agent wrote no marker"));
    }
    Ok((scene, recording))
}
