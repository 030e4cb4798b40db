//! Drives the hot-apply agent in the node: brings it into the VM as source, starts it, passes on
//! what it tells, and takes it out again.
//!
//! The agent carries an attempt to its end by itself. Losing the connection, or this program, stops
//! nothing; it only means that the end is read from the journal instead of being told here.

mod answer;
mod load;

use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::RawTerm;
use crate::program::{returned, tagged};
use crate::term::{Term, atom, binary, int, list, map, tuple};
use relup::node::{
    ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest, HopScript, HopSummary, Proof,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Why the agent could not be used, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The connection failed, or ended before the agent was started.
    #[error(transparent)]
    Dist(#[from] DistError),
    /// The node or the agent was lost after the attempt was started.
    #[error("lost the node while attempt {attempt} was running: {reason}")]
    Lost {
        /// The attempt that was started.
        attempt: String,
        /// How it was lost.
        reason: String,
    },
    /// The agent's source did not compile or load in this node.
    #[error("the node cannot load the upgrade agent: {0}")]
    Load(String),
    /// Another attempt is running in the node.
    #[error("another upgrade is running on the node: attempt {0}")]
    Locked(String),
    /// The agent answered in an unknown form, or crashed.
    #[error("unexpected answer of the upgrade agent: {0}")]
    Answer(String),
}

/// How long an answer of the node may take that needs no more than compiling the agent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the agent may be silent before it is looked whether it is still there.
const SILENCE: Duration = Duration::from_secs(5);

/// Proves in the node that a hop can be applied, and tells what that would do. Nothing is changed.
pub fn prove(
    connection: &mut Connection,
    request: &ApplyRequest,
) -> Result<Result<Proof, ApplyFailure>, AgentError> {
    attempt(connection, request, "prove", &mut |_| {}).and_then(|end| match end {
        Ok(facts) => answer::proof(&facts).map(Ok),
        Err(failure) => Ok(Err(failure)),
    })
}

/// Applies a hop in the node, passing on its steps, until it is done or has failed. There is no
/// limit on the time: suspending and migrating processes takes what it takes.
pub fn apply(
    connection: &mut Connection,
    request: &ApplyRequest,
    progress: &mut dyn FnMut(ApplyEvent),
) -> Result<Result<ApplyDone, ApplyFailure>, AgentError> {
    attempt(connection, request, "apply", progress).and_then(|end| match end {
        Ok(facts) => answer::done(&facts).map(Ok),
        Err(failure) => Ok(Err(failure)),
    })
}

/// Starts the owner of an attempt and follows it to its end.
fn attempt(
    connection: &mut Connection,
    request: &ApplyRequest,
    mode: &str,
    progress: &mut dyn FnMut(ApplyEvent),
) -> Result<Result<Term, ApplyFailure>, AgentError> {
    // A connection that is lost from here on may have started the attempt.
    if let Some(attempt) = running_attempt(connection)? {
        return Err(AgentError::Locked(attempt));
    }
    let bindings = [
        ("ReplyTo", RawTerm::of(&connection.pid())),
        ("Request", RawTerm::of(&request_term(request, mode))),
    ];
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    // Loading goes on in the node when this program is lost; an attempt that nobody sees begin must not
    // follow it, when others have been told that there is none.
    let action = "case lists:member(node(ReplyTo), nodes(connected)) of \
                      true -> emqx_hot_apply:start(ReplyTo, Request); \
                      false -> {error, gone} \
                  end";
    let started = load::with_agent(connection, action, &bindings, deadline);
    let started = started.map_err(|error| match error {
        AgentError::Dist(error) => AgentError::Lost {
            attempt: request.attempt.clone(),
            reason: error.to_string(),
        },
        other => other,
    })?;
    if let Some([_, reason]) = tagged(started.as_raw(), "error")
        && let Some([_, attempt]) = tagged(reason, "locked")
    {
        let attempt = attempt.binary().unwrap_or_default();
        return Err(AgentError::Locked(
            String::from_utf8_lossy(attempt).into_owned(),
        ));
    }
    if tagged::<2>(started.as_raw(), "ok").is_none() {
        return Err(AgentError::Answer("it did not start".to_owned()));
    }
    let end = follow(connection, &request.attempt, progress)?;
    load::remove_when_idle(connection);
    Ok(end)
}

/// Passes on what the owner of the attempt tells, until its last word.
fn follow(
    connection: &mut Connection,
    attempt: &str,
    progress: &mut dyn FnMut(ApplyEvent),
) -> Result<Result<Term, ApplyFailure>, AgentError> {
    let lost = |reason: String| AgentError::Lost {
        attempt: attempt.to_owned(),
        reason,
    };
    let mut gone = false;
    loop {
        let wait = if gone {
            Duration::from_millis(100)
        } else {
            SILENCE
        };
        let message = connection
            .recv_message(wait)
            .map_err(|error| lost(error.to_string()))?;
        match message {
            Some(message) => match answer::read(&message, attempt)? {
                answer::Told::Step(event) => progress(event),
                answer::Told::End(end) => return Ok(end),
                answer::Told::Nothing => {}
            },
            // An owner that was killed tells nothing any more.
            None if gone => return Err(lost("the agent ended without an answer".to_owned())),
            None => gone = !is_running(connection).map_err(|error| lost(error.to_string()))?,
        }
    }
}

/// The attempt that runs in the node now.
pub fn running_attempt(connection: &mut Connection) -> Result<Option<String>, AgentError> {
    if !is_running(connection)? {
        return Ok(None);
    }
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    let status = connection.call_helper(("emqx_hot_apply", "status"), &[], deadline)?;
    match returned(&status) {
        Some(status) if status.is_atom("idle") => Ok(None),
        Some(status) => match tagged(status, "running") {
            Some([_, attempt]) => {
                let attempt = attempt.binary().unwrap_or_default();
                Ok(Some(String::from_utf8_lossy(attempt).into_owned()))
            }
            None => Err(AgentError::Answer("its status has another form".to_owned())),
        },
        None => Err(AgentError::Answer("it does not tell its status".to_owned())),
    }
}

/// The attempt in whose middle the node stopped, because both processes that could have ended it were
/// killed: nobody knows what runs in it, until it is restarted.
pub fn abandoned_attempt(connection: &mut Connection) -> Result<Option<String>, AgentError> {
    if is_running(connection)? {
        return Ok(None);
    }
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    let key = [atom("emqx_hot_apply"), atom("attempt")].map(|term| RawTerm::of(&term));
    let witness = connection.call_helper(("application", "get_env"), &key, deadline)?;
    let witness = returned(&witness)
        .ok_or_else(|| AgentError::Answer("it does not tell its environment".to_owned()))?;
    Ok(tagged(witness, "ok").map(|[_, attempt]| {
        String::from_utf8_lossy(attempt.binary().unwrap_or_default()).into_owned()
    }))
}

/// Has the node evaluate hop files that are expressions; nothing is applied. For each: where it
/// leads, or what is wrong with it.
pub fn evaluate_hops(
    connection: &mut Connection,
    scripts: &[HopScript],
) -> Result<Vec<Result<HopSummary, String>>, AgentError> {
    let pairs = scripts
        .iter()
        .map(|script| tuple(vec![binary(&script.file), binary(&script.source)]));
    let bindings = [("Scripts", RawTerm::of(&list(pairs.collect())))];
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    let action = "emqx_hot_apply:eval_hops(Scripts)";
    let answers = load::with_agent(connection, action, &bindings, deadline)?;
    load::remove_when_idle(connection);
    let malformed = || AgentError::Answer("its list of hops has another form".to_owned());
    let answers = answers.as_raw().list().ok_or_else(malformed)?;
    if answers.len() != scripts.len() {
        return Err(malformed());
    }
    let text = |term: crate::etf::Raw<'_>| {
        term.binary()
            .map(|b| String::from_utf8_lossy(b).into_owned())
    };
    answers
        .into_iter()
        .map(|answer| {
            if let Some([_, from, to]) = tagged(answer, "ok") {
                let (from, to) = text(from).zip(text(to)).ok_or_else(malformed)?;
                return Ok(Ok(HopSummary { from, to }));
            }
            let [_, reason] = tagged(answer, "error").ok_or_else(malformed)?;
            Ok(Err(text(reason).ok_or_else(malformed)?))
        })
        .collect()
}

