#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%% Makes what the big sample has more than the small one: 200 applications, and
%%% the configuration of those that add to the schema.
%%%
%%%     big.escript make SOURCE_DIR OUT_DIR
%%%     big.escript put OUT_DIR VERSION TREE
%%%
%%% `make` writes OUT_DIR/lib, OUT_DIR/applications (in starting order, for
%%% assemble.escript) and OUT_DIR/emqx.conf (to be appended); `put` copies the
%%% applications into a release's tree, those of EMQX stamped with its version.
%%%
%%% Most modules are copies of OTP's own under other names: real code of real size
%%% for the loader, and nothing to compile. No application ever calls them. What
%%% runs is compiled from SOURCE_DIR, once for each application. Nothing is random:
%%% the same Erlang gives the same bytes.
-mode(compile).

-define(VSN, "1.4.2").

%% {Prefix, HowMany, What it is}. A `library` has code only; a `service` is started
%% by the boot script; the others are EMQX's own, started by emqx_machine_boot.
families() ->
    [
        {"vendor_lib", 50, library},
        {"vendor_service", 30, service},
        {"emqx_tool", 40, plain},
        {"emqx_bridge", 60, schema},
        {"emqx_auth", 12, schema},
        {"emqx_gateway", 8, schema}
    ].

%% Numbers of modules, by turns: a few applications have most of the code.
sizes(library) -> [3, 5, 8, 12, 21, 38];
sizes(service) -> [4, 6, 9, 13, 20, 30];
sizes(_Own) -> [6, 7, 9, 10, 15].

main(["make", Source, Out]) ->
    Donors = donors(),
    Templates = maps:from_list([{K, template(Source, K)} || K <- templates(schema)]),
    Apps = plan(Donors),
    ok = in_parallel(fun(App) -> make(App, Templates, Out) end, Apps),
    Lines = [io_lib:format("~0p.~n", [{list_to_atom(Name), ?VSN, type(Kind)}]) || {Name, Kind, _, _} <- Apps],
    ok = file:write_file(filename:join(Out, "applications"), Lines),
    Configured = [Name || {Name, schema, _, _} <- Apps, erlang:phash2(Name, 2) =:= 0],
    ok = file:write_file(filename:join(Out, "emqx.conf"), lists:map(fun conf/1, Configured));
main(["put", Out, Version, Tree]) ->
    Libs = filelib:wildcard("lib/*", Out),
    in_parallel(fun(Lib) -> put_lib(filename:join(Out, Lib), filename:join(Tree, Lib), Version) end, Libs);
main(_) ->
    io:format(standard_error, "usage: big.escript make SOURCE_DIR OUT_DIR | put OUT_DIR VERSION TREE~n", []),
    halt(2).

type(library) -> permanent;
type(service) -> permanent;
type(_Own) -> load.

%% ---------------------------------------------------------------------------
%% Which application has what: [{Name, Kind, Dependencies, Donors}]

plan(Donors) ->
    Names = [
        {lists:flatten(io_lib:format("~s_~2..0b", [Prefix, N])), Kind, N}
     || {Prefix, Count, Kind} <- families(), N <- lists:seq(1, Count)
    ],
    {Apps, _} = lists:mapfoldl(
        fun({Name, Kind, N}, {Next, Earlier}) ->
            Sizes = sizes(Kind),
            Size = lists:nth(1 + N rem length(Sizes), Sizes) - length(templates(Kind)),
            Own = [lists:nth(1 + (Next + I) rem length(Donors), Donors) || I <- lists:seq(1, Size)],
            {{Name, Kind, depends(Kind, N, Earlier), Own}, {Next + Size, [Name | Earlier]}}
        end,
        {0, []},
        Names
    ),
    Apps.

%% The boot script may only start what rests on what it starts itself.
depends(Kind, N, Earlier) ->
    Vendors = [Name || "vendor" ++ _ = Name <- Earlier],
    Base =
        case Kind of
            library -> ["kernel", "stdlib"];
            service -> ["kernel", "stdlib", "ssl"];
            _Own -> ["kernel", "stdlib", "hocon", "emqx"]
        end,
    Base ++ [lists:nth(1 + (N * K) rem length(Vendors), Vendors) || K <- [3, 7], Vendors =/= []].

templates(library) -> [];
templates(schema) -> [app, worker, action_schema, connector_schema, schema];
templates(_) -> [app, worker].

%% ---------------------------------------------------------------------------
%% One application

