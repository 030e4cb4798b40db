%%% Cuts HOCON text into tokens.
%%%
%%% Total: any bytes give tokens or an error with a line, never a crash.
%%% Unquoted text keeps its inner blanks ("a b" is one token) and loses its outer
%%% ones. Its data is the text given; it reads no file.
-module(hocon_scanner).

-export([tokens/1]).

-export_type([token/0]).

-type line() :: pos_integer().
-type token() ::
    {punct, line(), char()}
    | {newline, line()}
    | {quoted, line(), binary()}
    | {unquoted, line(), binary()}.

-spec tokens(binary()) -> {ok, [token()]} | {error, map()}.
tokens(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> scan(Chars, 1, []);
        _ -> {error, #{reason => scan_error, line => 1, cause => not_utf8}}
    end.

scan([], _Line, Acc) ->
    {ok, lists:reverse(Acc)};
scan([$\n | Rest], Line, Acc) ->
    scan(Rest, Line + 1, [{newline, Line} | Acc]);
scan([C | Rest], Line, Acc) when C =:= $\s; C =:= $\t; C =:= $\r; C =:= 16#FEFF ->
    scan(Rest, Line, Acc);
scan([$# | Rest], Line, Acc) ->
    scan(skip_comment(Rest), Line, Acc);
scan([$/, $/ | Rest], Line, Acc) ->
    scan(skip_comment(Rest), Line, Acc);
scan([$", $", $" | Rest], Line, Acc) ->
    triple(Rest, Line, Line, [], Acc);
scan([$" | Rest], Line, Acc) ->
    quoted(Rest, Line, [], Acc);
scan([C | Rest], Line, Acc) when
    C =:= ${; C =:= $}; C =:= $[; C =:= $]; C =:= $,; C =:= $:; C =:= $=
->
    scan(Rest, Line, [{punct, Line, C} | Acc]);
scan([$$ | _], Line, _Acc) ->
    {error, #{reason => scan_error, line => Line, cause => substitution_not_supported}};
scan(Chars, Line, Acc) ->
    {Run, Rest} = unquoted(Chars, []),
    scan(Rest, Line, [{unquoted, Line, utf8(Run)} | Acc]).

skip_comment(Chars) ->
    lists:dropwhile(fun(C) -> C =/= $\n end, Chars).

unquoted([C | _] = Rest, Acc) when
    C =:= $\n; C =:= ${; C =:= $}; C =:= $[; C =:= $]; C =:= $,; C =:= $:; C =:= $=;
    C =:= $#; C =:= $"; C =:= $$
->
    {trimmed(Acc), Rest};
unquoted([$/, $/ | _] = Rest, Acc) ->
    {trimmed(Acc), Rest};
unquoted([], Acc) ->
    {trimmed(Acc), []};
unquoted([C | Rest], Acc) ->
    unquoted(Rest, [C | Acc]).

trimmed(Reversed) ->
    Blank = fun(C) -> C =:= $\s orelse C =:= $\t orelse C =:= $\r end,
    lists:reverse(lists:dropwhile(Blank, Reversed)).

quoted([$" | Rest], Line, Text, Acc) ->
    scan(Rest, Line, [{quoted, Line, utf8(lists:reverse(Text))} | Acc]);
quoted([$\\, $u, A, B, C, D | Rest], Line, Text, Acc) ->
    try list_to_integer([A, B, C, D], 16) of
        Code -> quoted(Rest, Line, [Code | Text], Acc)
    catch
        error:badarg -> bad_string(Line, bad_escape)
    end;
quoted([$\\, C | Rest], Line, Text, Acc) ->
    case lists:keyfind(C, 1, escapes()) of
        {C, Char} -> quoted(Rest, Line, [Char | Text], Acc);
        false -> bad_string(Line, bad_escape)
    end;
quoted([C | Rest], Line, Text, Acc) when C =/= $\n, C =/= $\\ ->
    quoted(Rest, Line, [C | Text], Acc);
quoted(_, Line, _Text, _Acc) ->
    bad_string(Line, unterminated_string).

%% The closing run may have more than three quotes: the extra ones are content.
triple([$", $", $" | [$" | _] = Rest], Start, Line, Text, Acc) ->
    triple([$", $" | Rest], Start, Line, [$" | Text], Acc);
triple([$", $", $" | Rest], Start, Line, Text, Acc) ->
    scan(Rest, Line, [{quoted, Start, utf8(lists:reverse(Text))} | Acc]);
triple([$\n | Rest], Start, Line, Text, Acc) ->
    triple(Rest, Start, Line + 1, [$\n | Text], Acc);
triple([C | Rest], Start, Line, Text, Acc) ->
    triple(Rest, Start, Line, [C | Text], Acc);
triple([], Start, _Line, _Text, _Acc) ->
    bad_string(Start, unterminated_string).

escapes() ->
    [{$", $"}, {$\\, $\\}, {$/, $/}, {$b, $\b}, {$f, $\f}, {$n, $\n}, {$r, $\r}, {$t, $\t}].

bad_string(Line, Cause) ->
    {error, #{reason => scan_error, line => Line, cause => Cause}}.

utf8(Chars) ->
    case unicode:characters_to_binary(Chars) of
        Bin when is_binary(Bin) -> Bin;
        %% A lone surrogate from an escape has no UTF-8 form.
        _ -> <<16#FFFD/utf8>>
    end.
