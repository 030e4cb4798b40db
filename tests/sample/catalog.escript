#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%% Builds the catalog of hops, and refuses a hop that forgets something.
%%%
%%%     catalog.escript HOPS_DIR TREES_DIR OUT_DIR
%%%
%%% HOPS_DIR has <from>-to-<to>.relup files and the sources of the modules that a
%%% hop brings along; TREES_DIR has the unpacked releases by version. Each module
%%% of an own application whose code differs between the two releases must be
%%% covered by an instruction. It writes below OUT_DIR only.
-mode(compile).

main([Hops, Trees, Out]) ->
    Files = filelib:wildcard("*.relup", Hops),
    lists:foreach(fun(File) -> hop(Hops, File, Trees, Out) end, Files);
main(_) ->
    stop("usage: catalog.escript HOPS_DIR TREES_DIR OUT_DIR", []).

hop(Hops, File, Trees, Out) ->
    Name = filename:basename(File, ".relup"),
    {ok, Hop} = file:script(filename:join(Hops, File)),
    #{from_version := From, target_version := To, code_changes := Changes} = Hop,
    Name =:= From ++ "-to-" ++ To orelse stop("~ts is the hop ~ts -> ~ts", [File, From, To]),
    Brought = bring_along(filename:join(Hops, Name), To, filename:join(Out, Name)),
    {Old, New} = {modules(filename:join(Trees, From)), modules(filename:join(Trees, To))},
    Changed = [M || {M, {_, Md5}} <- maps:to_list(New), md5(M, Old) =/= Md5],
    Covered = lists:append([covered(C, New) || C <- Changes]),
    case {Changed -- Covered, [M || M <- Covered, not is_map_key(M, New)] -- Brought} of
        {[], []} -> ok;
        {Forgotten, Unknown} -> stop("~ts forgets ~0p, names unknown ~0p", [File, Forgotten, Unknown])
    end,
    {ok, _} = file:copy(filename:join(Hops, File), filename:join(Out, File)).

covered({load_module, Module}, _New) -> [Module];
covered({update, Module, {advanced, _}}, _New) -> [Module];
covered({restart_application, App}, New) -> [M || {M, {A, _}} <- maps:to_list(New), A =:= App];
covered({apply, _, _, _}, _New) -> [].

bring_along(Sources, Version, Out) ->
    ok = filelib:ensure_path(Out),
    [
        begin
            Options = [
                {outdir, Out}, {compile_info, [{emqx_vsn, Version}]}, deterministic, warnings_as_errors, report
            ],
            case compile:file(filename:join(Sources, F), Options) of
                {ok, Module} -> Module;
                error -> stop("~ts does not compile", [F])
            end
        end
     || F <- filelib:wildcard("*.erl", Sources)
    ].

%% Own beams carry the stamp of the release; the app is the name before the dash.
modules(Tree) ->
    Beams = filelib:wildcard(filename:join([Tree, "lib", "*", "ebin", "*.beam"])),
    maps:from_list([
        {Module, {app(Beam), Md5}}
     || Beam <- Beams,
        is_own(Beam),
        {ok, {Module, Md5}} <- [beam_lib:md5(Beam)]
    ]).

is_own(Beam) ->
    {ok, {_, [{compile_info, Info}]}} = beam_lib:chunks(Beam, [compile_info]),
    lists:keymember(emqx_vsn, 1, Info).

app(Beam) ->
    Lib = filename:basename(filename:dirname(filename:dirname(Beam))),
    list_to_atom(hd(string:split(Lib, "-"))).

md5(Module, Modules) ->
    case Modules of
        #{Module := {_, Md5}} -> Md5;
        #{} -> none
    end.

stop(Format, Args) ->
    io:format(standard_error, "ERROR: " ++ Format ++ "~n", Args),
    halt(1).
