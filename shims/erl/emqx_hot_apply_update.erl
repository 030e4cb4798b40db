%%% {update, M, {advanced, Extra}}: new code and a new state for every process that runs M.
%%%
%%% Exists because this is the one instruction during which clients can feel the upgrade: all processes
%%% of the module have to stand still from before its code is exchanged until their states are changed.
%%% So everything that takes time is done before: code is prepared, old code is purged, and who does not
%%% answer now is not waited for by the others. No process works on before all of them have changed:
%%% while they stand still, a failure takes nothing from them.
%%% What is undone later, because a later step fails, is undone process by process: see take_back/3.
-module(emqx_hot_apply_update).

-export([perform/5, forget/0]).

-export_type([result/0]).

-type result() :: #{updated := non_neg_integer(), suspended_us := non_neg_integer()}.

%% How long nobody may answer while processes stand still, in milliseconds.
patience(Limit) -> min(Limit, 200).

-spec perform(
    module(), Extra :: term(), [emqx_hot_apply_code:part()], [emqx_hot_apply_procs:target()], map()
) -> result().
perform(Module, Extra, Parts, Planned, #{from := From, limit := Limit, brutal := Brutal}) ->
    Supervisors = lists:usort([Sup || {Pid, Sup} <- Planned, Pid =/= Sup]),
    IsLoaded = Parts =/= [],
    Children = [Pid || {Pid, _} <- Planned],
    %% A purge looks at every process of the VM: not while some of them wait.
    emqx_hot_apply_purge:vacate(Module, Brutal),
    Key = make_ref(),
    ok = emqx_hot_apply_memory:write({supervisors, Key}, Supervisors),
    ok = emqx_hot_apply_memory:write({update, Key}, Children),
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("suspending processes of ~tp", [Module]),
        fun() -> release(Key) end
    ),
    Family = {Module, IsLoaded, Key, Supervisors, Limit},
    {Suspended, Missed, Begun} = suspend(Children, [], Family, 4),
    emqx_hot_apply_code:load(Parts, Brutal),
    Down = {Module, {down, From}, Extra},
    Changed =
        case Missed of
            [] -> all;
            _ -> Suspended
        end,
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("changing the state of processes of ~tp", [Module]),
        fun() -> take_back(Down, Changed, Family) end
    ),
    Change = {Module, From, Extra},
    Failed = emqx_hot_apply_sys:change_code(Suspended, Key, Change, max(Limit, 5000)),
    Failed =:= [] orelse failed(Module, Failed, Suspended),
    ok = emqx_hot_apply_memory:write({works, Key}, true),
    emqx_hot_apply_sys:resume(Suspended ++ Supervisors),
    Took = erlang:monotonic_time(microsecond) - Begun,
    Missed =:= [] orelse
        emqx_hot_apply_report:warn(
            "~b processes of ~tp could not be suspended within ~p ms and keep their old state: ~ts",
            [length(Missed), Module, Limit, emqx_hot_apply_report:names(Missed)]
        ),
    #{
        updated => length(Suspended),
        suspended_us =>
            case Suspended of
                [] -> 0;
                _ -> Took
            end
    }.

-spec failed(module(), [{pid(), term()}], [pid()]) -> no_return().
failed(Module, [{Pid, Reason} | _] = Failed, Suspended) ->
    emqx_hot_apply_report:fail(
        code_change_failed, "~tp:code_change/3 failed in ~b of ~b processes; ~ts: ~0tP", [
            Module,
            length(Failed),
            length(Suspended),
            emqx_hot_apply_report:names([Pid]),
            Reason,
            20
        ]
    ).

%% A process that is busy would make all others wait for as long as it is. So they are let go on after
%% a short silence, it is waited for with nobody suspended, and then it is tried again.
suspend(Pids, Missed, {_, _, Key, Supervisors, Limit} = Family, Tries) ->
    Born = stop_births(Family, 5),
    %% Resuming a process that is not suspended changes nothing: so all of them, before the first is.
    Born =:= [] orelse
        emqx_hot_apply_memory:write(
            {update, Key}, Born ++ emqx_hot_apply_memory:read({update, Key}, [])
        ),
    Begun = erlang:monotonic_time(microsecond),
    case emqx_hot_apply_sys:suspend(Born ++ Pids, Key, patience(Limit)) of
        {Suspended, []} ->
            {Suspended, Missed, Begun};
        {Suspended, Late} when Tries =:= 1 ->
            {Suspended, Late ++ Missed, Begun};
        {Suspended, Late} ->
            emqx_hot_apply_sys:resume(Suspended ++ Supervisors),
            emqx_hot_apply_sys:forget(Suspended, Key),
            {Again, Silent} = emqx_hot_apply_sys:answering(Late, Limit),
            suspend(Again ++ Suspended, Silent ++ Missed, Family, Tries - 1)
    end.

%% Children that the supervisors have started since they were last asked; from here on they start
%% nobody, because they are suspended: a child that is started between the search for processes and the
%% exchange of the code would run the one with the state of the other. A supervisor can't be asked
%% any more then, but its links tell whether it has been too fast. One that does not stop is left alone.
%% Where an earlier step has loaded the module, all that were started since are new already.
stop_births({_, false, _, _, _}, _Tries) ->
    [];
stop_births({Module, true, Key, Supervisors, Limit} = Family, Tries) ->
    Before = links(Supervisors),
    Met = [{Pid, Pid} || Pid <- met(Key)],
    Born = [
        Pid
     || {Pid, _} <- emqx_hot_apply_procs:newcomers(Module, Met, Supervisors, Limit)
    ],
    {Held, _Slow} = emqx_hot_apply_sys:hold(Supervisors, patience(Limit)),
    case (lists:append(links(Held)) -- lists:append(Before)) -- Born of
        Missed when Missed =:= []; Tries =:= 1 ->
            lists:usort(Born);
        _ ->
            emqx_hot_apply_sys:resume(Held),
            stop_births(Family, Tries - 1)
    end.

