//! The runtime commands that need nothing but a call: what `nodetool` did, without its VM.

use crate::dist::{Connection, DistError, Target};
use crate::io_server::Console;
use crate::term::Term;
use std::time::Duration;

/// How a command ended on the node. Texts were formatted by the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// The function returned `ok`.
    Ok,
    /// It returned this, by `~p` for `eval` and `rpcterms`, by `~0p` for the others.
    Value(String),
    /// It returned `{error, Reason}`: the reason, by `~0p`.
    Error(String),
    /// The call itself failed: the reason that `rpc` would give in `{badrpc, Reason}`, by `~0p`.
    BadRpc(String),
    /// The text that was given is not Erlang.
    Syntax(SyntaxError),
    /// The node went away before it answered.
    NodeDown,
    /// No answer in time.
    Timeout,
}

/// Where and why the node's own scanner or parser gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct SyntaxError {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when the node gave none.
    pub column: u32,
    /// The words of `erl_scan` or `erl_parse`.
    pub message: String,
}

/// Whether the node answers: a complete handshake.
pub fn ping(target: &Target, timeout: Duration) -> Result<(), DistError> {
    Connection::connect(target, timeout).map(drop)
}

/// The process id of the VM, by `os:getpid/0`.
pub fn os_pid(connection: &mut Connection, timeout: Duration) -> Result<u32, DistError> {
    let _ = (connection, timeout);
    Err(DistError::Protocol("not built yet".into()))
}

/// `emqx_ctl:run_command(Args)`, for as long as it takes.
pub fn ctl(
    connection: &mut Connection,
    args: &[String],
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let _ = (connection, args, console);
    Err(DistError::Protocol("not built yet".into()))
}

/// `Module:Function(Args)`: one argument, the list of the strings.
pub fn rpc(
    connection: &mut Connection,
    module: &str,
    function: &str,
    args: &[String],
    timeout: Duration,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let _ = (connection, module, function, args, timeout, console);
    Err(DistError::Protocol("not built yet".into()))
}

/// `Module:Function(Term...)` with the terms that `text` holds, each ended by a dot.
pub fn rpc_terms(
    connection: &mut Connection,
    module: &str,
    function: &str,
    text: &str,
    timeout: Duration,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let _ = (connection, module, function, text, timeout, console);
    Err(DistError::Protocol("not built yet".into()))
}

/// `term` on one line as the node prints it with `~0p`.
pub fn format_term(
    connection: &mut Connection,
    term: Term,
    timeout: Duration,
) -> Result<String, DistError> {
    let _ = (connection, term, timeout);
    Err(DistError::Protocol("not built yet".into()))
}
