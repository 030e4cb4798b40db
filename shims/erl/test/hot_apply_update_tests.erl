%%% {update, M, {advanced, Extra}}: state migrated in running processes.
-module(hot_apply_update_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, call/4, eval/2, hop/1, attempt/2, attempt/3, done/1]).

-export([
    state_is_migrated_with_messages_in_flight/1,
    a_process_that_cannot_be_suspended_is_resumed_and_reported/1,
    processes_of_every_kind_are_found_once/1,
    special_supervisors_and_dying_processes_are_survived/1,
    processes_started_after_the_plan_come_along/1,
    processes_that_are_started_all_the_time_have_the_state_of_their_code/1,
    equal_code_is_not_loaded_but_state_is_changed/1,
    hundreds_of_processes_are_suspended_together/1
]).

workers(Names) ->
    lists:join(", ", [
        io_lib:format("#{id => ~s, start => {app_worker, start_link, [~s]}}", [N, N])
     || N <- Names
    ]).

app(Vsn, V, Children, More) ->
    {app, Vsn, [{mod, {app_sup, []}}], [
        {app_sup, hot_apply_test_tree:sup(app_sup, "{one_for_one, 1, 1}", lists:flatten(Children))},
        {app_worker, hot_apply_test_tree:worker(V)}
        | More
    ]}.

two(Dir, Children) ->
    two(Dir, Children, []).

two(Dir, Children, More) ->
    start(Dir, [app("1", 1, Children, More)], [app("2", 2, Children, More)]).

state_is_migrated_with_messages_in_flight(Dir) ->
    Node = two(Dir, workers(["w1", "w2"])),
    Pids = eval(Node, "[whereis(w1), whereis(w2)]."),
    %% One process keeps adding by cast, others by call, while the state changes its shape.
    eval(
        Node,
        "register(caster, spawn(fun F() -> gen_server:cast(w1, add), put(n, case get(n) of"
        " undefined -> 1; N -> N + 1 end), receive {stop, P} -> P ! {sent, get(n)}"
        " after 0 -> erlang:yield(), F() end end)),"
        "[register(C, spawn(fun F() -> gen_server:call(w2, add, infinity), put(n, case get(n) of"
        " undefined -> 1; N -> N + 1 end), receive {stop, P} -> P ! {sent, get(n)}"
        " after 0 -> F() end end)) || C <- [c1, c2, c3]]."
    ),
    Done = done(attempt(Node, hop([{update, app_worker, {advanced, []}}]))),
    ?assertMatch(#{updated_processes := 2, loaded := 2}, Done),
    ?assert(maps:get(suspended_us, Done) > 0),
    [Cast, C1, C2, C3] = eval(
        Node,
        "[begin P ! {stop, self()}, receive {sent, N} -> N after 5000 -> lost end end"
        " || P <- [caster, c1, c2, c3]]."
    ),
    ?assertEqual({2, Cast}, call(Node, gen_server, call, [w1, get])),
    ?assertEqual({2, C1 + C2 + C3}, call(Node, gen_server, call, [w2, get])),
    ?assertEqual(Pids, eval(Node, "[whereis(w1), whereis(w2)].")).

a_process_that_cannot_be_suspended_is_resumed_and_reported(Dir) ->
    %% The module accepts both states, as such modules must.
    Worker = fun(V) ->
        "-module(app_worker). -behaviour(gen_server).\n"
        "-export([start_link/1, init/1, handle_call/3, handle_cast/2, code_change/3, v/0]).\n"
        "v() -> " ++ V ++ ".\n"
        "start_link(N) -> gen_server:start_link({local, N}, app_worker, N, []).\n"
        "init(_) -> {ok, 1}.\n"
        "handle_call({sleep, Ms}, _, S) -> timer:sleep(Ms), {reply, S, S};\n"
        "handle_call(get, _, S) -> {reply, S, S}.\n"
        "handle_cast(_, S) -> {noreply, S}.\n"
        "code_change(_, _, _) -> {ok, 2}.\n"
    end,
    App = fun(V) ->
        {app, V, [{mod, {app_sup, []}}], [
            {app_sup,
                hot_apply_test_tree:sup(
                    app_sup, "{one_for_one, 1, 1}", lists:flatten(workers(["w1", "w2"]))
                )},
            {app_worker, Worker(V)}
        ]}
    end,
    Node = start(Dir, [App("1")], [App("2")]),
    eval(Node, "spawn(fun() -> gen_server:call(w1, {sleep, 1200}, 5000) end), timer:sleep(50)."),
    #{updated_processes := 1, warnings := [Warning]} = done(
        attempt(
            Node,
            hop([{load_module, emqx_release}, {update, app_worker, {advanced, []}}]),
            #{suspend_timeout => 300}
        )
    ),
    ?assertNotEqual(nomatch, string:find(Warning, "1 processes of app_worker"), Warning),
    ?assertNotEqual(nomatch, string:find(Warning, "(w1)"), Warning),
    %% It answers again: it was not left suspended.
    ?assertEqual([1, 2], eval(Node, "[gen_server:call(W, get) || W <- [w1, w2]].")).

