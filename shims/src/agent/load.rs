//! Brings the agent into the VM and takes it out again. Both are done under a lock in the VM, by one
//! process there: loading a module twice more ends processes that still run its older code, and one
//! of those may be the owner of an attempt.

use super::AgentError;
use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::erl::HOT_APPLY;
use crate::etf::RawTerm;
use crate::io_server::flatten_text;
use crate::program::{self, returned, tagged};
use crate::term::{atom, binary, list, string, tuple};
use std::time::Duration;

/// How long the owner may take to end after its last word.
const GOODBYE: Duration = Duration::from_secs(10);

/// Waits for the lock, which its holder loses by ending; a name that is free is the lock.
const LOCK: &str = r"
    Lock = fun Lock() ->
        try register(emqx_hot_apply_loader, self()) of
            true -> locked
        catch
            error:badarg -> timer:sleep(20), Lock()
        end
    end,
    locked = Lock(),
";

/// Compiles what is in `Sources`, each module in a process of its own that yields to the broker's,
/// then loads all of it or nothing.
const LOAD: &str = r"
    Form = fun Form(Tokens, Forms) ->
        case lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens) of
            {[], []} -> lists:reverse(Forms);
            {Body, [Dot | Rest]} ->
                {ok, Parsed} = erl_parse:parse_form(Body ++ [Dot]),
                Form(Rest, [Parsed | Forms])
        end
    end,
    Compile = fun({File, Source}) ->
        process_flag(priority, low),
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source), {1, 1}),
        Forms = [{attribute, 1, file, {File, 1}} | Form(Tokens, [])],
        {ok, Module, Beam} = compile:forms(Forms, [no_spawn_compiler_process, return_errors]),
        exit({compiled, Module, File, Beam})
    end,
    Workers = [element(2, spawn_monitor(fun() -> Compile(One) end)) || One <- Sources],
    Compiled = [receive {'DOWN', Worker, process, _, Result} -> Result end || Worker <- Workers],
    Load = fun() ->
        case [Failed || Failed <- Compiled, element(1, Failed) =/= compiled] of
            [] ->
                Ready = [{Module, File, Beam} || {compiled, Module, File, Beam} <- Compiled],
                %% What a command that was killed has left behind.
                [code:soft_purge(Module) || {Module, _, _} <- Ready],
                case code:atomic_load(Ready) of
                    ok -> loaded;
                    {error, Refused} -> {not_loaded, Refused}
                end;
            [First | _] ->
                {not_loaded, First}
        end
    end,
";

/// Evaluates `action` with the agent in the VM. While an attempt runs there the agent that is in
/// the VM already is used as it is.
pub(super) fn with_agent(
    connection: &mut Connection,
    action: &str,
    bindings: &[(&str, RawTerm)],
    deadline: Deadline,
) -> Result<RawTerm, AgentError> {
    let text = format!(
        "{LOCK} case whereis(emqx_hot_apply) of
            undefined ->
                {LOAD}
                case Load() of
                    loaded -> {{answer, {action}}};
                    {{not_loaded, Why}} -> {{not_loaded, io_lib:format(\"~0tp\", [Why], [{{chars_limit, 2000}}])}}
                end;
            _Owner -> {{answer, {action}}}
        end."
    );
    let sources = HOT_APPLY
        .iter()
        .map(|(name, source)| tuple(vec![string(&format!("{name}.erl")), binary(source)]));
    let mut bindings = bindings.to_vec();
    bindings.push(("Sources", RawTerm::of(&list(sources.collect()))));
    let outcome = program::run(connection, &text, &bindings, deadline)?;
    if let Some([_, answer]) = returned(&outcome).and_then(|term| tagged(term, "answer")) {
        return Ok(answer.own());
    }
    if let Some([_, why]) = returned(&outcome).and_then(|term| tagged(term, "not_loaded")) {
        return Err(AgentError::Load(flatten_text(why).unwrap_or_default()));
    }
    match outcome {
        RawOutcome::NodeDown => Err(DistError::Closed("the node went away".to_owned()).into()),
        RawOutcome::Timeout => Err(AgentError::Answer("none in time".to_owned())),
        RawOutcome::Return(reason)
        | RawOutcome::Throw(reason)
        | RawOutcome::Exit(reason)
        | RawOutcome::Error(reason) => {
            let args = [RawTerm::of(&string("~0tp")), RawTerm::list(&[reason])];
            let shown = connection.call_helper(("io_lib", "format"), &args, deadline)?;
            let shown = returned(&shown).and_then(flatten_text);
            Err(AgentError::Answer(shown.unwrap_or_default()))
        }
    }
}

/// Takes the agent out of the VM, unless an attempt runs in it. What cannot be done is left to the
/// next command: a module that lies unused does no harm. Nobody waits for the memory of its code: a
/// purge looks at every process of the VM, for each module.
pub(super) fn remove_when_idle(connection: &mut Connection) {
    let text = format!(
        "{LOCK}
        Remove = fun Remove(Tries) ->
            case whereis(emqx_hot_apply) of
                undefined ->
                    [[code:soft_purge(M), code:delete(M)] || M <- Modules],
                    spawn(fun() ->
                        process_flag(priority, low),
                        Lock(),
                        [code:soft_purge(M) || M <- Modules]
                    end);
                _Owner when Tries > 0 -> timer:sleep(50), Remove(Tries - 1);
                _Owner -> in_use
            end
        end,
        Remove(40)."
    );
    let modules = HOT_APPLY.iter().map(|(name, _)| atom(name)).collect();
    let bindings = [("Modules", RawTerm::of(&list(modules)))];
    let deadline = Deadline::after(Some(GOODBYE));
    if let Err(error) = program::run(connection, &text, &bindings, deadline) {
        tracing::debug!(%error, "the agent stays in the node");
    }
}
