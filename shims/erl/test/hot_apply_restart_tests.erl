%%% {restart_application, A}: stopped, exchanged and started in place.
-module(hot_apply_restart_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, start/4, call/4, eval/2, hop/1, attempt/2, attempt/3, done/1]).

-export([
    an_application_is_restarted_in_place/1,
    environment_that_was_set_survives_and_new_defaults_come_in/1,
    modules_leave_and_arrive_with_the_application/1,
    the_restart_type_stays/1,
    needed_applications_that_are_new_come_along/1,
    applications_that_depend_on_it_go_on_running/1,
    on_load_modules_are_replaced_as_fresh_ones/1,
    an_application_of_this_node_only_is_restarted_on_its_own_code/1,
    an_applications_own_processes_on_old_code_are_not_in_the_way/1
]).

v(Module, V) ->
    {Module, "-module(" ++ atom_to_list(Module) ++ "). -export([v/0]). v() -> " ++ V ++ "."}.

app(Vsn, Keys, More) ->
    app(app, Vsn, Keys, More).

app(App, Vsn, Keys, More) ->
    Name = atom_to_list(App),
    Sup = list_to_atom(Name ++ "_sup"),
    Child = "#{id => w, start => {" ++ Name ++ "_w, start_link, []}}",
    {App, Vsn, [{mod, {Sup, []}} | Keys], [
        {Sup, hot_apply_test_tree:sup(Sup, "{one_for_one, 1, 1}", Child)},
        {list_to_atom(Name ++ "_w"),
            "-module(" ++ Name ++ "_w). -behaviour(gen_server).\n"
            "-export([start_link/0, init/1, handle_call/3, handle_cast/2, check/1]).\n"
            "start_link() -> gen_server:start_link({local, " ++ Name ++ "_w}, " ++ Name ++ "_w, [], []).\n"
            "init(_) -> {ok, " ++ Vsn ++ "}. handle_cast(_, S) -> {noreply, S}.\n"
            "handle_call(v, _, S) -> {reply, S, S}.\n"
            "check(V) -> V = gen_server:call(" ++ Name ++ "_w, v), ok.\n"}
        | More
    ]}.

an_application_is_restarted_in_place(Dir) ->
    Node = #{tree := Tree} = start(Dir, [app("1", [], [])], [app("2", [], [v(later, "2")])]),
    %% The instruction after it already finds it running.
    Done = done(
        attempt(
            Node,
            hop([
                {load_module, emqx_release},
                {apply, app_w, check, [1]},
                {restart_application, app},
                {apply, app_w, check, [2]},
                {load_module, app_w}
            ])
        )
    ),
    ?assertMatch(
        #{restarted := [<<"app">>], loaded := 4, skipped := 1, warnings := []}, Done
    ),
    ?assertMatch(
        {app, _, "2"}, lists:keyfind(app, 1, call(Node, application, which_applications, []))
    ),
    Lib = filename:join([Tree, "lib", "app-2"]),
    ?assertEqual(Lib, call(Node, code, lib_dir, [app])),
    ?assertEqual(
        [filename:join([Lib, "ebin", atom_to_list(M) ++ ".beam"]) || M <- [app_sup, app_w, later]],
        eval(Node, "[code:which(M) || M <- [app_sup, app_w, later]].")
    ).

environment_that_was_set_survives_and_new_defaults_come_in(Dir) ->
    Env = fun(List) -> [{env, List}] end,
    Node = start(
        Dir,
        [app("1", Env([{same, 1}, {default, 1}, {set, 1}, {configured, 1}, {dropped, 1}]), [])],
        [app("2", Env([{same, 1}, {default, 2}, {set, 2}, {configured, 2}, {new, 2}]), [])],
        #{args => ["-app", "configured", "7"]}
    ),
    eval(Node, "application:set_env(app, set, 5), application:set_env(app, extra, 6)."),
    {done, _} = attempt(Node, hop([{restart_application, app}])),
    ?assertEqual(
        [{configured, 7}, {default, 2}, {extra, 6}, {new, 2}, {same, 1}, {set, 5}],
        lists:sort(call(Node, application, get_all_env, [app]))
    ).

modules_leave_and_arrive_with_the_application(Dir) ->
    Other = fun(V, More) -> {other, V, [], More} end,
    Node = start(
        Dir,
        [app("1", [], [v(gone, "1"), v(moved, "1")]), Other("1", [])],
        [app("2", [], [v(arrived, "2")]), Other("2", [v(moved, "2")])]
    ),
    {done, _} = attempt(Node, hop([{restart_application, app}])),
    ?assertEqual(
        [false, true, true],
        eval(Node, "[erlang:module_loaded(M) || M <- [gone, moved, arrived]].")
    ),
    ?assertEqual(1, call(Node, moved, v, [])).

