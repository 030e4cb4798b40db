//! Calls: one process on the node for each, watched, whose exit reason carries the answer.
//!
//! The way of OTP's own `erpc`: `SPAWN_REQUEST` of `erpc:execute_call/4` and a monitor. A peer that
//! has no `SPAWN_REQUEST` is asked through its `rex` server, as `rpc` did before OTP 23.

use super::connection::{Connection, Process, Pumped};
use super::control::Frame;
use super::deadline::Deadline;
use super::error::DistError;
use super::handshake::Identity;
use super::{CallOptions, CallOutcome};
use crate::etf::{Limits, Raw, RawTerm};
use crate::io_server::{Console, serve};
use crate::term::{self, Term};
use erl_dist::term::{Atom, Reference};
use std::collections::HashMap;

/// How a call ended, with terms as they came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RawOutcome {
    Return(RawTerm),
    Throw(RawTerm),
    Exit(RawTerm),
    /// `{Reason, StackTrace}`.
    Error(RawTerm),
    NodeDown,
    Timeout,
}

impl RawOutcome {
    fn decode(&self, limits: &Limits) -> Result<CallOutcome, DistError> {
        let decode = |term: &RawTerm| term.as_raw().decode(limits);
        Ok(match self {
            RawOutcome::Return(value) => CallOutcome::Return(decode(value)?),
            RawOutcome::Throw(value) => CallOutcome::Throw(decode(value)?),
            RawOutcome::Exit(reason) => CallOutcome::Exit(decode(reason)?),
            RawOutcome::Error(reason) => CallOutcome::Error(decode(reason)?),
            RawOutcome::NodeDown => CallOutcome::NodeDown,
            RawOutcome::Timeout => CallOutcome::Timeout,
        })
    }
}

/// The calls that are under way.
#[derive(Debug)]
pub(super) struct Calls {
    node: Atom,
    creation: u32,
    /// Tells this connection's references from those of an earlier one of the same name.
    salt: u32,
    made: u64,
    /// The call whose output is shown.
    foreground: u64,
    pending: HashMap<u64, Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    process: Option<RawTerm>,
    outcome: Option<RawOutcome>,
}

impl Calls {
    pub(super) fn new(identity: &Identity) -> Calls {
        Calls {
            node: Atom::from(identity.name.to_string()),
            creation: identity.creation,
            salt: super::pick(0..u32::MAX),
            made: 0,
            foreground: 0,
            pending: HashMap::new(),
        }
    }

    /// Opens a call: its key here and its reference for the node.
    fn open(&mut self) -> (u64, Reference) {
        self.made += 1;
        self.pending.insert(self.made, Pending::default());
        (self.made, self.reference(self.made))
    }

    /// The first word of a reference has 18 bits, by an old rule that nodes still check.
    fn reference(&self, key: u64) -> Reference {
        #[expect(clippy::cast_possible_truncation, reason = "the key is cut into words")]
        let id = vec![(key & 0x3_FFFF) as u32, (key >> 18) as u32, self.salt];
        Reference {
            node: self.node.clone(),
            id,
            creation: self.creation,
        }
    }

    fn find(&mut self, reference: Raw<'_>) -> Option<&mut Pending> {
        let words = reference.reference_words()?;
        let [low, high, salt] = words[..] else {
            return None;
        };
        if salt != self.salt {
            return None;
        }
        self.pending
            .get_mut(&(u64::from(low) | u64::from(high) << 18))
    }

    /// The node made the process, or says why not.
    pub(super) fn spawned(&mut self, id: Raw<'_>, result: Raw<'_>) {
        let Some(pending) = self.find(id) else { return };
        if result.is_pid() {
            pending.process = Some(result.own());
        } else {
            pending
                .outcome
                .get_or_insert(RawOutcome::Error(with_stack(&[&tagged("erpc", result)])));
        }
    }

