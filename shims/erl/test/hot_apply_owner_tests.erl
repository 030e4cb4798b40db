%%% The owner: one at a time, alive without its command, truthful on disk; and the carrier's way in.
-module(hot_apply_owner_tests).

-include_lib("stdlib/include/assert.hrl").

-import(hot_apply_test_node, [start/3, start/4, call/4, eval/2, hop/1, hop/2, attempt/2, attempt/3]).
-import(hot_apply_test_node, [done/1, marker/1, journal/1, request/3]).

-export([
    an_attempt_goes_on_when_its_command_dies/1,
    a_second_attempt_is_locked_out/1,
    marker_and_journal_say_what_happened/1,
    the_journal_tells_of_a_failure_in_valid_json/1,
    a_torn_journal_line_swallows_nothing/1,
    progress_and_times_are_reported/1,
    callbacks_get_the_former_version_and_their_arguments_in_order/1,
    the_sources_compile_without_a_preprocessor/1,
    what_an_instruction_links_to_the_owner_cannot_end_it/1
]).

slow() ->
    {slow,
        "-module(slow). -export([it/1, pr/1, crash/0]).\n"
        "it(Ms) -> persistent_term:put(leader, group_leader()), timer:sleep(Ms), ok.\n"
        "crash() -> spawn_link(fun() -> exit(crash) end), timer:sleep(50), ok.\n"
        "pr(_) -> ok.\n"}.

app(V) ->
    {app, V, [], [slow(), {aa, "-module(aa). -export([v/0]). v() -> " ++ V ++ "."}]}.

