//! `stop` and `restart` of a node that systemd runs. Whoever stops it behind systemd's back has it
//! started again by a `Restart=`, and whoever starts it has a copy outside the unit that systemd
//! knows nothing of: so systemd is told to do it, by whoever calls, who may be root where the node
//! is not.
//!
//! A `stop` from inside the unit is systemd's own (`ExecStop=emqx stop`) and is carried out.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::boot::watch::{Outcome, Sighting, watch};
use crate::command::Command;
use crate::ending::Ending;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::{Host, cgroups_of, has_systemd, parent_of, user_of};
use crate::message;
use crate::patience::{self, Patience};
use crate::pipe::Daemon;
use crate::release::Release;
use crate::running::{RunningNode, nodes_of};
use crate::service::Unit;
use crate::stop::with_reports;
use crate::systemctl::{Properties, Systemctl, command_line};
use crate::target::Contact;

/// How long processes of the unit may outlive its stop.
const LEFTOVER: Duration = Duration::from_secs(5);

/// How often the new process is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Whose the unit is that the node's process is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It is there to run this node.
    Node,
    /// Its main process has started the node, and it is not known what for.
    Ancestor,
    /// The node was only started from there: by `cron`, an agent, an ssh server without sessions.
    Other,
}

/// How the command is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As anywhere else.
    Direct,
    /// The same, with a warning why it is not systemd that does it.
    Behind(&'static str),
    /// By systemd, which is waited for.
    Systemd,
    /// By systemd, after this process has ended.
    SystemdAlone,
    /// Not at all.
    Refused(&'static str),
}

/// `inside`: this process is in the unit, too. No owner: nobody answers about the unit.
fn plan_way(command: Command, inside: bool, owner: Option<Owner>) -> Way {
    let is_restart = command == Command::Restart;
    match owner {
        // What systemd runs to stop the unit must not ask systemd to stop it.
        _ if inside && !is_restart => Way::Direct,
        Some(Owner::Other) => Way::Direct,
        Some(Owner::Node) if inside => Way::SystemdAlone,
        Some(Owner::Node) => Way::Systemd,
        Some(Owner::Ancestor) if is_restart => Way::Refused("its main process started the node"),
        Some(Owner::Ancestor) => {
            Way::Behind("its main process, which started the node, may start it again")
        }
        None if is_restart => Way::Refused("systemd gives no answer about it"),
        None => Way::Behind("systemd gives no answer about it, and may start the node again"),
    }
}

/// Carries the command out by systemd, where the node is systemd's; gives the exit code. `None`
/// where it has to be carried out as anywhere else.
///
/// # Errors
/// It is systemd's, and systemd did not do it.
pub fn run(host: &Host, release: &Release, command: Command) -> Result<Option<u8>, Error> {
    // The launcher that handed over has decided.
    if host.is_handed_over() {
        return Ok(None);
    }
    let Some(case) = Case::observe(host, release, command) else {
        return Ok(None);
    };
    let (way, asked) = case.way(command);
    match way {
        Way::Direct => Ok(None),
        Way::Behind(why) => {
            case.warn_of_direct_stop(why);
            Ok(None)
        }
        Way::Refused(why) => Err(case.refusal(command, why.to_owned())),
        Way::Systemd | Way::SystemdAlone => match (asked, command) {
            (None, _) => Ok(None),
            (Some((systemctl, properties)), Command::Stop) => case.stop(&systemctl, &properties),
            (Some((systemctl, _)), _) => case.restart(&systemctl, way == Way::SystemdAlone),
        },
    }
}

/// The steps in words, where they are others than anywhere else.
pub fn foresee(host: &Host, release: &Release, command: Command) -> Option<Vec<String>> {
    let case = Case::observe(host, release, command)?;
    let verb = command.explanation().names[0];
    let told = format!("tell systemd: {}", command_line(verb, &case.unit));
    let (node, unit) = (&case.node.name, &case.unit.name);
    match case.way(command).0 {
        Way::Direct | Way::Behind(_) => None,
        Way::Refused(why) => Some(vec![format!("refuse: {node} belongs to {unit}, and {why}")]),
        Way::Systemd | Way::SystemdAlone if command == Command::Stop => Some(vec![told]),
        Way::Systemd => Some(vec![
            "run `check_config`".into(),
            told,
            "wait until the new process of the unit is ready".into(),
        ]),
        Way::SystemdAlone => Some(vec!["run `check_config`".into(), told]),
    }
}

fn unit_of(pid: i32) -> Option<Unit> {
    Unit::parse(&cgroups_of(pid)?, cgroups_of(1).as_deref())
}

/// A node in a unit.
struct Case<'a> {
    host: &'a Host,
    release: &'a Release,
    node: RunningNode,
    unit: Unit,
}

