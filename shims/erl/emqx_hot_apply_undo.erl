%%% The log of inverses: what must be done to take the changes of an attempt back, newest first.
%%%
%%% Exists so that every change records its inverse at the moment it is made, and a failure anywhere
%%% takes all of them back in reverse order. It must never call something restored that is not: an
%%% inverse that cannot be run answers with the text that people need to act on.
%%% The log is kept in the owner's process dictionary, so that no exception can lose it.
-module(emqx_hot_apply_undo).

-export([open/0, push/1, push/2, drop/1, seal/1, checkpoint/0, rewind/0]).

-export_type([inverse/0, key/0]).

-type inverse() :: fun(() -> ok | {attention, [binary()]}).
-type key() :: reference().

-spec open() -> ok.
open() ->
    _ = put(emqx_hot_apply_undo, {untouched, []}),
    ok.

%% Records that the VM was changed in a way that has no inverse yet, with what to tell people.
-spec push(binary()) -> key().
push(Attention) ->
    push(<<"irreversible step">>, fun() -> {attention, [Attention]} end).

%% Records the inverse of a change. What names it, for the case that the inverse itself fails.
-spec push(binary(), inverse()) -> key().
push(What, Inverse) ->
    Key = make_ref(),
    {State, Log} = get(emqx_hot_apply_undo),
    Touched =
        case State of
            sealed -> sealed;
            _ -> touched
        end,
    _ = put(emqx_hot_apply_undo, {Touched, [{Key, What, Inverse} | Log]}),
    Key.

%% Forgets an inverse that is no longer needed, as resuming processes that already were resumed.
-spec drop(key()) -> ok.
drop(Key) ->
    {State, Log} = get(emqx_hot_apply_undo),
    _ = put(emqx_hot_apply_undo, {State, lists:keydelete(Key, 1, Log)}),
    ok.

%% From here on a failure leaves what was done so far in place: going back would do more harm. Says
%% why. What is pushed later can still be taken back, up to the next checkpoint.
-spec seal(binary()) -> ok.
seal(Why) ->
    {_, Log} = get(emqx_hot_apply_undo),
    Seal = {seal, Why, fun() -> {attention, [Why]} end},
    _ = put(emqx_hot_apply_undo, {sealed, [Seal | seals(Log)]}),
    ok.

%% The end of a step. After a seal a finished step stays: taking single later steps back would leave a
%% mixture that no author of a hop has thought of, while a beginning of the hop is what a running
%% upgrade passes through anyway.
-spec checkpoint() -> ok.
checkpoint() ->
    case get(emqx_hot_apply_undo) of
        {sealed, Log} ->
            _ = put(emqx_hot_apply_undo, {sealed, seals(Log)}),
            ok;
        {_, _} ->
            ok
    end.

seals(Log) ->
    [Entry || {seal, _, _} = Entry <- Log].

%% Runs the inverses, newest first; all of them, whatever the others answer.
-spec rewind() -> untouched | restored | {attention, [binary()]}.
rewind() ->
    case get(emqx_hot_apply_undo) of
        {untouched, _} ->
            untouched;
        {_, Log} ->
            case lists:flatmap(fun take_back/1, Log) of
                [] -> restored;
                Attention -> {attention, Attention}
            end
    end.

take_back({_Key, What, Inverse}) ->
    try Inverse() of
        ok -> [];
        {attention, Texts} -> Texts
    catch
        throw:{refused, _Name, Detail} ->
            [emqx_hot_apply_report:text("~ts could not be undone: ~ts", [What, Detail])];
        Class:Reason ->
            [
                emqx_hot_apply_report:text("~ts could not be undone: ~p ~0tP", [
                    What, Class, Reason, 12
                ])
            ]
    end.
