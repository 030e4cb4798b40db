//! Short Erlang programs that are sent to the node as text, for what takes several steps there. The
//! node scans, parses and evaluates them itself, so that they mean the same on every release.

use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::term::{atom, string};

/// Evaluates the expressions in `text` with some variables bound, and answers the last one's value.
///
/// What fails in the program is the outcome; an error is a lost connection, or a program that the
/// node cannot read.
pub(crate) fn run(
    connection: &mut Connection,
    text: &str,
    bindings: &[(&str, RawTerm)],
    deadline: Deadline,
) -> Result<RawOutcome, DistError> {
    let unreadable = |outcome: &RawOutcome| match outcome {
        RawOutcome::NodeDown | RawOutcome::Timeout => Ok(outcome.clone()),
        _ => Err(DistError::Protocol(
            "the node cannot read a program of this client".to_owned(),
        )),
    };
    let scanned = connection.call_helper(
        ("erl_scan", "string"),
        &[RawTerm::of(&string(text))],
        deadline,
    )?;
    let Some([_, tokens, _]) = returned(&scanned).and_then(|term| tagged(term, "ok")) else {
        return unreadable(&scanned);
    };
    let parsed = connection.call_helper(("erl_parse", "parse_exprs"), &[tokens.own()], deadline)?;
    let Some([_, expressions]) = returned(&parsed).and_then(|term| tagged(term, "ok")) else {
        return unreadable(&parsed);
    };
    // The node looks them up as in an `orddict`.
    let mut bindings: Vec<_> = bindings.iter().collect();
    bindings.sort_by_key(|(name, _)| *name);
    let bindings: Vec<RawTerm> = bindings
        .into_iter()
        .map(|(name, value)| RawTerm::tuple(&[&RawTerm::of(&atom(name)), value]))
        .collect();
    let args = [expressions.own(), RawTerm::list(&bindings)];
    let evaluated = connection.call_helper(("erl_eval", "exprs"), &args, deadline)?;
    match returned(&evaluated).and_then(|term| tagged(term, "value")) {
        Some([_, value, _bindings]) => Ok(RawOutcome::Return(value.own())),
        None => Ok(evaluated),
    }
}

/// What a call returned, when it did.
pub(crate) fn returned(outcome: &RawOutcome) -> Option<Raw<'_>> {
    match outcome {
        RawOutcome::Return(value) => Some(value.as_raw()),
        _ => None,
    }
}

/// The elements of a tuple of that size whose first element is that atom.
pub(crate) fn tagged<'a, const N: usize>(term: Raw<'a>, tag: &str) -> Option<[Raw<'a>; N]> {
    term.tuple_of()
        .filter(|parts: &[Raw<'a>; N]| parts.first().is_some_and(|t| t.is_atom(tag)))
}
