//! `emqx eval`: the node scans, parses and evaluates, so that the grammar is exactly its own, and
//! formats the result, so that nothing depends on whether this side can read the value.

use crate::command::{CommandOutcome, explain, shown, syntax_error};
use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::RawTerm;
use crate::io_server::Console;
use crate::parse;
use crate::program::{returned, tagged};
use crate::term::{atom, list};
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
    let expressions = match parsed(connection, words, deadline)? {
        Parsed::Expressions(expressions) => expressions,
        Parsed::Not(outcome) => return Ok(outcome),
    };
    let args = [RawTerm::of(&atom("eval_erl")), expressions];
    let outcome =
        connection.call_raw(("emqx_ctl", "run_command"), &args, deadline, Some(console))?;
    if let RawOutcome::Return(answer) = &outcome
        && let Some([_, value]) = tagged(answer.as_raw(), "ok")
    {
        let value = value.own();
        return shown(connection, value, "~p", deadline, CommandOutcome::Value);
    }
    explain(connection, outcome, "~p", deadline)
}

/// The same through `erl_eval:exprs/2`, as EMQX before 5.0 does it.
pub fn eval_by_erl_eval(
    connection: &mut Connection,
    words: &[String],
    timeout: Option<Duration>,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let deadline = Deadline::after(timeout);
    let expressions = match parsed(connection, words, deadline)? {
        Parsed::Expressions(expressions) => expressions,
        Parsed::Not(outcome) => return Ok(outcome),
    };
    let args = [expressions, RawTerm::of(&list(Vec::new()))];
    let outcome = connection.call_raw(("erl_eval", "exprs"), &args, deadline, Some(console))?;
    if let RawOutcome::Return(answer) = &outcome
        && let Some([_, value, _bindings]) = tagged(answer.as_raw(), "value")
    {
        let value = value.own();
        return shown(connection, value, "~p", deadline, CommandOutcome::Value);
    }
    explain(connection, outcome, "~p", deadline)
}

/// What the node's parser made of a text.
enum Parsed {
    Expressions(RawTerm),
    Not(CommandOutcome),
}

fn parsed(
    connection: &mut Connection,
    words: &[String],
    deadline: Deadline,
) -> Result<Parsed, DistError> {
    let parsed = parse::expressions(connection, &words.join(" "), deadline)?;
    if let Some([_, error, _]) = returned(&parsed).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline).map(Parsed::Not);
    }
    if let Some([_, error]) = returned(&parsed).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline).map(Parsed::Not);
    }
    if let Some([_, expressions]) = returned(&parsed).and_then(|term| tagged(term, "ok")) {
        return Ok(Parsed::Expressions(expressions.own()));
    }
    explain(connection, parsed, "~p", deadline).map(Parsed::Not)
}
