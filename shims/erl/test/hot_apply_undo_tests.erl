%%% Failures after the first change: what is taken back, and what is never claimed.
-module(hot_apply_undo_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, start/4, call/4, eval/2, hop/1, hop/2, attempt/2, attempt/3]).
-import(hot_apply_test_node, [failed/1, snapshot/1]).

-export([
    a_failed_code_change_leaves_processes_and_code_as_they_were/1,
    a_code_change_that_fails_half_way_puts_the_states_back/1,
    a_later_failure_gives_processes_the_very_state_that_they_had/1,
    a_later_failure_asks_the_new_code_for_a_state_of_the_former_version/1,
    a_state_that_nobody_can_lower_is_the_one_of_before_and_that_is_told/1,
    a_process_started_meanwhile_is_lowered_or_ended/1,
    a_version_that_is_not_the_target_takes_everything_back/1,
    an_application_that_does_not_start_runs_again_as_before/1,
    a_failing_on_load_takes_the_batch_before_it_back/1,
    a_call_that_has_run_is_told_when_the_rest_is_undone/1,
    a_marker_that_cannot_be_written_takes_the_code_back/1,
    a_failed_callback_leaves_the_new_code_and_no_marker/1,
    a_failed_callback_takes_everything_back_if_the_operator_wants_that/1,
    code_whose_file_is_gone_cannot_be_put_back/1,
    former_code_that_is_still_run_cannot_be_put_back/1
]).

v(Module, V) ->
    v(Module, V, "").

v(Module, V, More) ->
    Name = atom_to_list(Module),
    {Module, "-module(" ++ Name ++ "). -export([v/0]). " ++ More ++ " v() -> " ++ V ++ "."}.

app(Vsn, V, More) ->
    Children = lists:join(", ", [
        io_lib:format("#{id => ~s, start => {app_worker, start_link, [~s]}}", [N, N])
     || N <- ["w1", "w2", "w3"]
    ]),
    Sup = hot_apply_test_tree:sup(app_sup, "{one_for_one, 1, 1}", lists:flatten(Children)),
    {app, Vsn, [{mod, {app_sup, []}}, {env, [{list_to_atom("since_" ++ Vsn), true}]}], [
        {app_sup, Sup}, {app_worker, hot_apply_test_tree:worker(V)}, v(aa, Vsn) | More
    ]}.

%% All of the VM is as before, except that former code of reloaded modules may linger.
same({{Code, Path, Loaded, Running, Names, Env}, _, Marker}, Node) ->
    {{Code2, Path2, Loaded2, Running2, Names2, Env2}, _, Marker2} = snapshot(Node),
    Plain = fun(List) -> [{M, File, Md5} || {M, File, Md5, _Old} <- List] end,
    ?assertEqual(Plain(Code), Plain(Code2)),
    ?assertEqual(Path, Path2),
    ?assertEqual({Loaded, Running}, {Loaded2, Running2}),
    ?assertEqual(Names, Names2),
    ?assertEqual(Env, Env2),
    ?assertEqual(Marker, Marker2).

words(Detail, Words) ->
    ?assertNotEqual(nomatch, string:find(Detail, Words), Detail).

a_failed_code_change_leaves_processes_and_code_as_they_were(Dir) ->
    Node = start(Dir, [app("1", 1, [])], [app("2", 2, [])]),
    Pids = eval(Node, "[whereis(w1), whereis(w2), whereis(w3)]."),
    eval(Node, "[gen_server:call(W, add) || W <- [w1, w2, w3, w3]]."),
    Before = snapshot(Node),
    Hop = hop([
        {load_module, emqx_release}, {load_module, aa}, {update, app_worker, {advanced, fail}}
    ]),
    Failure = failed(attempt(Node, Hop)),
    ?assertMatch(
        #{error := code_change_failed, stage := apply, changed := true, restored := true}, Failure
    ),
    words(maps:get(detail, Failure), "app_worker:code_change/3 failed in 3 of 3 processes"),
    words(maps:get(detail, Failure), "cannot"),
    same(Before, Node),
    ?assertEqual(
        {Pids, [{1, 1}, {1, 1}, {1, 2}], 1},
        eval(
            Node,
            "{[whereis(W) || W <- [w1, w2, w3]],"
            " [gen_server:call(W, get) || W <- [w1, w2, w3]], aa:v()}."
        )
    ),
    %% And the hop can be tried again.
    {done, _} = attempt(Node, hop([{update, app_worker, {advanced, []}}])),
    ?assertEqual({2, 2}, call(Node, gen_server, call, [w3, get])).