the_restart_type_stays(Dir) ->
    Node = start(Dir, [app("1", [], []), app(tmp, "1", [], []), app(off, "1", [], [])], [
        app("2", [], []), app(tmp, "2", [], []), app(off, "2", [], [])
    ]),
    eval(
        Node,
        "[application:stop(A) || A <- [tmp, off]], application:start(tmp, transient),"
        " application:unload(off)."
    ),
    {done, #{restarted := [<<"app">>, <<"tmp">>, <<"off">>]}} = attempt(
        Node, hop([{restart_application, A} || A <- [app, tmp, off]])
    ),
    Started = proplists:get_value(started, call(Node, application, info, [])),
    ?assertEqual(
        [permanent, transient, temporary], [proplists:get_value(A, Started) || A <- [app, tmp, off]]
    ).

needed_applications_that_are_new_come_along(Dir) ->
    Keys = [{applications, [kernel, stdlib, dep]}],
    Node = start(
        Dir,
        [app("1", [], [])],
        [app("2", Keys, []), app(dep, "1", [{applications, [kernel, deeper]}], []), app(deeper, "1", [], [])]
    ),
    {done, #{restarted := [<<"app">>], loaded := 7}} = attempt(
        Node, hop([{restart_application, app}])
    ),
    ?assertEqual(
        [2, 1, 1], eval(Node, "[gen_server:call(W, v) || W <- [app_w, dep_w, deeper_w]].")
    ).

applications_that_depend_on_it_go_on_running(Dir) ->
    Keys = [{applications, [kernel, stdlib, app]}],
    Node = start(Dir, [app("1", [], []), app(top, "1", Keys, [])], [
        app("2", [], []), app(top, "1", Keys, [])
    ]),
    Pid = call(Node, erlang, whereis, [top_w]),
    {done, _} = attempt(Node, hop([{restart_application, app}])),
    ?assertEqual(Pid, call(Node, erlang, whereis, [top_w])).

on_load_modules_are_replaced_as_fresh_ones(Dir) ->
    %% Like a NIF library that has no upgrade function: it loads only where no other instance is.
    Nif = fun(V, Up) ->
        {nif,
            "-module(nif). -export([v/0]). -on_load(up/0). v() -> " ++ V ++ ".\n"
            "up() -> case erlang:check_old_code(nif) of true -> upgrade; false -> " ++ Up ++
                " end.\n"}
    end,
    %% It calls a module that is listed, and new, after it.
    Helper = {new_helper, "-module(new_helper). -export([up/0]). up() -> persistent_term:put(nif, 2)."},
    Node = start(Dir, [app("1", [], [Nif("1", "ok")])], [
        app("2", [], [Nif("2", "new_helper:up()"), Helper])
    ]),
    {done, _} = attempt(Node, hop([{restart_application, app}])),
    ?assertEqual({2, 2}, eval(Node, "{nif:v(), persistent_term:get(nif)}.")).

an_application_of_this_node_only_is_restarted_on_its_own_code(Dir) ->
    Node = start(Dir, [app("1", [], [])], []),
    Pid = call(Node, erlang, whereis, [app_w]),
    {done, #{warnings := [_, _], restarted := [<<"app">>]}} = attempt(
        Node, hop([{restart_application, app}])
    ),
    ?assertNotEqual(Pid, call(Node, erlang, whereis, [app_w])),
    ?assertEqual(1, call(Node, gen_server, call, [app_w, v])).

an_applications_own_processes_on_old_code_are_not_in_the_way(Dir) ->
    Loop = fun(V) ->
        {loop,
            "-module(loop). -export([start/0, v/0]). v() -> " ++ V ++ ".\n"
            "start() -> {ok, proc_lib:spawn_link(fun l/0)}. l() -> receive stop -> ok end.\n"}
    end,
    App = fun(V) ->
        {app, V, [{mod, {app_sup, []}}], [
            {app_sup,
                hot_apply_test_tree:sup(
                    app_sup, "{one_for_one, 1, 1}", "#{id => l, start => {loop, start, []}}"
                )},
            Loop(V)
        ]}
    end,
    Node = start(Dir, [App("1")], [App("2")]),
    {_, Source} = Loop("0"),
    Other = hot_apply_test_tree:beam(Source, "5.10.4"),
    {module, loop} = call(Node, code, load_binary, [loop, "/nowhere/loop.beam", Other]),
    {failed, #{error := old_code_in_use}} = hot_apply_test_node:prove(
        Node, hop([{load_module, loop}])
    ),
    {done, _} = hot_apply_test_node:prove(Node, hop([{restart_application, app}])),
    {done, _} = attempt(Node, hop([{restart_application, app}])),
    ?assertEqual(2, call(Node, loop, v, [])).
