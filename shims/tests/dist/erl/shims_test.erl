%%% Functions for a client to call: every way to end, every io request, and terms of every kind.
-module(shims_test).

-export([
    ends/1, deep/1, fun_value/0, weird/0, io/1, nested/1, leave_printer/0, many_printers/1, ask/0,
    ask_while_printing/0, ask_after_death/1, message_to/2, tell_reference/1, links/1
]).

ends(return) -> {some, value};
ends(throw) -> throw(thrown);
ends(exit) -> exit(exited);
ends(error) -> error(failed);
ends(kill) -> exit(self(), kill), receive after infinity -> ok end;
ends(slow) -> timer:sleep(60000).

deep(0) -> [];
deep(N) -> deep(N - 1, []).
deep(0, Deep) -> Deep;
deep(N, Deep) -> deep(N - 1, [Deep]).

fun_value() -> X = [-1, -2], fun(Y) -> {X, Y} end.

weird() ->
    {-1, [-1, -2, 3], 1 bsl 70, -(1 bsl 70), 1.5, <<5:3>>, <<>>, "", [a | b], #{a => #{}},
     make_ref(), self(), fun lists:map/2, fun_value(), list_to_atom([1234]), {}, lists:duplicate(70000, $a),
     << <<0>> || _ <- lists:seq(1, 300) >>}.

%% Whatever the group leader answers to one raw request.
io(Request) ->
    Leader = group_leader(),
    Reference = erlang:monitor(process, Leader),
    Leader ! {io_request, self(), Reference, Request},
    receive
        {io_reply, Reference, Answer} ->
            erlang:demonitor(Reference, [flush]),
            Answer;
        {'DOWN', Reference, process, Leader, Reason} ->
            {down, Reason}
    after 5000 -> no_answer
    end.

nested(0) -> [];
nested(N) -> [nested(N - 1), "x"].

leave_printer() ->
    spawn(fun() -> timer:sleep(300), io:format("late~n") end),
    ok.

many_printers(Count) ->
    Pids = [spawn_monitor(fun() -> io:format("~p~n", [N]) end) || N <- lists:seq(1, Count)],
    [receive {'DOWN', Reference, process, Pid, Reason} -> Reason end || {Pid, Reference} <- Pids].

ask() ->
    {io:get_line("name? "), io:get_chars("", 3), io:read("term? "), io:get_line('rest? ')}.

%% A line is asked for, and somebody else prints meanwhile.
ask_while_printing() ->
    Self = self(),
    spawn(fun() ->
        timer:sleep(200),
        io:format("printed meanwhile~n"),
        Self ! printed
    end),
    Line = io:get_line("? "),
    receive printed -> Line after 0 -> not_printed end.

%% Ends while one of its processes still waits for a line.
ask_after_death(Value) ->
    spawn(fun() -> io:get_line("never answered ") end),
    timer:sleep(200),
    Value.

message_to(Pid, Message) ->
    Pid ! Message,
    ok.

tell_reference(Pid) ->
    {node(Pid), net_adm:ping(node(Pid)), lists:member(node(Pid), nodes()), lists:member(node(Pid), nodes(hidden))}.

%% Links to the client's process and takes it back; monitors it and a name there that is not.
links(Pid) ->
    true = link(Pid),
    true = unlink(Pid),
    Reference = erlang:monitor(process, Pid),
    Other = erlang:monitor(process, {nobody, node(Pid)}),
    Down = receive {'DOWN', Other, process, _, Reason} -> Reason after 5000 -> no_answer end,
    true = erlang:demonitor(Reference, [flush]),
    {Down, erlang:spawn_opt(node(Pid), erlang, self, [], [])  =/= undefined}.
