%%% {load_module, M}, the code path, versions, and modules that a hop brings along.
-module(hot_apply_load_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, start/4, call/4, eval/2, hop/1, hop/2, attempt/2, attempt/3]).
-import(hot_apply_test_node, [done/1, prove/2]).

-export([
    changed_modules_run_from_the_target_and_equal_ones_are_left_alone/1,
    neighbouring_modules_change_at_once/1,
    the_version_is_true_even_if_only_the_compile_chunk_tells_it/1,
    the_version_is_true_even_if_the_hop_forgets_it/1,
    compressed_beams_are_loaded/1,
    on_load_functions_run/1,
    no_process_is_killed_by_loading/1,
    modules_that_the_hop_brings_are_loaded_first_and_never_shadow_the_target/1,
    patches_stay_in_front_of_the_target/1,
    instructions_may_be_computed_by_funs/1,
    hops_can_be_chained/1,
    modules_that_are_not_loaded_can_be_called_in_interactive_mode/1,
    a_dry_run_tells_all_and_changes_nothing/1
]).

v(Module, V) ->
    v(Module, V, "").

v(Module, V, More) ->
    Name = atom_to_list(Module),
    {Module, "-module(" ++ Name ++ "). -export([v/0]). " ++ More ++ " v() -> " ++ V ++ "."}.

changed_modules_run_from_the_target_and_equal_ones_are_left_alone(Dir) ->
    Env = fun(List) -> [{env, List}, {description, "described"}] end,
    Node = #{tree := Tree} = start(
        Dir,
        [{app, "1", Env([{a, 1}]), [v(aa, "1"), v(bb, "1"), v(cc, "1")]}, {rest, "1", [], [v(dd, "1")]}],
        [
            {app, "2", Env([{a, 9}, {b, 2}]), [v(aa, "2"), v(bb, "1"), v(cc, "2"), v(new, "2")]},
            {rest, "2", [], [v(dd, "2")]}
        ]
    ),
    eval(Node, "application:set_env(app, c, 3)."),
    Done = done(
        attempt(Node, hop([{load_module, emqx_release} | [{load_module, M} || M <- [aa, bb, new, aa]]]))
    ),
    ?assertMatch(#{loaded := 3, skipped := 2, version := <<"5.10.5">>, warnings := []}, Done),
    ?assertEqual([2, 1, 1, 2, 1], eval(Node, "[M:v() || M <- [aa, bb, cc, new, dd]].")),
    Ebin = filename:join([Tree, "lib", "app-2", "ebin"]),
    ?assertEqual(filename:join(Ebin, "aa.beam"), call(Node, code, which, [aa])),
    ?assertEqual(filename:join([Tree, "lib", "app-2"]), call(Node, code, lib_dir, [app])),
    ?assertEqual(filename:join([Tree, "lib", "app-2", "priv"]), call(Node, code, priv_dir, [app])),
    ?assertEqual(true, lists:member(Ebin, lists:sublist(call(Node, code, get_path, []), 2))),
    %% What the hop does not name stays as it was.
    ?assertNotEqual(filename:join([Tree, "lib", "rest-2"]), call(Node, code, lib_dir, [rest])),
    ?assertMatch(
        [{app, "described", "2"}, {emqx, _, "5.10.5"}, {rest, _, "1"}],
        lists:sort([
            A
         || {N, _, _} = A <- call(Node, application, which_applications, []),
            lists:member(N, [app, emqx, rest])
        ])
    ),
    ?assertEqual({ok, [aa, bb, cc, new]}, call(Node, application, get_key, [app, modules])),
    ?assertEqual([{a, 1}, {b, 2}, {c, 3}], lists:sort(call(Node, application, get_all_env, [app]))).

%% A module that calls its neighbour must never see the other version.
neighbouring_modules_change_at_once(Dir) ->
    Modules = [list_to_atom("m" ++ integer_to_list(I)) || I <- lists:seq(1, 40)],
    App = fun(V) ->
        Sources = [v(M, V) || M <- Modules],
        {app, V, [], [
            {watch,
                "-module(watch). -export([start/0, stop/0]).\n"
                "start() -> register(watcher, spawn(fun() -> loop(0) end)), ok.\n"
                "loop(N) -> V = m1:v(), case m40:v() of V -> ok; _ ->\n"
                "  case m1:v() of V -> register(torn, self()), receive x -> ok end; _ -> ok end end,\n"
                "  receive {stop, P} -> P ! N after 0 -> loop(N + 1) end.\n"
                "stop() -> watcher ! {stop, self()}, receive N -> N after 5000 -> stuck end.\n"}
            | Sources
        ]}
    end,
    Node = start(Dir, [App("1")], [App("2")]),
    ok = call(Node, watch, start, []),
    #{loaded := 41} = done(attempt(Node, hop([{load_module, M} || M <- Modules]))),
    ?assert(is_integer(call(Node, watch, stop, []))),
    ?assertEqual(undefined, call(Node, erlang, whereis, [torn])),
    ?assertEqual(2, call(Node, m40, v, [])).

the_version_is_true_even_if_only_the_compile_chunk_tells_it(Dir) ->
    Node = start(Dir, [], [], #{to => "5.10.5+patch.A"}),
    Hop = <<
        "#{from_version => \"5.10.4\", target_version => \"5.10.5+patch.A\","
        "  code_changes => [{load_module, emqx_release}], post_upgrade_callbacks => []}."
    >>,
    #{loaded := 1, skipped := 0, warnings := [], version := <<"5.10.5+patch.A">>} =
        done(attempt(Node, Hop)),
    ?assertEqual("5.10.5+patch.A", call(Node, emqx_release, version, [])),
    ?assertEqual(<<"5.10.5+patch.A\n">>, hot_apply_test_node:marker(Node)).

the_version_is_true_even_if_the_hop_forgets_it(Dir) ->
    Node = start(Dir, [], []),
    #{loaded := 1, warnings := [Warning]} = done(attempt(Node, hop([]))),
    ?assertNotEqual(nomatch, string:find(Warning, "emqx_release")),
    ?assertEqual("5.10.5", call(Node, emqx_release, version, [])).

compressed_beams_are_loaded(Dir) ->
    Node = start(
        Dir, [{app, "1", [], [v(aa, "1"), v(bb, "1")]}], [{app, "2", [], [v(aa, "2"), v(bb, "1")]}], #{
            pack => fun zlib:gzip/1
        }
    ),
    #{loaded := 2, skipped := 1} = done(
        attempt(Node, hop([{load_module, aa}, {load_module, bb}]))
    ),
    ?assertEqual(2, call(Node, aa, v, [])).

