//! Boot assessment of a hot-upgraded tree: counts boots before their VM starts, marks the tree good
//! when its node is seen ready, and goes back to the base when `EMQX_RELUP_BOOT_ATTEMPTS` says so.
//!
//! Nothing here may stop a boot or slow a command down: without a marker nothing is looked at, a
//! tree that is good costs one small file to read, and whatever fails is a warning at most. The base
//! is never assessed: there is nothing behind it.

use std::time::Duration;

use relup::assessment::{Assessment, AttemptLimit, Booting, times};
use relup_cmd::assessment::{FallBack, Known, Subject};

use crate::boot::probe::Probe;
use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::host::process::{is_alive, start_time};
use crate::message;
use crate::node::running::nodes_of;
use crate::node::target::Contact;
use crate::release::Release;
use crate::release::install::Install;

/// After how many boots that nobody saw ready the base is booted again.
const ATTEMPTS: &str = "EMQX_RELUP_BOOT_ATTEMPTS";

/// How long a runtime command waits for each of the few answers that tell whether the node is ready:
/// together less than the second that a health probe may have. The next command asks again.
const PROBE_LIMIT: Duration = Duration::from_millis(200);

/// The same for commands that end the node: nobody can ask it again.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// Goes back to the base where the tree in force has used up its attempts, and gives the release
/// that is in force then. `EMQX_RELUP_BOOT_ATTEMPTS` is off unless it is set.
///
/// # Errors
/// What is in force after a switch cannot be booted.
pub fn settle(host: &Host, release: Release) -> Result<Release, Error> {
    let limit = match limit(&host.env) {
        Ok(limit) => limit,
        Err(warning) => {
            // The launcher that handed over has said it.
            if !host.is_handed_over() {
                message::warning(&warning);
            }
            None
        }
    };
    let Some(limit) = limit else {
        return Ok(release);
    };
    let Some(subject) = subject(&release) else {
        return Ok(release);
    };
    match subject.observe() {
        Ok(known) if known.assessment.is_exhausted(limit) => {
            if is_under_way(host, &release, &known.assessment) {
                tracing::debug!("the last boot is not over, nothing leads back yet");
                return Ok(release);
            }
            fall_back(&subject, &known, limit);
            Release::observe(host, Install::observe(host)?)
        }
        Ok(_) => Ok(release),
        // The marker went away: somebody rolls back at this moment.
        Err(_) => Release::observe(host, Install::observe(host)?),
    }
}

/// Whether [`settle`] would go back to the base; nothing is changed or said.
pub fn leads_back(host: &Host, release: &Release, command: Command) -> bool {
    let limit = limit(&host.env).ok().flatten();
    let known = subject(release).and_then(|subject| subject.observe().ok());
    concerns(command)
        && limit.zip(known).is_some_and(|(limit, known)| {
            let assessment = known.assessment;
            assessment.is_exhausted(limit) && !is_under_way(host, release, &assessment)
        })
}

/// Whether a boot of this release is counted.
pub fn counts(release: &Release, command: Command) -> bool {
    concerns(command) && subject(release).is_some()
}

/// Counts a boot, right before its VM starts.
pub fn count(host: &Host, release: &Release) {
    let Some(subject) = subject(release) else {
        return;
    };
    let limit = limit(&host.env).unwrap_or_default();
    let booting = start_time(host.pid).map(|started| Booting {
        pid: host.pid,
        started,
    });
    let counted = subject.observe().and_then(|known| {
        warn_of_fault(&known, message::warning);
        subject.count(&known, booting)
    });
    let vsn = &release.vsn;
    match (counted, limit) {
        (Ok(assessment), Some(limit)) if !assessment.is_good() => {
            announce(&assessment, release, limit);
        }
        (Ok(_), _) => {}
        (Err(refusal), None) => {
            message::warning(&format!("this boot of {vsn} is not recorded: {refusal}"));
        }
        (Err(refusal), Some(limit)) => message::warning(&format!(
            "this boot of {vsn} is not recorded, so that {ATTEMPTS}={} has no effect: {refusal}",
            limit.get()
        )),
    }
}

/// Marks the tree good: `start` has just seen its node ready.
pub fn seen_ready(release: &Release) {
    let Some(subject) = subject(release) else {
        return;
    };
    let marked = subject.observe().and_then(|known| {
        // Where not even the attempt could be recorded, a warning has said so.
        let recordable = known.assessment.attempts > 0 || known.fault.is_some();
        match subject.mark_good(&known) {
            Err(refusal) if recordable => Err(refusal),
            Ok(_) | Err(_) => Ok(()),
        }
    });
    if let Err(refusal) = marked {
        let vsn = &release.vsn;
        message::warning(&format!("that {vsn} is ready is not recorded: {refusal}"));
    }
}

