%%% The supervised processes: which run a module as their callback module.
%%%
%%% Exists because a broker has tens of thousands of such processes: they are found in one walk over
%%% the supervision trees, whatever the number of instructions.
%%% It must never hang (every question has a time limit), and never crash because a process dies meanwhile
%%% or a supervisor of a special kind answers oddly. It changes nothing.
%%% The messages are those of supervisor(3) and get_modules; special processes implement the same.
-module(emqx_hot_apply_procs).

-export([find/2, newcomers/4]).

-export_type([target/0]).

%% The form of an alias in a system message.
-dialyzer({no_improper_lists, ask/3}).

%% A process and the supervisor that started it (itself, for the top of an application).
-type target() :: {Process :: pid(), Supervisor :: pid()}.

%% One walk for all modules. Throws suspended_supervisor, or which_children_failed when a supervisor
%% does not answer in time: processes below it would be missed, and fail later on the new code.
-spec find([module()], timeout()) -> #{module() => [target()]}.
find([], _Limit) ->
    #{};
find(Modules, Limit) ->
    Wanted = maps:from_list([{Module, []} || Module <- Modules]),
    {Found, Silent} = in_helper(60000, fun() -> walk(Wanted, Limit) end),
    Silent > 0 andalso
        emqx_hot_apply_report:warn(
            "~b supervised processes did not tell their callback modules; they were left alone",
            [Silent]
        ),
    maps:map(fun(_Module, Targets) -> lists:ukeysort(1, Targets) end, Found).

%% Children that the same supervisors have started since. The rest of the tree is not walked again.
-spec newcomers(module(), [target()], [pid()], timeout()) -> [target()].
newcomers(Module, Targets, Supervisors, Limit) ->
    in_helper(60000, fun() ->
        Found = lists:append([
            [
                {Pid, Sup}
             || {_Id, Pid, _Type, Modules} <- which_children(Sup, Limit),
                is_local(Pid),
                is_among(Module, Modules)
            ]
         || Sup <- Supervisors
        ]),
        Known = maps:from_list(Targets),
        [Target || {Pid, _} = Target <- Found, not is_map_key(Pid, Known)]
    end).

%% Late answers must not end up in the owner's mailbox, so questions are asked by a helper.
in_helper(Limit, Fun) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
        exit(
            try
                {found, Fun()}
            catch
                throw:{refused, _, _} = Refusal -> Refusal
            end
        )
    end),
    receive
        {'DOWN', Monitor, process, Pid, {found, Result}} ->
            Result;
        {'DOWN', Monitor, process, Pid, {refused, _, _} = Refusal} ->
            throw(Refusal);
        {'DOWN', Monitor, process, Pid, Reason} ->
            emqx_hot_apply_report:fail(which_children_failed, "~0tP", [Reason, 12])
    after Limit ->
        demonitor(Monitor, [flush]),
        exit(Pid, kill),
        emqx_hot_apply_report:fail(
            which_children_failed, "the walk over the supervision trees did not end within ~b ms", [
                Limit
            ]
        )
    end.

