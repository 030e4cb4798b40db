#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%! +P 400000 -kernel logger_level critical
%%% One VM with many supervised processes, and one hop applied to it: by the agent, or step by step.
%%%
%%%     apply.escript AGENT_SOURCES WORK_DIR agent|sequential MODULES UPDATED PROCESSES
%%%
%%% UPDATED of the MODULES are callback modules that the hop updates, and share the PROCESSES; the
%%% others are loaded. Prints one line of `key=value` words. Suspensions are seen from outside: a
%%% tracer notes when system messages come to a thousandth of the processes and more.
-mode(compile).

-define(FROM, "5.10.4").
-define(TO, "5.10.5").
-define(SEEN, 2000).

main([Sources, Work, Way, Modules, Updated, Processes]) ->
    [M, U, P] = [list_to_integer(N) || N <- [Modules, Updated, Processes]],
    Loaded = [name("bench_plain", I) || I <- lists:seq(1, M - U)],
    Workers = [name("bench_worker", I) || I <- lists:seq(1, U)],
    Base = filename:join(Work, "base"),
    Tree = filename:join([Base, "relup", ?TO]),
    build(Base, ?FROM, 1, Loaded, Workers),
    build(Tree, ?TO, 2, Loaded, Workers),
    ok = boot(Base, Workers, P div U),
    Hop = hop(Loaded, Workers),
    Pids = workers(Workers),
    Tracer = watch(lists:sublist(shuffle(Pids), ?SEEN)),
    garbage_collect(),
    Took =
        case Way of
            "agent" -> agent(Sources, Base, Tree, Hop);
            "sequential" -> sequential(Tree, Hop)
        end,
    Gaps = lists:sort(gaps(Tracer)),
    check(Workers, Pids),
    io:format("total_us=~b processes=~b seen=~b p50_us=~b p99_us=~b longest_us=~b~n", [
        Took, length(Pids), length(Gaps), at(Gaps, 50), at(Gaps, 99), lists:last(Gaps)
    ]).

name(Prefix, I) -> list_to_atom(Prefix ++ "_" ++ integer_to_list(I)).