on_load_functions_run(Dir) ->
    OnLoad = fun(V) ->
        v(bb, V, "-on_load(up/0). up() -> persistent_term:put(loaded, [" ++ V ++ " | "
            "persistent_term:get(loaded, [])]), ok.")
    end,
    App = fun(V) -> {app, V, [], [v(aa, V), OnLoad(V), v(cc, V)]} end,
    Node = start(Dir, [App("1")], [App("2")]),
    Hop = hop([{load_module, aa}, {load_module, bb}, {load_module, cc}]),
    #{loaded := 4} = done(attempt(Node, Hop)),
    ?assertEqual([2, 1], call(Node, persistent_term, get, [loaded])),
    ?assertEqual([2, 2, 2], eval(Node, "[M:v() || M <- [aa, bb, cc]].")).

no_process_is_killed_by_loading(Dir) ->
    Loop =
        "-export([start/0]). start() -> register(lingerer, spawn(fun l/0)), ok."
        " l() -> receive {P, v} -> P ! v(), l() end.",
    Node = start(Dir, [{app, "1", [], [v(aa, "1", Loop)]}], [{app, "2", [], [v(aa, "2", Loop)]}]),
    ok = call(Node, aa, start, []),
    Pid = call(Node, erlang, whereis, [lingerer]),
    {done, _} = attempt(Node, hop([{load_module, aa}])),
    ?assertEqual(2, call(Node, aa, v, [])),
    %% It lives, and still runs the code that it ran.
    ?assertEqual(Pid, call(Node, erlang, whereis, [lingerer])),
    ?assertEqual(1, eval(Node, "lingerer ! {self(), v}, receive V -> V after 1000 -> none end.")).

