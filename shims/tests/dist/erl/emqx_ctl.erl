%%% The part of EMQX's command server that a client sees: looking up a command, `eval_erl`, and what
%%% comes back of each. Commands here exist to print and to return in every way there is.
-module(emqx_ctl).

-export([run_command/1, run_command/2]).

-spec run_command([string()]) -> term().
run_command([]) ->
    run_command(["help"]);
run_command([Name | Args]) ->
    run_command(list_to_atom(Name), Args).

-spec run_command(atom(), list()) -> term().
run_command(eval_erl, [Parsed | _] = Expressions) when is_tuple(Parsed) ->
    try
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        {ok, Value}
    catch
        _:Reason -> {error, Reason}
    end;
run_command(echo, Args) ->
    lists:foreach(fun(Arg) -> io:format("~ts~n", [Arg]) end, Args);
run_command(fail, _Args) ->
    {error, no_such_thing};
run_command(value, _Args) ->
    {some, <<"other">>, "value"};
run_command(badrpc, _Args) ->
    {badrpc, nodedown};
run_command(crash, _Args) ->
    error(crashed);
run_command(halt, _Args) ->
    io:format("good bye~n"),
    erlang:halt(0, [{flush, false}]);
run_command(sleep, [Millis]) ->
    timer:sleep(list_to_integer(Millis));
run_command(lines, [Count]) ->
    lists:foreach(
        fun(N) -> io:format("line ~b of ~s~n", [N, Count]) end,
        lists:seq(1, list_to_integer(Count))
    );
run_command(_Name, _Args) ->
    io:format("no such command~n"),
    {error, cmd_not_found}.
