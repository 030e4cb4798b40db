//! A machine to install packages on: a copy of a Debian root that goes with the test, in namespaces of
//! its own, with systemd as process 1.

use e2e::install::Install;
use e2e::ports::Slot;
use e2e::process::{self, Finished, Running};
use e2e::sample::{self, Sample};
use e2e::systemd::Systemd;
use e2e::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the machine's root is made; debootstrap may take its time.
const MAKING: Duration = Duration::from_secs(900);
/// The exit code of `root` where none can be made.
const NO_ROOT: i32 = 77;

/// A hook that holds an upgrade up for as long as `/var/lib/emqx/held` is there.
pub const HOLD: &str = r"mkdir /etc/emqx/relup.d && cat >/etc/emqx/relup.d/pre-upgrade <<'END'
#!/bin/sh
touch /var/lib/emqx/held
while [ -e /var/lib/emqx/held ]; do sleep 0.2; done
END
chmod 755 /etc/emqx/relup.d/pre-upgrade";

/// A machine that runs. What is in [`Machine::shared`] is there under the same path.
#[derive(Debug)]
pub struct Machine {
    // It goes before the directory that it runs on.
    systemd: Systemd,
    here: Install,
}

impl Machine {
    /// Boots one. `None`, with a word about it, where this machine cannot.
    pub fn boot() -> Result<Option<Self>> {
        let Some(root) = root()? else {
            return Ok(None);
        };
        let here = Install::borrow(&root, Slot::claim()?)?;
        match Systemd::boot(&here, Some(&root)) {
            Ok(systemd) => Ok(Some(Self { systemd, here })),
            Err(Error::Missing { what, .. }) => {
                crate::left_out(&what);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The directory that both sides see; it goes with the machine.
    #[must_use]
    pub fn shared(&self) -> &Path {
        self.here.scratch()
    }

    /// A release tarball of the sample and its digest, for the machine.
    pub fn tarball(&self, vsn: &str) -> Result<String> {
        let from = Sample::find()?.tarball(vsn)?;
        let name = from.file_name().unwrap_or_default();
        let to = self.shared().join(name);
        fs_err::copy(&from, &to)?;
        fs_err::copy(sample::sidecar_of(&from), sample::sidecar_of(&to))?;
        // The user emqx has to reach it.
        self.sh(&format!("chmod a+rx {}", self.shared().display()))?;
        Ok(to.display().to_string())
    }

    /// The sample's hops, where the launcher looks for them.
    pub fn bring_hops(&self) -> Result<()> {
        let catalog = Sample::find()?.catalog();
        let here = self.shared().join("catalog");
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(catalog).arg(&here);
        process::run(&mut copy, process::HANG)?.success()?;
        let line = format!("cp -r {} /usr/lib/emqx/relup/", here.display());
        self.sh(&line).map(drop)
    }

    /// Runs a command in it, as root.
    pub fn run(&self, command: &[&str]) -> Result<Finished> {
        process::run(&mut self.command(command), process::HANG)
    }

    /// Starts one and leaves it running.
    pub fn spawn(&self, command: &[&str]) -> Result<Running> {
        Running::spawn(self.command(command).stdin(Stdio::null()))
    }

    fn command(&self, command: &[&str]) -> Command {
        let mut inside = self.systemd.command(&self.here);
        inside
            .args(["env", "-i", "LANG=C.UTF-8", "HOME=/root"])
            .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
            .args(command);
        inside
    }

    /// A line for its shell, demanded to succeed; what it prints.
    pub fn sh(&self, line: &str) -> Result<String> {
        let finished = self.run(&["sh", "-c", line])?.success()?;
        Ok(finished.text().to_owned())
    }

    /// Runs `/usr/bin/emqx`, demanded to succeed.
    pub fn emqx(&self, args: &[&str]) -> Result<Finished> {
        self.run(&[&["/usr/bin/emqx"], args].concat())?.success()
    }

    /// Runs `dnf VERB WHAT` on a package or, to remove it, its name.
    pub fn dnf(&self, verb: &str, what: impl AsRef<Path>) -> Result<Finished> {
        let what = what.as_ref().display().to_string();
        self.run(&["dnf", "--assumeyes", verb, &what])
    }

    /// Whether a path is there.
    pub fn has(&self, path: &str) -> Result<bool> {
        // Neither directories that are empty nor links that lead nowhere are overlooked.
        Ok(self.run(&["find", path, "-maxdepth", "0"])?.code == Some(0))
    }

    /// A property of the unit.
    pub fn property(&self, name: &str) -> Result<String> {
        self.sh(&format!("systemctl show --value -p {name} emqx.service"))
    }

    /// Has systemd look at the unit, and demands that it has nothing to say.
    pub fn verify_unit(&self) -> Result<()> {
        let verified = self
            .run(&["systemd-analyze", "--man=no", "verify", "emqx.service"])?
            .success()?;
        if verified.stdout.is_empty() && verified.stderr.is_empty() {
            return Ok(());
        }
        Err(Error::Unexpected(verified.to_string()))
    }

    /// `systemctl VERB emqx`, which ends when systemd has been told that the broker runs.
    pub fn unit(&self, verb: &str) -> Result<()> {
        let finished = self.run(&["systemctl", verb, "emqx"])?;
        if finished.code == Some(0) {
            return Ok(());
        }
        let why = self.run(&[
            "sh",
            "-c",
            "systemctl status emqx; journalctl -u emqx; cat /var/log/emqx/*",
        ])?;
        Err(Error::Unexpected(format!("{finished}\n{why}")))
    }
}

/// The Debian root, made if it is not there.
fn root() -> Result<Option<PathBuf>> {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/root"));
    let made = process::run(&mut command, MAKING)?;
    if made.code == Some(NO_ROOT) {
        crate::left_out(made.stderr.lines().last().unwrap_or_default());
        return Ok(None);
    }
    Ok(Some(PathBuf::from(made.success()?.text())))
}