/// Has the node evaluate one hop file and print its value; nothing is applied.
pub fn hop_value(
    connection: &mut Connection,
    script: &HopScript,
) -> Result<Result<String, String>, AgentError> {
    let bindings = [
        ("File", RawTerm::of(&binary(&script.file))),
        ("Source", RawTerm::of(&binary(&script.source))),
    ];
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    let action = "emqx_hot_apply:hop_value(File, Source)";
    let answer = load::with_agent(connection, action, &bindings, deadline)?;
    load::remove_when_idle(connection);
    let malformed = || AgentError::Answer("its value of a hop has another form".to_owned());
    let text = |term: crate::etf::Raw<'_>| {
        let bytes = term.binary().ok_or_else(malformed)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    if let Some([_, value]) = tagged(answer.as_raw(), "ok") {
        return text(value).map(Ok);
    }
    let [_, reason] = tagged(answer.as_raw(), "error").ok_or_else(malformed)?;
    text(reason).map(Err)
}

/// Whether somebody works on an attempt: its owner, or the guardian of one that was killed.
fn is_running(connection: &mut Connection) -> Result<bool, DistError> {
    let deadline = Deadline::after(Some(ANSWER_TIMEOUT));
    for name in ["emqx_hot_apply", "emqx_hot_apply_guardian"] {
        let name = [RawTerm::of(&atom(name))];
        match connection.call_helper(("erlang", "whereis"), &name, deadline)? {
            RawOutcome::Return(owner) if owner.as_raw().is_pid() => return Ok(true),
            RawOutcome::Return(_) => {}
            RawOutcome::NodeDown => {
                return Err(DistError::Closed("the node went away".to_owned()));
            }
            _ => return Err(DistError::Protocol("the node does not answer".to_owned())),
        }
    }
    Ok(false)
}

