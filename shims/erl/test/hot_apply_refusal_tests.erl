%%% What is refused, with which error name, and that nothing has changed then.
-module(hot_apply_refusal_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, start/4, call/4, eval/2, hop/1, hop/2, attempt/3]).

-export([
    modules_that_cannot_be_found_or_read_are_refused/1,
    unreadable_specifications_are_refused/1,
    hops_that_do_not_fit_are_refused/1,
    functions_that_will_not_exist_are_refused/1,
    the_runtime_itself_is_never_replaced/1,
    a_suspended_supervisor_is_refused/1,
    a_supervisor_that_does_not_answer_is_refused/1,
    users_of_old_code_are_named_and_not_killed/1,
    a_brutal_purge_kills_users_of_old_code_when_asked_for/1,
    a_journal_that_cannot_be_written_is_refused/1
]).

%% The refusal is the same in a dry run, and nothing differs afterwards.
refused(Node, Hop, More, Error, Words) ->
    Before = hot_apply_test_node:snapshot(Node),
    [
        begin
            Failure = hot_apply_test_node:failed(attempt(Node, Hop, More#{mode => Mode})),
            ?assertMatch(
                #{error := Error, stage := plan, changed := false, restored := false}, Failure
            ),
            ?assertNotEqual(nomatch, string:find(maps:get(detail, Failure), Words), Failure)
        end
     || Mode <- [prove, apply]
    ],
    {Vm, _, Marker} = Before,
    {VmAfter, _, MarkerAfter} = hot_apply_test_node:snapshot(Node),
    ?assertEqual({Vm, Marker}, {VmAfter, MarkerAfter}).

source(Module, Body) ->
    {Module, "-module(" ++ atom_to_list(Module) ++ ").\n" ++ Body}.

modules_that_cannot_be_found_or_read_are_refused(Dir) ->
    Modules = [source(M, "-export([v/0]). v() -> 1.") || M <- [aa, missing, corrupt, short, wrong]],
    Node = #{tree := Tree} = start(Dir, [], [{app, "2", [], Modules}]),
    Ebin = filename:join([Tree, "lib", "app-2", "ebin"]),
    ok = file:delete(filename:join(Ebin, "missing.beam")),
    ok = file:write_file(filename:join(Ebin, "corrupt.beam"), <<"no beam">>),
    {ok, Good} = file:read_file(filename:join(Ebin, "aa.beam")),
    ok = file:write_file(filename:join(Ebin, "short.beam"), binary:part(Good, 0, byte_size(Good) div 2)),
    ok = file:write_file(filename:join(Ebin, "wrong.beam"), Good),
    ok = file:write_file(filename:join(Ebin, "unlisted.beam"), Good),
    ok = file:write_file(filename:join(Ebin, "packed.beam"), <<16#1f, 16#8b, 1, 2, 3>>),
    [
        refused(Node, hop([{load_module, aa}, {load_module, Module}]), #{}, module_not_found, Words)
     || {Module, Words} <- [
            {nowhere, "nowhere"},
            {missing, "missing"},
            {corrupt, "corrupt.beam"},
            {short, "short.beam"},
            {wrong, "instead of wrong"},
            {unlisted, "no application of the target lists it"}
        ]
    ],
    refused(
        Node,
        hop([{load_module, brought}]),
        #{beams => [{<<"brought">>, <<"hop/brought.beam">>, Good}]},
        module_not_found,
        "holds module aa instead of brought"
    ),
    refused(Node, hop([{restart_application, app}]), #{}, module_not_found, "missing").

unreadable_specifications_are_refused(Dir) ->
    Node = #{tree := Tree} = start(Dir, [], [{app, "2", [], [source(aa, "-export([v/0]). v() -> 1.")]}]),
    Hop = hop([{load_module, aa}]),
    Rel = filename:join([Tree, "releases", "5.10.5", "emqx.rel"]),
    App = filename:join([Tree, "lib", "app-2", "ebin", "app.app"]),
    [
        begin
            {ok, Was} = file:read_file(File),
            case Content of
                none -> ok = file:delete(File);
                _ -> ok = file:write_file(File, Content)
            end,
            refused(Node, Hop, #{}, Error, Words),
            ok = file:write_file(File, Was)
        end
     || {File, Content, Error, Words} <- [
            {Rel, none, failed_to_read_rel_file, "no such file"},
            {Rel, "{release", failed_to_read_rel_file, "emqx.rel"},
            {Rel, "{relase, x}.", failed_to_read_rel_file, "not a release"},
            {App, none, failed_to_read_app_desc_file, "no such file"},
            {App, "{application, other, []}.", failed_to_read_app_desc_file, "not the specification"},
            {App, "{application, app, [{vsn, \"3\"}]}.", failed_to_read_app_desc_file, "wants 2"}
        ]
    ],
    refused(Node, hop([{restart_application, nobody}]), #{}, app_not_found, "nobody").

hops_that_do_not_fit_are_refused(Dir) ->
    Node = start(Dir, [], []),
    refused(Node, hop([{load_module, "x"}]), #{}, invalid_instr, "load_module"),
    refused(Node, hop([{delete_module, x}]), #{}, invalid_instr, "delete_module"),
    refused(Node, <<"x.">>, #{}, invalid_relup_file, "test.relup"),
    refused(Node, hop([]), #{from => <<"5.10.3">>}, invalid_relup_file, "5.10.4 -> 5.10.5").

functions_that_will_not_exist_are_refused(Dir) ->
    Old = source(aa, "-export([old/0]). old() -> ok."),
    New = source(aa, "-export([new/0, new/1]). new() -> ok. new(_) -> ok."),
    Post = source(emqx_post_upgrade, "-export([pr_1/1]). pr_1(_) -> ok."),
    PostNew = source(emqx_post_upgrade, "-export([pr_1/1, pr_2/2]). pr_1(_) -> ok. pr_2(_, _) -> ok."),
    Node = start(Dir, [{app, "1", [], [Old, Post]}], [{app, "2", [], [New, PostNew]}]),
    Refused = fun(Changes, Callbacks, Words) ->
        refused(Node, hop(Changes, Callbacks), #{}, callback_not_exported, Words)
    end,
    %% The version of that moment counts.
    Refused([{apply, aa, new, []}], [], "aa:new/0"),
    Refused([{load_module, aa}, {apply, aa, old, []}], [], "aa:old/0"),
    Refused([{load_module, aa}, {apply, aa, new, [x, y]}], [], "aa:new/2"),
    Refused([{apply, nobody, f, []}], [], "nobody:f/0"),
    Refused([], [pr_2], "emqx_post_upgrade:pr_2/1"),
    Refused([], [{pr_2, [x]}], "emqx_post_upgrade:pr_2/2"),
    Refused([{load_module, emqx_post_upgrade}], [{pr_2, []}], "emqx_post_upgrade:pr_2/1"),
    Proven = fun(Changes, Callbacks) ->
        {done, _} = hot_apply_test_node:prove(Node, hop(Changes, Callbacks))
    end,
    Proven([{apply, aa, old, []}, {load_module, aa}, {apply, aa, new, [x]}], []),
    Proven([{apply, erlang, send, [x, y]}], [pr_1]),
    Proven([{load_module, emqx_post_upgrade}], [{pr_2, [x]}, pr_1]),
    Proven([{restart_application, app}, {apply, aa, new, []}], [{pr_2, [x]}]).

the_runtime_itself_is_never_replaced(Dir) ->
    Node = start(Dir, [], [], #{mode => interactive}),
    [
        refused(Node, hop([Instruction]), #{}, invalid_instr, "runtime")
     || Instruction <- [
            {load_module, lists}, {load_module, erlang}, {update, supervisor, {advanced, []}}
        ]
    ],
    %% Restarting these is not refused, but not done either.
    Before = eval(Node, "{whereis(kernel_sup), code:which(lists)}."),
    Hop = hop([{restart_application, App} || App <- [kernel, stdlib, compiler]]),
    #{restarted := [], warnings := Warnings} =
        hot_apply_test_node:done(hot_apply_test_node:attempt(Node, Hop)),
    ?assertEqual(4, length(Warnings)),
    ?assertEqual(Before, eval(Node, "{whereis(kernel_sup), code:which(lists)}.")).

tree(Dir, More) ->
    Child = "#{id => w, start => {app_worker, start_link, [w]}}",
    App = fun(Vsn, V) ->
        {app, Vsn, [{mod, {app_sup, []}}], [
            {app_sup, hot_apply_test_tree:sup(app_sup, "{one_for_one, 1, 1}", Child ++ More)},
            {app_worker, hot_apply_test_tree:worker(V)}
        ]}
    end,
    start(Dir, [App("1", 1)], [App("2", 2)]).

a_suspended_supervisor_is_refused(Dir) ->
    Node = tree(Dir, ""),
    eval(Node, "sys:suspend(app_sup)."),
    refused(
        Node,
        hop([{update, app_worker, {advanced, []}}]),
        #{suspend_timeout => 200},
        suspended_supervisor,
        "app_sup"
    ),
    %% It matters only where processes must be found.
    {done, _} = hot_apply_test_node:prove(Node, hop([{load_module, app_worker}])),
    eval(Node, "sys:resume(app_sup)."),
    {done, _} = hot_apply_test_node:attempt(Node, hop([{update, app_worker, {advanced, []}}])).

a_supervisor_that_does_not_answer_is_refused(Dir) ->
    Node = tree(Dir, ""),
    eval(Node, "spawn(fun() -> sys:replace_state(app_sup, fun(S) -> timer:sleep(3000), S end) end)."),
    timer:sleep(100),
    {failed, #{error := Error, detail := Detail}} = hot_apply_test_node:attempt(
        Node, hop([{update, app_worker, {advanced, []}}]), #{suspend_timeout => 200}
    ),
    ?assertEqual(which_children_failed, Error),
    ?assertNotEqual(nomatch, string:find(Detail, "app_sup")).

%% A process that runs the code that was current two loads ago.
lingerer(Dir) ->
    Loop = fun(V) ->
        source(
            loop,
            "-export([start/0, v/0]). v() -> " ++ V ++ ".\n"
            "start() -> register(lingerer, spawn(fun l/0)), ok. l() -> receive stop -> ok end."
        )
    end,
    Node = start(Dir, [{app, "1", [], [Loop("1")]}], [{app, "2", [], [Loop("2")]}]),
    ok = call(Node, loop, start, []),
    Other = hot_apply_test_tree:beam(element(2, Loop("0")), "5.10.4"),
    {module, loop} = call(Node, code, load_binary, [loop, "/nowhere/loop.beam", Other]),
    Node.

users_of_old_code_are_named_and_not_killed(Dir) ->
    Node = lingerer(Dir),
    refused(Node, hop([{load_module, loop}]), #{}, old_code_in_use, "(lingerer)"),
    refused(Node, hop([{restart_application, app}]), #{}, old_code_in_use, "(lingerer)"),
    ?assert(is_pid(call(Node, erlang, whereis, [lingerer]))),
    %% Gone by itself, it is in nobody's way.
    eval(Node, "lingerer ! stop, timer:sleep(50)."),
    {done, #{loaded := 2}} = hot_apply_test_node:attempt(Node, hop([{load_module, loop}])).

a_brutal_purge_kills_users_of_old_code_when_asked_for(Dir) ->
    Node = lingerer(Dir),
    {done, #{warnings := Warnings}} = attempt(
        Node, hop([{load_module, loop}]), #{brutal_purge => true}
    ),
    ?assertMatch([_, _], [W || W <- Warnings, string:find(W, "kills") =/= nomatch] ++ [x]),
    ?assertEqual(undefined, call(Node, erlang, whereis, [lingerer])),
    ?assertEqual(2, call(Node, loop, v, [])).

a_journal_that_cannot_be_written_is_refused(Dir) ->
    Node = start(Dir, [], []),
    Before = hot_apply_test_node:snapshot(Node),
    {failed, Failure} = attempt(Node, hop([]), #{journal => <<"/nowhere/at/all/journal.jsonl">>}),
    ?assertMatch(#{error := no_write_permission, stage := plan, changed := false}, Failure),
    ?assertEqual(Before, hot_apply_test_node:snapshot(Node)).
