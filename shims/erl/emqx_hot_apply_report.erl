%%% What the owner of an attempt tells: progress to the command, warnings, refusals.
%%%
%%% Exists so that every other part of the agent can say what it does without knowing who listens.
%%% It must never block on, or fail because of, a command that is gone: the apply goes on without it.
%%% The listener is set once by the owner (emqx_hot_apply) and lives in the owner's process dictionary;
%%% in any other process step/3 and warn/2 do nothing.
-module(emqx_hot_apply_report).

-export([open/2, step/3, warn/2, warnings/0, final/1]).
-export([fail/3, text/2, names/1]).

-export_type([refusal/0]).

%% What fail/3 throws; the owner turns it into the answer to the command.
-type refusal() :: {refused, Name :: atom(), Detail :: binary()}.

%% Makes the calling process the one that reports attempt Attempt to ReplyTo.
-spec open(pid(), binary()) -> ok.
open(ReplyTo, Attempt) ->
    _ = put({emqx_hot_apply_report, listener}, {ReplyTo, Attempt}),
    _ = put({emqx_hot_apply_report, warnings}, []),
    ok.

%% Progress. Lost when the connection is gone or its buffer is full: progress is never worth waiting for.
-spec step(atom(), io:format(), [term()]) -> ok.
step(Step, Format, Args) ->
    case get({emqx_hot_apply_report, listener}) of
        {ReplyTo, Attempt} ->
            Message = {emqx_hot_apply, Attempt, {step, Step, text(Format, Args)}},
            _ = erlang:send(ReplyTo, Message, [noconnect, nosuspend]),
            ok;
        undefined ->
            ok
    end.

%% Something that people should read, but that does not stop the upgrade.
-spec warn(io:format(), [term()]) -> ok.
warn(Format, Args) ->
    case get({emqx_hot_apply_report, warnings}) of
        undefined ->
            ok;
        Warnings ->
            Text = text(Format, Args),
            _ = put({emqx_hot_apply_report, warnings}, [Text | Warnings]),
            step(warning, "~ts", [Text])
    end.

-spec warnings() -> [binary()].
warnings() ->
    case get({emqx_hot_apply_report, warnings}) of
        undefined -> [];
        Warnings -> lists:reverse(Warnings)
    end.

%% The one message that must arrive if anybody is there: a full connection buffer is waited out.
-spec final({done | failed, map()}) -> ok.
final(Answer) ->
    {ReplyTo, Attempt} = get({emqx_hot_apply_report, listener}),
    send_final(ReplyTo, {emqx_hot_apply, Attempt, Answer}, 600).

send_final(_ReplyTo, _Message, 0) ->
    ok;
send_final(ReplyTo, Message, Tries) ->
    case erlang:send(ReplyTo, Message, [noconnect, nosuspend]) of
        nosuspend ->
            timer:sleep(100),
            send_final(ReplyTo, Message, Tries - 1);
        _SentOrNobodyThere ->
            ok
    end.

%% Gives up, with one of the contract's error names and one line for people.
-spec fail(atom(), io:format(), [term()]) -> no_return().
fail(Name, Format, Args) ->
    throw({refused, Name, text(Format, Args)}).

%% Text for people, always valid UTF-8 and bounded: a process state in an error may be huge.
-spec text(io:format(), [term()]) -> binary().
text(Format, Args) ->
    Chars = io_lib:format(Format, Args, [{chars_limit, 4000}]),
    case unicode:characters_to_binary(Chars) of
        Text when is_binary(Text) -> Text;
        {_Invalid, Good, _Rest} -> Good
    end.

%% Processes as people know them: "<0.312.0> (emqx_cm)"; at most ten.
-spec names([pid()]) -> binary().
names(Pids) ->
    Shown = lists:sublist(Pids, 10),
    Listed = lists:join(", ", [name(Pid) || Pid <- Shown]),
    case length(Pids) - length(Shown) of
        0 -> text("~ts", [Listed]);
        More -> text("~ts and ~b more", [Listed, More])
    end.

name(Pid) ->
    case {process_info(Pid, registered_name), proc_lib:translate_initial_call(Pid)} of
        {{registered_name, Name}, _} -> text("~p (~tp)", [Pid, Name]);
        {_, {Module, Function, Arity}} -> text("~p (~tp:~tp/~b)", [Pid, Module, Function, Arity])
    end.
