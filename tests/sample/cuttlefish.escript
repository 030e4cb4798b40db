#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%% Packs bin/cuttlefish of a 4.x release: one escript with the cuttlefish library of this machine and
%%% the front that scripts of 4.x expect.
%%%
%%%     cuttlefish.escript SOURCE_DIR OUT_FILE
%%%
%%% It writes OUT_FILE only. The same library gives the same bytes.
-mode(compile).

-include_lib("kernel/include/file.hrl").

main([Source, Out]) ->
    Front = filename:join(Source, "cuttlefish_escript.erl"),
    case compile:file(Front, [binary, deterministic, warnings_as_errors, warn_missing_spec, report]) of
        {ok, Module, Beam} -> pack(Out, [{atom_to_list(Module) ++ ".beam", Beam}]);
        error -> stop("~ts does not compile", [Front])
    end;
main(_) ->
    stop("usage: cuttlefish.escript SOURCE_DIR OUT_FILE", []).

pack(Out, Own) ->
    Library = lists:append([beams(App) || App <- [cuttlefish, getopt]]),
    Files = lists:sort(Own ++ [File || {Name, _} = File <- Library, not lists:keymember(Name, 1, Own)]),
    %% Entries of one time, so that two builds are equal.
    Time = {{2023, 11, 14}, {22, 13, 20}},
    Info = #file_info{
        type = regular, access = read_write, atime = Time, mtime = Time, ctime = Time, mode = 8#100644
    },
    Entries = [{Name, Bytes, Info#file_info{size = byte_size(Bytes)}} || {Name, Bytes} <- Files],
    Sections = [shebang, {emu_args, "-escript main cuttlefish_escript +B"}, {archive, Entries, []}],
    ok = escript:create(Out, Sections),
    ok = file:change_mode(Out, 8#755).

beams(App) ->
    case code:lib_dir(App) of
        {error, _} ->
            stop(
                "this Erlang installation has no application ~s~n"
                "hint: on Debian and Ubuntu it is in the package erlang-~s",
                [App, App]
            );
        Dir ->
            [
                {filename:basename(File), recompiled(File)}
             || File <- filelib:wildcard(filename:join([Dir, "ebin", "*.beam"]))
            ]
    end.

%% Compiled anew: distributions have beams of compilers so old that later machines do not load them.
recompiled(File) ->
    case beam_lib:chunks(File, [abstract_code]) of
        {ok, {_, [{abstract_code, {_, Forms}}]}} ->
            {ok, _Module, Beam} = compile:forms(Forms, [deterministic]),
            Beam;
        _ ->
            stop("~ts has no debug information to compile it from", [File])
    end.

stop(Format, Args) ->
    io:format(standard_error, "ERROR: " ++ Format ++ "~n", Args),
    halt(1).
