//! OTP's release handler in the node, called over the connection: what it knows, what it is to do,
//! and the settings that the next release takes over.
//!
//! Its answers are terms of many shapes, and a release may keep anything in its settings. So the
//! node itself sorts them, and sends plain data.

use std::time::Duration;

use crate::command;
use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::program::{self, tagged};
use crate::term::{Term, atom, list, string};

/// What the release handler made of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerAnswer {
    /// It was done.
    Done,
    /// Processes run old code of this module.
    OldProcesses(String),
    /// It was not done; the reason is a term as the node prints it.
    Refused(String),
}

/// A release as the release handler knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandledRelease {
    /// Its version.
    pub vsn: String,
    /// The release handler's word for its status.
    pub status: String,
    /// How many applications it has.
    pub apps: usize,
}

/// The environment of all loaded applications, without what no file can hold.
#[derive(Debug, Clone)]
pub struct RunningSettings {
    /// The text of a `sys.config`, which the node has read back.
    pub text: String,
    /// What was left out, as `application.key`.
    pub left_out: Vec<String>,
    values: RawTerm,
}

/// How long a question may take that the node answers from memory.
const ANSWER: Duration = Duration::from_secs(60);

const RELEASES: &str = "
    Text = fun(Chars) -> unicode:characters_to_binary(Chars) end,
    [{Text(Vsn), atom_to_binary(Status), length(Apps)}
     || {_Name, Vsn, Apps, Status} <- release_handler:which_releases()].
";

/// Calls a function of the release handler. A release whose emulator is another one ends the node.
const CALL: &str = r#"
    Text = fun(Term) -> unicode:characters_to_binary(io_lib:format("~0tp", [Term])) end,
    case apply(release_handler, Function, Args) of
        ok -> done;
        {ok, _} -> done;
        {ok, _, _} -> done;
        {error, {old_processes, Module}} -> {old_processes, atom_to_binary(Module)};
        {error, Reason} -> {refused, Text(Reason)};
        Other -> {refused, Text(Other)}
    end.
"#;

/// Its supervisor starts it anew: it reads its file again.
const RELOAD: &str = r#"
    case supervisor:terminate_child(sasl_sup, release_handler) of
        ok ->
            case supervisor:restart_child(sasl_sup, release_handler) of
                {ok, _} -> done;
                {error, Reason} ->
                    {refused, unicode:characters_to_binary(io_lib:format("~0tp", [Reason]))}
            end;
        {error, Reason} ->
            {refused, unicode:characters_to_binary(io_lib:format("~0tp", [Reason]))}
    end.
"#;

/// Pids, ports, references and funs exist only while the node runs. The text is read back, because
/// a `sys.config` that can't be read would take every application's environment away.
const SETTINGS: &str = r#"
    Lives = fun Lives([Head | Tail]) -> Lives(Head) orelse Lives(Tail);
                Lives(Term) when is_tuple(Term) -> Lives(tuple_to_list(Term));
                Lives(Term) when is_map(Term) -> Lives(maps:to_list(Term));
                Lives(Term) ->
                    is_pid(Term) orelse is_port(Term) orelse is_reference(Term) orelse is_function(Term)
            end,
    All = [{App, application:get_all_env(App)} || {App, _, _} <- application:loaded_applications()],
    Config = [{App, Env}
              || {App, Whole} <- lists:sort(All),
                 Env <- [[Setting || {_, Value} = Setting <- lists:sort(Whole), not Lives(Value)]],
                 Env =/= []],
    Left = [{App, Key, Value} || {App, Env} <- All, {Key, Value} <- Env, Lives(Value)],
    Text = unicode:characters_to_binary(io_lib:format("%% coding: utf-8~n~tp.~n", [Config])),
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
    {ok, Config} = erl_parse:parse_term(Tokens),
    Names = [unicode:characters_to_binary(io_lib:format("~ts.~0tp", [App, Key])) || {App, Key, _} <- Left],
    {settings, Text, Names, Left}.
"#;

const PUT_BACK: &str = "
    Loaded = [App || {App, _, _} <- application:loaded_applications()],
    [application:set_env(App, Key, Value) || {App, Key, Value} <- Left, lists:member(App, Loaded)],
    done.
