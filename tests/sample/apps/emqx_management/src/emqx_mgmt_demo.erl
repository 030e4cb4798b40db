%%% Commands that try a caller's side of a remote command: output over time,
%%% every kind of text, questions, and every way to end.
-module(emqx_mgmt_demo).

-export([demo/1, load/0, unload/0]).

-spec load() -> ok.
load() ->
    emqx_ctl:register_command(demo, {?MODULE, demo}).

-spec unload() -> ok.
unload() ->
    emqx_ctl:unregister_command(demo).

-spec demo([string()] | usage) -> term().
demo(["stream", Lines, Milliseconds]) ->
    Pause = list_to_integer(Milliseconds),
    lists:foreach(
        fun(N) ->
            emqx_ctl:print("line ~b~n", [N]),
            timer:sleep(Pause)
        end,
        lists:seq(1, list_to_integer(Lines))
    );
demo(["unicode"]) ->
    emqx_ctl:print("Grüße, 你好, привет, 🙂~n");
demo(["bulk", Kilobytes]) ->
    Line = [lists:duplicate(63, $x), $\n],
    lists:foreach(
        fun(_) -> io:put_chars(lists:duplicate(16, Line)) end, lists:seq(1, list_to_integer(Kilobytes))
    );
demo(["ask"]) ->
    case io:get_line("name? ") of
        eof -> emqx_ctl:print("no answer~n");
        {error, Reason} -> {error, Reason};
        Name -> emqx_ctl:print("hello ~ts~n", [string:trim(Name)])
    end;
demo(["io"]) ->
    emqx_ctl:print("opts ~0p~n", [io:getopts()]),
    emqx_ctl:print("columns ~0p~n", [io:columns()]),
    emqx_ctl:print("unknown ~0p~n", [io:request(group_leader(), no_such_request)]),
    ok = io:request(group_leader(), {put_chars, latin1, <<"latin1 ", 16#E9, $\n>>}),
    Texts = [{put_chars, unicode, "first "}, {put_chars, unicode, "second\n"}],
    io:request(group_leader(), {requests, Texts});
demo(["sleep", Milliseconds]) ->
    timer:sleep(list_to_integer(Milliseconds));
demo(["end", "error"]) ->
    {error, asked_for};
demo(["end", "value"]) ->
    {a, value};
demo(["end", "crash"]) ->
    error(asked_for);
demo(["end", "throw"]) ->
    throw(asked_for);
demo(["end", "exit"]) ->
    exit(asked_for);
demo(["end", "kill"]) ->
    exit(self(), kill);
demo(_) ->
    emqx_ctl:usage([
        {"demo stream <Lines> <Ms>", "Print lines with a pause after each"},
        {"demo unicode", "Print text that is not ASCII"},
        {"demo bulk <KiB>", "Print much text"},
        {"demo ask", "Read a line and answer it"},
        {"demo io", "Make unusual requests of the group leader"},
        {"demo sleep <Ms>", "Print nothing for a while"},
        {"demo end error|value|crash|throw|exit|kill", "End in that way"}
    ]).