a_code_change_that_fails_half_way_puts_the_states_back(Dir) ->
    Node = start(Dir, [app("1", 1, [])], [app("2", 2, [])]),
    eval(Node, "[gen_server:call(w2, add) || _ <- [1, 2, 3]]."),
    Before = snapshot(Node),
    Failure = failed(attempt(Node, hop([{update, app_worker, {advanced, fail_at_3}}]))),
    ?assertMatch(
        #{error := code_change_failed, stage := apply, changed := true, restored := true}, Failure
    ),
    words(maps:get(detail, Failure), "failed in 1 of 3 processes"),
    same(Before, Node),
    %% Those that had changed work with their old state again, and nobody is left suspended.
    ?assertEqual(
        {1, "5.10.4", [{1, 0}, {1, 3}, {1, 0}], [running, running, running], [[], [], []]},
        eval(
            Node,
            "{app_worker:v(), emqx_release:version(), [gen_server:call(W, get) || W <- [w1, w2, w3]],"
            " [lists:nth(2, element(4, sys:get_status(W))) || W <- [w1, w2, w3]],"
            " [[K || {{emqx_hot_apply_kept, _} = K, _} <- element(2, process_info(whereis(W), dictionary))]"
            "  || W <- [w1, w2, w3]]}."
        )
    ).

a_later_failure_gives_processes_the_very_state_that_they_had(Dir) ->
    Node = start(
        Dir, [app("1", 1, [v(bb, "1"), v(cc, "1")])], [app("2", 2, [v(bb, "2"), v(cc, "2")])]
    ),
    eval(Node, "[gen_server:call(w2, add) || _ <- [1, 2, 3]]."),
    Before = snapshot(Node),
    Failure = failed(attempt(Node, after_update([{load_module, cc}, {apply, erlang, node, []}]))),
    ?assertMatch(
        #{error := apply_failed, stage := apply, changed := true, restored := true}, Failure
    ),
    same(Before, Node),
    ?assertEqual({1, 1, 1, [{1, 0}, {1, 3}, {1, 0}], []}, works(Node)),
    ?assertEqual(nomatch, string:find(maps:get(detail, Failure), "processes of"), Failure).

%% What a process has done since it was changed is in its new state only.
a_later_failure_asks_the_new_code_for_a_state_of_the_former_version(Dir) ->
    Lowers = "code_change({down, \"5.10.4\"}, {2, N}, []) -> {ok, {1, N}};\n",
    {Words, Works} = worked_between(Dir, Lowers),
    ?assertEqual(nomatch, string:find(Words, "processes of"), Words),
    ?assertEqual({1, 1, 1, [{1, 1}, {1, 0}, {1, 0}], []}, Works).

a_state_that_nobody_can_lower_is_the_one_of_before_and_that_is_told(Dir) ->
    [
        begin
            {Words, Works} = worked_between(filename:join(Dir, Name), Clause),
            words(Words, "1 processes of app_worker got the state of before the upgrade back"),
            words(Words, "(w1)"),
            ?assertEqual({1, 1, 1, [{1, 0}, {1, 0}, {1, 0}], []}, Works)
        end
     || {Name, Clause} <- [
            {"none", ""}, {"any", "code_change(_, {2, _} = S, _) -> {ok, S};\n"}
        ]
    ].

