%%% The system messages of sys(3), spoken to many processes at once.
%%%
%%% Exists because a broker has tens of thousands of processes with the same callback module, which all
%%% have to stand still while their code changes: what one of them waits for the others, all clients
%%% feel. So the work is shared by as many helpers as there are schedulers, each speaks to hundreds of its
%%% processes before it listens, and messages that belong together are sent together, with one answer.
%%% It must never hang (silence has a limit), never crash because a process dies meanwhile, and never
%%% bring an answer into the owner's mailbox: helpers end with their answers.
%%% Late answers go to helpers that are gone, and so nowhere.
-module(emqx_hot_apply_sys).

-export([answering/2, suspend/3, hold/2, change_code/4, resume/1]).
-export([take_back/3, lower/4, forget/2]).

-export_type([change/0]).

-type change() :: {module(), FromVsn :: string() | {down, string()}, Extra :: term()}.
%% What a helper sends to each of its processes; one of them has an answer that is waited for.
-type request() :: {ask | tell, term()}.
%% Of the processes that were asked: answers other than the expected one; what they told of themselves
%% (emqx_hot_apply_state), or that they are gone; those that did not answer in time.
-type answers() :: {Odd :: [{pid(), term()}], Told :: [{pid(), term()}], Late :: [pid()]}.

%% Which processes answer system messages now. Limit: how long all of them may be silent, in
%% milliseconds.
-spec answering([pid()], timeout()) -> {Answering :: [pid()], Silent :: [pid()]}.
answering(Pids, Limit) ->
    Requests = fun() -> [{ask, {debug, {statistics, get}}}] end,
    {_, Told, Late} = speak(Pids, Requests, fun(_Any) -> true end, Limit),
    {present(Pids, Told, Late), Late}.

%% Suspends them all and has each keep its state in its own memory. Those that are late are told to
%% resume, for when they get to it, and returned apart.
-spec suspend([pid()], emqx_hot_apply_state:key(), timeout()) ->
    {Suspended :: [pid()], Late :: [pid()]}.
suspend(Pids, Key, Limit) ->
    Requests = fun() -> [{tell, suspend}, {ask, {replace_state, emqx_hot_apply_state:keep(Key)}}] end,
    {_, Told, Late} = speak(Pids, Requests, fun(_Any) -> true end, Limit),
    ok = release(Late, Key),
    {present(Pids, Told, Late), Late}.

%% Suspends them, also those that are suspended already.
-spec hold([pid()], timeout()) -> {Suspended :: [pid()], Late :: [pid()]}.
hold(Pids, Limit) ->
    {_, Told, Late} = speak(Pids, fun() -> [{ask, suspend}] end, fun(_Any) -> true end, Limit),
    ok = resume(Late),
    {present(Pids, Told, Late), Late}.

%% Has suspended processes change their state, and note what became of it. Returns those that did
%% not, with the reason; a process that ended meanwhile has no state to change.
-spec change_code([pid()], emqx_hot_apply_state:key(), change(), timeout()) ->
    Failed :: [{pid(), term()}].
change_code(Pids, Key, {Module, FromVsn, Extra}, Limit) ->
    Requests = fun() ->
        [
            {ask, {change_code, Module, FromVsn, Extra}},
            {tell, {replace_state, emqx_hot_apply_state:note(Key)}}
        ]
    end,
    {Odd, _, Late} = speak(Pids, Requests, fun(Answer) -> Answer =:= ok end, Limit),
    [{Pid, reason(Answer)} || {Pid, Answer} <- Odd] ++ [{Pid, timeout} || Pid <- Late].

reason({error, Reason}) -> Reason;
reason(Other) -> Other.

%% Gives suspended processes the state that they kept, where it is not out of date; tells for each
%% what emqx_hot_apply_state:revert/2 found.
-spec take_back([pid()], emqx_hot_apply_state:key(), reference()) ->
    {Told :: [{pid(), emqx_hot_apply_state:reverted()}], Late :: [pid()]}.
take_back(Pids, Key, Round) ->
    Requests = fun() ->
        [{tell, {replace_state, emqx_hot_apply_state:revert(Key, Round, self())}}, {ask, suspend}]
    end,
    {_, Told, Late} = speak(Pids, Requests, fun(_Any) -> true end, 5000),
    {Told, Late}.

%% Has the new code turn a state that has moved on into one of the former version, if its author has
%% thought of that; tells for each what became of it.
-spec lower([pid()], emqx_hot_apply_state:key(), change(), timeout()) ->
    {Told :: [{pid(), emqx_hot_apply_state:settled()}], Late :: [pid()]}.
lower(Pids, Key, {Module, DownVsn, Extra}, Limit) ->
    Requests = fun() ->
        [
            {tell, {change_code, Module, DownVsn, Extra}},
            {tell, {replace_state, emqx_hot_apply_state:settle(Key, self())}},
            {ask, suspend}
        ]
    end,
    {_, Told, Late} = speak(Pids, Requests, fun(_Any) -> true end, Limit),
    {Told, Late}.

%% Never waits: a process that is told to resume does so as soon as it can.
-spec resume([pid()]) -> ok.
resume(Pids) ->
    tell(Pids, [resume]).

