%%% The owner of an attempt is killed, at every kind of moment: its guardian takes everything back.
-module(hot_apply_killed_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, call/4, eval/2, hop/1, hop/2, attempt/2, attempt/3]).
-import(hot_apply_test_node, [failed/1, done/1, snapshot/1, journal/1, marker/1]).

-export([
    before_a_process_is_suspended_everything_is_taken_back/1,
    while_processes_are_suspended_everything_is_taken_back/1,
    while_a_state_changes_everything_is_taken_back/1,
    behind_an_update_everything_is_taken_back/1,
    behind_an_update_that_was_worked_with_the_new_code_is_asked/1,
    while_an_application_stops_everything_is_taken_back/1,
    while_an_application_starts_everything_is_taken_back/1,
    in_a_callback_the_new_code_stays_unless_the_operator_wants_otherwise/1,
    in_the_undo_the_rest_is_taken_back/1,
    one_after_the_other_is_killed_and_the_last_one_ends_it/1,
    an_inverse_that_kills_everybody_is_told_and_the_others_are_run/1,
    in_the_plan_nothing_was_changed/1,
    behind_the_rename_of_the_marker_the_upgrade_is_complete/1,
    a_guardian_that_is_killed_is_replaced/1,
    owner_and_guardian_at_once_leave_a_witness/1
]).

%% Kills who owns the attempt's memory, once for each tag, or N times.
killer() ->
    {killer,
        "-module(killer). -export([once/1, times/2, both/0, guardian/0, pr/1]).\n"
        "once(Tag) -> times(Tag, 1).\n"
        "times(none, _) -> ok;\n"
        "times(Tag, N) ->\n"
        "  Before = persistent_term:get({killed, Tag}, 0),\n"
        "  case Before < N of\n"
        "    true -> persistent_term:put({killed, Tag}, Before + 1), kill(owner()), ok;\n"
        "    false -> ok\n"
        "  end.\n"
        "guardian() -> kill(other()), ok.\n"
        "both() -> One = owner(), Other = other(),\n"
        "  spawn(fun() -> exit(Other, kill), exit(One, kill) end), timer:sleep(5000).\n"
        "pr(_) -> once(callback).\n"
        "kill(Pid) -> M = monitor(process, Pid), exit(Pid, kill),\n"
        "  receive {'DOWN', M, _, _, _} -> ok end.\n"
        "other() -> hd([P || N <- [emqx_hot_apply, emqx_hot_apply_guardian],\n"
        "  P <- [whereis(N)], is_pid(P), P =/= owner()]).\n"
        "owner() -> hd([ets:info(T, owner) || T <- ets:all(),\n"
        "  ets:info(T, name) =:= emqx_hot_apply_memory]).\n"}.