%% A process that was started on the new code has no state of before: with its new one it would fail.
a_process_started_meanwhile_is_lowered_or_ended(Dir) ->
    Late = {
        app_late,
        "-module(app_late). -export([go/0]).\n"
        "go() -> {ok, _} = supervisor:start_child(app_sup,"
        " #{id => w4, start => {app_worker, start_link, [w4]}}), ok.\n"
    },
    [
        begin
            Node = start(filename:join(Dir, Name), [app("1", 1, [v(bb, "1"), v(cc, "1"), Late])], [
                with_clause(app("2", 2, [v(bb, "2"), v(cc, "2"), Late]), Clause)
            ]),
            Hop = after_update([{apply, app_late, go, []}, {apply, erlang, node, []}]),
            #{restored := true, detail := Words} = failed(attempt(Node, Hop)),
            Ended = string:find(Words, "1 processes of app_worker that were started meanwhile"),
            ?assertEqual(IsEnded, Ended =/= nomatch, Words),
            %% Its supervisor starts it again where it was ended.
            ?assertEqual({1, 0}, eval(Node, "timer:sleep(200), gen_server:call(w4, get)."))
        end
     || {Name, Clause, IsEnded} <- [
            {"lowered", "code_change({down, _}, {2, N}, []) -> {ok, {1, N}};\n", false},
            {"ended", "", true}
        ]
    ].

after_update(Changes) ->
    hop([{load_module, bb}, {update, app_worker, {advanced, []}} | Changes]).

%% One of the processes works between its change and the failure.
worked_between(Dir, Clause) ->
    Adds = {adds, "-module(adds). -export([it/0]). it() -> gen_server:call(w1, add), ok."},
    Node = start(Dir, [app("1", 1, [v(bb, "1"), v(cc, "1"), Adds])], [
        with_clause(app("2", 2, [v(bb, "2"), v(cc, "2"), Adds]), Clause)
    ]),
    Before = snapshot(Node),
    Failure = failed(attempt(Node, after_update([{apply, adds, it, []}, {apply, erlang, node, []}]))),
    ?assertMatch(
        #{error := apply_failed, stage := apply, changed := true, restored := true}, Failure
    ),
    same(Before, Node),
    {maps:get(detail, Failure), works(Node)}.

with_clause({app, Vsn, Keys, Sources}, Clause) ->
    {_, Source} = lists:keyfind(app_worker, 1, Sources),
    Head = "code_change(\"5.10.4\", {1, N}, fail_at_3)",
    More = lists:flatten(string:replace(Source, Head, Clause ++ Head)),
    {app, Vsn, Keys, lists:keystore(app_worker, 1, Sources, {app_worker, More})}.

%% Versions of the code, states, and what the agent has left in the processes.
works(Node) ->
    eval(
        Node,
        "{bb:v(), app_worker:v(), cc:v(), [gen_server:call(W, get) || W <- [w1, w2, w3]],"
        " [K || W <- [w1, w2, w3],"
        "  {{emqx_hot_apply_kept, _} = K, _} <- element(2, process_info(whereis(W), dictionary))]}."
    ).

a_version_that_is_not_the_target_takes_everything_back(Dir) ->
    Wrong =
        {emqx, "5.10.5", [], [
            {emqx_release,
                "-module(emqx_release). -export([version/0]). version() -> \"5.10.9\"."}
        ]},
    Node = start(Dir, [{other, "1", [], [v(bb, "1")]}], [Wrong, {other, "2", [], [v(bb, "2"), v(nn, "2")]}], #{
        no_release => true
    }),
    Before = snapshot(Node),
    Failure = failed(
        attempt(Node, hop([{load_module, emqx_release}, {load_module, bb}, {load_module, nn}]))
    ),
    ?assertMatch(
        #{error := verify_failed, stage := verify, changed := true, restored := true}, Failure
    ),
    words(maps:get(detail, Failure), "emqx_release:version() is 5.10.9, not 5.10.5"),
    same(Before, Node),
    ?assertEqual(false, call(Node, erlang, module_loaded, [nn])).

