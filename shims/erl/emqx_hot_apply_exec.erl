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
                Counted = step(Step, Job, Acc),
                emqx_hot_apply_undo:checkpoint(),
                Counted
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
    _ = emqx_hot_apply_undo:push(<<"the code path">>, fun() -> unset_code_path(Before, Added) end),
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
    Priority = process_flag(priority, high),
    try
        update(Module, Extra, Parts, Targets, Job, Counts)
    after
        process_flag(priority, Priority)
    end;
step({restart, #{app := App} = Change}, #{brutal := Brutal}, #{restarted := Restarted} = Counts) ->
    _ = emqx_hot_apply_app:restart(Change, Brutal),
    Counts#{restarted := [App | Restarted -- [App]]};
step({apply, Module, Function, Args}, _Job, Counts) ->
    _ = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("~tp:~tp/~b has run; what it did is not undone", [
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

%% Processes that the supervisors have started since the plan was made come along, except where an
%% earlier step loaded the module already: those were started on the new code.
update(Module, Extra, Parts, Planned, #{from := From, limit := Limit, brutal := Brutal}, Counts) ->
    Targets =
        case Parts of
            [] ->
                Planned;
            _ ->
                Supervisors = lists:usort([Sup || {Pid, Sup} <- Planned, Pid =/= Sup]),
                Late = emqx_hot_apply_procs:newcomers(Module, Planned, Supervisors, Limit),
                lists:ukeysort(1, Planned ++ Late)
        end,
    %% A purge looks at every process of the VM: not while some of them wait.
    emqx_hot_apply_purge:vacate(Module, Brutal),
    Begun = erlang:monotonic_time(microsecond),
    {Suspended, Missed} = emqx_hot_apply_procs:suspend([Pid || {Pid, _} <- Targets], Limit),
    Key = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("suspending processes of ~tp", [Module]),
        fun() -> emqx_hot_apply_procs:resume(Suspended) end
    ),
    Kept = make_ref(),
    emqx_hot_apply_procs:save(Suspended, Kept, Limit),
    emqx_hot_apply_code:load(Parts, Brutal),
    _ = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("changing the state of processes of ~tp", [Module]),
        fun() -> put_back(Module, Suspended, Kept, Limit) end
    ),
    {Changed, Failed} = emqx_hot_apply_procs:change_code(
        Suspended, Module, From, Extra, max(Limit, 5000)
    ),
    case Failed of
        [] ->
            ok;
        [{Pid, Reason} | _] ->
            emqx_hot_apply_report:fail(
                code_change_failed, "~tp:code_change/3 failed in ~b of ~b processes; ~ts: ~0tP", [
                    Module,
                    length(Failed),
                    length(Suspended),
                    emqx_hot_apply_report:names([Pid]),
                    Reason,
                    20
                ]
            )
    end,
    emqx_hot_apply_procs:resume(Suspended),
    Took = erlang:monotonic_time(microsecond) - Begun,
    emqx_hot_apply_procs:forget(Suspended),
    emqx_hot_apply_undo:drop(Key),
    migrated(Module, Changed),
    Missed =:= [] orelse
        emqx_hot_apply_report:warn(
            "~b processes of ~tp could not be suspended within ~p ms and keep their old state: ~ts",
            [length(Missed), Module, Limit, emqx_hot_apply_report:names(Missed)]
        ),
    #{updated := Updated, suspended_us := Longest} = Counts,
    Counts#{
        updated := Updated + length(Changed),
        suspended_us :=
            case Suspended of
                [] -> Longest;
                _ -> max(Longest, Took)
            end
    }.

put_back(Module, Pids, Kept, Limit) ->
    case emqx_hot_apply_procs:restore(Pids, Kept, max(Limit, 5000)) of
        [] ->
            ok;
        Stuck ->
            {attention, [
                emqx_hot_apply_report:text("~b processes of ~tp keep the state of the new version: ~ts", [
                    length(Stuck), Module, emqx_hot_apply_report:names(Stuck)
                ])
            ]}
    end.

%% Once processes work on with a migrated state, the new code has to stay with them: the state they had
%% before is out of date with their first message, and the old code does not understand the new one.
migrated(_Module, []) ->
    ok;
migrated(Module, Pids) ->
    emqx_hot_apply_undo:seal(
        emqx_hot_apply_report:text(
            "~b processes of ~tp work with the state of the new version, so what was changed until "
            "then stays: ~ts",
            [length(Pids), Module, emqx_hot_apply_report:names(Pids)]
        )
    ).

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
