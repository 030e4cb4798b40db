%%% How an attempt ends: what is taken back, and what the journal, the node's log and the command are told.
%%%
%%% Exists so that an attempt ends in the same way whoever ends it: the process that owns it, or the
%%% one that inherits it because the owner was killed. It must never claim more than was read back,
%%% and the journal is written before anybody is told.
-module(emqx_hot_apply_outcome).

-export([done/2, failed/3, inherited/2, conclude/1]).
-export([append/3, journal/3, tell/4]).

-export_type([outcome/0]).

-type outcome() :: {done | failed, map()}.

%% The attempt has come to its end: Done is what was done.
-spec done(map(), map()) -> outcome().
done(Done, Job) ->
    journal(Job, finished, [{<<"result">>, <<"success">>}]),
    tell(Job, notice, hot_upgrade_done, #{}),
    {done, Done#{warnings => emqx_hot_apply_report:warnings()}}.

%% Takes back what was changed, if that is wanted at this stage, and tells what came of it.
-spec failed(atom(), binary(), map()) -> outcome().
failed(Name, Text, #{marker := Marker, attempt := Attempt} = Job) ->
    {Changed, Restored, Told} =
        case emqx_hot_apply_undo:rewind() of
            untouched -> {false, false, []};
            {restored, Remarks} -> {true, true, Remarks};
            {attention, Texts} -> {true, false, Texts}
        end,
    ok = emqx_hot_apply_record:drop_temporary(Marker, Attempt),
    Detail = emqx_hot_apply_report:text("~ts", [lists:join("; ", [Text | Told])]),
    Failure = #{
        error => Name,
        stage => emqx_hot_apply_memory:read(stage, plan),
        detail => Detail,
        changed => Changed,
        restored => Restored
    },
    Error = [{<<"error">>, atom_to_binary(Name)}, {<<"detail">>, Detail}],
    journal(Job, finished, [{<<"result">>, Error}]),
    tell(Job, error, hot_upgrade_failed, Failure),
    {failed, Failure}.

%% The owner was killed: what it has reached decides. Behind the rename of the marker there is nothing
%% left to do but to make that durable and to say so.
-spec inherited(term(), map()) -> outcome().
inherited(Reason, #{marker := Marker, to := To} = Job) ->
    Text = "the process that applied the upgrade was ended in the VM: ~0tP",
    What = emqx_hot_apply_report:text(Text, [Reason, 12]),
    case {emqx_hot_apply_memory:read(outcome, none), emqx_hot_apply_memory:read(done, none)} of
        {none, none} ->
            failed(owner_killed, What, Job);
        {none, Done} ->
            try emqx_hot_apply_record:confirm_marker(Marker, To) of
                true ->
                    journal(Job, marker_written, []),
                    emqx_hot_apply_report:warn("~ts; the upgrade was complete by then", [What]),
                    done(Done, Job);
                false ->
                    failed(owner_killed, What, Job)
            catch
                throw:{refused, Name, Detail} -> failed(Name, Detail, Job)
            end;
        {Outcome, _} ->
            Outcome
    end.

%% The last word, and the end of what was kept for going back.
-spec conclude(outcome()) -> ok.
conclude(Outcome) ->
    ok = emqx_hot_apply_memory:write(outcome, Outcome),
    ok = emqx_hot_apply_memory:dismiss_witness(),
    ok = emqx_hot_apply_report:final(Outcome),
    ok = emqx_hot_apply_update:forget(),
    ok = emqx_hot_apply_guardian:release(),
    emqx_hot_apply_memory:close().

%% After the proof the journal can't stop the upgrade any more: what has happened has happened.
-spec journal(map(), atom(), [{binary(), emqx_hot_apply_record:json()}]) -> ok.
journal(Job, Step, More) ->
    case append(Job, Step, More) of
        ok ->
            ok;
        {error, Reason} ->
            emqx_hot_apply_report:warn("cannot write ~ts to the journal ~ts: ~ts", [
                Step, maps:get(journal, Job), file:format_error(Reason)
            ])
    end.

%% A proof alone is no attempt, and leaves nothing behind.
-spec append(map(), atom(), [{binary(), emqx_hot_apply_record:json()}]) ->
    ok | {error, file:posix() | badarg}.
append(#{mode := prove}, _Step, _More) ->
    ok;
append(#{attempt := Attempt, from := From, to := To, journal := Journal}, Step, More) ->
    At = calendar:system_time_to_rfc3339(
        os:system_time(millisecond), [{unit, millisecond}, {offset, "Z"}]
    ),
    emqx_hot_apply_record:append(Journal, [
        {<<"at">>, unicode:characters_to_binary(At)},
        {<<"attempt">>, Attempt},
        {<<"action">>, <<"upgrade">>},
        {<<"step">>, atom_to_binary(Step)},
        {<<"by">>, <<"node">>},
        {<<"from">>, unicode:characters_to_binary(From)},
        {<<"to">>, unicode:characters_to_binary(To)}
        | More
    ]).

%% For the node's own log, where operators look first.
-spec tell(map(), logger:level(), atom(), map()) -> ok.
tell(#{mode := prove}, _Level, _Event, _More) ->
    ok;
tell(#{attempt := Attempt, from := From, to := To}, Level, Event, More) ->
    logger:log(Level, More#{msg => Event, attempt => Attempt, from => From, to => To}).