shuffle(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

at(Sorted, Percent) -> lists:nth(max(1, length(Sorted) * Percent div 100), Sorted).

hop(Loaded, Workers) ->
    [{load_module, emqx_release} | mix([{load_module, M} || M <- Loaded], [
        {update, M, {advanced, []}}
     || M <- Workers
    ])].

%% As authors write them: what is called before what calls it, so the kinds alternate.
mix([A | As], [B | Bs]) -> [A, B | mix(As, Bs)];
mix([], Bs) -> Bs;
mix(As, []) -> As.

%% ---------------------------------------------------------------------------
%% Releases

build(Root, Vsn, V, Loaded, Workers) ->
    Release = "-module(emqx_release). -export([version/0]). version() -> \"" ++ Vsn ++ "\".",
    ok = app(Root, emqx, Vsn, [{emqx_release, Release}]),
    ok = app(
        Root,
        bench,
        Vsn,
        [{bench_sup, sup()}] ++ [{M, plain(M, V)} || M <- Loaded] ++ [{M, worker(M, V)} || M <- Workers]
    ),
    Rel = filename:join([Root, "releases", Vsn, "emqx.rel"]),
    ok = filelib:ensure_dir(Rel),
    write(Rel, {release, {"emqx", Vsn}, {erts, "0"}, [{emqx, Vsn}, {bench, Vsn}, {kernel, "0"}]}).

app(Root, App, Vsn, Modules) ->
    Ebin = filename:join([Root, "lib", atom_to_list(App) ++ "-" ++ Vsn, "ebin"]),
    ok = filelib:ensure_path(Ebin),
    lists:foreach(
        fun({M, Source}) ->
            ok = file:write_file(filename:join(Ebin, atom_to_list(M) ++ ".beam"), beam(Source))
        end,
        Modules
    ),
    write(
        filename:join(Ebin, atom_to_list(App) ++ ".app"),
        {application, App, [
            {vsn, Vsn}, {modules, [M || {M, _} <- Modules]}, {registered, []}, {applications, [kernel, stdlib]}
        ]}
    ).

write(File, Term) -> file:write_file(File, io_lib:format("~p.~n", [Term])).

beam(Source) ->
    {ok, Tokens, _} = erl_scan:string(lists:flatten(Source)),
    {ok, _, Beam} = compile:forms(forms(Tokens, []), [no_lint, no_spawn_compiler_process]),
    Beam.

forms([], []) ->
    [];
forms([{dot, _} = Dot | Tokens], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse(Form, [Dot])),
    [Parsed | forms(Tokens, [])];
forms([Token | Tokens], Form) ->
    forms(Tokens, [Token | Form]).

%% About as long as a module of a broker is in the middle.
bulk(V) ->
    [
        io_lib:format(
            "f~b(X) when is_integer(X) -> case X of ~b -> {ok, ~b, \"v~s\"}; N when N > ~b -> f~b(N - ~b);"
            " _ -> {error, {bad, X}} end; f~b(X) -> lists:map(fun(Y) -> {X, Y} end, [~b]).\n",
            [I, I, I, V, I, I, I + 1, I, I]
        )
     || I <- lists:seq(1, 60)
    ].

plain(M, V) ->
    ["-module(", atom_to_list(M), "). -compile(export_all).\n", bulk(integer_to_list(V))].

worker(M, V) ->
    Version = integer_to_list(V),
    [
        "-module(", atom_to_list(M), "). -behaviour(gen_server). -compile(export_all).\n"
        "start_link(N) -> gen_server:start_link(", atom_to_list(M), ", N, []).\n"
        "init(N) -> {ok, {", Version, ", N, #{seen => 0, last => <<\"topic/of/one\">>}}}.\n"
        "handle_call(get, _, {", Version, ", _, _} = S) -> {reply, S, S}.\n"
        "handle_cast(_, S) -> {noreply, S}.\n"
        "code_change(_, {1, N, M}, _) -> {ok, {2, N, M#{new => N}}}.\n",
        bulk(Version)
    ].

sup() ->
    "-module(bench_sup). -behaviour(supervisor). -export([start/2, stop/1, init/1, start_link/1]).\n"
    "start(_, Workers) -> supervisor:start_link(bench_sup, {top, Workers}).\n"
    "stop(_) -> ok.\n"
    "start_link(M) -> supervisor:start_link({local, list_to_atom(atom_to_list(M) ++ \"_sup\")}, bench_sup,"
    " {one, M}).\n"
    "init({top, Workers}) -> {ok, {#{}, [#{id => M, start => {bench_sup, start_link, [M]},"
    " type => supervisor} || M <- Workers]}};\n"
    "init({one, M}) -> {ok, {#{strategy => simple_one_for_one}, [#{id => M, start => {M, start_link, []}}]}}.\n".

%% ---------------------------------------------------------------------------
%% The broker

boot(Root, Workers, Each) ->
    Vsn = ?FROM,
    Ebins = filelib:wildcard(filename:join([Root, "lib", "*-" ++ Vsn, "ebin"])),
    ok = code:add_pathsa(Ebins),
    [{module, _} = code:load_abs(filename:rootname(F)) || D <- Ebins, F <- filelib:wildcard(D ++ "/*.beam")],
    {ok, [{application, bench, Keys}]} = file:consult(filename:join([Root, "lib", "bench-" ++ Vsn, "ebin", "bench.app"])),
    ok = application:load({application, bench, [{mod, {bench_sup, Workers}} | Keys]}),
    ok = application:load(emqx),
    ok = application:start(emqx),
    ok = application:start(bench),
    [
        [{ok, _} = supervisor:start_child(name_of_sup(M), [N]) || N <- lists:seq(1, Each)]
     || M <- Workers
    ],
    ok.

name_of_sup(M) -> list_to_atom(atom_to_list(M) ++ "_sup").

workers(Workers) ->
    [Pid || M <- Workers, {_, Pid, _, _} <- supervisor:which_children(name_of_sup(M))].

check(Workers, Pids) ->
    true = lists:sort(Pids) =:= lists:sort(workers(Workers)),
    lists:foreach(fun(Pid) -> {2, N, #{new := N}} = gen_server:call(Pid, get) end, Pids),
    ?TO = emqx_release:version().

%% ---------------------------------------------------------------------------
%% The measure

watch(Pids) ->
    Tracer = spawn(fun() -> note(#{}) end),
    [1 = erlang:trace(Pid, true, ['receive', monotonic_timestamp, {tracer, Tracer}]) || Pid <- Pids],
    Tracer.

%% Pid => {since, Time} while suspended, {longest, Time} after.
note(Seen) ->
    receive
        {trace_ts, Pid, 'receive', {system, _, suspend}, At} ->
            case Seen of
                #{Pid := {since, _}} -> note(Seen);
                #{} -> note(Seen#{Pid => {since, At}})
            end;
        {trace_ts, Pid, 'receive', {system, _, resume}, At} ->
            case Seen of
                #{Pid := {since, Since}} -> note(Seen#{Pid => {longest, At - Since}});
                #{} -> note(Seen)
            end;
        {tell, From} ->
            From ! {gaps, [erlang:convert_time_unit(T, native, microsecond) || {_, {longest, T}} <- maps:to_list(Seen)]};
        _ ->
            note(Seen)
    end.

gaps(Tracer) ->
    timer:sleep(200),
    Tracer ! {tell, self()},
    receive
        {gaps, Gaps} -> Gaps
    end.

%% ---------------------------------------------------------------------------
%% The agent

agent(Sources, Base, Tree, Changes) ->
    lists:foreach(
        fun(File) ->
            {ok, M, Beam} = compile:file(File, [binary, report_errors]),
            {module, M} = code:load_binary(M, File, Beam)
        end,
        filelib:wildcard(filename:join(Sources, "emqx_hot_apply*.erl"))
    ),
    Relup = filename:join(Base, "relup"),
    Hop = #{from_version => ?FROM, target_version => ?TO, code_changes => Changes, post_upgrade_callbacks => []},
    Request = #{
        attempt => <<"bench">>, from => <<?FROM>>, to => <<?TO>>, base_root => list_to_binary(Base),
        tree => list_to_binary(Tree), rel_name => <<"emqx">>,
        marker => list_to_binary(filename:join(Relup, "current")),
        journal => list_to_binary(filename:join(Relup, "journal.jsonl")),
        hop => {<<"bench.relup">>, unicode:characters_to_binary(io_lib:format("~p.~n", [Hop]))},
        beams => [], patches_dir => undefined, brutal_purge => false, suspend_timeout => 5000, mode => apply
    },
    Begun = erlang:monotonic_time(microsecond),
    {ok, _} = emqx_hot_apply:start(self(), Request),
    _ = wait(),
    erlang:monotonic_time(microsecond) - Begun.

wait() ->
    receive
        {emqx_hot_apply, _, {done, Done}} -> Done;
        {emqx_hot_apply, _, {failed, Failure}} -> error(Failure);
        {emqx_hot_apply, _, {step, _, _}} -> wait()
    end.

%% ---------------------------------------------------------------------------
%% One instruction after the other: the supervision trees are walked for each update, each module is
%% read and loaded by itself, each process is spoken to by itself.

sequential(Tree, Changes) ->
    Begun = erlang:monotonic_time(microsecond),
    Ebins = filelib:wildcard(filename:join([Tree, "lib", "*", "ebin"])),
    ok = code:add_pathsa(Ebins),
    lists:foreach(fun(Change) -> step(Change, Ebins) end, Changes),
    erlang:monotonic_time(microsecond) - Begun.

step({load_module, M}, Ebins) ->
    load(M, Ebins);
step({update, M, {advanced, Extra}}, Ebins) ->
    Pids = [
        Pid
     || {_Sup, _Name, Pid, Modules} <- release_handler_1:get_supervised_procs(),
        lists:member(M, Modules)
    ],
    [ok = sys:suspend(Pid) || Pid <- Pids],
    load(M, Ebins),
    [ok = sys:change_code(Pid, M, ?FROM, Extra) || Pid <- Pids],
    [ok = sys:resume(Pid) || Pid <- Pids].

load(M, Ebins) ->
    [File] = [F || D <- Ebins, F <- [filename:join(D, atom_to_list(M) ++ ".beam")], filelib:is_regular(F)],
    {ok, Beam} = file:read_file(File),
    _ = code:purge(M),
    {module, M} = code:load_binary(M, File, Beam).
