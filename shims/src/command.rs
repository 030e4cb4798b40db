//! The runtime commands that need nothing but a call: what `nodetool` did, without its VM.
//!
//! Terms that these commands only pass on or print are never decoded: the node formats them.

use crate::dist::{Connection, Deadline, DistError, RawOutcome, Target};
use crate::etf::{Raw, RawTerm};
use crate::io_server::{Console, flatten_text};
use crate::program::{self, returned, tagged};
use crate::term::{Term, atom, list, string};
use std::borrow::Borrow;
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
    let deadline = Deadline::after(Some(timeout));
    let outcome = connection.call_helper(("os", "getpid"), &[], deadline)?;
    let text = returned(&outcome).and_then(flatten_text);
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| DistError::Protocol("the node gives no process id".to_owned()))
}

/// `emqx_ctl:run_command(Args)`, for as long as it takes.
pub fn ctl(
    connection: &mut Connection,
    args: &[String],
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let deadline = Deadline::after(None);
    let args = [strings(args)];
    let outcome =
        connection.call_raw(("emqx_ctl", "run_command"), &args, deadline, Some(console))?;
    explain(connection, outcome, "~0p", deadline)
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
    let deadline = Deadline::after(Some(timeout));
    let args = [strings(args)];
    let outcome = connection.call_raw((module, function), &args, deadline, Some(console))?;
    explain(connection, outcome, "~0p", deadline)
}

/// `Module:Function(Term...)` with the terms in `text`, each ended by a dot (the last one need not
/// be). Whatever it returns is a [`CommandOutcome::Value`], by `~p`.
pub fn rpc_terms(
    connection: &mut Connection,
    module: &str,
    function: &str,
    text: &str,
    timeout: Duration,
    console: &mut Console,
) -> Result<CommandOutcome, DistError> {
    let deadline = Deadline::after(Some(timeout));
    let bindings = [("Text", RawTerm::of(&string(text)))];
    let read = program::run(connection, READ_TERMS, &bindings, deadline)?;
    if let Some([_, error]) = returned(&read).and_then(|term| tagged(term, "error")) {
        return syntax_error(connection, error, deadline);
    }
    let terms = returned(&read).and_then(|term| tagged(term, "ok"));
    let Some(terms) = terms.and_then(|[_, terms]| terms.elements()) else {
        return explain(connection, read, "~p", deadline);
    };
    let outcome = connection.call_raw((module, function), &terms, deadline, Some(console))?;
    match outcome {
        RawOutcome::Return(value) | RawOutcome::Throw(value) => {
            match tagged(value.as_raw(), "badrpc") {
                Some([_, reason]) => bad_rpc(connection, reason.own(), deadline),
                None => shown(connection, value, "~p", deadline, CommandOutcome::Value),
            }
        }
        other => explain(connection, other, "~p", deadline),
    }
}

/// The terms of a text, by the rules of `file:consult/1`, except that the last dot may be missing.
const READ_TERMS: &str = r"
    Read = fun Read(Continuation, Chars, At, Terms) ->
        case erl_scan:tokens(Continuation, Chars, At) of
            {more, Next} -> Read(Next, eof, At, Terms);
            {done, {eof, _}, _} -> {ok, lists:reverse(Terms)};
            {done, {error, Error, _}, _} -> {error, Error};
            {done, {ok, Tokens, End}, Rest} ->
                Ended = case lists:last(Tokens) of
                    {dot, _} -> Tokens;
                    _ -> Tokens ++ [{dot, End}]
                end,
                case erl_parse:parse_term(Ended) of
                    {ok, Term} -> Read([], Rest, End, [Term | Terms]);
                    {error, Error} -> {error, Error}
                end
        end
    end,
    Read([], Text, {1, 1}, []).
";

/// `term` on one line as the node prints it with `~0p`.
pub fn format_term(
    connection: &mut Connection,
    term: impl Borrow<Term>,
    timeout: Duration,
) -> Result<String, DistError> {
    let deadline = Deadline::after(Some(timeout));
    match formatted(connection, RawTerm::of(term.borrow()), "~0p", deadline)? {
        Some(text) => Ok(text),
        None => Err(DistError::Closed(
            "the node did not format a term".to_owned(),
        )),
    }
}

