//! `stop` and `restart` of a node that systemd runs. Whoever stops it behind systemd's back has it
//! started again by a `Restart=`, and whoever starts it has a copy outside the unit that systemd
//! knows nothing of: so systemd is told to do it, by whoever calls, who may be root where the node
//! is not.
//!
//! A `stop` from inside the unit is systemd's own (`ExecStop=emqx stop`) and is carried out.

mod case;

use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::release::Release;
use crate::service::supervised::case::Case;

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
    let told = format!("tell systemd: {}", case.unit.command_line(verb));
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
