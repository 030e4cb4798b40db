//! `emqx eval`: the node scans, parses and evaluates, so that the grammar is exactly its own, and
//! formats the result, so that nothing depends on whether this side can read the value.

use crate::command::{CommandOutcome, explain, shown, syntax_error};
use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::io_server::Console;
use crate::program::{returned, tagged};
use crate::term::{atom, int, string, tuple};
use std::time::Duration;

/// Evaluates the expressions in `words` (joined by blanks, a dot is added when missing) through
/// `emqx_ctl:run_command(eval_erl, Exprs)`, which audits them. The value of `{ok, Value}` is a
/// [`CommandOutcome::Value`], by `~p`.
pub fn eval(
    connection: &mut Connection,
    words: &[String],
    timeout: Option<Duration>,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let deadline = Deadline::after(timeout);
    let text = RawTerm::of(&string(&words.join(" ")));
    let start = RawTerm::of(&tuple(vec![int(1), int(1)]));
    let scanned = connection.call_helper(("erl_scan", "string"), &[text, start], deadline)?;
    if let Some([_, error, _]) = returned(&scanned).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline);
    }
    let Some([_, tokens, end]) = returned(&scanned).and_then(|term| tagged(term, "ok")) else {
        return explain(connection, scanned, "~p", deadline);
    };
    let tokens = with_dot(tokens, end);
    let parsed = connection.call_helper(("erl_parse", "parse_exprs"), &[tokens], deadline)?;
    if let Some([_, error]) = returned(&parsed).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline);
    }
    let Some([_, expressions]) = returned(&parsed).and_then(|term| tagged(term, "ok")) else {
        return explain(connection, parsed, "~p", deadline);
    };
    let args = [RawTerm::of(&atom("eval_erl")), expressions.own()];
    let outcome =
        connection.call_raw(("emqx_ctl", "run_command"), &args, deadline, Some(console))?;
    if let RawOutcome::Return(answer) = &outcome
        && let Some([_, value]) = tagged(answer.as_raw(), "ok")
    {
        return shown(
            connection,
            value.own(),
            "~p",
            deadline,
            CommandOutcome::Value,
        );
    }
    explain(connection, outcome, "~p", deadline)
}

/// Users forget the dot at the end. Whether it is there is seen in the tokens, not in the text: a
/// text may end in a comment, and a dot in a string.
fn with_dot(tokens: Raw<'_>, end: Raw<'_>) -> RawTerm {
    let mut all: Vec<RawTerm> = tokens
        .list()
        .unwrap_or_default()
        .into_iter()
        .map(Raw::own)
        .collect();
    let has_dot = all.last().is_some_and(|last| {
        let parts = last.as_raw().tuple().unwrap_or_default();
        parts.first().is_some_and(|kind| kind.is_atom("dot"))
    });
    if !has_dot {
        all.push(RawTerm::tuple(&[&RawTerm::of(&atom("dot")), &end.own()]));
    }
    RawTerm::list(&all)
}