impl<'a> Case<'a> {
    fn observe(host: &'a Host, release: &'a Release, command: Command) -> Option<Case<'a>> {
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
    fn way(&self, command: Command) -> (Way, Option<(Systemctl<'_>, Properties)>) {
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

    fn stop(
        &self,
        systemctl: &Systemctl<'_>,
        properties: &Properties,
    ) -> Result<Option<u8>, Error> {
        self.announce("stop");
        let vm = Ending::of(self.node.pid);
        match with_reports(|| systemctl.perform("stop", &[])) {
            // A unit may be set to leave processes behind: then the node is stopped here.
            Ok(()) if !vm.wait(Some(Instant::now() + LEFTOVER)) => Ok(None),
            Ok(()) => {
                message::answer("ok");
                Ok(Some(0))
            }
            Err(reason) if properties.starts_again() && !vm.has_come() => {
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

    /// `alone`: this process ends with the unit, and nobody would hear how it went on.
    fn restart(&self, systemctl: &Systemctl<'_>, alone: bool) -> Result<Option<u8>, Error> {
        if let Some(code) = self.check_config()? {
            return Ok(Some(code));
        }
        self.announce("restart");
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
        message::answer(&format!(
            "{} {} is started successfully!",
            self.release.description, self.release.vsn
        ));
        Ok(Some(0))
    }

    fn owner(&self, properties: &Properties) -> Owner {
        let main = properties.main_pid;
        let daemon = Daemon::of_vm(self.node.pid).map(|daemon| daemon.pid);
        let own = self.release.install.base.tree().launcher();
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

    /// Checks the configuration as its user, who this process may not be yet. Gives the exit code
    /// where it is refused; it has said why.
    fn check_config(&self) -> Result<Option<u8>, Error> {
        let spec = ExecSpec {
            program: self.host.exe.clone(),
            args: vec!["check_config".into()],
            env: self.host.env.clone(),
            cwd: self.release.install.base.path().to_path_buf(),
        };
        let mut command = spec.command();
        let command = command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().map_err(|source| Error::Exec {
            program: spec.program.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(None);
        }
        message::relay(&String::from_utf8_lossy(&output.stdout), "");
        let code = output.status.code().unwrap_or(1);
        Ok(Some(u8::try_from(code).unwrap_or(1)))
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
        let contact = Contact::find(self.release, &env)?;
        match watch(&contact.target, move || Sighting::There(vm.pid), deadline)? {
            Outcome::Ready => Ok(()),
            Outcome::Ended => Err(ended()),
            Outcome::Unreachable(reason) => Err(self.failure(2, reason)),
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
            command_line(verb, &self.unit)
        ));
    }

    fn warn_of_direct_stop(&self, why: &str) {
        message::warning(&format!(
            "{} belongs to {}, and is stopped without it: {why}",
            self.node.name, self.unit.name
        ));
        message::warning(&format!(
            "`{}` is the way that systemd knows of.",
            command_line("stop", &self.unit)
        ));
    }

    fn refusal(&self, command: Command, reason: String) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_asked_for_its_own_nodes_by_those_outside_of_the_unit() {
        use Owner::{Ancestor, Node, Other};
        let check = |command, inside, owner, expected: fn(Way) -> bool| {
            let way = plan_way(command, inside, owner);
            assert!(expected(way), "{command:?} {inside} {owner:?}: {way:?}");
        };
        for owner in [Some(Node), Some(Ancestor), Some(Other), None] {
            check(Command::Stop, true, owner, |way| way == Way::Direct);
        }
        for command in [Command::Stop, Command::Restart] {
            check(command, false, Some(Node), |way| way == Way::Systemd);
            check(command, false, Some(Other), |way| way == Way::Direct);
        }
        check(Command::Restart, true, Some(Node), |way| {
            way == Way::SystemdAlone
        });
        check(Command::Restart, true, Some(Other), |way| {
            way == Way::Direct
        });
        for owner in [Some(Ancestor), None] {
            check(Command::Stop, false, owner, |way| {
                matches!(way, Way::Behind(_))
            });
            for inside in [false, true] {
                check(Command::Restart, inside, owner, |way| {
                    matches!(way, Way::Refused(_))
                });
            }
        }
    }
}