    /// A watched process has ended: its reason is the answer, or how it came to die.
    pub(super) fn down(&mut self, reference: Raw<'_>, reason: Raw<'_>) {
        let Some(pending) = self.find(reference) else {
            return;
        };
        let ours = |candidate: &Raw<'_>| candidate.reference_words() == reference.reference_words();
        let parts = reason
            .tuple()
            .filter(|parts| parts.first().is_some_and(ours));
        let outcome = match parts.as_deref() {
            Some([_, class, value]) if class.is_atom("return") => RawOutcome::Return(value.own()),
            Some([_, class, value]) if class.is_atom("throw") => RawOutcome::Throw(value.own()),
            Some([_, class, value]) if class.is_atom("exit") => RawOutcome::Exit(value.own()),
            Some([_, class, value]) if class.is_atom("error") => {
                RawOutcome::Error(with_stack(&[&value.own()]))
            }
            Some([_, class, value, stack]) if class.is_atom("error") => {
                RawOutcome::Error(with_stack(&[&value.own(), &stack.own()]))
            }
            _ => RawOutcome::Exit(reason.own()),
        };
        pending.outcome.get_or_insert(outcome);
    }

    /// Takes `{Reference, Answer}` of the `rex` server; `false`: it is something else.
    pub(super) fn answered(&mut self, message: Raw<'_>) -> bool {
        let Some([reference, answer]) = message.tuple_of() else {
            return false;
        };
        let Some(pending) = self.find(reference) else {
            return false;
        };
        pending.outcome.get_or_insert(of_rpc(answer));
        true
    }

    pub(super) fn take(&mut self, key: u64) -> Option<RawOutcome> {
        let outcome = self.pending.get_mut(&key)?.outcome.take()?;
        self.pending.remove(&key);
        Some(outcome)
    }

    pub(super) fn foreground_has_ended(&self) -> bool {
        self.pending
            .get(&self.foreground)
            .is_none_or(|pending| pending.outcome.is_some())
    }

    /// Forgets a call; its process, when the node has told it.
    fn forget(&mut self, key: u64) -> Option<RawTerm> {
        self.pending.remove(&key)?.process
    }
}

/// What `rpc` says, in the classes of `erpc`: there a thrown value looks like a returned one.
fn of_rpc(answer: Raw<'_>) -> RawOutcome {
    let Some([tag, reason]) = answer.tuple_of() else {
        return RawOutcome::Return(answer.own());
    };
    if !tag.is_atom("badrpc") {
        return RawOutcome::Return(answer.own());
    }
    match reason.tuple_of() {
        Some([exit, reason]) if exit.is_atom("EXIT") => match reason.tuple_of() {
            Some([_, stack]) if stack.list().is_some() => RawOutcome::Error(reason.own()),
            _ => RawOutcome::Exit(reason.own()),
        },
        _ => RawOutcome::Error(with_stack(&[&reason.own()])),
    }
}

/// `{Reason, StackTrace}`; an empty trace when there is none.
fn with_stack(parts: &[&RawTerm]) -> RawTerm {
    let empty = RawTerm::of(&term::list(vec![]));
    RawTerm::tuple(&[parts[0], parts.get(1).copied().unwrap_or(&empty)])
}

fn tagged(tag: &str, value: Raw<'_>) -> RawTerm {
    RawTerm::tuple(&[&RawTerm::of(&term::atom(tag)), &value.own()])
}

impl Connection {
    /// Calls `module:function(args...)` on the node and serves what it prints and reads meanwhile.
    ///
    /// An error means that the call could not be made, or that its answer exceeds the limits. Once
    /// the call is made, a lost node is [`CallOutcome::NodeDown`].
    pub fn call(
        &mut self,
        module: &str,
        function: &str,
        args: Vec<Term>,
        options: CallOptions<'_>,
    ) -> Result<CallOutcome, DistError> {
        let args: Vec<RawTerm> = args.into_iter().map(|arg| RawTerm::of(&arg)).collect();
        let deadline = Deadline::after(options.timeout);
        let outcome = self.call_raw((module, function), &args, deadline, options.console)?;
        outcome.decode(self.limits())
    }

