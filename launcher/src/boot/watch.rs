//! The wait for a node that boots, until it is ready, gone, or late. Two threads tell what happens:
//! one waits for the end of the VM's process, the other asks the node over one connection. Neither
//! can hold up the other, and nothing of them is left when the launcher ends.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use shims::dist::{DistError, Target};

use crate::boot::probe::{Lost, Probe};
use crate::host::ending::Ending;

/// How often the node is asked: well below what a person notices, and cheap.
const POLL: Duration = Duration::from_millis(10);

/// How much of the time asking may take: one part in this many.
const SHARE: u32 = 4;

/// For how long TLS has to fail on end before nothing else is expected: what makes it fail are
/// files and options, which the VM has read when it listens.
const HOPELESS: Duration = Duration::from_secs(5);

/// Where the VM's process is on its way to existence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// It is not there yet.
    Coming,
    /// It is there, and will be until it ends: the launcher that becomes the VM keeps its id.
    There(i32),
    /// It has been and is no more, or never will be.
    Gone,
}

/// How a watched boot came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The process is the one that was started, and it is ready.
    Ready,
    /// The process has ended.
    Ended,
    /// Nobody answers, and the time was up or nothing will change.
    Unreachable {
        /// Why not.
        reason: String,
        /// What to do about it, where that is known.
        remedy: Option<String>,
    },
    /// The time was up, and the node answered, but was not ready.
    NotReady,
}

enum Event {
    Answers,
    Silent(String),
    Hopeless { reason: String, remedy: String },
    Ready(Ending),
    Ended,
}

/// Waits for the node behind `target`, whose process `look` finds. Without a deadline for ever.
///
/// # Errors
/// No thread could be made.
pub fn watch(
    target: &Target,
    look: impl FnMut() -> Sighting + Send + 'static,
    deadline: Option<Instant>,
) -> std::io::Result<Outcome> {
    let (events, happens) = channel();
    let vm = Arc::new(OnceLock::new());
    let (asking, seen, target) = (events.clone(), Arc::clone(&vm), target.clone());
    Builder::new()
        .name("readiness".into())
        .spawn(move || ask(&target, &seen, &asking))?;
    Builder::new()
        .name("ending".into())
        .spawn(move || wait_for_end(look, &vm, &events))?;
    let unreachable = |reason, remedy| Outcome::Unreachable { reason, remedy };
    let mut last = unreachable("it was given no time".to_owned(), None);
    loop {
        let event = match deadline {
            Some(at) => happens.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => happens.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Answers) => last = Outcome::NotReady,
            Ok(Event::Silent(reason)) => last = unreachable(reason, None),
            Ok(Event::Hopeless { reason, remedy }) => {
                return Ok(unreachable(reason, Some(remedy)));
            }
            Ok(Event::Ready(process)) if !process.has_come() => return Ok(Outcome::Ready),
            // What was ready has ended since: the other thread is about to say so, too.
            Ok(Event::Ready(_) | Event::Ended) => return Ok(Outcome::Ended),
            Err(RecvTimeoutError::Timeout) => return Ok(last),
            // Neither thread ends before it has told why.
            Err(RecvTimeoutError::Disconnected) => return Ok(Outcome::Ended),
        }
    }
}

fn wait_for_end(mut look: impl FnMut() -> Sighting, vm: &OnceLock<i32>, events: &Sender<Event>) {
    loop {
        match look() {
            Sighting::Coming => sleep(POLL),
            Sighting::Gone => break,
            Sighting::There(pid) => {
                let process = Ending::of(pid);
                // It is set once: this thread ends with the process.
                let _ = vm.set(pid);
                process.wait(None);
                break;
            }
        }
    }
    // The other side may have stopped listening.
    let _ = events.send(Event::Ended);
}

/// Asks until the node is ready, or nobody listens any more.
fn ask(target: &Target, vm: &OnceLock<i32>, events: &Sender<Event>) {
    let mut tls_fails_since = None;
    loop {
        let begun = Instant::now();
        let connected = Probe::connect(target);
        if !matches!(connected, Err(DistError::Tls { .. })) {
            tls_fails_since = None;
        }
        let told = match connected {
            // It is known a moment after it exists: before that nothing can be said.
            Ok(probe) if vm.get().is_none() => {
                drop(probe);
                Ok(())
            }
            Ok(probe) if vm.get() == Some(&probe.pid) => match ask_one(probe, events) {
                Some(Lost(reason)) => events.send(Event::Silent(reason)),
                None => return,
            },
            Ok(probe) => events.send(Event::Silent(format!(
                "another node answers under this name, process {}",
                probe.pid
            ))),
            // Who answers before the VM is there is somebody else.
            Err(ref error @ DistError::Tls { ref hint, .. }) if vm.get().is_some() => {
                let since = *tls_fails_since.get_or_insert(begun);
                let reason = error.to_string();
                if since.elapsed() < HOPELESS {
                    events.send(Event::Silent(reason))
                } else {
                    let remedy = hint.clone();
                    events.send(Event::Hopeless { reason, remedy })
                }
            }
            Err(error) => events.send(Event::Silent(error.to_string())),
        };
        if told.is_err() {
            return;
        }
        // Resolving a name may start a program: that must not become most of the machine's work.
        sleep(POLL.max(begun.elapsed() * SHARE));
    }
}

/// Asks the watched process; `None` when there is nothing more to ask.
fn ask_one(mut probe: Probe, events: &Sender<Event>) -> Option<Lost> {
    let process = Ending::of(probe.pid);
    events.send(Event::Answers).ok()?;
    loop {
        match probe.is_ready() {
            Ok(true) => {
                events.send(Event::Ready(process)).ok()?;
                return None;
            }
            Ok(false) => sleep(POLL),
            Err(lost) => return Some(lost),
        }
    }
}