%% Nothing that was kept is needed any more.
-spec forget([pid()], emqx_hot_apply_state:key()) -> ok.
forget(Pids, Key) ->
    tell(Pids, [{replace_state, emqx_hot_apply_state:drop(Key)}]).

release(Pids, Key) ->
    tell(Pids, [resume, {replace_state, emqx_hot_apply_state:drop(Key)}]).

tell(Pids, Requests) ->
    _ = speak(Pids, fun() -> [{tell, Request} || Request <- Requests] end, fun(_Any) -> true end, 0),
    ok.

present(Pids, Told, Late) ->
    case [Pid || {Pid, gone} <- Told] ++ Late of
        [] ->
            Pids;
        Absent ->
            Out = maps:from_keys(Absent, []),
            [Pid || Pid <- Pids, not is_map_key(Pid, Out)]
    end.

%% Requests are made in the helper, because some of them name it.
-spec speak([pid()], fun(() -> [request()]), fun((term()) -> boolean()), timeout()) -> answers().
speak([], _Requests, _IsExpected, _Limit) ->
    {[], [], []};
speak(Pids, Requests, IsExpected, Limit) ->
    Helpers = emqx_hot_apply_helper:start(
        [fun() -> helper(Share, Requests(), IsExpected, Limit) end || Share <- shares(Pids)],
        [{priority, high}]
    ),
    lists:foldl(fun gather/2, {[], [], []}, Helpers).

gather(Helper, {Odd, Told, Late}) ->
    {Odd1, Told1, Late1} = emqx_hot_apply_helper:result(Helper),
    {Odd1 ++ Odd, Told1 ++ Told, Late1 ++ Late}.

%% A second helper for a few processes costs more than it saves.
shares(Pids) ->
    Count = length(Pids),
    case min(erlang:system_info(schedulers_online), 1 + Count div 1000) of
        1 -> [Pids];
        Helpers -> split(Pids, Count div Helpers + 1)
    end.

split(Pids, Size) ->
    case length(Pids) =< Size of
        true ->
            [Pids];
        false ->
            {Share, Rest} = lists:split(Size, Pids),
            [Share | split(Rest, Size)]
    end.

%% Some hundred at a time: so a process works while its memory and its answer are still in the caches,
%% and no queue gets long. Who is slow is not waited for before all others were spoken to.
helper(Pids, Requests, IsExpected, Limit) ->
    Nobody = {nobody(), none},
    IsAsked = lists:keymember(ask, 1, Requests),
    {Slow, Answers} = lists:foldl(
        fun(Some, {Slow, Answers}) ->
            lists:foreach(fun(Pid) -> send(Pid, Requests, Nobody) end, Some),
            case IsAsked of
                true -> collect(maps:from_keys(Some, []), Slow, IsExpected, min(Limit, 10), Answers);
                false -> {Slow, Answers}
            end
        end,
        {#{}, {[], [], []}},
        split(Pids, 200)
    ),
    {Left, {Odd, Told, Late}} = collect(Slow, #{}, IsExpected, Limit, Answers),
    {Odd, Told, maps:keys(Left) ++ Late}.

%% A process that is gone: what is sent there is not even copied, as the answer to replace_state, which
%% holds the whole state, would be.
nobody() ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    receive
        {'DOWN', Monitor, process, Pid, _} -> Pid
    end.

send(_Pid, [], _Nobody) ->
    ok;
send(Pid, [{ask, Request} | Requests], Nobody) ->
    Pid ! {system, {self(), Pid}, Request},
    send(Pid, Requests, Nobody);
send(Pid, [{tell, Request} | Requests], Nobody) ->
    Pid ! {system, Nobody, Request},
    send(Pid, Requests, Nobody).

%% Waits for those who were asked, until nobody says anything for so long, and listens to the slow ones
%% meanwhile. Monitors cost as much as questions, so only those are watched that make themselves waited
%% for.
collect(Asked, Slow, _IsExpected, _Limit, Answers) when map_size(Asked) =:= 0 ->
    {Slow, Answers};
collect(Asked, Slow, IsExpected, Limit, {Odd, Told, Late} = Answers) ->
    receive
        {Pid, Answer} when is_map_key(Pid, Asked); is_map_key(Pid, Slow) ->
            Heard =
                case IsExpected(Answer) of
                    true -> Answers;
                    false -> {[{Pid, Answer} | Odd], Told, Late}
                end,
            collect(maps:remove(Pid, Asked), maps:remove(Pid, Slow), IsExpected, Limit, Heard);
        {emqx_hot_apply_state, Pid, What} ->
            collect(Asked, Slow, IsExpected, Limit, {Odd, [{Pid, What} | Told], Late});
        {'DOWN', _, process, Pid, _} when is_map_key(Pid, Asked); is_map_key(Pid, Slow) ->
            Heard = {Odd, [{Pid, gone} | Told], Late},
            collect(maps:remove(Pid, Asked), maps:remove(Pid, Slow), IsExpected, Limit, Heard);
        _Stray ->
            collect(Asked, Slow, IsExpected, Limit, Answers)
    after Limit ->
        lists:foreach(fun(Pid) -> monitor(process, Pid) end, maps:keys(Asked)),
        {maps:merge(Slow, Asked), Answers}
    end.