links(Supervisors) ->
    [
        [Pid || Pid <- Links, is_pid(Pid)]
     || Sup <- Supervisors, {links, Links} <- [process_info(Sup, links)]
    ].

%% Their supervisors start those that have to end anew: on the former code, which is back by now.
release(Key) ->
    lists:foreach(
        fun(Pid) -> exit(Pid, kill) end, emqx_hot_apply_memory:read({doomed, Key}, [])
    ),
    emqx_hot_apply_sys:resume(met(Key) ++ emqx_hot_apply_memory:read({supervisors, Key}, [])).

%% The end of the attempt: no state is kept any longer.
-spec forget() -> ok.
forget() ->
    lists:foreach(
        fun({Key, _}) -> emqx_hot_apply_sys:forget(met(Key), Key) end,
        emqx_hot_apply_memory:matching(update)
    ).

%% Processes that stand still, or keep their old state, for the sake of this update.
met(Key) ->
    emqx_hot_apply_memory:read({strangers, Key}, []) ++
        emqx_hot_apply_memory:read({update, Key}, []).

%% The inverse of the change of states; it ends with all processes suspended, so that the former code
%% can be loaded back. A process that has not worked since gets the very state that it had. Where one
%% has, that state is out of date, so the new code is asked for one of the former version (OTP's
%% {down, Vsn}). An author who has not thought of that leaves only the old state, which is told; and a
%% process that was started since has not even that, and is ended if it can't be understood.
take_back({Module, _, _} = Down, Changed, {_, _, Key, _, Limit} = Family) ->
    Strangers = strangers(Family),
    ok = emqx_hot_apply_memory:write({strangers, Key}, Strangers),
    Pids = Strangers ++ changed(Changed, Key),
    {Held, Late} = hold(Pids, Limit, emqx_hot_apply_memory:read({works, Key}, false)),
    ok = emqx_hot_apply_memory:write({works, Key}, false),
    {Told, Late2} = emqx_hot_apply_sys:take_back(Held, Key, make_ref()),
    Rest = lists:usort([Pid || {Pid, What} <- Told, What =:= moved orelse What =:= stranger]),
    {Settled, Late3} = emqx_hot_apply_sys:lower(Rest, Key, Down, max(Limit, 5000)),
    Strange = maps:from_list([{Pid, []} || {Pid, stranger} <- Told]),
    Converted = lists:any(fun({_, What}) -> What =:= {back, true} orelse What =:= moved end, Told),
    Unknown = [Pid || {Pid, unknown} <- Settled, is_map_key(Pid, Strange), Converted],
    ok = emqx_hot_apply_memory:write({doomed, Key}, Unknown),
    Forced = [Pid || {Pid, forced} <- Settled],
    case Late ++ Late2 ++ Late3 of
        [] -> remark(forced(Module, Forced) ++ ended(Module, Unknown));
        Stuck -> {attention, [stuck(Module, Stuck)]}
    end.

changed(all, Key) -> emqx_hot_apply_memory:read({update, Key}, []);
changed(Pids, _Key) -> Pids.

%% Processes that stand still already stay so. Where they work, one may wait for the answer of another
%% that is suspended by now: so they are let go on after a short silence, as for the update itself.
hold(Pids, Limit, IsWorking) ->
    hold(Pids, Limit, IsWorking, 4).

hold(Pids, Limit, IsWorking, Tries) when not IsWorking; Tries =:= 1 ->
    emqx_hot_apply_sys:hold(Pids, max(Limit, 5000));
hold(Pids, Limit, true, Tries) ->
    case emqx_hot_apply_sys:hold(Pids, patience(Limit)) of
        {Held, []} ->
            {Held, []};
        {Held, Late} ->
            emqx_hot_apply_sys:resume(Held),
            {Again, Silent} = emqx_hot_apply_sys:answering(Late, max(Limit, 5000)),
            {Stopped, Stuck} = hold(Again ++ Held, Limit, true, Tries - 1),
            {Stopped, Silent ++ Stuck}
    end.

%% Started on the new code since it was loaded. Supervisors that do not answer are no reason to leave
%% the others as they are.
strangers({_, _, Key, _, _} = Family) ->
    Known = emqx_hot_apply_memory:read({strangers, Key}, []),
    try
        stop_births(Family, 5) ++ Known
    catch
        throw:{refused, _, _} -> Known
    end.

remark([]) -> ok;
remark(Texts) -> {remark, Texts}.

forced(_Module, []) ->
    [];
forced(Module, Pids) ->
    [
        emqx_hot_apply_report:text(
            "~b processes of ~tp got the state of before the upgrade back, because its code_change does "
            "not know {down, Vsn}: ~ts",
            [length(Pids), Module, emqx_hot_apply_report:names(Pids)]
        )
    ].

ended(_Module, []) ->
    [];
ended(Module, Pids) ->
    [
        emqx_hot_apply_report:text(
            "~b processes of ~tp that were started meanwhile are ended, because its code_change does "
            "not know {down, Vsn}: ~ts",
            [length(Pids), Module, emqx_hot_apply_report:names(Pids)]
        )
    ].

stuck(Module, Pids) ->
    emqx_hot_apply_report:text("~b processes of ~tp keep the state of the new version: ~ts", [
        length(Pids), Module, emqx_hot_apply_report:names(Pids)
    ]).