an_application_that_does_not_start_runs_again_as_before(Dir) ->
    Broken = "-module(app_worker). -export([start_link/1, v/0]). v() -> 2.\n"
        "start_link(_) -> {error, will_not}.",
    {app, "2", Keys, Sources} = app("2", 2, [v(added, "2")]),
    Target = {app, "2", Keys, lists:keyreplace(app_worker, 1, Sources, {app_worker, Broken})},
    Node = start(Dir, [app("1", 1, [v(removed, "1")]), {other, "1", [], [v(bb, "1")]}], [
        Target, {other, "2", [], [v(bb, "2")]}
    ]),
    eval(Node, "application:set_env(app, set, 5)."),
    Before = snapshot(Node),
    Failure = failed(attempt(Node, hop([{load_module, bb}, {restart_application, app}]))),
    ?assertMatch(
        #{error := start_application_failed, stage := apply, changed := true, restored := true},
        Failure
    ),
    words(maps:get(detail, Failure), "will_not"),
    same(Before, Node),
    ?assertEqual({1, 0}, call(Node, gen_server, call, [w1, get])),
    ?assertEqual(
        permanent,
        proplists:get_value(app, proplists:get_value(started, call(Node, application, info, [])))
    ).

a_failing_on_load_takes_the_batch_before_it_back(Dir) ->
    OnLoad = fun(V, Result) -> v(bb, V, "-on_load(up/0). up() -> " ++ Result ++ ".") end,
    Node = start(Dir, [app("1", 1, [OnLoad("1", "ok")])], [app("2", 2, [OnLoad("2", "no")])]),
    Before = snapshot(Node),
    Failure = failed(attempt(Node, hop([{load_module, aa}, {load_module, bb}]))),
    ?assertMatch(#{error := load_failed, changed := true, restored := true}, Failure),
    words(maps:get(detail, Failure), "on_load_failure"),
    same(Before, Node).

a_call_that_has_run_is_told_when_the_rest_is_undone(Dir) ->
    More = fun() ->
        {does, "-module(does). -export([it/1]). it({ok, V}) -> V; it({raise, V}) -> error(V)."}
    end,
    Cases = [
        {[{apply, does, it, [{ok, nearly}]}], "does:it/1 returned nearly instead of ok"},
        {[{apply, does, it, [{raise, oops}]}], "oops"},
        {
            [{apply, does, it, [{ok, ok}]}, {apply, does, it, [{ok, error}]}],
            "returned error instead of ok"
        }
    ],
    [
        begin
            Node = start(filename:join(Dir, integer_to_list(I)), [app("1", 1, [More()])], [
                app("2", 2, [More()])
            ]),
            Before = snapshot(Node),
            Failure = failed(attempt(Node, hop([{load_module, aa} | Changes]))),
            ?assertMatch(
                #{error := apply_failed, stage := apply, changed := true, restored := true},
                Failure
            ),
            words(maps:get(detail, Failure), Words),
            words(maps:get(detail, Failure), "does:it/1 has run"),
            same(Before, Node),
            hot_apply_test_node:stop(Node)
        end
     || {I, {Changes, Words}} <- lists:zip(lists:seq(1, length(Cases)), Cases)
    ].

a_marker_that_cannot_be_written_takes_the_code_back(Dir) ->
    Node = start(Dir, [app("1", 1, [])], [app("2", 2, [])]),
    Before = snapshot(Node),
    %% A directory is in the way: it fails late, at the rename.
    InTheWay = filename:join(Dir, "way/current"),
    ok = filelib:ensure_path(InTheWay),
    [
        begin
            Failed = failed(attempt(Node, hop([{load_module, aa}]), #{marker => Marker})),
            ?assertMatch(
                #{
                    error := permanent_upgrade,
                    stage := permanent,
                    changed := true,
                    restored := true
                },
                Failed
            ),
            words(maps:get(detail, Failed), Marker),
            same(Before, Node)
        end
     || Marker <- [<<"/nowhere/at/all/">>, unicode:characters_to_binary(InTheWay)]
    ],
    ?assertEqual({ok, ["current"]}, file:list_dir(filename:dirname(InTheWay))),
    %% After a callback there is no way back.
    Post = {emqx_post_upgrade, "-module(emqx_post_upgrade). -export([pr/1]). pr(_) -> any."},
    Node2 = start(filename:join(Dir, "2"), [app("1", 1, [Post])], [app("2", 2, [Post])]),
    Failure2 = failed(
        attempt(Node2, hop([{load_module, aa}], [pr]), #{marker => <<"/nowhere/at/all/current">>})
    ),
    ?assertMatch(#{error := permanent_upgrade, changed := true, restored := false}, Failure2),
    words(maps:get(detail, Failure2), "the new code stays, and the marker was not written"),
    ?assertEqual({2, "5.10.5"}, eval(Node2, "{aa:v(), emqx_release:version()}.")).

a_failed_callback_leaves_the_new_code_and_no_marker(Dir) ->
    Post =
        {emqx_post_upgrade,
            "-module(emqx_post_upgrade). -export([one/1, two/2, odd/1]).\n"
            "one(\"5.10.4\") -> persistent_term:put(one, done), ok. odd(_) -> {error, odd}.\n"
            "two(\"5.10.4\", Why) -> throw({failed, Why}).\n"},
    Node = start(Dir, [app("1", 1, [Post])], [app("2", 2, [Post])]),
    Failure = failed(attempt(Node, hop([{load_module, aa}], [one, {two, [because]}, odd]))),
    ?assertMatch(
        #{error := post_upgrade_failed, stage := post_upgrade, changed := true, restored := false},
        Failure
    ),
    words(maps:get(detail, Failure), "emqx_post_upgrade:two/2: throw {failed,because}"),
    words(maps:get(detail, Failure), "the new code stays, and the marker was not written"),
    ?assertEqual({2, done, "5.10.5"}, eval(Node, "{aa:v(), persistent_term:get(one), emqx_release:version()}.")),
    ?assertEqual(none, hot_apply_test_node:marker(Node)).

a_failed_callback_takes_everything_back_if_the_operator_wants_that(Dir) ->
    Post =
        {emqx_post_upgrade,
            "-module(emqx_post_upgrade). -export([one/1, two/1]).\n"
            "one(_) -> ok. two(_) -> throw(failed).\n"},
    Node = start(Dir, [app("1", 1, [Post])], [app("2", 2, [Post])]),
    Before = snapshot(Node),
    Hop = hop([{load_module, emqx_release}, {load_module, aa}, {restart_application, app}], [one, two]),
    Failure = failed(attempt(Node, Hop, #{undo_on_callback_failure => true})),
    ?assertMatch(
        #{error := post_upgrade_failed, stage := post_upgrade, changed := true, restored := true},
        Failure
    ),
    same(Before, Node),
    ?assertEqual(none, hot_apply_test_node:marker(Node)).

code_whose_file_is_gone_cannot_be_put_back(Dir) ->
    Does = {does, "-module(does). -export([it/0]). it() -> no."},
    Node = #{root := Root} = start(Dir, [app("1", 1, [Does])], [app("2", 2, [Does])]),
    ok = file:delete(filename:join([Root, "lib", "app-1", "ebin", "aa.beam"])),
    Failure = failed(attempt(Node, hop([{load_module, aa}, {apply, does, it, []}]))),
    ?assertMatch(#{changed := true, restored := false}, Failure),
    words(maps:get(detail, Failure), "aa stays new: the file of its former code"),
    ?assertEqual({2, "5.10.4"}, eval(Node, "{aa:v(), emqx_release:version()}.")).

former_code_that_is_still_run_cannot_be_put_back(Dir) ->
    Loop = "-export([start/0]). start() -> register(lingerer, spawn(fun l/0)), ok."
        " l() -> receive {P, v} -> P ! v(), l() end.",
    App = fun(V, I) ->
        {app, V, Keys, Sources} = app(V, I, []),
        {app, V, Keys, [v(ll, V, Loop) | Sources]}
    end,
    Node = start(Dir, [App("1", 1)], [App("2", 2)]),
    ok = call(Node, ll, start, []),
    Failure = failed(
        attempt(Node, hop([{load_module, ll}, {load_module, aa}, {update, app_worker, {advanced, fail}}]))
    ),
    ?assertMatch(#{error := code_change_failed, changed := true, restored := false}, Failure),
    words(maps:get(detail, Failure), "ll stays new: old code of ll is still run by"),
    %% Nobody was killed for it, and everything else is back.
    ?assertEqual(
        {1, 1}, eval(Node, "lingerer ! {self(), v}, receive V -> {V, aa:v()} after 1000 -> none end.")
    ).
