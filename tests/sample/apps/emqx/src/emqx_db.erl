%%% The broker's tables on disk: retained messages, and notes that upgrades leave.
%%%
%%% Mnesia keeps them in the directory given to the VM (`-mnesia dir`). Tables are
%%% local to the node.
-module(emqx_db).

-export([note/2, notes/0, retain/1, retained/1, retained_count/0, start/0]).

-define(RETAINED, emqx_retained).
-define(NOTE, emqx_note).

%% A schema on disk can be created only before mnesia runs.
-spec start() -> ok.
start() ->
    ok = filelib:ensure_dir(mnesia:system_info(directory)),
    case mnesia:create_schema([node()]) of
        ok -> ok;
        {error, {_, {already_exists, _}}} -> ok
    end,
    {ok, _} = application:ensure_all_started(mnesia),
    ok = table(?RETAINED, [topic, message]),
    ok = table(?NOTE, [key, value]),
    ok = mnesia:wait_for_tables([?RETAINED, ?NOTE], 60_000).

table(Name, Attributes) ->
    case
        mnesia:create_table(Name, [
            {attributes, Attributes}, {disc_copies, [node()]}, {local_content, true}
        ])
    of
        {atomic, ok} -> ok;
        {aborted, {already_exists, Name}} -> ok
    end.

%% An empty payload removes the retained message (MQTT 3.1.1, 3.3.1.3).
-spec retain(emqx_broker:message()) -> ok.
retain(#{topic := Topic, payload := <<>>}) ->
    mnesia:dirty_delete(?RETAINED, Topic);
retain(#{topic := Topic} = Message) ->
    mnesia:dirty_write({?RETAINED, Topic, Message}).

-spec retained(emqx_topic:filter()) -> [emqx_broker:message()].
retained(Filter) ->
    Topics =
        case emqx_topic:is_wildcard(Filter) of
            false -> [Filter];
            true -> [T || T <- mnesia:dirty_all_keys(?RETAINED), emqx_topic:match(T, Filter)]
        end,
    [M || T <- Topics, {_, _, M} <- mnesia:dirty_read(?RETAINED, T)].

-spec retained_count() -> non_neg_integer().
retained_count() ->
    mnesia:table_info(?RETAINED, size).

-spec note(term(), term()) -> ok.
note(Key, Value) ->
    mnesia:dirty_write({?NOTE, Key, Value}).

-spec notes() -> [{term(), term()}].
notes() ->
    lists:sort([
        {Key, Value}
     || Key <- mnesia:dirty_all_keys(?NOTE), {_, _, Value} <- mnesia:dirty_read(?NOTE, Key)
    ]).
