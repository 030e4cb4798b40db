%%% Paths into nested configuration maps.
%%%
%%% A path is "a.b.c" or its words; a word that is missing on the way gives the
%%% default, never an error. Pure: the maps come from the caller.
-module(hocon_maps).

-export([ensure_plain/1, get/2, get/3, is_richmap/1, merge/2, put/3, split/1]).

-type path() :: string() | binary() | [binary()].

-spec get(path(), hocon:config()) -> term().
get(Path, Conf) ->
    get(Path, Conf, undefined).

-spec get(path(), hocon:config(), Default) -> term() | Default.
get(Path, Conf, Default) ->
    lists:foldl(
        fun
            (Word, #{} = Map) -> maps:get(Word, Map, Default);
            (_Word, _) -> Default
        end,
        Conf,
        split(Path)
    ).

-spec put(path(), term(), hocon:config()) -> hocon:config().
put(Path, Value, Conf) ->
    merge(Conf, lists:foldr(fun(Word, V) -> #{Word => V} end, Value, split(Path))).

%% Maps are merged word by word; everything else is replaced by the later value.
-spec merge(term(), term()) -> term().
merge(#{} = Earlier, #{} = Later) ->
    maps:merge_with(fun(_Key, A, B) -> merge(A, B) end, Earlier, Later);
merge(_Earlier, Later) ->
    Later.

-spec split(path()) -> [binary()].
split([Word | _] = Words) when is_binary(Word) -> Words;
split(Path) -> [W || W <- binary:split(iolist_to_binary(Path), <<".">>, [global]), W =/= <<>>].

%% Configurations are plain maps here whatever format was asked for, so these two
%% exist only for callers that follow the two formats of the original.
-spec ensure_plain(hocon:config()) -> hocon:config().
ensure_plain(Conf) -> Conf.

-spec is_richmap(term()) -> boolean().
is_richmap(Conf) -> is_map(Conf).
