//! One node in one unit: what systemd says of it, and how it is stopped and restarted by systemd.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::boot::watch::{Outcome, Sighting, watch};
use crate::command::Command;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::ending::Ending;
use crate::host::process::{cgroups_of, parent_of, user_of};
use crate::host::{Host, has_systemd};
use crate::message;
use crate::node::pipe::Daemon;
use crate::node::running::{RunningNode, nodes_of};
use crate::node::target::Contact;
use crate::patience::{self, Patience};
use crate::release::Release;
use crate::service::Unit;
use crate::service::supervised::{Owner, Way, plan_way};
use crate::service::systemctl::{Properties, Systemctl};
use crate::stop::with_reports;

/// How long processes of the unit may outlive its stop.
const LEFTOVER: Duration = Duration::from_secs(5);

/// How often the new process is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// A node in a unit.
pub struct Case<'a> {
    host: &'a Host,
    release: &'a Release,
    /// The node's process.
    pub node: RunningNode,
    /// What it is in.
    pub unit: Unit,
}

impl<'a> Case<'a> {
    /// The node that the command is meant for, where systemd runs it.
    pub fn observe(host: &'a Host, release: &'a Release, command: Command) -> Option<Case<'a>> {
        if !matches!(command, Command::Stop | Command::Restart) || !has_systemd() {
            return None;
        }
        // What cannot be found is reported by the command itself.
        let node = Contact::find(release, &host.env).ok()?.process?;
        let unit = unit_of(node.pid)?;
        Some(Case {
            host,
            release,
            node,
            unit,
        })
    }

    /// Decides, with what systemd has said about the unit.
    pub fn way(&self, command: Command) -> (Way, Option<(Systemctl<'_>, Properties)>) {
        let inside = unit_of(self.host.pid).as_ref() == Some(&self.unit);
        if inside && command == Command::Stop {
            // Nothing that systemd runs may wait for systemd.
            return (plan_way(command, inside, None), None);
        }
        let asked = Systemctl::find(self.host, &self.unit)
            .and_then(|systemctl| systemctl.show().map(|properties| (systemctl, properties)));
        let properties = asked.as_ref().map(|(_, properties)| properties);
        let invocation = self.host.env.get("INVOCATION_ID");
        // A process that was moved elsewhere still belongs to the unit's present run.
        let is_within =
            properties.is_some_and(|properties| invocation == Some(&properties.invocation));
        let owner = properties.map(|properties| self.owner(properties));
        (plan_way(command, inside || is_within, owner), asked)
    }

    /// Has systemd stop the unit. `None` where the node has to be stopped without it.
    ///
    /// # Errors
    /// systemd does not do it, and would start the node again.
    pub fn stop(
        &self,
        systemctl: &Systemctl<'_>,
        properties: &Properties,
    ) -> Result<Option<u8>, Error> {
        self.announce("stop");
        self.note_ready();
        let vm = Ending::of(self.node.pid);
        let result = with_reports(|| systemctl.perform("stop", &[]));
        let time = if result.is_ok() {
            LEFTOVER
        } else {
            Duration::ZERO
        };
        // A job that was overtaken by another one has had its effect, too.
        if vm.wait(Some(Instant::now() + time)) {
            message::answer("ok");
            return Ok(Some(0));
        }
        match result {
            // A unit may be set to leave processes behind: then the node is stopped here.
            Ok(()) => Ok(None),
            Err(reason) if properties.starts_again() => {
                let policy = &properties.restart;
                let reason = format!("{reason} (Restart={policy} would start it again at once)");
                Err(self.refusal(Command::Stop, reason))
            }
            Err(reason) => {
                // Others are refused by the stop itself.
                if self.host.uid.is_root() || user_of(self.node.pid) == Some(self.host.uid.as_raw())
                {
                    self.warn_of_direct_stop(&reason);
                }
                Ok(None)
            }
        }
    }

    /// Has systemd restart the unit, and waits for the node. `alone`: this process ends with the
    /// unit, and nobody would hear how it went on.
    ///
    /// # Errors
    /// systemd does not do it, or the node does not get ready.
    pub fn restart(&self, systemctl: &Systemctl<'_>, alone: bool) -> Result<Option<u8>, Error> {
        if let Some(code) = self.check_config()? {
            return Ok(Some(code));
        }
        self.announce("restart");
        self.note_ready();
        if alone {
            return match systemctl.perform("restart", &["--no-block"]) {
                Ok(()) => Ok(Some(0)),
                Err(reason) => Err(self.refusal(Command::Restart, reason)),
            };
        }
        let old = Ending::of(self.node.pid);
        if let Err(reason) = with_reports(|| systemctl.perform("restart", &[])) {
            return Err(if old.has_come() {
                self.failure(1, reason)
            } else {
                self.refusal(Command::Restart, reason)
            });
        }
        self.wait_until_ready(systemctl)?;
        self.note_ready();
        message::answer(&format!(
            "{} {} is started successfully!",
            self.release.description, self.release.vsn
        ));
        Ok(Some(0))
    }

    fn owner(&self, properties: &Properties) -> Owner {
        let main = properties.main_pid;
        let daemon = Daemon::of_vm(self.node.pid).map(|daemon| daemon.pid);
        let own = self.release.install.home.tree().launcher();
        let own = fs_err::canonicalize(&own).unwrap_or(own);
        let programs = [self.host.exe.clone(), own];
        if main == self.node.pid || Some(main) == daemon || properties.starts(&programs) {
            return Owner::Node;
        }
        let mut ancestors = std::iter::successors(parent_of(self.node.pid), |pid| parent_of(*pid));
        if main > 1 && ancestors.any(|pid| pid == main) {
            Owner::Ancestor
        } else {
            Owner::Other
        }
    }

    /// Checks the configuration. Gives the exit code where it is refused; it has said why.
    fn check_config(&self) -> Result<Option<u8>, Error> {
        let command = self.as_runner("check_config").command();
        let output = command.and_then(|mut command| {
            let command = command.stdin(Stdio::null()).stderr(Stdio::inherit());
            command.output()
        });
        let output = output.map_err(|source| Error::Exec {
            program: self.host.exe.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(None);
        }
        message::relay(&String::from_utf8_lossy(&output.stdout), "");
        let code = output.status.code().unwrap_or(1);
        Ok(Some(u8::try_from(code).unwrap_or(1)))
    }

    /// Has a hot-upgraded tree marked good whose node is ready: the files of `relup/` are written
    /// by the runner user only.
    fn note_ready(&self) {
        if self.release.install.hot.is_some() {
            // Whatever it says, the next command will see as well.
            let ping = self.as_runner("ping").command();
            let _ = ping.and_then(|mut command| command.output());
        }
    }

    /// This launcher as a child, which becomes the runner user; this process may not be that yet.
    fn as_runner(&self, command: &str) -> ExecSpec {
        ExecSpec {
            program: self.host.exe.clone(),
            args: vec![command.into()],
            env: self.host.env.clone(),
            cwd: self.release.install.base.path().to_path_buf(),
        }
    }

    /// Waits for the unit's new VM. It is systemd's: whatever it does, it is left alone.
    fn wait_until_ready(&self, systemctl: &Systemctl<'_>) -> Result<(), Error> {
        let deadline = Patience::observe(&self.host.env, patience::START).deadline();
        let main = systemctl.show().map_or(0, |properties| properties.main_pid);
        let main = Ending::of(main);
        let ended = || self.failure(1, "the node ended before it was ready".to_owned());
        let late = |code| self.failure(code, "the node is not ready in time".to_owned());
        let vm = loop {
            if let Some(vm) = self.new_vm() {
                break vm;
            }
            if main.has_come() {
                return Err(ended());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(late(2));
            }
            sleep(LOOK);
        };
        let mut env = self.host.env.clone();
        env.set("EMQX_NODE__NAME", &vm.name);
        // The unit's own configuration counts, which may have a new one.
        env.take("EMQX_NODE__COOKIE");
        let contact = Contact::find(self.release, &env)?;
        match watch(&contact.target, move || Sighting::There(vm.pid), deadline)? {
            Outcome::Ready => Ok(()),
            Outcome::Ended => Err(ended()),
            Outcome::Unreachable { reason, .. } => Err(self.failure(2, reason)),
            Outcome::NotReady => Err(late(3)),
        }
    }

    fn new_vm(&self) -> Option<RunningNode> {
        nodes_of(self.release).into_iter().find(|node| {
            node.pid != self.node.pid && unit_of(node.pid).as_ref() == Some(&self.unit)
        })
    }

    fn announce(&self, verb: &str) {
        message::info(&format!(
            "{} belongs to {}: {}",
            self.node.name,
            self.unit.name,
            self.unit.command_line(verb)
        ));
    }

    /// Says what a stop without systemd may lead to.
    pub fn warn_of_direct_stop(&self, why: &str) {
        message::warning(&format!(
            "{} belongs to {}, and is stopped without it: {why}",
            self.node.name, self.unit.name
        ));
        message::warning(&format!(
            "`{}` is the way that systemd knows of.",
            self.unit.command_line("stop")
        ));
    }

    /// The error for what systemd does not do.
    pub fn refusal(&self, command: Command, reason: String) -> Error {
        Error::OfService {
            name: self.node.name.clone(),
            unit: self.unit.clone(),
            verb: command.explanation().names[0],
            reason,
        }
    }

    fn failure(&self, code: u8, reason: String) -> Error {
        Error::ServiceFailed {
            unit: self.unit.clone(),
            code,
            reason,
        }
    }
}

fn unit_of(pid: i32) -> Option<Unit> {
    Unit::parse(&cgroups_of(pid)?, cgroups_of(1).as_deref())
}
