%%% What an attempt has to remember until its end, whoever carries it there.
%%%
%%% Exists because the process that owns an attempt can be killed at any moment, and what it has done
%%% must not be forgotten with it: all of it is in one table, written before each change, which the
%%% guardian (emqx_hot_apply_guardian) inherits. It must never make anybody wait: no process is asked.
%%% Only the attempt's own process uses it; in any other one nothing is known, and writing does
%%% nothing. Values are copied, so long lists do not belong in here while somebody stands still.
-module(emqx_hot_apply_memory).

-export([open/0, bequeath/1, adopt/1, close/0]).
-export([write/2, read/2, forget/1, matching/1]).
-export([call_witness/1, dismiss_witness/0]).

-spec open() -> ok.
open() ->
    adopt(ets:new(emqx_hot_apply_memory, [ordered_set, protected])).

%% Who gets the table if this process ends before it has closed it.
-spec bequeath(pid()) -> ok.
bequeath(Heir) ->
    true = ets:setopts(table(), {heir, Heir, emqx_hot_apply_memory}),
    ok.

%% Uses a table that this process has made or inherited.
-spec adopt(ets:tid()) -> ok.
adopt(Table) ->
    _ = put(emqx_hot_apply_memory, Table),
    ok.

-spec close() -> ok.
close() ->
    true = ets:delete(erase(emqx_hot_apply_memory)),
    ok.

-spec write(term(), term()) -> ok.
write(Key, Value) ->
    case table() of
        undefined ->
            ok;
        Table ->
            true = ets:insert(Table, {Key, Value}),
            ok
    end.

-spec read(term(), term()) -> term().
read(Key, Default) ->
    case table() =/= undefined andalso ets:lookup(table(), Key) of
        [{_, Value}] -> Value;
        _ -> Default
    end.

-spec forget(term()) -> ok.
forget(Key) ->
    true = table() =:= undefined orelse ets:delete(table(), Key),
    ok.

%% What is remembered under keys {Kind, Key}, in the order of the keys.
-spec matching(atom()) -> [{Key :: term(), Value :: term()}].
matching(Kind) ->
    case table() of
        undefined -> [];
        Table -> [{Key, Value} || [Key, Value] <- ets:match(Table, {{Kind, '$1'}, '$2'})]
    end.

%% What stays known if the attempt's process and its guardian are killed at the same moment: that this VM
%% was in the middle of it. The application controller keeps it, for an application that there is not.
-spec call_witness(binary()) -> ok.
call_witness(Attempt) ->
    application:set_env(emqx_hot_apply, attempt, Attempt, [{timeout, infinity}]).

%% An application controller that hangs must not keep the attempt from its end.
-spec dismiss_witness() -> ok.
dismiss_witness() ->
    try
        application:unset_env(emqx_hot_apply, attempt)
    catch
        exit:{timeout, _} -> ok
    end.

table() ->
    get(emqx_hot_apply_memory).
