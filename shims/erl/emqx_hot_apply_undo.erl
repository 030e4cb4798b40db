%%% The log of inverses: what must be done to take the changes of an attempt back, newest first.
%%%
%%% Exists so that every change records its inverse before it is made, and a failure anywhere takes all
%%% of them back in reverse order, also if it is the end of the process that made them. It must never
%%% call something restored that is not: an inverse that cannot be run answers with the text that
%%% people need to act on.
%%% The log is part of the attempt's memory (emqx_hot_apply_memory). Whoever is killed in the middle of
%%% an inverse leaves it half done, and his heir runs it again: so an inverse must come to the same
%%% end from there, and find nothing to do where its change was never made.
-module(emqx_hot_apply_undo).

-export([push/1, push/2, seal/1, rewind/0]).

-export_type([inverse/0]).

%% remark: it is undone, and people should know what that took. attention: it is not undone.
-type inverse() :: fun(() -> ok | {remark | attention, [binary()]}).
%% done: with what its inverse answered. sealed: what is older stays, with the reason.
-type entry() ::
    {inverse, What :: binary(), inverse()} | {done, [told()]} | {sealed, Why :: binary()}.
-type told() :: {remark | attention, binary()}.

%% How often an inverse may be begun: what kills one process after the other is not tried for ever.
tries() -> 2.

%% Records that something is done whose effects nobody knows here, with what to tell people.
-spec push(binary()) -> ok.
push(Remark) ->
    push(<<"unknown step">>, fun() -> {remark, [Remark]} end).

%% Records the inverse of a change that is about to be made. What names it, for the case that the
%% inverse itself fails.
-spec push(binary(), inverse()) -> ok.
push(What, Inverse) ->
    case emqx_hot_apply_memory:read(rewinding, false) of
        %% Inverses use the same functions as changes.
        true -> ok;
        false -> add({inverse, What, Inverse})
    end.

%% From here on a failure leaves what was done so far in place: going back would do more harm. Says
%% why. What is pushed later can still be taken back.
-spec seal(binary()) -> ok.
seal(Why) ->
    add({sealed, Why}).

-spec add(entry()) -> ok.
add(Entry) ->
    ok = emqx_hot_apply_guardian:ensure(),
    Number = emqx_hot_apply_memory:read(changes, 0) + 1,
    Number > 1 orelse emqx_hot_apply_memory:call_witness(get(emqx_hot_apply_attempt)),
    ok = emqx_hot_apply_memory:write(changes, Number),
    emqx_hot_apply_memory:write({change, Number}, Entry).

%% Runs the inverses, newest first; all of them, whatever the others answer. What somebody else has
%% begun is carried on.
-spec rewind() -> untouched | {restored | attention, [binary()]}.
rewind() ->
    ok = emqx_hot_apply_memory:write(rewinding, true),
    case lists:reverse(emqx_hot_apply_memory:matching(change)) of
        [] ->
            untouched;
        Log ->
            Answers = back(Log),
            Texts = [Text || {_, Text} <- Answers],
            case lists:keymember(attention, 1, Answers) of
                true -> {attention, Texts};
                false -> {restored, Texts}
            end
    end.

-spec back([{pos_integer(), entry()}]) -> [told()].
back([]) ->
    [];
back([{Number, {inverse, What, Inverse}} | Older]) ->
    Told = take_back(Number, What, Inverse),
    ok = emqx_hot_apply_memory:write({change, Number}, {done, Told}),
    Told ++ back(Older);
back([{_, {done, Told}} | Older]) ->
    Told ++ back(Older);
back([{_, {sealed, Why}} | Older]) ->
    [{attention, Text} || Text <- [Why | [Reason || {_, {sealed, Reason}} <- Older]]].

take_back(Number, What, Inverse) ->
    Begun = emqx_hot_apply_memory:read({begun, Number}, 0),
    ok = emqx_hot_apply_memory:write({begun, Number}, Begun + 1),
    case Begun < tries() of
        true ->
            run(What, Inverse);
        false ->
            Text = "~ts could not be undone: the process that tried it was killed, ~b times",
            [{attention, emqx_hot_apply_report:text(Text, [What, Begun])}]
    end.

run(What, Inverse) ->
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