processes_of_every_kind_are_found_once(Dir) ->
    Handler = fun(V) ->
        {app_handler,
            "-module(app_handler). -behaviour(gen_event).\n"
            "-export([start_link/0, init/1, handle_event/2, handle_call/2, code_change/3]).\n"
            "start_link() -> {ok, P} = gen_event:start_link({local, events}),"
            " ok = gen_event:add_handler(P, app_handler, []), {ok, P}.\n"
            "init(_) -> {ok, " ++ V ++ "}. handle_event(_, S) -> {ok, S}.\n"
            "handle_call(get, S) -> {ok, S, S}.\n"
            "code_change(_, _, _) -> {ok, " ++ V ++ "}.\n"}
    end,
    Statem = fun(V) ->
        {app_statem,
            "-module(app_statem). -behaviour(gen_statem).\n"
            "-export([start_link/0, init/1, callback_mode/0, s/3, code_change/4]).\n"
            "start_link() -> gen_statem:start_link({local, machine}, app_statem, [], []).\n"
            "callback_mode() -> state_functions. init(_) -> {ok, s, " ++ V ++ "}.\n"
            "s({call, F}, get, D) -> {keep_state_and_data, [{reply, F, D}]}.\n"
            "code_change(_, S, _, [extra]) -> {ok, S, " ++ V ++ "}.\n"}
    end,
    Inner = fun(V) ->
        {app_inner,
            "-module(app_inner). -behaviour(supervisor). -export([start_link/0, init/1]).\n"
            "start_link() -> supervisor:start_link({local, inner}, app_inner, []).\n"
            "init(_) -> {ok, {{simple_one_for_one, 1, " ++ V ++ "},"
            " [#{id => w, start => {app_worker, start_link, []}}]}}.\n"}
    end,
    Children =
        "#{id => e, start => {app_handler, start_link, []}, modules => dynamic},"
        "#{id => s, start => {app_statem, start_link, []}},"
        "#{id => i, start => {app_inner, start_link, []}, type => supervisor}",
    App = fun(Vsn, V) -> app(Vsn, V, Children, [Handler(Vsn), Statem(Vsn), Inner(Vsn)]) end,
    Node = start(Dir, [App("1", 1)], [App("2", 2)]),
    [{ok, _} = call(Node, supervisor, start_child, [inner, [W]]) || W <- [w1, w2, w3]],
    #{updated_processes := 6} = done(
        attempt(
            Node,
            hop([
                {update, app_handler, {advanced, []}},
                {update, app_statem, {advanced, [extra]}},
                {update, app_inner, {advanced, []}},
                {update, app_worker, {advanced, []}}
            ])
        )
    ),
    ?assertEqual(
        {2, 2, [{2, 0}, {2, 0}, {2, 0}], 2},
        eval(
            Node,
            "{gen_event:call(events, app_handler, get), gen_statem:call(machine, get),"
            " [gen_server:call(W, get) || W <- [w1, w2, w3]],"
            %% The period of the inner supervisor comes from the new init/1.
            " element(7, sys:get_state(inner))}."
        )
    ).

special_supervisors_and_dying_processes_are_survived(Dir) ->
    %% Answers {error, _}, an improper list, odd children, itself, a process of nowhere, or dies.
    Odd =
        {app_odd,
            "-module(app_odd). -behaviour(gen_server).\n"
            "-export([start_link/2, init/1, handle_call/3, handle_cast/2, handle_info/2]).\n"
            "start_link(N, A) -> gen_server:start_link({local, N}, app_odd, A, []).\n"
            "handle_info(_, S) -> {noreply, S}.\n"
            "init(A) -> {ok, A}. handle_cast(_, S) -> {noreply, S}.\n"
            "handle_call(which_children, _, die) -> {stop, normal, die};\n"
            "handle_call(which_children, _, self) -> {reply, [{x, self(), supervisor, [app_odd]}], self};\n"
            "handle_call(which_children, _, A) -> {reply, A, A}.\n"},
    Answers = [
        "{error, unimpl}",
        "[a | b]",
        "[odd, {x, undefined, worker, []}, {x, restarting, supervisor, []}, {a, b},"
        " {x, spawn(fun() -> ok end), worker, [app_worker]}, {x, self(), worker, x},"
        " {x, self(), worker, [app_odd | app_worker]}]",
        "self",
        "die"
    ],
    Children = lists:join(", ", [
        io_lib:format(
            "#{id => o~b, start => {app_odd, start_link, [o~b, ~s]}, type => supervisor,"
            " restart => temporary}",
            [I, I, Answer]
        )
     || {I, Answer} <- lists:zip(lists:seq(1, length(Answers)), Answers)
    ]),
    %% A child with dynamic modules that never says which.
    Silent = "#{id => d, start => {app_odd, start_link, [d, x]}, modules => dynamic}",
    Node = two(Dir, [workers(["w1"]), ", ", Children, ", ", Silent], [Odd]),
    #{updated_processes := 1, warnings := Warnings} = done(
        attempt(Node, hop([{load_module, emqx_release}, {update, app_worker, {advanced, []}}]), #{
            suspend_timeout => 500
        })
    ),
    ?assertMatch([<<"1 supervised processes did not tell", _/binary>>], Warnings),
    ?assertEqual({2, 0}, call(Node, gen_server, call, [w1, get])).