/// What a call came to, in the words of the old `rpc`: there a thrown value is like a returned one.
pub(crate) fn explain(
    connection: &mut Connection,
    outcome: RawOutcome,
    directive: &str,
    deadline: Deadline,
) -> Result<CommandOutcome, DistError> {
    match outcome {
        RawOutcome::Return(value) | RawOutcome::Throw(value) => {
            let raw = value.as_raw();
            if raw.is_atom("ok") {
                return Ok(CommandOutcome::Ok);
            }
            if let Some([_, reason]) = tagged(raw, "badrpc") {
                return bad_rpc(connection, reason.own(), deadline);
            }
            match tagged(raw, "error") {
                Some([_, reason]) => shown(
                    connection,
                    reason.own(),
                    "~0p",
                    deadline,
                    CommandOutcome::Error,
                ),
                None => shown(
                    connection,
                    value,
                    directive,
                    deadline,
                    CommandOutcome::Value,
                ),
            }
        }
        RawOutcome::Exit(reason) | RawOutcome::Error(reason) => {
            let reason = RawTerm::tuple(&[&RawTerm::of(&atom("EXIT")), &reason]);
            bad_rpc(connection, reason, deadline)
        }
        RawOutcome::NodeDown => Ok(CommandOutcome::NodeDown),
        RawOutcome::Timeout => Ok(CommandOutcome::Timeout),
    }
}

fn bad_rpc(
    connection: &mut Connection,
    reason: RawTerm,
    deadline: Deadline,
) -> Result<CommandOutcome, DistError> {
    shown(connection, reason, "~0p", deadline, CommandOutcome::BadRpc)
}

/// Has the node format a term and wraps the text.
pub(crate) fn shown(
    connection: &mut Connection,
    term: RawTerm,
    directive: &str,
    deadline: Deadline,
    wrap: fn(String) -> CommandOutcome,
) -> Result<CommandOutcome, DistError> {
    if let Some(text) = plain(term.as_raw()) {
        return Ok(wrap(text));
    }
    match formatted(connection, term, directive, deadline) {
        Ok(Some(text)) => Ok(wrap(text)),
        Ok(None) if deadline.is_over() => Ok(CommandOutcome::Timeout),
        Ok(None) | Err(DistError::Closed(_)) => Ok(CommandOutcome::NodeDown),
        Err(error) => Err(error),
    }
}

/// The few terms that look the same in every release and by every directive need no further call:
/// small numbers, and atoms that nobody would quote.
fn plain(term: Raw<'_>) -> Option<String> {
    // Words that are reserved, or became so in some release: whether they are quoted depends.
    const RESERVED: [&str; 29] = [
        "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
        "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or",
        "orelse", "receive", "rem", "try", "when", "xor",
    ];
    if let Some(number) = term.int() {
        return Some(number.to_string());
    }
    let name = term.atom().filter(|name| !RESERVED.contains(name))?;
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_plain.then(|| name.to_owned())
}

/// `None`: the node was too slow, or ended the process that formats.
pub(crate) fn formatted(
    connection: &mut Connection,
    term: RawTerm,
    directive: &str,
    deadline: Deadline,
) -> Result<Option<String>, DistError> {
    let args = [RawTerm::of(&string(directive)), RawTerm::list(&[term])];
    let outcome = connection.call_helper(("io_lib", "format"), &args, deadline)?;
    Ok(returned(&outcome).and_then(flatten_text))
}

/// `{Location, Module, Description}` of `erl_scan` or `erl_parse` in the module's own words.
pub(crate) fn syntax_error(
    connection: &mut Connection,
    error: Raw<'_>,
    deadline: Deadline,
) -> Result<CommandOutcome, DistError> {
    let Some([at, module, description]) = error.tuple_of() else {
        return shown(
            connection,
            error.own(),
            "~0p",
            deadline,
            CommandOutcome::Error,
        );
    };
    let (line, column) = match at.tuple_of() {
        Some([line, column]) => (line.int(), column.int()),
        None => (at.int(), None),
    };
    let name = (module.atom().unwrap_or("erl_parse"), "format_error");
    let words = connection.call_helper(name, &[description.own()], deadline)?;
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Ok(CommandOutcome::Syntax(SyntaxError {
        line: number(line),
        column: number(column),
        message: returned(&words)
            .and_then(flatten_text)
            .unwrap_or_else(|| "syntax error".into()),
    }))
}

/// A list of strings.
fn strings(words: &[String]) -> RawTerm {
    RawTerm::of(&list(words.iter().map(|word| string(word)).collect()))
}
