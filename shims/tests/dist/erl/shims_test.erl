%%% Functions for a client to call: every way to end, every io request, and terms of every kind.
-module(shims_test).

-export([
    ends/1, deep/1, fun_value/0, weird/0, io/1, nested/1, leave_printer/0, many_printers/1, ask/0,
    ask_while_printing/0, ask_after_death/1, message_to/2, tell_reference/1, links/1, tree/2, boot/2,
    leftovers/0
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

%% A release tree of one application with one module, which knows the version it was built for.
tree(Dir, Vsn) ->
    Ebin = filename:join([Dir, "lib", "emqx-" ++ Vsn, "ebin"]),
    Releases = filename:join([Dir, "releases", Vsn]),
    ok = filelib:ensure_path(Ebin),
    ok = filelib:ensure_path(Releases),
    Source =
        "-module(emqx_release). -export([version/0]). "
        "version() -> proplists:get_value(emqx_vsn, module_info(compile)).",
    {ok, Tokens, _} = erl_scan:string(Source),
    {ok, _, Beam} = compile:forms(forms(Tokens), [{compile_info, [{emqx_vsn, Vsn}]}]),
    ok = file:write_file(filename:join(Ebin, "emqx_release.beam"), Beam),
    ok = write(filename:join(Ebin, "emqx.app"), {application, emqx, [
        {description, "test"}, {vsn, Vsn}, {modules, [emqx_release]}, {registered, []},
        {applications, [kernel, stdlib]}
    ]}),
    Libs = [{emqx, Vsn}, {kernel, "0"}, {stdlib, "0"}],
    write(filename:join(Releases, "emqx.rel"), {release, {"emqx", Vsn}, {erts, "0"}, Libs}).

forms([]) ->
    [];
forms(Tokens) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(Token) -> element(1, Token) =/= dot end, Tokens),
    {ok, Parsed} = erl_parse:parse_form(Form ++ [Dot]),
    [Parsed | forms(Rest)].

write(File, Term) ->
    file:write_file(File, io_lib:format("~p.~n", [Term])).

%% Runs the application of a tree.
boot(Dir, Vsn) ->
    true = code:add_patha(filename:join([Dir, "lib", "emqx-" ++ Vsn, "ebin"])),
    ok = application:start(emqx),
    {module, emqx_release} = code:ensure_loaded(emqx_release),
    emqx_release:version().

%% What an agent has left in this VM.
leftovers() ->
    lists:sort([M || {M, _} <- code:all_loaded(), is_agent(M)]) ++
        [Name || Name <- registered(), is_agent(Name)] ++
        [P || P <- processes(), M <- agents(), erlang:check_process_code(P, M)].

is_agent(Name) ->
    lists:prefix("emqx_hot_apply", atom_to_list(Name)).

agents() ->
    [list_to_atom(M) || {M, _, _} <- code:all_available(), lists:prefix("emqx_hot_apply", M)].