processes_started_after_the_plan_come_along(Dir) ->
    Late =
        {app_late,
            "-module(app_late). -export([go/0]).\n"
            "go() -> {ok, _} = supervisor:start_child(app_sup,"
            " #{id => w2, start => {app_worker, start_link, [w2]}}), ok.\n"},
    Node = two(Dir, workers(["w1"]), [Late]),
    #{updated_processes := 2} = done(
        attempt(Node, hop([{apply, app_late, go, []}, {update, app_worker, {advanced, []}}]))
    ),
    ?assertEqual([{2, 0}, {2, 0}], eval(Node, "[gen_server:call(W, get) || W <- [w1, w2]].")).

%% Also where all is taken back; each child is asked, so that one with the wrong state would have died.
processes_that_are_started_all_the_time_have_the_state_of_their_code(Dir) ->
    Inner =
        {app_inner,
            "-module(app_inner). -behaviour(supervisor). -export([start_link/0, init/1]).\n"
            "start_link() -> supervisor:start_link({local, inner}, app_inner, []).\n"
            "init(_) -> {ok, {{simple_one_for_one, 0, 1},"
            " [#{id => w, start => {app_worker, start_link, []}, restart => temporary}]}}.\n"},
    Child = "#{id => i, start => {app_inner, start_link, []}, type => supervisor}",
    Node = two(Dir, Child, [Inner]),
    Start = "[{ok, _} = supervisor:start_child(inner, [list_to_atom(\"w\" ++ integer_to_list(I))]) || I <- L]",
    eval(Node, "L = lists:seq(1, 300), " ++ Start ++ ", ok."),
    eval(
        Node,
        "[spawn(fun F() -> I = erlang:unique_integer([positive, monotonic]),"
        " {ok, P} = supervisor:start_child(inner, [list_to_atom(\"s\" ++ integer_to_list(I))]),"
        " case whereis(stop) of undefined -> timer:sleep(1), F(); _ -> ok end end)"
        " || _ <- [1, 2, 3]], timer:sleep(200)."
    ),
    Update = {update, app_worker, {advanced, []}},
    Versions = fun() ->
        eval(
            Node,
            "lists:usort([begin {V, 0} = gen_server:call(P, get), V end"
            " || {_, P, _, _} <- supervisor:which_children(inner)])."
        )
    end,
    {failed, #{restored := true}} = attempt(Node, hop([Update, {apply, erlang, node, []}])),
    ?assertEqual([1], Versions()),
    #{updated_processes := Count} = done(attempt(Node, hop([Update]), #{attempt => <<"2">>})),
    ?assert(Count > 300),
    ?assertEqual([2], Versions()),
    eval(Node, "register(stop, self()), timer:sleep(100), unregister(stop).").

equal_code_is_not_loaded_but_state_is_changed(Dir) ->
    Node = start(Dir, [app("1", 2, workers(["w1"]), [])], [app("2", 2, workers(["w1"]), [])]),
    eval(Node, "sys:replace_state(w1, fun(_) -> {1, 5} end)."),
    #{updated_processes := 1, skipped := 1, loaded := 1} = done(
        attempt(Node, hop([{load_module, emqx_release}, {update, app_worker, {advanced, []}}]))
    ),
    ?assertEqual({2, 5}, call(Node, gen_server, call, [w1, get])).

hundreds_of_processes_are_suspended_together(Dir) ->
    Names = ["w" ++ integer_to_list(I) || I <- lists:seq(1, 500)],
    Node = two(Dir, workers(Names)),
    #{updated_processes := 500} = done(attempt(Node, hop([{update, app_worker, {advanced, []}}]))),
    ?assertEqual({2, 0}, call(Node, gen_server, call, [w500, get])).