an_attempt_goes_on_when_its_command_dies(Dir) ->
    Node = start(Dir, [app("1")], [app("2")]),
    Request = request(Node, hop([{apply, slow, it, [300]}, {load_module, aa}]), #{}),
    normal = call(Node, hot_apply_test_node, orphan, [Request]),
    ?assertEqual(
        {running, <<"20260102T030405-abcdef">>}, call(Node, emqx_hot_apply, status, [])
    ),
    wait_idle(Node, 100),
    ?assertEqual(2, call(Node, aa, v, [])),
    ?assertEqual(<<"5.10.5\n">>, marker(Node)),
    ?assertNotEqual(nomatch, string:find(lists:last(journal(Node)), "\"result\":\"success\"")),
    %% What instructions print belongs to the node, not to a command that is gone.
    ?assert(eval(Node, "persistent_term:get(leader) =:= whereis(user).")).

wait_idle(Node, Tries) when Tries > 0 ->
    case call(Node, emqx_hot_apply, status, []) of
        idle ->
            ok;
        {running, _} ->
            timer:sleep(50),
            wait_idle(Node, Tries - 1)
    end.

a_second_attempt_is_locked_out(Dir) ->
    Node = start(Dir, [app("1")], [app("2")]),
    Request = request(Node, hop([{apply, slow, it, [500]}]), #{}),
    normal = call(Node, hot_apply_test_node, orphan, [Request]),
    [
        ?assertEqual(
            {error, {locked, <<"20260102T030405-abcdef">>}},
            attempt(Node, hop([{load_module, aa}]), #{attempt => <<"other">>, mode => Mode})
        )
     || Mode <- [apply, prove]
    ],
    wait_idle(Node, 100),
    ?assertEqual(1, call(Node, aa, v, [])),
    %% And a request that makes no sense starts nothing.
    ?assertError(_, call(Node, emqx_hot_apply, start, [self(), #{}])),
    ?assertEqual(idle, call(Node, emqx_hot_apply, status, [])).

fields(Line) ->
    {match, [Values]} = re:run(
        Line,
        "^{\"at\":\"(20[0-9-]{8}T[0-9:]{8}\\.[0-9]{3}Z)\",\"attempt\":\"([^\"]+)\","
        "\"action\":\"upgrade\",\"step\":\"([a-z_]+)\",\"by\":\"node\",\"from\":\"5.10.4\","
        "\"to\":\"5.10.5\"(.*)}$",
        [global, {capture, [2, 3, 4], binary}]
    ),
    Values.

marker_and_journal_say_what_happened(Dir) ->
    Node = #{root := Root} = start(Dir, [app("1")], [app("2")]),
    Relup = filename:join(Root, "relup"),
    ok = file:write_file(filename:join(Relup, "current"), "5.10.3\n"),
    {done, _} = attempt(Node, hop([{load_module, aa}])),
    ?assertEqual(<<"5.10.5\n">>, marker(Node)),
    ?assertEqual(
        {ok, ["5.10.5", "current", "journal.jsonl"]},
        case file:list_dir(Relup) of
            {ok, Names} -> {ok, lists:sort(Names)}
        end
    ),
    Id = <<"20260102T030405-abcdef">>,
    ?assertEqual(
        [
            [Id, <<"planned">>, <<",\"detail\":\"1 steps\"">>],
            [Id, <<"code_changed">>, <<>>],
            [Id, <<"callbacks_done">>, <<>>],
            [Id, <<"marker_written">>, <<>>],
            [Id, <<"finished">>, <<",\"result\":\"success\"">>]
        ],
        [fields(Line) || Line <- journal(Node)]
    ).

the_journal_tells_of_a_failure_in_valid_json(Dir) ->
    Node = start(Dir, [app("1")], [app("2")]),
    %% Quotes, backslashes, control characters, and characters beyond ASCII in the error's text.
    Name = <<"\"a\\b\"\n\t\x{1}\x{e9}\x{1F600}.relup"/utf8>>,
    {failed, #{detail := Detail}} = attempt(Node, hop([x]), #{hop => {Name, <<"x.">>}}),
    ?assertNotEqual(nomatch, string:find(Detail, Name)),
    [Line] = journal(Node),
    [_, <<"finished">>, Rest] = fields(Line),
    ?assertEqual(
        <<
            ",\"result\":{\"error\":\"invalid_relup_file\",\"detail\":\"\\\"a\\\\b\\\"\\n\\t\\u0001\x{e9}"
            "\x{1F600}.relup: not a map with from_version, target_version and code_changes: x\"}"/utf8
        >>,
        Rest
    ),
    ?assertEqual(<<"\"\x{ff}\"">>, unicode:characters_to_binary(emqx_hot_apply_record:json(<<255>>), utf8, latin1)),
    ?assertEqual(none, marker(Node)).

a_torn_journal_line_swallows_nothing(Dir) ->
    Node = #{root := Root} = start(Dir, [app("1")], [app("2")]),
    File = filename:join([Root, "relup", "journal.jsonl"]),
    ok = file:write_file(File, <<"{\"whole\":1}\n{\"at\":\"2026-01-0">>),
    {done, _} = attempt(Node, hop([{load_module, aa}])),
    [<<"{\"whole\":1}">>, <<"{\"at\":\"2026-01-0">> | Records] = journal(Node),
    ?assertEqual(5, length([fields(Record) || Record <- Records])).

progress_and_times_are_reported(Dir) ->
    Node = start(Dir, [app("1")], [app("2")]),
    Done = done(
        attempt(Node, hop([{load_module, emqx_release}, {load_module, aa}, {apply, slow, it, [1]}]))
    ),
    ?assertMatch(
        [
            {plan, <<"3 instructions, 0 callbacks">>},
            {load, <<"load emqx_release, aa">>},
            {apply, <<"apply slow:it/1">>},
            {permanent, _}
        ],
        maps:get(steps, Done)
    ),
    Stages = maps:get(stages_us, Done),
    ?assertEqual(
        [<<"plan">>, <<"apply">>, <<"verify">>, <<"post_upgrade">>, <<"permanent">>],
        [Name || {Name, _} <- Stages]
    ),
    ?assert(lists:all(fun({_, Us}) -> is_integer(Us) andalso Us >= 0 end, Stages)).

callbacks_get_the_former_version_and_their_arguments_in_order(Dir) ->
    Post = fun(Name, Who) ->
        {Name,
            "-module('" ++ atom_to_list(Name) ++ "'). -export([one/1, two/3]).\n"
            "one(From) -> put({" ++ Who ++ ", one, From}), any.\n"
            "two(From, A, B) -> put({" ++ Who ++ ", two, From, A, B}), {error, told}.\n"
            "put(T) -> persistent_term:put(calls, [T | persistent_term:get(calls, [])]).\n"}
    end,
    Common = Post(emqx_post_upgrade, "common"),
    Tagged = Post('emqx_post_upgrade_5.10.5', "tagged"),
    Hop = fun(Changes) -> hop(Changes, [one, {two, [x, "y"]}]) end,
    App = fun(V, Modules) -> {app, V, [], Modules} end,
    Calls = fun(Who) -> [{Who, two, "5.10.4", x, "y"}, {Who, one, "5.10.4"}] end,
    [
        begin
            Node = start(filename:join(Dir, atom_to_list(Name)), [App("1", Base)], [App("2", Target)]),
            #{callbacks := 2, warnings := Warnings} = done(
                attempt(Node, Hop([{load_module, M} || M <- [emqx_release | Loads]]))
            ),
            ?assertMatch({[_], _}, {Warnings, string:find(hd(Warnings), "two/3 returned {error,told}")}),
            ?assertEqual(Calls(Who), call(Node, persistent_term, get, [calls])),
            hot_apply_test_node:stop(Node)
        end
     || {Name, Base, Target, Loads, Who} <- [
            {common, [Common], [Common], [], common},
            {loaded_before, [Common, Tagged], [Common], [], tagged},
            {loaded_by_the_hop, [Common], [Common, Tagged], ['emqx_post_upgrade_5.10.5'], tagged},
            {not_loaded, [Common], [Common, Tagged], [], common}
        ]
    ].

%% As the command does it: source, tokens, forms, beams; in the node itself.
the_sources_compile_without_a_preprocessor(Dir) ->
    Node = start(Dir, [app("1")], [app("2")], #{mode => interactive, agent => none}),
    Files = lists:sort(filelib:wildcard(os:getenv("HOT_APPLY_SOURCES") ++ "/emqx_hot_apply*.erl")),
    ?assert(length(Files) > 5),
    [
        begin
            {ok, Source} = file:read_file(File),
            Form =
                "(fun(Source) ->"
                " {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source)),"
                " Split = fun S([], []) -> []; S([{dot, _} = D | Ts], F) ->"
                "   {ok, P} = erl_parse:parse_form(lists:reverse(F, [D])), [P | S(Ts, [])];"
                "   S([T | Ts], F) -> S(Ts, [T | F]) end,"
                " {ok, M, Beam, []} = compile:forms(Split(Tokens, []), [return,"
                "   warnings_as_errors, warn_missing_spec, warn_unused_vars, warn_export_all]),"
                " {module, M} = code:load_binary(M, atom_to_list(M) ++ \".erl\", Beam), M end)",
            Text = io_lib:format("~ts(~p).", [Form, Source]),
            Module = eval(Node, lists:flatten(Text)),
            ?assertEqual(filename:basename(File, ".erl"), atom_to_list(Module))
        end
     || File <- Files
    ],
    {done, _} = attempt(Node, hop([{load_module, aa}])),
    ?assertEqual(2, call(Node, aa, v, [])),
    %% And it is removed again without killing anybody.
    ?assertEqual(
        [true],
        eval(
            Node,
            "lists:usort([begin code:delete(M), code:soft_purge(M) end || {M, _} <- code:all_loaded(),"
            " lists:prefix(\"emqx_hot_apply\", atom_to_list(M))])."
        )
    ).

what_an_instruction_links_to_the_owner_cannot_end_it(Dir) ->
    Node = start(Dir, [app("1")], [app("2")]),
    {done, _} = attempt(Node, hop([{apply, slow, crash, []}, {load_module, aa}])),
    ?assertEqual(2, call(Node, aa, v, [])).
