%%% The agent that applies a hop inside the broker's VM: the command hands it over as source, and one
%%% process here, the owner, carries the attempt to its end, whether anybody is still listening or not.
%%%
%%% Exists because a command can be killed and a connection cut in the middle of an upgrade. The owner
%%% is not linked to anybody, writes marker and journal by itself, and reports with messages that never
%%% wait; if it is killed itself, its guardian takes its place. It must never claim more than it has read back, never call something restored that isn't, and
%%% never write the marker before everything else is done. Everything it knows comes with the request.
%%%
%%% Compiled in VMs from OTP 25 to 28 without a preprocessor: no macros, no includes.
-module(emqx_hot_apply).

-export([start/2, status/0, eval_hops/1, hop_value/2]).

-export_type([request/0]).

-type request() :: #{
    attempt := binary(),
    from := binary(),
    to := binary(),
    tree := binary(),
    rel_name := binary(),
    marker := binary(),
    journal := binary(),
    hop := {File :: binary(), Source :: binary()},
    beams := [{Module :: binary(), File :: binary(), Beam :: binary()}],
    patches_dir := binary() | undefined,
    brutal_purge := boolean(),
    %% Time for one process to suspend, or one supervisor to answer, in milliseconds.
    suspend_timeout := pos_integer(),
    %% prove: everything up to, and without, the first change.
    mode := apply | prove,
    %% Whether a callback that fails takes the new code back; otherwise it stays.
    undo_on_callback_failure => boolean(),
    _ => _
}.

%% Starts the owner. ReplyTo gets {emqx_hot_apply, Attempt, Message} with {step, Step, Detail},
%% {done, Map} or {failed, Map}. Fails with the running attempt when there is one.
-spec start(pid(), request()) -> {ok, pid()} | {error, {locked, Attempt :: binary()}}.
start(ReplyTo, Request) when is_pid(ReplyTo), is_map(Request) ->
    Job = job(Request),
    Starter = self(),
    {Owner, Monitor} = spawn_monitor(fun() -> own(Starter, ReplyTo, Job) end),
    receive
        {emqx_hot_apply, Owner, owns} ->
            demonitor(Monitor, [flush]),
            {ok, Owner};
        {'DOWN', Monitor, process, Owner, {locked, _} = Locked} ->
            {error, Locked};
        {'DOWN', Monitor, process, Owner, Reason} ->
            error(Reason)
    end.

%% The attempt that runs in this VM.
-spec status() -> idle | {running, Attempt :: binary()}.
status() ->
    others(undefined).

%% Both names are looked at: where the owner was killed, its guardian works on.
others(Self) ->
    Names = [emqx_hot_apply, emqx_hot_apply_guardian],
    case [Pid || Name <- Names, Pid <- [whereis(Name)], is_pid(Pid), Pid =/= Self] of
        [] -> idle;
        [Owner | _] -> running(process_info(Owner, dictionary))
    end.

running(undefined) ->
    idle;
running({dictionary, Dictionary}) ->
    {running, proplists:get_value(emqx_hot_apply_attempt, Dictionary, <<>>)}.

%% What hop scripts are for, by evaluating them; nothing is changed.
-spec eval_hops([{File :: binary(), Source :: binary()}]) ->
    [{ok, From :: binary(), To :: binary()} | {error, binary()}].
eval_hops(Scripts) ->
    [
        try emqx_hot_apply_hop:read(text(File), Source) of
            #{from := From, to := To} ->
                {ok, unicode:characters_to_binary(From), unicode:characters_to_binary(To)}
        catch
            throw:{refused, _Name, Detail} -> {error, Detail}
        end
     || {File, Source} <- Scripts
    ].

%% The whole value of a hop, as text.
-spec hop_value(File :: binary(), Source :: binary()) -> {ok, binary()} | {error, binary()}.
hop_value(File, Source) ->
    try
        {ok, emqx_hot_apply_hop:value(text(File), Source)}
    catch
        throw:{refused, _Name, Detail} -> {error, Detail}
    end.

%% The request with text as OTP wants it: strings for versions, paths and names.
job(#{hop := {File, Source}, beams := Beams, patches_dir := Patches} = Request) ->
    #{
        attempt => maps:get(attempt, Request),
        from => text(maps:get(from, Request)),
        to => text(maps:get(to, Request)),
        tree => text(maps:get(tree, Request)),
        rel_name => text(maps:get(rel_name, Request)),
        marker => text(maps:get(marker, Request)),
        journal => text(maps:get(journal, Request)),
        hop => {text(File), Source},
        beams => [{binary_to_atom(Module), text(Beam), Code} || {Module, Beam, Code} <- Beams],
        patches_dir =>
            case Patches of
                undefined -> undefined;
                _ -> text(Patches)
            end,
        brutal => maps:get(brutal_purge, Request),
        limit => maps:get(suspend_timeout, Request),
        undo_callbacks => maps:get(undo_on_callback_failure, Request, false),
        mode => maps:get(mode, Request)
    }.

text(Binary) when is_binary(Binary) ->
    case unicode:characters_to_list(Binary) of
        Text when is_list(Text) -> Text;
        _ -> error({not_text, Binary})
    end.

