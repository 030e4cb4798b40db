%%% Topic names and topic filters (MQTT 3.1.1, section 4.7). Pure.
-module(emqx_topic).

-export([is_filter/1, is_name/1, is_wildcard/1, match/2, words/1]).

-export_type([filter/0, name/0]).

-type name() :: binary().
-type filter() :: binary().

-spec words(binary()) -> [binary()].
words(Topic) ->
    binary:split(Topic, <<"/">>, [global]).

-spec is_wildcard(filter()) -> boolean().
is_wildcard(Filter) ->
    binary:match(Filter, [<<"+">>, <<"#">>]) =/= nomatch.

-spec is_name(binary()) -> boolean().
is_name(Topic) ->
    is_text(Topic) andalso not is_wildcard(Topic).

-spec is_filter(binary()) -> boolean().
is_filter(Filter) ->
    is_text(Filter) andalso are_filter_words(words(Filter)).

%% Both sides may be given as words, so that a topic is split only once.
%% Since 5.10.5 a filter that begins with a wildcard leaves the server's own
%% topics alone, whose names begin with `$` (MQTT 3.1.1, 4.7.2-1).
-spec match(name() | [binary()], filter() | [binary()]) -> boolean().
match(Name, Filter) when is_binary(Name) -> match(words(Name), Filter);
match(Name, Filter) when is_binary(Filter) -> match(Name, words(Filter));
match([<<"$", _/binary>> | _], [First | _]) when First =:= <<"+">>; First =:= <<"#">> -> false;
match(Name, Filter) -> match_words(Name, Filter).

match_words(_, [<<"#">>]) -> true;
match_words([Word | Name], [Word | Filter]) -> match_words(Name, Filter);
match_words([_ | Name], [<<"+">> | Filter]) -> match_words(Name, Filter);
match_words([], []) -> true;
match_words(_, _) -> false.

are_filter_words([<<"#">>]) -> true;
are_filter_words([<<"+">> | Rest]) -> are_filter_words(Rest);
are_filter_words([Word | Rest]) -> not is_wildcard(Word) andalso are_filter_words(Rest);
are_filter_words([]) -> true.

is_text(Topic) ->
    byte_size(Topic) > 0 andalso byte_size(Topic) < 65536 andalso
        binary:match(Topic, <<0>>) =:= nomatch andalso
        is_list(unicode:characters_to_list(Topic)).