%% State of the walk: {targets by module, processes whose modules must be asked for, supervisors seen}.
walk(Wanted, Limit) ->
    {Found, Dynamic, _Seen} = lists:foldl(
        fun({App, _Description, _Vsn}, State) -> top(App, State, Limit) end,
        {Wanted, [], #{}},
        application:which_applications(Limit)
    ),
    Answers = ask(
        [Pid || {Pid, _} <- Dynamic], fun(From) -> {self(), From, get_modules} end, Limit
    ),
    lists:foldl(
        fun({Pid, Sup}, {Acc, Silent}) ->
            case map_get(Pid, Answers) of
                {reply, Modules} when is_list(Modules) -> {note(Pid, Sup, Modules, Acc), Silent};
                gone -> {Acc, Silent};
                _ -> {Acc, Silent + 1}
            end
        end,
        {Found, 0},
        Dynamic
    ).

top(App, {Found, Dynamic, Seen} = State, Limit) ->
    Master = application_controller:get_master(App),
    case is_pid(Master) andalso application_master:get_child(Master) of
        {Top, _Mod} when is_pid(Top) ->
            case proc_lib:translate_initial_call(Top) of
                {supervisor, Module, _} ->
                    children(Top, {note(Top, Top, [Module], Found), Dynamic, Seen}, Limit);
                %% Not a supervisor: asking it for children could crash it.
                {Module, _, _} ->
                    {note(Top, Top, [Module], Found), Dynamic, Seen}
            end;
        _NotRunningHere ->
            State
    end.

%% Some supervisors of a special kind list one another, so each is asked once.
children(Sup, {_, _, Seen} = State, _Limit) when is_map_key(Sup, Seen) ->
    State;
children(Sup, {Found, Dynamic, Seen}, Limit) ->
    lists:foldl(
        fun(Child, State) -> child(Child, Sup, State, Limit) end,
        {Found, Dynamic, Seen#{Sup => true}},
        which_children(Sup, Limit)
    ).

child({_Id, Pid, Type, Modules}, Sup, {Found, Dynamic, Seen} = State, Limit) ->
    case is_local(Pid) of
        true when Type =:= supervisor ->
            children(Pid, {note(Pid, Sup, Modules, Found), Dynamic, Seen}, Limit);
        true when Modules =:= dynamic ->
            {Found, [{Pid, Sup} | Dynamic], Seen};
        true ->
            {note(Pid, Sup, Modules, Found), Dynamic, Seen};
        false ->
            State
    end;
child(_Odd, _Sup, State, _Limit) ->
    State.

is_local(Pid) ->
    is_pid(Pid) andalso node(Pid) =:= node().

note(Pid, Sup, [Module | Modules], Found) ->
    case Found of
        #{Module := Targets} -> note(Pid, Sup, Modules, Found#{Module := [{Pid, Sup} | Targets]});
        #{} -> note(Pid, Sup, Modules, Found)
    end;
note(_Pid, _Sup, _NoMoreOrOdd, Found) ->
    Found.

is_among(Module, [Module | _]) -> true;
is_among(Module, [_ | Modules]) -> is_among(Module, Modules);
is_among(_Module, _NoMoreOrOdd) -> false.

which_children(Sup, Limit) ->
    try gen_server:call(Sup, which_children, Limit) of
        Children when is_list(Children) -> proper(Children);
        _Odd -> []
    catch
        exit:{timeout, _} -> stuck(Sup, Limit);
        %% It died, or it isn't one that answers: nothing below it can be found.
        exit:_ -> []
    end.

proper(List) ->
    try length(List) of
        _ -> List
    catch
        error:badarg -> []
    end.

-spec stuck(pid(), timeout()) -> no_return().
stuck(Sup, Limit) ->
    Name = emqx_hot_apply_report:names([Sup]),
    case sys_state(Sup) of
        suspended ->
            emqx_hot_apply_report:fail(
                suspended_supervisor, "supervisor ~ts is suspended; resume it first", [Name]
            );
        _ ->
            emqx_hot_apply_report:fail(
                which_children_failed, "supervisor ~ts did not list its children within ~p ms", [
                    Name, Limit
                ]
            )
    end.

sys_state(Pid) ->
    try sys:get_status(Pid, 1000) of
        {status, _, {module, _}, [_, State | _]} -> State;
        _ -> unknown
    catch
        exit:_ -> unknown
    end.

%% Asks all of them, then waits for all answers up to one deadline.
ask(Pids, Message, Limit) ->
    Asked = maps:from_list([
        begin
            Ref = monitor(process, Pid, [{alias, reply_demonitor}]),
            Pid ! Message({self(), [alias | Ref]}),
            {Ref, Pid}
        end
     || Pid <- Pids
    ]),
    collect(Asked, erlang:monotonic_time(millisecond) + Limit, #{}).

collect(Asked, _Deadline, Answers) when map_size(Asked) =:= 0 ->
    Answers;
collect(Asked, Deadline, Answers) ->
    Left = max(0, Deadline - erlang:monotonic_time(millisecond)),
    receive
        {[alias | Ref], Reply} when is_map_key(Ref, Asked) ->
            %% A special process may have answered past the alias: then the monitor is still there.
            %% Not flushed: that would search the mailbox, with all other answers, for each answer.
            demonitor(Ref),
            answered(Ref, {reply, Reply}, Asked, Deadline, Answers);
        {'DOWN', Ref, process, _, _} when is_map_key(Ref, Asked) ->
            answered(Ref, gone, Asked, Deadline, Answers)
    after Left ->
        maps:fold(
            fun(Ref, Pid, Acc) ->
                demonitor(Ref, [flush]),
                Acc#{Pid => timeout}
            end,
            Answers,
            Asked
        )
    end.

answered(Ref, Answer, Asked, Deadline, Answers) ->
    {Pid, Rest} = maps:take(Ref, Asked),
    collect(Rest, Deadline, Answers#{Pid => Answer}).
