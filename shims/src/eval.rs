//! `emqx eval`: the node scans, parses and evaluates, so that the grammar is exactly its own, and
//! formats the result, so that nothing depends on whether this side can read the value.

use crate::command::{CommandOutcome, explain, shown, syntax_error};
use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::RawTerm;
use crate::io_server::Console;
use crate::parse;
use crate::program::{returned, tagged};
use crate::term::atom;
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
    let parsed = parse::expressions(connection, &words.join(" "), deadline)?;
    if let Some([_, error, _]) = returned(&parsed).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline);
    }
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
