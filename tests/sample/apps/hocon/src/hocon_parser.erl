%%% Builds a nested map from the tokens of a HOCON document.
%%%
%%% Keys are binaries; `a.b.c = v` and `a { b { c = v } }` give the same map, and
%%% what comes later in the document is merged over what came before. Values are
%%% binaries, numbers, booleans, null, lists and maps: nothing is typed further.
%%% Other files enter only through the include function of the caller.
-module(hocon_parser).

-export([parse/2]).

-type include() :: fun((binary()) -> hocon:config()).

-spec parse([hocon_scanner:token()], include()) -> {ok, hocon:config()} | {error, map()}.
parse(Tokens, Include) ->
    try document(skip_newlines(Tokens), Include) of
        Conf -> {ok, Conf}
    catch
        throw:{parse, Line, Cause} ->
            {error, #{reason => parse_error, line => Line, cause => Cause}}
    end.

%% The outermost braces are optional.
document([{punct, _, ${} | Rest], Include) ->
    {Conf, Left} = fields(Rest, $}, Include, #{}),
    ok = at_end(skip_newlines(Left)),
    Conf;
document(Tokens, Include) ->
    {Conf, []} = fields(Tokens, eof, Include, #{}),
    Conf.

at_end([]) -> ok;
at_end([Token | _]) -> fail(Token, trailing_text).

fields(Tokens, Close, Include, Acc) ->
    case {skip_separators(Tokens), Close} of
        {[], eof} ->
            {Acc, []};
        {[], _} ->
            throw({parse, last, missing_close});
        {[{punct, _, Close} | Rest], Close} ->
            {Acc, Rest};
        {[{unquoted, _, <<"include">>}, {quoted, _, Name} | Rest], _} ->
            fields(Rest, Close, Include, hocon_maps:merge(Acc, Include(Name)));
        {Field, _} ->
            {Path, AfterKey} = key(Field, []),
            {Value, Rest} = assigned(AfterKey, Include),
            ok = separated(Rest),
            Nested = lists:foldr(fun(K, V) -> #{K => V} end, Value, Path),
            fields(Rest, Close, Include, hocon_maps:merge(Acc, Nested))
    end.

key([{unquoted, _, Text} | Rest], Acc) ->
    Words = [W || W <- binary:split(Text, <<".">>, [global]), W =/= <<>>],
    key(Rest, lists:reverse(Words, Acc));
key([{quoted, _, Word} | Rest], Acc) ->
    key(Rest, [Word | Acc]);
key([Token | _], []) ->
    fail(Token, key_expected);
key(Rest, Acc) ->
    {lists:reverse(Acc), Rest}.

assigned([{punct, _, C} | Rest], Include) when C =:= $=; C =:= $: ->
    value(skip_newlines(Rest), Include);
assigned([{punct, _, ${} | _] = Tokens, Include) ->
    value(Tokens, Include);
assigned([Token | _], _Include) ->
    fail(Token, value_expected);
assigned([], _Include) ->
    throw({parse, last, value_expected}).

value([{punct, _, ${} | Rest], Include) ->
    fields(Rest, $}, Include, #{});
value([{punct, _, $[} | Rest], Include) ->
    elements(skip_separators(Rest), Include, []);
value([{unquoted, _, Text}, {Kind, _, _} = Next | Rest], _Include) when
    Kind =:= quoted; Kind =:= unquoted
->
    concatenated([Next | Rest], Text);
value([{unquoted, _, Text} | Rest], _Include) ->
    {literal(Text), Rest};
value([{quoted, _, Text} | Rest], _Include) ->
    concatenated(Rest, Text);
value([Token | _], _Include) ->
    fail(Token, value_expected);
value([], _Include) ->
    throw({parse, last, value_expected}).

concatenated([{Kind, _, More} | Rest], Text) when Kind =:= quoted; Kind =:= unquoted ->
    concatenated(Rest, <<Text/binary, More/binary>>);
concatenated(Rest, Text) ->
    {Text, Rest}.

elements([{punct, _, $]} | Rest], _Include, Acc) ->
    {lists:reverse(Acc), Rest};
elements([], _Include, _Acc) ->
    throw({parse, last, missing_close});
elements(Tokens, Include, Acc) ->
    {Value, Rest} = value(Tokens, Include),
    ok = separated(Rest),
    elements(skip_separators(Rest), Include, [Value | Acc]).

%% After a value only a separator or a closing bracket may come.
separated([]) -> ok;
separated([{newline, _} | _]) -> ok;
separated([{punct, _, C} | _]) when C =:= $,; C =:= $}; C =:= $] -> ok;
separated([Token | _]) -> fail(Token, separator_expected).

literal(<<"true">>) -> true;
literal(<<"false">>) -> false;
literal(<<"null">>) -> null;
literal(Text) ->
    try
        binary_to_integer(Text)
    catch
        error:badarg ->
            try
                binary_to_float(Text)
            catch
                error:badarg -> Text
            end
    end.

skip_newlines([{newline, _} | Rest]) -> skip_newlines(Rest);
skip_newlines(Tokens) -> Tokens.

skip_separators([{newline, _} | Rest]) -> skip_separators(Rest);
skip_separators([{punct, _, $,} | Rest]) -> skip_separators(Rest);
skip_separators(Tokens) -> Tokens.

-spec fail(hocon_scanner:token(), atom()) -> no_return().
fail(Token, Cause) ->
    throw({parse, element(2, Token), Cause}).
