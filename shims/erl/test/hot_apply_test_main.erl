%%% Runs every case of the suites, a few at a time, each on a VM and in a directory of its own.
-module(hot_apply_test_main).

-export([main/0]).

-spec main() -> no_return().
main() ->
    Words = init:get_plain_arguments(),
    Suites = [
        hot_apply_hop_tests,
        hot_apply_refusal_tests,
        hot_apply_load_tests,
        hot_apply_update_tests,
        hot_apply_restart_tests,
        hot_apply_owner_tests,
        hot_apply_undo_tests,
        hot_apply_killed_tests
    ],
    Cases = [
        {Suite, Case}
     || Suite <- Suites,
        {Case, 1} <- lists:sort(Suite:module_info(exports)),
        Case =/= module_info,
        lists:all(fun(Word) -> string:find(atom_to_list(Case), Word) =/= nomatch end, Words)
    ],
    Results = run(Cases, 3, #{}, []),
    Failed = [Case || {Case, failed} <- Results],
    io:format("~b passed, ~b failed~n", [length(Results) - length(Failed), length(Failed)]),
    halt(
        case Failed of
            [] when Results =/= [] -> 0;
            _ -> 1
        end
    ).

%% Any failure ends the case's process, and with it the VM that it has started.
guarded(Suite, Case, Dir) ->
    try
        Suite:Case(Dir)
    catch
        Class:Reason:Stack -> exit({Class, Reason, Stack})
    end.

run([], _Free, Running, Results) when map_size(Running) =:= 0 ->
    Results;
run([{Suite, Case} | Cases], Free, Running, Results) when Free > 0 ->
    Number = integer_to_list(erlang:unique_integer([positive])),
    Dir = filename:join([os:getenv("HOT_APPLY_WORK"), "case-" ++ Number]),
    ok = filelib:ensure_path(Dir),
    {_, Monitor} = spawn_monitor(fun() -> guarded(Suite, Case, Dir) end),
    run(Cases, Free - 1, Running#{Monitor => {Case, Dir}}, Results);
run(Cases, Free, Running, Results) ->
    receive
        {'DOWN', Monitor, process, _, Reason} when is_map_key(Monitor, Running) ->
            {{Case, Dir}, Rest} = maps:take(Monitor, Running),
            ok = file:del_dir_r(Dir),
            Result =
                case Reason of
                    normal ->
                        passed;
                    _ ->
                        io:format("FAILED ~s~n~P~n", [Case, Reason, 60]),
                        failed
                end,
            run(Cases, Free + 1, Rest, [{Case, Result} | Results])
    end.
