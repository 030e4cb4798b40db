%%% The changes: carries a proven plan out, in the written order.
%%%
%%% Exists to keep what changes the VM apart from what only looks. Every change goes into the log of
%%% inverses as it is made; a failure is thrown, and the owner rewinds the log. Processes are suspended
%%% for as short as possible: their code was prepared before, so that between suspend and resume there
%%% is only making it current and changing their state.
-module(emqx_hot_apply_exec).

-export([perform/2, call_back/2]).

-export_type([counts/0]).

-type counts() :: #{
    loaded := non_neg_integer(),
    updated := non_neg_integer(),
    restarted := [atom()],
    %% Longest time for which a process was suspended, in microseconds.
    suspended_us := non_neg_integer()
}.

-spec perform(emqx_hot_apply_plan:plan(), map()) -> counts().
perform(#{steps := Steps, changed := Changed, words := Words, items := Items}, Job) ->
    set_code_path([Ebin || #{ebin := Ebin} <- Changed], Job),
    Counts = #{loaded => length(Items), updated => 0, restarted => [], suspended_us => 0},
    #{restarted := Restarted} =
        Done = lists:foldl(
            fun({Step, Text}, Acc) ->
                emqx_hot_apply_report:step(element(1, Step), "~ts", [Text]),
                step(Step, Job, Acc)
            end,
            Counts,
            lists:zip(Steps, lists:sublist(Words, length(Steps)))
        ),
    lists:foreach(
        fun(#{name := App} = Target) ->
            lists:member(App, Restarted) orelse emqx_hot_apply_app:refresh(Target)
        end,
        Changed
    ),
    Done#{restarted := lists:reverse(Restarted)}.

%% The target's directories first, and the operator's patches before them, as at boot.
set_code_path(Ebins, #{patches_dir := Patches}) ->
    Before = code:get_path(),
    HasPatches = Patches =/= undefined andalso filelib:is_dir(Patches),
    Added = Ebins ++ [Patches || HasPatches],
    ok = emqx_hot_apply_undo:push(<<"the code path">>, fun() -> unset_code_path(Before, Added) end),
    lists:foreach(
        fun(Dir) ->
            case code:add_patha(Dir) of
                true ->
                    ok;
                {error, Reason} ->
                    emqx_hot_apply_report:fail(load_failed, "code path: ~ts: ~p", [Dir, Reason])
            end
        end,
        Added
    ).

%% Directories that were in the path already get their old place back, unless somebody else has
%% changed the path since: then only what was added goes.
unset_code_path(Before, Added) ->
    New = [Dir || Dir <- Added, not lists:member(Dir, Before)],
    lists:foreach(fun code:del_path/1, New),
    case code:get_path() of
        Before ->
            ok;
        Now ->
            case lists:sort(Now) =:= lists:sort(Before) of
                true ->
                    true = code:set_path(Before),
                    ok;
                false ->
                    ok
            end
    end.

step({load, Parts}, #{brutal := Brutal}, Counts) ->
    emqx_hot_apply_code:load(Parts, Brutal),
    Counts;
step({update, Module, Extra, Parts, Targets}, Job, Counts) ->
    #{updated := Updated, suspended_us := Longest} = Counts,
    Priority = process_flag(priority, high),
    try emqx_hot_apply_update:perform(Module, Extra, Parts, Targets, Job) of
        #{updated := More, suspended_us := Took} ->
            Counts#{updated := Updated + More, suspended_us := max(Longest, Took)}
    after
        process_flag(priority, Priority)
    end;
step({restart, #{app := App} = Change}, #{brutal := Brutal}, #{restarted := Restarted} = Counts) ->
    _ = emqx_hot_apply_app:restart(Change, Brutal),
    Counts#{restarted := [App | Restarted -- [App]]};
step({apply, Module, Function, Args}, _Job, Counts) ->
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("~tp:~tp/~b has run; what it did itself is not undone", [
            Module, Function, length(Args)
        ])
    ),
    case guarded(apply_failed, Module, Function, Args) of
        ok ->
            Counts;
        Other ->
            emqx_hot_apply_report:fail(apply_failed, "~tp:~tp/~b returned ~0tP instead of ok", [
                Module, Function, length(Args), Other, 20
            ])
    end.

%% The post-upgrade callbacks, in their order. From the first one on the new code stays, whatever
%% happens: a callback may have migrated data that the old code does not understand. Unless the
%% operator has asked for the old code in that case.
-spec call_back(emqx_hot_apply_plan:plan(), map()) -> non_neg_integer().
call_back(#{callbacks := Callbacks}, #{undo_callbacks := Undo}) ->
    Undo orelse Callbacks =:= [] orelse
        emqx_hot_apply_undo:seal(<<"the new code stays, and the marker was not written">>),
    lists:foreach(
        fun({Module, Function, Args}) ->
            emqx_hot_apply_report:step(callback, "~tp:~tp/~b", [Module, Function, length(Args)]),
            case guarded(post_upgrade_failed, Module, Function, Args) of
                Reason when Reason =:= error; element(1, Reason) =:= error ->
                    emqx_hot_apply_report:warn("~tp:~tp/~b returned ~0tP", [
                        Module, Function, length(Args), Reason, 20
                    ]);
                _AsUpstreamAnyValueWillDo ->
                    ok
            end
        end,
        Callbacks
    ),
    length(Callbacks).

guarded(Error, Module, Function, Args) ->
    try
        apply(Module, Function, Args)
    catch
        Class:Reason:Stack ->
            emqx_hot_apply_report:fail(Error, "~tp:~tp/~b: ~p ~0tP at ~0tP", [
                Module, Function, length(Args), Class, Reason, 20, Stack, 12
            ])
    end.