%% An application with three workers, and one that stops and starts, with words of a case in them.
apps(Vsn, V) ->
    apps(Vsn, V, #{}).

apps(Vsn, V, Words) ->
    Children = lists:join(", ", [
        io_lib:format("#{id => ~s, start => {app_worker, start_link, [~s]}}", [N, N])
     || N <- ["w1", "w2", "w3"]
    ]),
    Sup = hot_apply_test_tree:sup(app_sup, "{one_for_one, 1, 1}", lists:flatten(Children)),
    Worker = lists:flatten(
        string:replace(
            hot_apply_test_tree:worker(V),
            "code_change(\"5.10.4\", {1, N}, fail_at_3)",
            maps:get(change, Words, "") ++ "code_change(\"5.10.4\", {1, N}, fail_at_3)"
        )
    ),
    Load = maps:get(load, Words, ""),
    Other =
        "-module(other). -behaviour(application). -behaviour(supervisor).\n"
        "-export([start/2, stop/1, prep_stop/1, init/1, v/0]). v() -> " ++ Vsn ++ ".\n"
        "start(_, _) -> " ++ maps:get(start, Words, "ok") ++
            ", supervisor:start_link({local, other}, other, []).\n"
            "prep_stop(S) -> " ++ maps:get(stop, Words, "ok") ++ ", S. stop(_) -> ok.\n"
            "init(_) -> {ok, {#{}, []}}.\n",
    [
        {app, Vsn, [{mod, {app_sup, []}}], [
            {app_sup, Sup},
            {app_worker, [
                string:replace(Worker, "-export(", Load ++ "-export("), maps:get(functions, Words, "")
            ]},
            {aa, "-module(aa). -export([v/0]). v() -> " ++ Vsn ++ "."},
            killer()
        ]},
        {other, Vsn, [{mod, {other, []}}, {env, [{list_to_atom("since_" ++ Vsn), true}]}], [
            {other, Other}
        ]}
    ].

flat(Apps) ->
    [{App, Vsn, Keys, [{M, lists:flatten(S)} || {M, S} <- Modules]} || {App, Vsn, Keys, Modules} <- Apps].

scene(Dir, Old, New) ->
    Node = start(Dir, flat(apps("1", 1, Old)), flat(apps("2", 2, New))),
    eval(Node, "[gen_server:call(W, add) || W <- [w1, w2, w2, w3, w3, w3]]."),
    Node.

scene(Dir) ->
    scene(Dir, #{}, #{}).

update() ->
    {update, app_worker, {advanced, []}}.

kill(Tag) ->
    {apply, killer, once, [Tag]}.

%% Everything is what it was, and nothing of the attempt is left; the failure is told and recorded.
taken_back(Node, Before, Outcome, States) ->
    Failure = failed(Outcome),
    ?assertMatch(#{error := owner_killed, changed := true, restored := true}, Failure),
    as_before(Node, Before, States),
    ?assertNotEqual(
        nomatch, string:find(lists:last(journal(Node)), "\"result\":{\"error\":\"owner_killed\"")
    ),
    again(Node),
    Failure.

as_before(Node, {{Code, Path, Loaded, Running, Names, Env}, _, Marker}, States) ->
    {{Code2, Path2, Loaded2, Running2, Names2, Env2}, Files, Marker2} = snapshot(Node),
    Plain = fun(List) -> [{M, File, Md5} || {M, File, Md5, _Old} <- List] end,
    ?assertEqual(Plain(Code), Plain(Code2)),
    ?assertEqual({Path, Loaded, Running, Marker}, {Path2, Loaded2, Running2, Marker2}),
    ?assertEqual({Names, Env}, {Names2, Env2}),
    ?assertEqual(["5.10.5", "journal.jsonl"], Files),
    ?assertEqual(States, states(Node)),
    nothing_left(Node).

nothing_left(Node) ->
    ?assertEqual(
        {[], undefined, [], [permanent, permanent]},
        eval(
            Node,
            "{[T || T <- ets:all(), ets:info(T, name) =:= emqx_hot_apply_memory],"
            " application:get_env(emqx_hot_apply, attempt),"
            " [{P, K} || P <- processes(), {dictionary, D} <- [process_info(P, dictionary)],"
            "  {K, _} <- D, string:find(io_lib:format(\"~p\", [K]), \"hot_apply\") =/= nomatch],"
            " [proplists:get_value(A, proplists:get_value(started, application:info()))"
            "  || A <- [app, other]]}."
        )
    ).

states(Node) ->
    eval(
        Node,
        "{[{whereis(W), sys:get_state(W), lists:nth(2, element(4, sys:get_status(W)))}"
        " || W <- [w1, w2, w3]], app_worker:v(), aa:v(), other:v(), whereis(other) =/= undefined}."
    ).

%% The node works, and can be upgraded.
again(Node) ->
    ?assert(is_integer(call(Node, gen_server, call, [w1, add]))),
    Hop = hop([{load_module, aa}, update(), {restart_application, other}]),
    {done, _} = attempt(Node, Hop, #{attempt => <<"20260102T030406-again">>}),
    ?assertMatch({[{_, {2, _}, running} | _], 2, 2, 2, true}, states(Node)).

check(Dir, Old, New, Changes) ->
    Node = scene(Dir, Old, New),
    {Before, States} = {snapshot(Node), states(Node)},
    taken_back(Node, Before, attempt(Node, hop(Changes)), States).

before_a_process_is_suspended_everything_is_taken_back(Dir) ->
    check(Dir, #{}, #{}, [{load_module, aa}, kill(one), update()]).

%% The module is being loaded: its processes stand still.
while_processes_are_suspended_everything_is_taken_back(Dir) ->
    Words = #{load => "-on_load(on/0). ", functions => "on() -> killer:once(load), ok.\n"},
    check(Dir, #{}, Words, [{load_module, aa}, update()]).

while_a_state_changes_everything_is_taken_back(Dir) ->
    Kills = "code_change(\"5.10.4\", {1, 2}, []) -> killer:once(change), {ok, {2, 2}};\n",
    check(Dir, #{}, #{change => Kills}, [{load_module, aa}, update()]).

behind_an_update_everything_is_taken_back(Dir) ->
    check(Dir, #{}, #{}, [{load_module, aa}, update(), kill(behind)]).

behind_an_update_that_was_worked_with_the_new_code_is_asked(Dir) ->
    Node = scene(Dir, #{}, #{change => "code_change({down, _}, {2, N}, []) -> {ok, {1, N}};\n"}),
    Before = snapshot(Node),
    {[{P1, {1, N}, running} | Rest], 1, 1, 1, true} = states(Node),
    Adds = {apply, timer, sleep, [200]},
    eval(
        Node,
        "spawn(fun F() -> case sys:get_state(w1) of {2, _} -> gen_server:call(w1, add);"
        " _ -> timer:sleep(5), F() end end), ok."
    ),
    Outcome = attempt(Node, hop([update(), Adds, kill(behind)])),
    taken_back(Node, Before, Outcome, {[{P1, {1, N + 1}, running} | Rest], 1, 1, 1, true}).

while_an_application_stops_everything_is_taken_back(Dir) ->
    Stops = "killer:once(stop), timer:sleep(300)",
    check(Dir, #{stop => Stops}, #{}, [{load_module, aa}, update(), {restart_application, other}]).

while_an_application_starts_everything_is_taken_back(Dir) ->
    Starts = "killer:once(start), timer:sleep(300)",
    check(Dir, #{}, #{start => Starts}, [{load_module, aa}, update(), {restart_application, other}]).

in_a_callback_the_new_code_stays_unless_the_operator_wants_otherwise(Dir) ->
    Post =
        {emqx_post_upgrade, "-module(emqx_post_upgrade). -export([pr/1]). pr(V) -> killer:pr(V)."},
    Start = fun(Name) ->
        [{app, Vsn, Keys, Modules} | Others] = flat(apps("1", 1)),
        Base = [{app, Vsn, Keys, [Post | Modules]} | Others],
        Node = start(filename:join(Dir, Name), Base, flat(apps("2", 2))),
        {Node, snapshot(Node), states(Node)}
    end,
    Hop = hop([{load_module, emqx_release}, {load_module, aa}, update()], [pr]),
    {One, Before, States} = Start("undone"),
    taken_back(One, Before, attempt(One, Hop, #{undo_on_callback_failure => true}), States),
    {Two, _, _} = Start("stays"),
    Failure = failed(attempt(Two, Hop)),
    ?assertMatch(
        #{error := owner_killed, stage := post_upgrade, changed := true, restored := false}, Failure
    ),
    ?assertNotEqual(nomatch, string:find(maps:get(detail, Failure), "the new code stays")),
    ?assertMatch({[{_, {2, 0}, running} | _], 2, 2, 1, true}, states(Two)),
    ?assertEqual(none, marker(Two)),
    nothing_left(Two).

%% A later instruction fails; in the middle of taking the states back the owner is killed.
in_the_undo_the_rest_is_taken_back(Dir) ->
    Kills = "code_change({down, _}, {2, N}, []) -> killer:once(down), {ok, {1, N}};\n",
    Node = scene(Dir, #{}, #{change => Kills}),
    Before = snapshot(Node),
    {[{P1, {1, N}, running} | Rest], 1, 1, 1, true} = states(Node),
    eval(
        Node,
        "spawn(fun F() -> case sys:get_state(w1) of {2, _} -> gen_server:call(w1, add);"
        " _ -> timer:sleep(5), F() end end), ok."
    ),
    Hop = hop([{load_module, aa}, update(), {apply, timer, sleep, [200]}, {apply, erlang, node, []}]),
    taken_back(Node, Before, attempt(Node, Hop), {[{P1, {1, N + 1}, running} | Rest], 1, 1, 1, true}).

one_after_the_other_is_killed_and_the_last_one_ends_it(Dir) ->
    Kills = "code_change(\"5.10.4\", {1, 2}, []) -> killer:once(change), {ok, {2, 2}};\n",
    Node = scene(Dir, #{start => "killer:once(persistent_term:get(starting, none))"}, #{change => Kills}),
    {Before, States} = {snapshot(Node), states(Node)},
    %% Killed in the change; its heir is killed when the old application starts again.
    eval(Node, "persistent_term:put(starting, again)."),
    Hop = hop([{load_module, aa}, {restart_application, other}, update()]),
    Outcome = attempt(Node, Hop),
    ?assertEqual({1, 1}, eval(Node, "{persistent_term:get({killed, change}), persistent_term:get({killed, again})}.")),
    taken_back(Node, Before, Outcome, States).

an_inverse_that_kills_everybody_is_told_and_the_others_are_run(Dir) ->
    Starts =
        "killer:times(persistent_term:get(starting, none), 100),"
        " none = persistent_term:get(starting, none)",
    Node = scene(Dir, #{start => Starts}, #{}),
    eval(Node, "persistent_term:put(starting, again)."),
    Hop = hop([update(), {restart_application, other}, kill(behind)]),
    Failure = failed(attempt(Node, Hop)),
    ?assertMatch(#{error := owner_killed, changed := true, restored := false}, Failure),
    Words = "stopping application other could not be undone: ",
    ?assertNotEqual(nomatch, string:find(maps:get(detail, Failure), Words), Failure),
    ?assertMatch({[{_, {1, 1}, running}, {_, {1, 2}, running} | _], 1, 1, 1, false}, states(Node)),
    ?assertEqual(undefined, eval(Node, "application:get_env(emqx_hot_apply, attempt).")).

in_the_plan_nothing_was_changed(Dir) ->
    Node = scene(Dir),
    {Before, States} = {snapshot(Node), states(Node)},
    Failure = failed(attempt(Node, <<"exit(whereis(emqx_hot_apply), kill), timer:sleep(200), x.">>)),
    ?assertMatch(
        #{error := owner_killed, stage := plan, changed := false, restored := false}, Failure
    ),
    as_before(Node, Before, States),
    again(Node).

%% Seen by a tracer, which kills it at once.
behind_the_rename_of_the_marker_the_upgrade_is_complete(Dir) ->
    Node = scene(Dir),
    eval(
        Node,
        "P = spawn(fun() -> receive {trace, O, return_from, _, ok} -> exit(O, kill) end end),"
        "erlang:trace(new, true, [call, {tracer, P}]),"
        "erlang:trace_pattern({file, rename, 2}, [{'_', [], [{return_trace}]}], []), ok."
    ),
    Done = done(attempt(Node, hop([{load_module, emqx_release}, {load_module, aa}, update()]))),
    ?assertMatch(#{version := <<"5.10.5">>, updated_processes := 3}, Done),
    ?assertEqual(<<"5.10.5\n">>, marker(Node)),
    ?assertNotEqual(nomatch, string:find(lists:last(journal(Node)), "\"result\":\"success\"")),
    ?assertMatch({[{_, {2, 1}, running} | _], 2, 2, 1, true}, states(Node)),
    eval(Node, "erlang:trace(all, false, [all])."),
    nothing_left(Node).

a_guardian_that_is_killed_is_replaced(Dir) ->
    check(Dir, #{}, #{}, [{load_module, aa}, {apply, killer, guardian, []}, update(), kill(behind)]).

owner_and_guardian_at_once_leave_a_witness(Dir) ->
    Node = scene(Dir),
    Outcome = attempt(Node, hop([update(), {apply, killer, both, []}])),
    ?assertMatch({timeout, _}, Outcome),
    ?assertEqual(
        {idle, {ok, <<"20260102T030405-abcdef">>}},
        eval(Node, "{emqx_hot_apply:status(), application:get_env(emqx_hot_apply, attempt)}.")
    ).