modules_that_the_hop_brings_are_loaded_first_and_never_shadow_the_target(Dir) ->
    Node = start(Dir, [{app, "1", [], [v(aa, "1")]}], [{app, "2", [], [v(aa, "2")]}]),
    Beam = fun(Module, V, More) ->
        {_, Source} = v(Module, V, More),
        {atom_to_binary(Module), <<"/hop/", (atom_to_binary(Module))/binary, ".beam">>,
            hot_apply_test_tree:beam(Source, "any")}
    end,
    Check = "-export([check/1]). check(V) -> V = aa:v(), ok.",
    Tagged = 'emqx_post_upgrade_5.10.5',
    PostSource =
        "-module('emqx_post_upgrade_5.10.5'). -export([v/0, pr/2]). v() -> 1."
        " pr(\"5.10.4\", x) -> persistent_term:put(post, done), ok.",
    Done = done(
        attempt(
            Node,
            %% The helper is called before it is named, as it is there from the start.
            hop(
                [
                    {apply, helper, check, [1]},
                    {load_module, emqx_release},
                    {load_module, aa},
                    {load_module, helper},
                    {apply, helper, check, [2]}
                ],
                [{pr, [x]}]
            ),
            #{
                beams => [
                    Beam(helper, "7", Check),
                    %% The target has such a module too: what boots next must be what runs.
                    Beam(aa, "666", ""),
                    {atom_to_binary(Tagged), <<"/hop/tagged.beam">>,
                        hot_apply_test_tree:beam(PostSource, "any")}
                ]
            }
        )
    ),
    ?assertMatch(#{loaded := 4, skipped := 1, callbacks := 1}, Done),
    ?assertEqual([2, 7], eval(Node, "[aa:v(), helper:v()].")),
    ?assertEqual(done, call(Node, persistent_term, get, [post])).

patches_stay_in_front_of_the_target(Dir) ->
    Patches = filename:join(Dir, "patches"),
    ok = filelib:ensure_path(Patches),
    App = fun(V) -> {app, V, [], [v(aa, V), v(bb, V)]} end,
    Beam = hot_apply_test_tree:beam(element(2, v(aa, "7")), "patch"),
    Patch = filename:join(Patches, "aa.beam"),
    ok = file:write_file(Patch, Beam),
    Node = start(Dir, [App("1")], [App("2")], #{args => ["-pa", Patches]}),
    {module, aa} = call(Node, code, load_abs, [filename:rootname(Patch)]),
    #{warnings := [Warning], loaded := 2, skipped := 1} = done(
        attempt(Node, hop([{load_module, M} || M <- [emqx_release, aa, bb]]), #{
            patches_dir => unicode:characters_to_binary(Patches)
        })
    ),
    ?assertNotEqual(nomatch, string:find(Warning, "aa stays as patched in")),
    ?assertEqual(Patches, hd(call(Node, code, get_path, []))),
    ?assertEqual([7, 2], eval(Node, "[aa:v(), bb:v()].")),
    %% A directory that does not exist is no reason to fail.
    Node2 = start(filename:join(Dir, "2"), [], []),
    {done, _} = attempt(Node2, hop([]), #{patches_dir => <<"/nowhere/patches">>}).

instructions_may_be_computed_by_funs(Dir) ->
    Node = start(Dir, [{app, "1", [], [v(aa, "1"), v(bb, "1")]}], [
        {app, "2", [], [v(aa, "2"), v(bb, "2")]}
    ]),
    Hop =
        <<
            "Load = fun(M) -> {load_module, M} end.\n"
            "Ask = fun(K) -> persistent_term:put(asked, {K, node()}), ok end.\n"
            "#{from_version => \"5.10.4\", target_version => \"5.10.5\",\n"
            "  code_changes => [Load(M) || M <- [emqx_release, aa, bb]] ++\n"
            "    [{apply, erlang, apply, [fun() -> Ask(key), ok end, []]}],\n"
            "  post_upgrade_callbacks => []}.\n"
        >>,
    {done, #{loaded := 3}} = attempt(Node, Hop),
    ?assertEqual({key, nonode@nohost}, call(Node, persistent_term, get, [asked])).

hops_can_be_chained(Dir) ->
    App = fun(V) -> {app, V, [], [v(aa, V)]} end,
    Node = #{root := Root} = start(Dir, [App("1")], [App("2")]),
    {done, _} = attempt(Node, hop([{load_module, emqx_release}, {load_module, aa}])),
    Third = filename:join([Root, "relup", "5.10.6"]),
    hot_apply_test_tree:build(Third, "5.10.6", [hot_apply_test_tree:release("5.10.6"), App("3")]),
    Hop = <<
        "#{from_version => \"5.10.5\", target_version => \"5.10.6\","
        "  code_changes => [{load_module, aa}, {load_module, emqx_release}]}."
    >>,
    {done, #{version := <<"5.10.6">>, loaded := 2}} = attempt(
        Node#{tree := Third, to := "5.10.6"}, Hop, #{from => <<"5.10.5">>}
    ),
    ?assertEqual({3, "5.10.6"}, eval(Node, "{aa:v(), emqx_release:version()}.")),
    ?assertEqual(<<"5.10.6\n">>, hot_apply_test_node:marker(Node)),
    ?assertEqual(filename:join([Third, "lib", "app-3"]), call(Node, code, lib_dir, [app])).

modules_that_are_not_loaded_can_be_called_in_interactive_mode(Dir) ->
    Lazy = fun(V) -> {lazy, V, [], [v(ll, V, "-export([go/0]). go() -> ok.")]} end,
    Base = [{app, "1", [], [v(aa, "1")]}, Lazy("1")],
    Target = [{app, "2", [], [v(aa, "2")]}, Lazy("2")],
    Options = #{unbooted => [lazy]},
    Node = start(Dir, Base, Target, Options#{mode => interactive}),
    false = call(Node, code, is_loaded, [ll]),
    {done, _} = prove(Node, hop([{apply, ll, go, []}])),
    ?assertEqual(false, call(Node, code, is_loaded, [ll])),
    {done, _} = attempt(Node, hop([{apply, ll, go, []}])),
    Embedded = start(filename:join(Dir, "e"), Base, Target, Options),
    {failed, #{error := callback_not_exported}} = attempt(Embedded, hop([{apply, ll, go, []}])).

a_dry_run_tells_all_and_changes_nothing(Dir) ->
    Post = {emqx_post_upgrade, "-module(emqx_post_upgrade). -export([pr/1]). pr(_) -> ok."},
    Sup = hot_apply_test_tree:sup(
        app_sup, "{one_for_one, 1, 1}", "#{id => w, start => {app_worker, start_link, [w]}}"
    ),
    App = fun(Vsn, V) ->
        {app, Vsn, [{mod, {app_sup, []}}], [
            {app_sup, Sup}, {app_worker, hot_apply_test_tree:worker(V)}, v(aa, Vsn), Post
        ]}
    end,
    Other = fun(V) -> {other, V, [], [v(oo, V)]} end,
    Node = start(Dir, [App("1", 1), Other("1")], [App("2", 2), Other("2")]),
    Before = hot_apply_test_node:snapshot(Node),
    Hop = hop(
        [
            {load_module, emqx_release},
            {load_module, aa},
            {update, app_worker, {advanced, []}},
            {restart_application, other},
            {apply, aa, v, []}
        ],
        [pr]
    ),
    #{plan := Plan} = Done = done(prove(Node, Hop)),
    ?assertMatch(
        #{
            loaded := 4,
            skipped := 0,
            updated_processes := 1,
            restarted := [<<"other">>],
            callbacks := 1,
            version := <<"5.10.5">>
        },
        Done
    ),
    ?assertEqual(
        [
            <<"load emqx_release, aa">>,
            <<"update app_worker: 1 processes">>,
            <<"restart other 2: oo">>,
            <<"apply aa:v/0">>,
            <<"call emqx_post_upgrade:pr/1">>
        ],
        Plan
    ),
    ?assertEqual(Before, hot_apply_test_node:snapshot(Node)).
