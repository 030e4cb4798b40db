//! Stages 11 to 14: the node applies the hop by itself, this command watches and reports.
//!
//! One process inside the VM owns the apply. If this command is killed or loses its connection, the
//! apply goes on to its end, and marker and journal tell how it went: so nothing is undone here that
//! the node might still need, and nobody is told "nothing was changed" without knowing it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use relup::marker::Marker;
use relup::node::{ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest};

use crate::deploy::DeployedTree;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::{Node, NodeError};
use crate::state::{self, AttemptLog};

/// How often a waiting command looks whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// A hop that the node has applied, with the marker naming its tree.
#[derive(Debug)]
pub(crate) struct AppliedHop {
    done: ApplyDone,
}

impl AppliedHop {
    /// What the node did.
    pub(crate) fn done(&self) -> &ApplyDone {
        &self.done
    }
}

impl DeployedTree {
    /// Lets the node apply the hop that leads to this tree.
    ///
    /// When the node is known not to have changed anything, the tree is withdrawn again.
    pub(crate) fn apply(
        self,
        install: &Install,
        lock: &RelupLock,
        request: &ApplyRequest,
        log: &AttemptLog<'_>,
        node: &mut dyn Node,
        watch: &mut Watch<'_>,
    ) -> Result<AppliedHop, Error> {
        // From here on an interrupt finds the node at work.
        let error = match watch.interrupt.check() {
            Err(error) => error,
            Ok(()) => match watch.during(lock.path(), |progress| node.apply(request, progress)) {
                Ok(Ok(done)) => return self.check_marker(install, done),
                Ok(Err(failure)) => Error::ApplyFailed(failure),
                Err(error) => explain(error, log, node),
            },
        };
        if matches!(error, Error::NodeLost(_)) {
            return Err(error);
        }
        if error.exit_code() == 1 {
            self.withdraw(&install.base, lock)?;
        }
        if !log.is_finished()? {
            log.failed(&error)?;
        }
        Err(error)
    }

    /// The marker on disk is what the next start goes by, whatever the node said.
    fn check_marker(self, install: &Install, done: ApplyDone) -> Result<AppliedHop, Error> {
        let vsn = &self.identity().vsn;
        let detail = match state::read_marker(&install.base) {
            Marker::Current(current) if current == *vsn => return Ok(AppliedHop { done }),
            Marker::Current(other) => format!("the marker names {other}"),
            Marker::Absent => "there is no marker".to_owned(),
            Marker::Damaged(reason) => format!("the marker is damaged: {reason}"),
        };
        Err(Error::ApplyFailed(ApplyFailure {
            name: "permanent_upgrade".to_owned(),
            stage: "permanent".to_owned(),
            detail: format!("the node reported success, but {detail}"),
            changed: true,
            restored: false,
        }))
    }
}

/// Tells a node that never began from one that may still be at work.
fn explain(error: NodeError, log: &AttemptLog<'_>, node: &mut dyn Node) -> Error {
    let lost = |text: &str| {
        Error::NodeLost(format!(
            "{text}; the node may still be working on the upgrade"
        ))
    };
    match error {
        // The connection may be as good as ever: then it is the node that lost the attempt.
        NodeError::Lost(text) => match node.abandoned_attempt() {
            Ok(Some(attempt)) => Error::Abandoned { attempt },
            _ => lost(&text),
        },
        NodeError::NotRunning(text) => Error::NodeNotRunning(text),
        NodeError::Unreachable(text) => Error::NodeUnreachable(text),
        NodeError::Rpc(text) => match (node.running_attempt(), log.node_has_begun()) {
            (Ok(None), Ok(false)) => Error::NodeRpc(text),
            (Ok(Some(other)), Ok(false)) if other != log.id() => Error::Locked {
                by: format!("the node is applying attempt {other}"),
            },
            _ => lost(&text),
        },
    }
}

/// What happens on this side while the node works.
pub(crate) struct Watch<'a> {
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) progress: &'a mut dyn FnMut(ApplyEvent),
    /// Called on Ctrl-C, on another thread; ends the process.
    pub(crate) leave: &'a (dyn Fn() + Sync),
}

impl Watch<'_> {
    /// Runs `work`. The connection is read without a time limit, so Ctrl-C has to be noticed by
    /// somebody else than the thread that waits.
    pub(crate) fn during<R>(
        &mut self,
        lock: &Path,
        work: impl FnOnce(&mut dyn FnMut(ApplyEvent)) -> R,
    ) -> R {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (interrupt, leave, over) = (self.interrupt, self.leave, &over);
            let watcher = scope.spawn(move || {
                while !over.load(Ordering::Acquire) {
                    if interrupt.raised() {
                        // The node holds on to its own work; this lock is only the command's.
                        RelupLock::remove_file(lock);
                        leave();
                        return;
                    }
                    thread::park_timeout(LOOK);
                }
            });
            let result = work(self.progress);
            over.store(true, Ordering::Release);
            watcher.thread().unpark();
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::testing::Site;

    #[test]
    fn an_interrupt_during_the_apply_frees_the_lock_and_leaves_at_once() {
        let site = Site::new();
        let lock = RelupLock::acquire(&site.install.base).expect("free");
        let interrupt = Interrupt::deaf();
        let (left, leaving) = channel();
        let leave = || left.send(()).expect("somebody waits");
        let mut watch = Watch {
            interrupt: &interrupt,
            progress: &mut |_| {},
            leave: &leave,
        };
        watch.during(lock.path(), |_| {
            interrupt.raise();
            // The real `leave` ends the process; here the node's answer comes only afterwards.
            leaving
                .recv()
                .expect("it leaves while the node still works");
            assert!(!lock.path().exists());
        });
    }

    #[test]
    fn without_an_interrupt_the_answer_comes_through() {
        let site = Site::new();
        let lock = RelupLock::acquire(&site.install.base).expect("free");
        let interrupt = Interrupt::deaf();
        let mut steps = Vec::new();
        let mut progress = |ApplyEvent::Step { step, .. }| steps.push(step);
        let mut watch = Watch {
            interrupt: &interrupt,
            progress: &mut progress,
            leave: &|| unreachable!(),
        };
        let answer = watch.during(lock.path(), |progress| {
            progress(ApplyEvent::Step {
                step: "planned".to_owned(),
                detail: String::new(),
            });
            7
        });
        assert_eq!((answer, steps), (7, vec!["planned".to_owned()]));
        assert!(lock.path().exists());
    }
}