own(Starter, ReplyTo, #{attempt := Attempt} = Job) ->
    _ = put(emqx_hot_apply_attempt, Attempt),
    ok = take_name(),
    %% What an instruction or a callback links to this process must not take it down.
    process_flag(trap_exit, true),
    %% The starter's group leader goes away with the command.
    group_leader(node_leader(), self()),
    ok = emqx_hot_apply_memory:open(),
    ok = emqx_hot_apply_guardian:guard(#{
        attempt => Attempt, reply_to => ReplyTo, job => maps:without([hop, beams], Job)
    }),
    Starter ! {emqx_hot_apply, self(), owns},
    ok = emqx_hot_apply_report:open(ReplyTo, Attempt),
    _ = put(emqx_hot_apply_stages, []),
    emqx_hot_apply_outcome:conclude(attempt(Job)).

%% An attempt whose owner was killed may be in the hands of its guardian.
take_name() ->
    try
        true = register(emqx_hot_apply, self()),
        undefined = whereis(emqx_hot_apply_guardian),
        ok
    catch
        error:_ ->
            exit(
                case others(self()) of
                    {running, Other} -> {locked, Other};
                    idle -> {locked, <<>>}
                end
            )
    end.

node_leader() ->
    case whereis(user) of
        undefined -> whereis(init);
        User -> User
    end.

attempt(Job) ->
    emqx_hot_apply_outcome:tell(Job, notice, hot_upgrade_started, #{}),
    try
        Plan = stage(plan, fun() -> plan(Job) end),
        Done =
            case Job of
                #{mode := prove} -> proven(Plan, Job);
                #{mode := apply} -> perform(Plan, Job)
            end,
        emqx_hot_apply_outcome:done(Done#{stages_us => get(emqx_hot_apply_stages)}, Job)
    catch
        throw:{refused, Name, Detail} ->
            emqx_hot_apply_outcome:failed(Name, Detail, Job);
        Class:Reason:Stack ->
            Text = emqx_hot_apply_report:text("~p ~0tP at ~0tP", [Class, Reason, 20, Stack, 20]),
            emqx_hot_apply_outcome:failed(internal_error, Text, Job)
    end.

%% Nothing is changed by a VM that can't say so afterwards: the journal is part of the proof.
plan(Job) ->
    Plan = emqx_hot_apply_plan:prove(Job),
    #{words := Words} = Plan,
    Detail = emqx_hot_apply_report:text("~b steps", [length(Words)]),
    case emqx_hot_apply_outcome:append(Job, planned, [{<<"detail">>, Detail}]) of
        ok ->
            Plan;
        {error, Reason} ->
            emqx_hot_apply_report:fail(no_write_permission, "~ts: ~ts", [
                maps:get(journal, Job), file:format_error(Reason)
            ])
    end.

proven(#{words := Words} = Plan, #{to := To}) ->
    lists:foreach(fun(Text) -> emqx_hot_apply_report:step(planned, "~ts", [Text]) end, Words),
    #{items := Items, skipped := Skipped, processes := Processes, restarts := Restarts} = Plan,
    #{callbacks := Callbacks} = Plan,
    #{
        version => unicode:characters_to_binary(To),
        loaded => length(Items),
        skipped => Skipped,
        updated_processes => Processes,
        restarted => [atom_to_binary(App) || {App, _} <- Restarts],
        callbacks => length(Callbacks),
        suspended_us => 0,
        plan => Words,
        outline => emqx_hot_apply_outline:steps(Plan)
    }.

perform(#{skipped := Skipped} = Plan, #{to := To} = Job) ->
    Counts = stage(apply, fun() -> emqx_hot_apply_exec:perform(Plan, Job) end),
    %% Before the callbacks, while everything can still be taken back; and after them, because
    %% they may change what was read.
    stage(verify, fun() -> emqx_hot_apply_verify:check(Plan, Job) end),
    emqx_hot_apply_outcome:journal(Job, code_changed, []),
    Called = stage(post_upgrade, fun() -> emqx_hot_apply_exec:call_back(Plan, Job) end),
    Called > 0 andalso stage(verify, fun() -> emqx_hot_apply_verify:check(Plan, Job) end),
    emqx_hot_apply_outcome:journal(Job, callbacks_done, []),
    #{loaded := Loaded, updated := Updated, restarted := Restarted, suspended_us := Longest} = Counts,
    Done = #{
        version => unicode:characters_to_binary(To),
        loaded => Loaded,
        skipped => Skipped,
        updated_processes => Updated,
        restarted => [atom_to_binary(App) || App <- Restarted],
        callbacks => Called,
        suspended_us => Longest
    },
    %% For an heir who finds the marker written.
    ok = emqx_hot_apply_memory:write(done, Done#{stages_us => get(emqx_hot_apply_stages)}),
    stage(permanent, fun() -> write_marker(Job) end),
    emqx_hot_apply_outcome:journal(Job, marker_written, []),
    Done.

write_marker(#{marker := Marker, to := To, attempt := Attempt}) ->
    emqx_hot_apply_report:step(permanent, "~ts", [Marker]),
    emqx_hot_apply_record:write_marker(Marker, To, Attempt).

%% Stages are named in failures and timed; one that runs twice is shown with its whole time.
stage(Name, Fun) ->
    ok = emqx_hot_apply_memory:write(stage, Name),
    Begun = erlang:monotonic_time(microsecond),
    Result = Fun(),
    Took = erlang:monotonic_time(microsecond) - Begun,
    Stages = get(emqx_hot_apply_stages),
    Key = atom_to_binary(Name),
    Before = proplists:get_value(Key, Stages, 0),
    _ = put(emqx_hot_apply_stages, lists:keystore(Key, 1, Stages, {Key, Before + Took})),
    Result.
