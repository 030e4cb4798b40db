%%% Hop scripts: file:script/1 semantics, and what a hop must look like.
-module(hot_apply_hop_tests).

-include_lib("stdlib/include/assert.hrl").

-export([
    a_hop_may_be_any_expression/1,
    malformed_hops_are_described/1
]).

a_hop_may_be_any_expression(_Dir) ->
    Cases = [
        {"literal", "#{from_version => \"1.0.0\", target_version => \"1.0.1\", code_changes => []}."},
        {"binaries", "#{from_version => <<\"1.0.0\">>, target_version => <<\"1.0.1\">>, code_changes => []}."},
        {"sequence, last value counts",
            "io_lib:format(\"x\", []). V = \"1.0\".\n%% comment\n"
            "#{from_version => V ++ \".0\", target_version => V ++ \".1\", code_changes => []}."},
        {"fun",
            "F = fun(M) -> {load_module, M} end, #{from_version => \"1.0.0\", target_version => \"1.0.1\","
            " code_changes => lists:map(F, [a, b])}."},
        {"name of the script",
            "\"dir/x.relup\" = ScriptName, #{from_version => \"1.0.0\", target_version => \"1.0.1\","
            " code_changes => []}."},
        {"declared encoding",
            "%% coding: latin-1\n\"\xe4\". #{from_version => \"1.0.0\", target_version => \"1.0.1\","
            " code_changes => []}."}
    ],
    [
        ?assertEqual(
            [{ok, <<"1.0.0">>, <<"1.0.1">>}],
            emqx_hot_apply:eval_hops([{<<"dir/x.relup">>, list_to_binary(Text)}]),
            Name
        )
     || {Name, Text} <- Cases
    ].

malformed_hops_are_described(_Dir) ->
    Hop = fun(Changes) ->
        "#{from_version => \"1.0.0\", target_version => \"1.0.1\", code_changes => " ++
            Changes ++ "}."
    end,
    Cases = [
        {"", "no expression"},
        {"#{from_version => ", "line 1"},
        {"\n\n)", "line 3"},
        {"\"unterminated", "line 1"},
        {"ok.", "not a map"},
        {"[].", "not a map"},
        {"#{from_version => \"1\"}.", "not a map with"},
        {"#{from_version => a, target_version => \"1\", code_changes => []}.", "from_version"},
        {"#{from_version => \"1\", target_version => [], code_changes => []}.", "target_version"},
        {"#{from_version => \"1\", target_version => <<255>>, code_changes => []}.", "not text"},
        {Hop("x"), "code_changes"},
        {Hop("[a | b]"), "code_changes"},
        {Hop("[{load_module, \"m\"}]"), "load_module"},
        {Hop("[{update, m, soft}]"), "update"},
        {Hop("[{restart_application, \"a\"}]"), "restart_application"},
        {Hop("[{apply, m, f}]"), "apply"},
        {Hop("[{apply, m, f, [a | b]}]"), "apply"},
        {Hop("[{apply, {m, f, []}}]"), "apply"},
        {Hop("[{add_module, m}]"), "add_module"},
        {Hop("[{load_module, emqx_hot_apply_exec}]"), "emqx_hot_apply_exec"},
        {Hop("[], post_upgrade_callbacks => [\"f\"]"), "\"f\""},
        {Hop("[], post_upgrade_callbacks => [{f, x}]"), "{f,x}"},
        {"error(nope).", "nope"},
        {"exit(nope).", "nope"},
        {"exit(self(), kill).", "killed"},
        {"a = b.", "badmatch"},
        {"undefined_here(1).", "undef"},
        {<<"\"\xff\".">>, "utf8"}
    ],
    [
        begin
            [{error, Text}] = emqx_hot_apply:eval_hops([{<<"x.relup">>, iolist_to_binary(Source)}]),
            ?assertNotEqual(nomatch, string:find(Text, Expected), {Source, Text})
        end
     || {Source, Expected} <- Cases
    ].