/// Marks the tree good when a runtime command has found its node running, and it is ready: nobody
/// else tells for a node in the foreground. Says nothing where nothing can be written.
pub fn look_at(release: &Release, contact: &Contact, command: Command) {
    let Some(subject) = subject(release) else {
        return;
    };
    // A node that runs the new code, but was booted from another tree, proves nothing.
    let from_tree = |root| root == release.tree().path();
    if !contact
        .process
        .as_ref()
        .is_some_and(|node| from_tree(&node.root))
    {
        return;
    }
    let Ok(known) = subject.observe() else {
        return;
    };
    let limit = match command {
        Command::Stop => LAST_LIMIT,
        _ => PROBE_LIMIT,
    };
    if known.assessment.is_good() || !subject.is_writable() || !is_ready(contact, limit) {
        return;
    }
    warn_of_fault(&known, message::warning_aside);
    match subject.mark_good(&known) {
        Ok(_) => tracing::debug!(vsn = %release.vsn, "seen ready, marked good"),
        Err(refusal) => tracing::debug!(%refusal, "seen ready, not recorded"),
    }
}

/// The same for a command that has not looked for the node yet, and need not where all is known.
pub fn look_for(release: &Release, env: &Environment) {
    let is_open = subject(release)
        .and_then(|subject| subject.observe().ok())
        .is_some_and(|known| !known.assessment.is_good());
    if is_open && let Ok(contact) = Contact::find(release, env) {
        look_at(release, &contact, Command::Relup);
    }
}

/// Whether the command boots the broker, and so may go back first.
pub fn concerns(command: Command) -> bool {
    matches!(
        command,
        Command::Start | Command::Restart | Command::Foreground | Command::Console
    )
}

/// The tree in force where a marker of the base leads to it. A launcher that stands in a deployed
/// tree, below a base with a launcher of its own, cannot bring that one back.
fn subject(release: &Release) -> Option<Subject<'_>> {
    let hot = release.install.hot.as_ref()?;
    (hot.marker == release.install.home.marker()).then_some(Subject {
        base: &release.install.home,
        tree: release.tree(),
        vsn: &release.vsn,
    })
}

fn limit(env: &Environment) -> Result<Option<AttemptLimit>, String> {
    let Some(value) = env.get_os(ATTEMPTS) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    text.parse().map(Some).map_err(|error| {
        format!("{ATTEMPTS} is '{text}', {error}: no boot leads back to the original release")
    })
}

/// Whether the last attempt has not ended yet: its process lives, or a node of this base does,
/// whose boot is not over or which nobody has asked.
fn is_under_way(host: &Host, release: &Release, assessment: &Assessment) -> bool {
    let lives = |booting: Booting| {
        booting.pid != host.pid
            && is_alive(booting.pid)
            && start_time(booting.pid) == Some(booting.started)
    };
    assessment.booting.is_some_and(lives) || !nodes_of(release).is_empty()
}

fn fall_back(subject: &Subject<'_>, known: &Known, limit: AttemptLimit) {
    let vsn = subject.vsn;
    let tree = subject.tree.path().display();
    let tried = times(known.assessment.attempts);
    let limit = limit.get();
    let failed = format!("{vsn} was booted {tried} and never seen ready ({ATTEMPTS}={limit})");
    match subject.fall_back(known) {
        Ok(FallBack::Done { to, retired, fault }) => {
            message::warning(&failed);
            message::warning(&format!(
                "going back to the original release {to} in {}; what {vsn} has changed in the \
                 data directory stays",
                subject.base.path().display()
            ));
            message::warning(&format!(
                "{tree} stays as it is, the marker is now {}; \
                 `emqx relup rollback --to {vsn}` boots it again",
                retired.display()
            ));
            if let Some(fault) = fault {
                message::warning(&format!("the way back is not recorded completely: {fault}"));
            }
        }
        Ok(FallBack::Overtaken) => {}
        Err(refusal) => {
            message::warning(&failed);
            message::warning(&format!(
                "there is no way back to the original release, {vsn} is booted again: {refusal}"
            ));
        }
    }
}

fn announce(assessment: &Assessment, release: &Release, limit: AttemptLimit) {
    let (attempt, limit) = (assessment.attempts, limit.get());
    let text = format!(
        "boot attempt {attempt} of {limit} of the hot-upgraded {}",
        release.vsn
    );
    if attempt < limit {
        message::info(&text);
    } else {
        message::warning(&format!(
            "{text}: unless a command sees it ready, the next boot is that of the original release"
        ));
    }
}

fn warn_of_fault(known: &Known, warn: fn(&str)) {
    if let Some(fault) = &known.fault {
        warn(&format!("{fault}; the boots of this tree are counted anew"));
    }
}

fn is_ready(contact: &Contact, limit: Duration) -> bool {
    Probe::connect_within(&contact.target, limit)
        .is_ok_and(|mut probe| probe.is_ready().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_none_is_off_and_said() {
        let check = |value: Option<&str>, expected: Result<Option<u32>, &str>| {
            let mut env = Environment::default();
            if let Some(value) = value {
                env.set(ATTEMPTS, value);
            }
            match (limit(&env), expected) {
                (Ok(limit), Ok(expected)) => assert_eq!(limit.map(AttemptLimit::get), expected),
                (Err(warning), Err(part)) => assert!(warning.contains(part), "{warning}"),
                (actual, _) => panic!("{value:?}: {actual:?}"),
            }
        };
        check(None, Ok(None));
        check(Some(""), Ok(None));
        check(Some("3"), Ok(Some(3)));
        check(
            Some("0"),
            Err("is '0', a whole number from 1 on is expected"),
        );
        check(Some("-1"), Err("is '-1'"));
        check(Some("many"), Err("is 'many'"));
    }
}
