%%% Helpers: processes that do a part of the owner's work, and end with it.
%%%
%%% Exists because the owner of an attempt can be killed while a part of its work goes on without it:
%%% what a helper still says, or what the code server still does for it, must be over before it is taken
%%% back. So whoever inherits the attempt knows the helpers, and waits for them.
%%% It must never let a helper begin that nobody knows of.
-module(emqx_hot_apply_helper).

-export([start/2, result/1, run/1, settle/0]).

-export_type([helper/0]).

-type helper() :: {pid(), Monitor :: reference()}.

%% One helper for each part of the work; they begin when all of them are remembered.
-spec start([fun(() -> term())], [{priority, high}]) -> [helper()].
start(Parts, Options) ->
    Owner = self(),
    Helpers = [
        spawn_opt(
            fun() ->
                ok = may_begin(Owner),
                exit({emqx_hot_apply_helper, Part()})
            end,
            [monitor | Options]
        )
     || Part <- Parts
    ],
    ok = emqx_hot_apply_memory:write(helpers, [Helper || {Helper, _} <- Helpers]),
    lists:foreach(fun({Helper, _}) -> Helper ! {Owner, may_begin} end, Helpers),
    Helpers.

may_begin(Owner) ->
    Monitor = monitor(process, Owner),
    receive
        {Owner, may_begin} ->
            demonitor(Monitor, [flush]),
            ok;
        {'DOWN', Monitor, process, Owner, Reason} ->
            exit(Reason)
    end.

%% What a helper ends with; where it was killed, or has failed, the caller fails too.
-spec result(helper()) -> term().
result({Helper, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Helper, {emqx_hot_apply_helper, Result}} -> Result;
        {'DOWN', Monitor, process, Helper, Reason} -> exit({helper, Reason})
    end.

-spec run(fun(() -> term())) -> term().
run(Work) ->
    [Helper] = start([Work], []),
    result(Helper).

%% Waits, in the place of an owner that was killed, for its helpers and for what it has asked the code
%% server to do: that serves one after the other, so an answer to a later question is enough.
-spec settle() -> ok.
settle() ->
    Monitors = [monitor(process, Helper) || Helper <- emqx_hot_apply_memory:read(helpers, [])],
    lists:foreach(
        fun(Monitor) ->
            receive
                {'DOWN', Monitor, process, _, _} -> ok
            end
        end,
        Monitors
    ),
    _ = code:get_path(),
    ok.