";

/// Every release that it knows, in its own order.
pub fn releases(connection: &mut Connection) -> Result<Vec<HandledRelease>, DistError> {
    let release = |term: Raw<'_>| {
        let [vsn, status, apps] = term.tuple_of()?;
        Some(HandledRelease {
            vsn: text(vsn)?,
            status: text(status)?,
            apps: usize::try_from(apps.int()?).ok()?,
        })
    };
    ask(connection, RELEASES, &[], soon(), |found| {
        found.list()?.into_iter().map(release).collect()
    })
}

/// Calls `release_handler:Function(Args...)` and waits as long as the node lives: its release
/// handler goes on whether somebody waits or not.
pub fn call(
    connection: &mut Connection,
    function: &str,
    args: Vec<Term>,
) -> Result<HandlerAnswer, DistError> {
    let bindings = [
        ("Function", RawTerm::of(&atom(function))),
        ("Args", RawTerm::of(&list(args))),
    ];
    ask(connection, CALL, &bindings, Deadline::after(None), answer)
}

/// Calls `release_handler:install_release/2`, which updates the code path of all applications.
pub fn install(connection: &mut Connection, vsn: &str) -> Result<HandlerAnswer, DistError> {
    let update_paths = crate::term::tuple(vec![atom("update_paths"), atom("true")]);
    let args = vec![string(vsn), list(vec![update_paths])];
    call(connection, "install_release", args)
}

/// Starts the release handler anew.
pub fn reload(connection: &mut Connection) -> Result<HandlerAnswer, DistError> {
    ask(connection, RELOAD, &[], soon(), answer)
}

/// The environment of all loaded applications.
pub fn settings(connection: &mut Connection) -> Result<RunningSettings, DistError> {
    ask(connection, SETTINGS, &[], soon(), |value| {
        let [_, content, names, values] = tagged(value, "settings")?;
        Some(RunningSettings {
            text: text(content)?,
            left_out: names.list()?.into_iter().map(text).collect::<Option<_>>()?,
            values: values.own(),
        })
    })
}

/// Puts back what [`settings`] had to leave out.
pub fn put_back(connection: &mut Connection, settings: &RunningSettings) -> Result<(), DistError> {
    let bindings = [("Left", settings.values.clone())];
    ask(connection, PUT_BACK, &bindings, soon(), answer).map(drop)
}

fn soon() -> Deadline {
    Deadline::after(Some(ANSWER))
}

/// Evaluates a program and reads its value.
fn ask<R>(
    connection: &mut Connection,
    program: &str,
    bindings: &[(&str, RawTerm)],
    deadline: Deadline,
    read: impl FnOnce(Raw<'_>) -> Option<R>,
) -> Result<R, DistError> {
    let outcome = program::run(connection, program, bindings, deadline)?;
    let failed = match outcome {
        RawOutcome::Return(value) => {
            return read(value.as_raw()).ok_or_else(|| {
                DistError::Protocol("the release handler's answer makes no sense".to_owned())
            });
        }
        RawOutcome::NodeDown => return Err(DistError::Closed("the node went away".to_owned())),
        RawOutcome::Timeout => {
            return Err(DistError::Closed(
                "the node did not answer in time".to_owned(),
            ));
        }
        RawOutcome::Throw(reason) | RawOutcome::Exit(reason) | RawOutcome::Error(reason) => reason,
    };
    let reason = command::formatted(connection, failed, "~0p", soon())?;
    Err(DistError::Protocol(format!(
        "the release handler failed: {}",
        reason.unwrap_or_default()
    )))
}

fn answer(value: Raw<'_>) -> Option<HandlerAnswer> {
    if value.is_atom("done") {
        return Some(HandlerAnswer::Done);
    }
    if let Some([_, module]) = tagged(value, "old_processes") {
        return Some(HandlerAnswer::OldProcesses(text(module)?));
    }
    let [_, reason] = tagged(value, "refused")?;
    Some(HandlerAnswer::Refused(text(reason)?))
}

fn text(term: Raw<'_>) -> Option<String> {
    term.binary()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
