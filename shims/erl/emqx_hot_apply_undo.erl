%%% The log of inverses: what must be done to take the changes of an attempt back, newest first.
%%%
%%% Exists so that every change records its inverse at the moment it is made, and a failure anywhere
%%% takes all of them back in reverse order. It must never call something restored that is not: an
%%% inverse that cannot be run answers with the text that people need to act on.
%%% The log is kept in the owner's process dictionary, so that no exception can lose it.
-module(emqx_hot_apply_undo).

-export([open/0, push/1, push/2, seal/1, rewind/0]).

-export_type([inverse/0, key/0]).

%% remark: it is undone, and people should know what that took. attention: it is not undone.
-type inverse() :: fun(() -> ok | {remark | attention, [binary()]}).
-type key() :: reference().

-spec open() -> ok.
open() ->
    _ = put(emqx_hot_apply_undo, {untouched, []}),
    ok.

%% Records that something was done whose effects nobody knows here, with what to tell people.
-spec push(binary()) -> key().
push(Remark) ->
    push(<<"unknown step">>, fun() -> {remark, [Remark]} end).

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

%% From here on a failure leaves what was done so far in place: going back would do more harm. Says
%% why. What is pushed later can still be taken back.
-spec seal(binary()) -> ok.
seal(Why) ->
    {_, Log} = get(emqx_hot_apply_undo),
    Seals = [Entry || {seal, _, _} = Entry <- Log],
    Seal = {seal, Why, fun() -> {attention, [Why]} end},
    _ = put(emqx_hot_apply_undo, {sealed, [Seal | Seals]}),
    ok.

%% Runs the inverses, newest first; all of them, whatever the others answer.
-spec rewind() -> untouched | {restored | attention, [binary()]}.
rewind() ->
    case get(emqx_hot_apply_undo) of
        {untouched, _} ->
            untouched;
        {_, Log} ->
            Answers = lists:flatmap(fun take_back/1, Log),
            Texts = [Text || {_, Text} <- Answers],
            case lists:keymember(attention, 1, Answers) of
                true -> {attention, Texts};
                false -> {restored, Texts}
            end
    end.

take_back({_Key, What, Inverse}) ->
    try Inverse() of
        ok -> [];
        {Kind, Texts} -> [{Kind, Text} || Text <- Texts]
    catch
        throw:{refused, _Name, Detail} ->
            [{attention, emqx_hot_apply_report:text("~ts could not be undone: ~ts", [What, Detail])}];
        Class:Reason ->
            Text = emqx_hot_apply_report:text("~ts could not be undone: ~p ~0tP", [
                What, Class, Reason, 12
            ]),
            [{attention, Text}]
    end.
