%%% Old code: the version of a module that was current before the last load, which has to go before
%%% the module can be loaded again.
%%%
%%% Exists because a purge kills every process that still runs old code. It must never do that unless
%%% the operator asked for a brutal purge; before anything is changed it tells who is in the way.
%%% Old code is purged only where new code needs the room: OTP doesn't look for funs in tables, and
%%% code that stays costs nothing but memory.
-module(emqx_hot_apply_purge).

-export([check/3, vacate/2]).

%% Whether the modules can be loaded or deleted. Stopping names, for modules that are exchanged while
%% their application is stopped, its master: that application's own processes will be gone by then.
%% When the plan is going to be carried out the question is asked by a soft purge, which is as costly
%% as asking alone (every process of the VM is looked at) and saves doing it twice. Code that
%% nobody runs can't be missed, so that is not a change that would need an inverse.
-spec check([module()], #{module() => pid()}, map()) -> ok.
check(Modules, Stopping, Job) ->
    lists:foreach(
        fun(Module) ->
            Users = [Pid || Pid <- users(Module, Job), not is_stopping(Pid, Module, Stopping)],
            case {Users, Job} of
                {[], _} ->
                    ok;
                {_, #{brutal := true}} ->
                    emqx_hot_apply_report:warn("brutal purge of ~tp kills ~ts", [
                        Module, emqx_hot_apply_report:names(Users)
                    ]);
                {_, #{brutal := false}} ->
                    in_use(Module, Users)
            end
        end,
        Modules
    ).

users(Module, #{mode := apply, brutal := false}) ->
    case erlang:check_old_code(Module) andalso not code:soft_purge(Module) of
        true -> users(Module);
        false -> []
    end;
users(Module, #{}) ->
    users(Module).

users(Module) ->
    case erlang:check_old_code(Module) of
        true -> [Pid || Pid <- processes(), erlang:check_process_code(Pid, Module) =:= true];
        false -> []
    end.

is_stopping(Pid, Module, Stopping) ->
    case Stopping of
        #{Module := Master} -> process_info(Pid, group_leader) =:= {group_leader, Master};
        #{} -> false
    end.

%% Removes the module's old code; without Brutal only if nobody runs it.
-spec vacate(module(), boolean()) -> ok.
vacate(Module, Brutal) ->
    case erlang:check_old_code(Module) of
        false ->
            ok;
        true when Brutal ->
            _ = code:purge(Module),
            ok;
        true ->
            code:soft_purge(Module) orelse in_use(Module, users(Module)),
            ok
    end.

-spec in_use(module(), [pid()]) -> no_return().
in_use(Module, Pids) ->
    emqx_hot_apply_report:fail(old_code_in_use, "old code of ~tp is still run by ~ts", [
        Module, emqx_hot_apply_report:names(Pids)
    ]).