    /// [`Connection::call`] with terms that are handed on as they are, in both directions.
    pub(crate) fn call_raw(
        &mut self,
        function: (&str, &str),
        args: &[RawTerm],
        deadline: Deadline,
        mut console: Option<&mut Console>,
    ) -> Result<RawOutcome, DistError> {
        let key = self.start_call(function, args, Process::Console)?;
        self.calls.foreground = key;
        loop {
            match self.step(key, deadline, console.as_deref_mut()) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(DistError::Closed(reason)) => {
                    tracing::debug!(node = self.peer_name(), reason, "the node went away");
                    // What it printed before has come all the same.
                    while self.has_requests() {
                        let _ = serve::serve_waiting(self, console.as_deref_mut(), deadline);
                    }
                    return Ok(self.calls.take(key).unwrap_or(RawOutcome::NodeDown));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn step(
        &mut self,
        key: u64,
        deadline: Deadline,
        console: Option<&mut Console>,
    ) -> Result<Option<RawOutcome>, DistError> {
        // What was printed before the answer is shown before it: requests come first.
        serve::serve_waiting(self, console, deadline)?;
        if let Some(outcome) = self.calls.take(key) {
            return Ok(Some(outcome));
        }
        if self.pump(deadline)? == Pumped::Nothing {
            self.abandon(key);
            return Ok(Some(RawOutcome::Timeout));
        }
        Ok(None)
    }

    /// A call for this side's own needs while a request is being served. What it prints goes
    /// nowhere; whatever else comes meanwhile is kept in order.
    pub(crate) fn call_helper(
        &mut self,
        function: (&str, &str),
        args: &[RawTerm],
        deadline: Deadline,
    ) -> Result<RawOutcome, DistError> {
        let key = self.start_call(function, args, Process::Helper)?;
        loop {
            if let Some(outcome) = self.calls.take(key) {
                return Ok(outcome);
            }
            if self.pump(deadline)? == Pumped::Nothing {
                self.abandon(key);
                return Ok(RawOutcome::Timeout);
            }
        }
    }

    /// Stops watching a call. Its process is not ended: it may be doing something by halves.
    fn abandon(&mut self, key: u64) {
        let reference = self.calls.reference(key);
        if let Some(process) = self.calls.forget(key) {
            let us = self.process(Process::Console);
            let frame = Frame::control(20, 3)
                .pid(&us)
                .raw(process.as_raw())
                .reference(&reference);
            self.answer(frame);
        }
    }

    fn start_call(
        &mut self,
        (module, function): (&str, &str),
        args: &[RawTerm],
        leader: Process,
    ) -> Result<u64, DistError> {
        let (key, reference) = self.calls.open();
        let (us, leader) = (self.process(Process::Console), self.process(leader));
        let arguments = |frame: Frame| {
            let frame = args
                .iter()
                .fold(frame.list(args.len()), |f, arg| f.raw(arg.as_raw()));
            frame.end_list()
        };
        if self.peer.spawns {
            let head = Frame::control(29, 5)
                .reference(&reference)
                .pid(&us)
                .pid(&leader);
            let head = head.tuple(3).atom("erpc").atom("execute_call").int(4);
            let head = head.list(1).atom("monitor").end_list().payload();
            let body = head
                .list(4)
                .reference(&reference)
                .atom(module)
                .atom(function);
            self.send(arguments(body).end_list())?;
        } else {
            // Without a `rex` server the monitor answers.
            self.send(
                Frame::control(19, 3)
                    .pid(&us)
                    .atom("rex")
                    .reference(&reference),
            )?;
            let head = Frame::control(6, 3).pid(&us).atom("").atom("rex").payload();
            let head = head
                .tuple(3)
                .atom("$gen_call")
                .tuple(2)
                .pid(&us)
                .reference(&reference);
            let body = head.tuple(5).atom("call").atom(module).atom(function);
            self.send(arguments(body).pid(&leader))?;
        }
        Ok(key)
    }
}
