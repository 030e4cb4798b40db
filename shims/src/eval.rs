//! `emqx eval`: the node scans, parses and evaluates, so that the grammar is exactly its own, and
//! formats the result, so that values with no meaning outside of it never travel.

use crate::command::CommandOutcome;
use crate::dist::{Connection, DistError};
use crate::io_server::Console;
use std::time::Duration;

/// Evaluates the expressions in `words` (joined by blanks, a dot is added when missing) through
/// `emqx_ctl:run_command(eval_erl, Exprs)`, which audits them.
pub fn eval(
    connection: &mut Connection,
    words: &[String],
    timeout: Option<Duration>,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let _ = (connection, words, timeout, console);
    Err(DistError::Protocol("not built yet".into()))
}
