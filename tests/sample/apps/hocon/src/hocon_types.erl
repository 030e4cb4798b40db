%%% Turns a raw configuration value into the type that its field asks for.
%%%
%%% Pure and total: what does not fit is {error, Why}, never an exception.
%%% Converting a value that was converted before gives the same value.
-module(hocon_types).

-export([convert/2]).

-spec convert(hocon_schema:type(), term()) -> {ok, term()} | {error, map()}.
convert(string, V) when is_binary(V) -> {ok, unicode:characters_to_list(V)};
convert(string, V) when is_integer(V) -> {ok, integer_to_list(V)};
convert(string, V) when is_boolean(V) -> {ok, atom_to_list(V)};
convert(string, V) when is_list(V) -> {ok, V};
convert(binary, V) when is_binary(V) -> {ok, V};
convert(binary, V) when is_integer(V) -> {ok, integer_to_binary(V)};
convert(boolean, V) when is_boolean(V) -> {ok, V};
convert(boolean, <<"true">>) -> {ok, true};
convert(boolean, <<"false">>) -> {ok, false};
convert(integer, V) when is_integer(V) -> {ok, V};
convert({range, Min, Max}, V) when is_integer(V), V >= Min, V =< Max -> {ok, V};
convert({enum, Symbols}, V) when is_binary(V) -> enum(Symbols, V);
convert({enum, Symbols}, V) when is_atom(V) -> enum(Symbols, atom_to_binary(V));
convert(duration_ms, V) when is_integer(V) -> {ok, V};
convert(duration_ms, V) when is_binary(V) -> amount(V, durations(), duration_ms);
convert(duration_s, V) when is_integer(V) -> {ok, V};
convert(duration_s, V) when is_binary(V) -> seconds(convert(duration_ms, V));
convert(bytesize, V) when is_integer(V) -> {ok, V};
convert(bytesize, V) when is_binary(V) -> amount(V, sizes(), bytesize);
convert(ip_port, V) when is_integer(V), V >= 0, V < 65536 -> {ok, {{0, 0, 0, 0}, V}};
convert(ip_port, V) when is_binary(V) -> ip_port(V);
convert(ip_port, {_, _} = V) -> {ok, V};
convert({array, Type}, V) when is_list(V) -> array(Type, V, []);
convert(Type, V) -> {error, #{expected => Type, got => V}}.

enum(Symbols, V) ->
    case [S || S <- Symbols, atom_to_binary(S) =:= V] of
        [Symbol] -> {ok, Symbol};
        [] -> {error, #{expected => {enum, Symbols}, got => V}}
    end.

array(_Type, [], Acc) ->
    {ok, lists:reverse(Acc)};
array(Type, [V | Rest], Acc) ->
    case convert(Type, V) of
        {ok, Converted} -> array(Type, Rest, [Converted | Acc]);
        {error, _} = Error -> Error
    end.

durations() ->
    #{<<"ms">> => 1, <<"s">> => 1000, <<"m">> => 60_000, <<"h">> => 3_600_000, <<"d">> => 86_400_000}.

sizes() ->
    #{<<"kb">> => 1024, <<"mb">> => 1024 * 1024, <<"gb">> => 1024 * 1024 * 1024, <<"b">> => 1}.

%% "1h30m" is the sum of its parts.
amount(Text, Units, Type) ->
    Error = {error, #{expected => Type, got => Text}},
    Lower = string:lowercase(string:trim(Text)),
    case re:run(Lower, "^(?:[0-9]+[a-z]+)+$", [{capture, none}]) of
        nomatch ->
            Error;
        match ->
            {match, Parts} = re:run(Lower, "([0-9]+)([a-z]+)", [global, {capture, all_but_first, binary}]),
            case lists:all(fun([_, Unit]) -> is_map_key(Unit, Units) end, Parts) of
                true ->
                    {ok, lists:sum([binary_to_integer(N) * map_get(U, Units) || [N, U] <- Parts])};
                false ->
                    Error
            end
    end.

seconds({ok, Milliseconds}) -> {ok, (Milliseconds + 999) div 1000};
seconds({error, Why}) -> {error, Why#{expected := duration_s}}.

ip_port(Text) ->
    Error = {error, #{expected => ip_port, got => Text}},
    {Host, Port} =
        case string:split(Text, ":", trailing) of
            [P] -> {"0.0.0.0", P};
            [<<>>, P] -> {"0.0.0.0", P};
            [H, P] -> {string:trim(binary_to_list(H), both, "[]"), P}
        end,
    case {inet:parse_address(Host), string:to_integer(Port)} of
        {{ok, Ip}, {N, <<>>}} when is_integer(N), N >= 0, N < 65536 -> {ok, {Ip, N}};
        _ -> Error
    end.