make({Name, Kind, Depends, Donors}, Templates, Out) ->
    Ebin = filename:join([Out, "lib", Name ++ "-" ++ ?VSN, "ebin"]),
    ok = filelib:ensure_path(Ebin),
    Compiled = [compile(map_get(K, Templates), Name) || K <- templates(Kind)],
    Copied = [copy_of(Donor, Name) || Donor <- lists:usort(Donors)],
    Modules = [
        begin
            ok = file:write_file(filename:join(Ebin, atom_to_list(Module) ++ ".beam"), Beam),
            Module
        end
     || {Module, Beam} <- Compiled ++ Copied
    ],
    Keys = [
        {description, "Further application of the big sample"},
        {vsn, ?VSN},
        {modules, lists:sort(Modules)},
        {registered, [list_to_atom(Name ++ "_sup") || Kind =/= library]},
        {applications, [list_to_atom(App) || App <- lists:uniq(Depends)]}
        | [{mod, {list_to_atom(Name ++ "_app"), []}} || Kind =/= library]
    ],
    Spec = {application, list_to_atom(Name), Keys ++ [{env, env(Name, Kind)}]},
    file:write_file(filename:join(Ebin, Name ++ ".app"), io_lib:format("~p.~n", [Spec])).

env(_Name, library) -> [];
env(_Name, service) -> [{pool_size, 1}];
env(_Name, plain) -> [{pool_size, 2}, {started_by, emqx_machine_boot}];
env(Name, schema) ->
    Schemas = [list_to_atom(Name ++ "_" ++ atom_to_list(T)) || T <- templates(schema) -- [app, worker]],
    [{schemas, Schemas} | env(Name, plain)].

template(Source, Kind) ->
    File = "emqx_further_" ++ atom_to_list(Kind) ++ ".erl",
    {ok, Forms} = epp:parse_file(filename:join(Source, File), [{source_name, File}]),
    Forms.

compile(Template, Name) ->
    {ok, Module, Beam} = compile:forms(renamed(Template, Name), [deterministic, report_errors]),
    {Module, Beam}.

renamed(Atom, Name) when is_atom(Atom) ->
    case atom_to_list(Atom) of
        "emqx_further" ++ Rest -> list_to_atom(Name ++ Rest);
        _ -> Atom
    end;
renamed([Head | Tail], Name) -> [renamed(Head, Name) | renamed(Tail, Name)];
renamed(Tuple, Name) when is_tuple(Tuple) -> list_to_tuple(renamed(tuple_to_list(Tuple), Name));
renamed(Term, _Name) -> Term.

%% ---------------------------------------------------------------------------
%% Copies of OTP's modules

%% Modules that load a library when they are loaded cannot live under another
%% name, and the largest are tables that no release has twice.
donors() ->
    Apps = [compiler, mnesia, public_key, runtime_tools, sasl, ssl, stdlib, syntax_tools],
    Files = [F || App <- Apps, F <- lists:sort(filelib:wildcard(code:lib_dir(App) ++ "/ebin/*.beam"))],
    [F || F <- Files, filelib:file_size(F) < 60_000, not loads_a_library(F)].

loads_a_library(File) ->
    {ok, {_, [{imports, Imports}]}} = beam_lib:chunks(File, [imports]),
    lists:member({erlang, load_nif, 2}, Imports).

copy_of(File, Name) ->
    {ok, Donor, Chunks} = beam_lib:all_chunks(File),
    Module = list_to_atom(Name ++ "_" ++ atom_to_list(Donor)),
    {"AtU8", Atoms} = lists:keyfind("AtU8", 1, Chunks),
    Renamed = lists:keyreplace("AtU8", 1, Chunks, {"AtU8", named(Module, Atoms)}),
    {ok, Beam} = beam_lib:build_module(Renamed),
    {Module, Beam}.

%% The first atom is the module's name, and all code refers to it by its number.
%% OTP 28 tells its longer lengths by a negative count; they are the compiler's
%% own variable-length numbers, here of one or of two bytes.
named(Module, <<Count:32/signed, Atoms/binary>>) ->
    Name = atom_to_binary(Module),
    {Length, Rest} = first_length(Count, Atoms),
    <<_Old:Length/binary, Others/binary>> = Rest,
    <<Count:32/signed, (length_of(Count, byte_size(Name)))/binary, Name/binary, Others/binary>>.

