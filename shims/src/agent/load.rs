//! Brings the agent into the VM and takes it out again. Both are done under a lock in the VM, by one
//! process there: loading a module twice more ends processes that still run its older code, and one
//! of those may be the owner of an attempt.
//!
//! A janitor in the VM takes it out: when this program says so, or when the connection is gone, and
//! never while an attempt runs. It is none of the agent's code, so that nothing holds on to that.

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

/// Who works on an attempt in this VM.
const WORKERS: &str = r"
    AtWork = fun() ->
        Names = [emqx_hot_apply, emqx_hot_apply_guardian],
        [Pid || Name <- Names, Pid <- [whereis(Name)], is_pid(Pid)]
    end,
";

/// Waits until `Commander` is gone, or somebody wants the agent to go, and until no attempt runs; then
/// deletes the modules under the lock. Nobody waits for the memory of their code: a purge looks at every
/// process of the VM, for each module, and a process that is busy may hold on to some of it for long.
/// The lock is taken by a second process, because one has one name; whoever ends the first ends it.
const JANITOR: &str = r"
    Parted = fun Parted() ->
        case lists:member(Commander, nodes(connected)) of
            true ->
                receive
                    {part, From} -> From;
                    {nodedown, Commander, _} -> Parted();
                    _ -> Parted()
                end;
            false -> self()
        end
    end,
    Idle = fun Idle() ->
        case AtWork() of
            [] -> idle;
            [Worker | _] ->
                Monitor = monitor(process, Worker),
                receive {'DOWN', Monitor, process, _, _} -> Idle() end
        end
    end,
    Delete = fun Delete() ->
        Idle(),
        Lock(),
        case AtWork() of
            [] -> [[code:soft_purge(M), code:delete(M)] || M <- Modules];
            _ -> unregister(emqx_hot_apply_loader), Delete()
        end
    end,
    Purge = fun Purge(Pause) ->
        case [M || M <- Modules, erlang:check_old_code(M), not code:soft_purge(M)] of
            [_ | _] when Pause < 1000000 -> timer:sleep(Pause), Purge(2 * Pause);
            _ -> done
        end
    end,
    Janitor = fun() ->
        register(emqx_hot_apply_janitor, self()),
        ok = net_kernel:monitor_nodes(true, [{node_type, all}]),
        From = Parted(),
        {Deleter, Monitor} = spawn_opt(Delete, [link, monitor]),
        receive {'DOWN', Monitor, process, Deleter, _} -> unregister(emqx_hot_apply_janitor) end,
        From ! {self(), deleted},
        process_flag(priority, low),
        Purge(1000)
    end,
    Hire = fun() ->
        case whereis(emqx_hot_apply_janitor) of
            undefined -> ok;
            Former ->
                Gone = monitor(process, Former),
                exit(Former, kill),
                receive {'DOWN', Gone, process, _, _} -> ok end
        end,
        spawn(Janitor)
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
        "{LOCK} {WORKERS} case AtWork() of
            [] ->
                {LOAD} {JANITOR}
                Hire(),
                case Load() of
                    loaded -> {{answer, {action}}};
                    {{not_loaded, Why}} -> {{not_loaded, io_lib:format(\"~0tp\", [Why], [{{chars_limit, 2000}}])}}
                end;
            _ -> {{answer, {action}}}
        end."
    );
    let sources = HOT_APPLY
        .iter()
        .map(|(name, source)| tuple(vec![string(&format!("{name}.erl")), binary(source)]));
    let mut bindings = bindings.to_vec();
    bindings.push(("Sources", RawTerm::of(&list(sources.collect()))));
    let modules = HOT_APPLY.iter().map(|(name, _)| atom(name)).collect();
    bindings.push(("Modules", RawTerm::of(&list(modules))));
    bindings.push(("Commander", RawTerm::of(&atom(&connection.name()))));
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

/// Has the agent taken out of the VM. While an attempt runs in it nobody waits for that: the janitor
/// does it then.
pub(super) fn remove_when_idle(connection: &mut Connection) {
    let text = r"
        case whereis(emqx_hot_apply_janitor) of
            undefined -> gone;
            Janitor ->
                Monitor = monitor(process, Janitor),
                Janitor ! {part, self()},
                Look = fun Look(0) -> in_use;
                           Look(Tries) ->
                    receive
                        {Janitor, deleted} -> deleted;
                        {'DOWN', Monitor, process, Janitor, _} -> gone
                    after 50 ->
                        case whereis(emqx_hot_apply_janitor) of
                            Janitor -> Look(Tries - 1);
                            _ -> gone
                        end
                    end
                end,
                Look(40)
        end.";
    let deadline = Deadline::after(Some(GOODBYE));
    if let Err(error) = program::run(connection, text, &[], deadline) {
        tracing::debug!(%error, "the agent stays in the node for now");
    }
}
