%%% Finds the wildcard filters that can match a topic, without looking at all of
%%% them: every beginning of a filter is a key, and a topic is walked word by word.
%%%
%%% It gives candidates; emqx_topic has the last word. The table is public: it is
%%% written by whoever subscribes.
-module(emqx_trie).

-export([candidates/1, create_table/0, delete/1, insert/1]).

%% {Words of a beginning, the last first; how many filters begin so}
-define(TABLE, ?MODULE).

-spec create_table() -> ok.
create_table() ->
    ?TABLE = ets:new(?TABLE, [
        public, named_table, {read_concurrency, true}, {write_concurrency, true}
    ]),
    ok.

%% To be called once for each subscription, and delete/1 once for its end.
-spec insert(emqx_topic:filter()) -> ok.
insert(Filter) ->
    lists:foreach(
        fun(Prefix) -> ets:update_counter(?TABLE, Prefix, {2, 1}, {Prefix, 0}) end,
        prefixes(Filter)
    ).

-spec delete(emqx_topic:filter()) -> ok.
delete(Filter) ->
    lists:foreach(
        fun(Prefix) ->
            _ = ets:update_counter(?TABLE, Prefix, {2, -1}),
            true = ets:match_delete(?TABLE, {Prefix, 0})
        end,
        prefixes(Filter)
    ).

-spec candidates([Word :: binary()]) -> [emqx_topic:filter()].
candidates(Words) ->
    [
        iolist_to_binary(lists:join("/", lists:reverse(Prefix)))
     || Prefix <- walk(Words, []), Prefix =/= lists:reverse(Words)
    ].

walk([], Prefix) ->
    [Prefix | known([<<"#">> | Prefix])];
walk([Word | Rest], Prefix) ->
    known([<<"#">> | Prefix]) ++
        lists:append([walk(Rest, P) || Edge <- [Word, <<"+">>], P <- known([Edge | Prefix])]).

known(Prefix) ->
    [Prefix || ets:member(?TABLE, Prefix)].

prefixes(Filter) ->
    {Prefixes, _} = lists:mapfoldl(
        fun(Word, Prefix) -> {[Word | Prefix], [Word | Prefix]} end,
        [],
        emqx_topic:words(Filter)
    ),
    Prefixes.
