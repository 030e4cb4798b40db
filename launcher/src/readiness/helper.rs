//! The process that waits beside a VM until its node is ready, and tells the service manager.
//!
//! It is started by a child of the launcher that ends at once, so that the VM is not its parent. It
//! finds the node as every command does, by its process, and asks what `start` asks.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::unistd::setsid;

use super::Manager;
use crate::assessment;
use crate::boot::probe::Probe;
use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::host::ending::Ending;
use crate::node::target::Contact;
use crate::patience::{self, Patience};
use crate::readiness::run_apart;
use crate::release::Release;
use crate::release::install::Install;

/// What its command is called; no word that anybody types.
pub const WORD: &str = "_announce";

/// Said to the second of the two processes.
const APART: &str = "apart";

/// How often the node is asked: the end of the VM is noticed at once all the same.
const POLL: Duration = Duration::from_millis(50);

/// How often, once nobody expects it any more.
const RARELY: Duration = Duration::from_secs(1);

/// How long each of the node's answers may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How much time is asked for at once, and how often.
const MORE_TIME: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Runs the command: `_announce PID` leaves `_announce PID apart` behind and ends.
///
/// # Errors
/// There is no release around the program.
pub fn run(mut host: Host, words: &[OsString]) -> Result<u8, Error> {
    let pid = words.first().and_then(|word| word.to_str()?.parse().ok());
    let (Some(pid), is_apart) = (pid, words.get(1).is_some_and(|word| word == APART)) else {
        return Ok(1);
    };
    if !is_apart {
        let mut env = host.env.clone();
        crate::handover::remember(&host, &mut env);
        let words = [WORD.into(), words[0].clone(), APART.into()];
        run_apart(env, &words)?;
        return Ok(0);
    }
    // A terminal's signals are meant for the VM.
    let _ = setsid();
    let Some(manager) = Manager::take(&mut host.env) else {
        return Ok(1);
    };
    let vm = Ending::of(pid);
    let release = Release::observe(&host, Install::observe(&host)?)?;
    watch(&host, &release, &vm, &manager);
    Ok(0)
}

/// Waits for the node, with words for the manager, until it is ready or its process has ended.
fn watch(host: &Host, release: &Release, vm: &Ending, manager: &Manager) {
    let vsn = &release.vsn;
    let patience = Patience::observe(&host.env, patience::START);
    let deadline = patience.deadline();
    let mut ask_again_at = Instant::now();
    let mut node: Option<(Contact, Probe)> = None;
    let (mut has_answered, mut is_late) = (false, false);
    loop {
        let now = Instant::now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) && !is_late {
            is_late = true;
            let seconds = patience.seconds();
            manager.says(&format!("{vsn} is not ready after {seconds} s"), None);
        } else if now >= ask_again_at && !is_late {
            manager.asks_for(left.map_or(MORE_TIME, |left| left.min(MORE_TIME)));
            ask_again_at = now + ASK_EVERY;
        }
        if node.is_none() {
            node = connect(host, release, vm.pid());
        }
        if let Some((contact, probe)) = &mut node {
            if !has_answered {
                has_answered = true;
                manager.says(&format!("{vsn} answers, and is not ready yet"), None);
            }
            match probe.is_ready() {
                Ok(true) => {
                    assessment::look_at(release, contact, Command::Foreground);
                    return manager.is_ready(&format!("{vsn} is running"));
                }
                Ok(false) => {}
                Err(_) => node = None,
            }
        }
        let pause = if is_late { RARELY } else { POLL };
        if vm.wait(Some(Instant::now() + pause)) {
            return;
        }
    }
}

/// The node in that very process, once it answers.
fn connect(host: &Host, release: &Release, pid: i32) -> Option<(Contact, Probe)> {
    let contact = Contact::of_process(pid, release, &host.env)?;
    let probe = Probe::connect_within(&contact.target, ANSWER).ok()?;
    (probe.pid == pid).then_some((contact, probe))
}