/// The request as the agent takes it.
fn request_term(request: &ApplyRequest, mode: &str) -> Term {
    let beams = request.beams.iter().map(|beam| {
        tuple(vec![
            binary(&beam.module),
            binary(&beam.file),
            binary(&beam.beam),
        ])
    });
    let hop = vec![binary(&request.hop.file), binary(&request.hop.source)];
    let limit = i64::try_from(request.suspend_timeout_ms).unwrap_or(i64::MAX);
    let patches = request
        .patches_dir
        .as_deref()
        .map_or_else(|| atom("undefined"), path);
    let entries = [
        ("attempt", binary(&request.attempt)),
        ("from", binary(&request.from)),
        ("to", binary(&request.to)),
        ("base_root", path(&request.base_root)),
        ("tree", path(&request.tree)),
        ("rel_name", binary(&request.rel_name)),
        ("marker", path(&request.marker)),
        ("journal", path(&request.journal)),
        ("hop", tuple(hop)),
        ("beams", list(beams.collect())),
        ("patches_dir", patches),
        ("brutal_purge", flag(request.brutal_purge)),
        (
            "undo_on_callback_failure",
            flag(request.undo_on_callback_failure),
        ),
        ("suspend_timeout", int(limit)),
        ("mode", atom(mode)),
    ];
    map(entries
        .into_iter()
        .map(|(key, value)| (atom(key), value))
        .collect())
}

fn flag(on: bool) -> Term {
    atom(if on { "true" } else { "false" })
}

fn path(path: &Path) -> Term {
    binary(path.as_os_str().as_bytes())
}