first_length(Count, <<Length:8, Rest/binary>>) when Count > 0 -> {Length, Rest};
first_length(_, <<Length:4, 0:4, Rest/binary>>) -> {Length, Rest};
first_length(_, <<High:3, 1:2, 0:3, Low:8, Rest/binary>>) -> {High bsl 8 + Low, Rest}.

length_of(Count, Length) when Count > 0 -> <<Length:8>>;
length_of(_, Length) when Length < 16 -> <<Length:4, 0:4>>;
length_of(_, Length) -> <<(Length bsr 8):3, 1:2, 0:3, (Length band 255):8>>.

%% ---------------------------------------------------------------------------
%% Configuration

%% Half of the integrations are in use, which makes some two thousand lines.
conf("emqx_" ++ Root) ->
    N = erlang:phash2(Root, 200) + 10,
    [
        io_lib:format("~n~s {pool_size = 3, limits {messages_rate = ~b, bytes_rate = ~bMB}}~n", [Root, N * 100, N]),
        [connector(Root, Name, N) || Name <- ["main", "standby"]],
        [action(Root, I, N) || I <- lists:seq(1, 3)],
        io_lib:format(
            "~s_sources.commands {~n  connector = main~n  topics = [~n"
            "    {topic = \"sites/~b/down/#\", qos = 2}~n"
            "    {topic = \"$share/g/all/+/down\", share = true, max_inflight = ~b}~n  ]~n}~n",
            [Root, N, N]
        )
    ].

connector(Root, Name, N) ->
    io_lib:format(
        "~s_connectors.~s {~n  description = \"Cluster ~b, ~s site\"~n  tags = [site~b, ~s]~n"
        "  server = \"10.0.~b.7:9092\"~n  pool_size = ~b~n"
        "  authentication {mechanism = scram_sha_256, username = \"broker~b\", password = \"secret ~b\"}~n"
        "  ssl {enable = true, verify = verify_peer, server_name_indication = \"site~b.example.org\"}~n"
        "  resource_opts {health_check_interval = 30s, inflight_window = ~b}~n}~n",
        [Root, Name, N, Name, N, Name, N, N, N, N, N, N]
    ).

action(Root, I, N) ->
    Mode = lists:nth(1 + I rem 2, ["single", "batch, size = 200, time = 10ms"]),
    io_lib:format(
        "~s_actions.forward_~b {~n  connector = main~n  parameters {~n    mode = ~s~n"
        "    topic = \"sites/~b/up/~b/#\"~n    headers {site = \"~b\", kind = telemetry}~n  }~n"
        "  fallback = [{kind = republish, topic = \"lost/~b\", qos = 1}]~n"
        "  resource_opts {request_ttl = ~bs, max_buffer_bytes = ~bMB}~n}~n",
        [Root, I, Mode, N, I, N, N, N, N]
    ).

%% ---------------------------------------------------------------------------
%% Into a tree

%% Each release stamps its own modules, so that all of their files differ from those
%% of the release before while the code does not.
put_lib(From, To, Version) ->
    Own = lists:prefix("emqx_", filename:basename(From)),
    ok = filelib:ensure_path(filename:join(To, "ebin")),
    lists:foreach(
        fun(File) ->
            {ok, Content} = file:read_file(filename:join(From, File)),
            Put =
                case Own andalso filename:extension(File) of
                    ".beam" -> stamped(Content, Version);
                    _ -> Content
                end,
            ok = file:write_file(filename:join(To, File), Put)
        end,
        filelib:wildcard("ebin/*", From)
    ).

stamped(Beam, Version) ->
    {ok, _, Chunks} = beam_lib:all_chunks(Beam),
    Info = term_to_binary([{version, "8"}, {emqx_vsn, Version}]),
    {ok, Stamped} = beam_lib:build_module(lists:keystore("CInf", 1, Chunks, {"CInf", Info})),
    Stamped.

%% As many at a time as there are processors. The first failure ends all.
in_parallel(Fun, Items) ->
    Shares = erlang:system_info(schedulers_online),
    Numbered = lists:zip(lists:seq(1, length(Items)), Items),
    Workers = [
        spawn_monitor(fun() -> [ok = Fun(Item) || {N, Item} <- Numbered, N rem Shares =:= Share] end)
     || Share <- lists:seq(0, Shares - 1)
    ],
    lists:foreach(
        fun({Pid, Ref}) ->
            receive
                {'DOWN', Ref, process, Pid, normal} -> ok;
                {'DOWN', Ref, process, Pid, Reason} -> error(Reason)
            end
        end,
        Workers
    ).
