#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%% Makes the relup of every 4.x release from the appups of its applications, as systools does, and
%%% refuses one that forgets something.
%%%
%%%     relup.escript TREES_DIR VERSION...
%%%
%%% TREES_DIR has the unpacked releases by version, oldest first in the arguments: each gets a relup
%%% from and to all before it. A module whose code differs must be named by the appup of its
%%% application. The last instruction of an upgrade calls emqx_relup, as in every release of EMQX 4.x.
-mode(compile).

main([Trees, First | Versions]) ->
    lists:foldl(fun(Version, Older) -> relup(Trees, Version, Older), Older ++ [Version] end, [First], Versions);
main(_) ->
    stop("usage: relup.escript TREES_DIR VERSION...", []).

relup(Trees, Version, Older) ->
    Rel = fun(V) -> filename:join([Trees, V, "releases", V, "emqx"]) end,
    Path = [filename:join([Trees, V, "lib", "*", "ebin"]) || V <- [Version | Older]],
    From = [Rel(V) || V <- Older],
    case systools:make_relup(Rel(Version), From, From, [{path, Path}, noexec, silent]) of
        {ok, Relup, _, []} ->
            lists:foreach(fun(V) -> check_complete(Trees, V, Version) end, Older),
            write(filename:join(filename:dirname(Rel(Version)), "relup"), with_calls(Relup));
        {ok, _, Module, Warnings} ->
            stop("~ts: ~ts", [Version, Module:format_warning(Warnings)]);
        {error, Module, Error} ->
            stop("~ts: ~ts", [Version, Module:format_error(Error)])
    end.

with_calls({Version, Ups, Downs}) ->
    Call = fun(Function, V) -> {apply, {emqx_relup, Function, [V]}} end,
    {
        Version,
        [{V, Descr, Steps ++ [Call(post_release_upgrade, V)]} || {V, Descr, Steps} <- Ups],
        %% The release that is left still has its code then.
        [{V, Descr, after_start(Call(post_release_downgrade, V), Steps)} || {V, Descr, Steps} <- Downs]
    }.

after_start(Call, Steps) ->
    {Loads, [point_of_no_return | Rest]} = lists:splitwith(fun(S) -> S =/= point_of_no_return end, Steps),
    Loads ++ [point_of_no_return, Call | Rest].

check_complete(Trees, From, To) ->
    {Old, New} = {modules(filename:join(Trees, From)), modules(filename:join(Trees, To))},
    Forgotten = [
        {Lib, Module}
     || {Module, {Lib, Md5}} <- maps:to_list(New),
        differs(maps:get(Module, Old, none), Md5),
        not is_named(Module, filename:join([Trees, To, "lib", Lib]), filename:join([Trees, From, "lib"]))
    ],
    Forgotten =:= [] orelse stop("the relup from ~s to ~s forgets ~0p", [From, To, Forgotten]).

differs({_Lib, Md5}, Md5) -> false;
differs(_, _) -> true.

%% An appup that restarts its application names all modules of it.
is_named(Module, Dir, OldLibs) ->
    [App | _] = string:split(filename:basename(Dir), "-"),
    [OldLib] = filelib:wildcard(App ++ "-*", OldLibs),
    [_, OldVsn] = string:split(OldLib, "-"),
    Restart = {restart_application, list_to_atom(App)},
    case file:consult(filename:join([Dir, "ebin", App ++ ".appup"])) of
        {ok, [{_, Ups, Downs}]} ->
            lists:all(
                fun(Hops) ->
                    {_, Steps} = lists:keyfind(OldVsn, 1, Hops),
                    lists:member(Restart, Steps) orelse
                        lists:any(fun(Step) -> element(2, Step) =:= Module end, Steps)
                end,
                [Ups, Downs]
            );
        {error, enoent} ->
            false
    end.

%% With the directory of the application that each is in.
modules(Tree) ->
    Beams = filelib:wildcard(filename:join([Tree, "lib", "{emqx,ekka}*", "ebin", "*.beam"])),
    maps:from_list([
        {Module, {lib(Beam), Md5}}
     || Beam <- Beams, {ok, {Module, Md5}} <- [beam_lib:md5(Beam)]
    ]).

lib(Beam) ->
    filename:basename(filename:dirname(filename:dirname(Beam))).

write(File, Term) ->
    ok = file:write_file(File, io_lib:format("~p.~n", [Term])).

stop(Format, Args) ->
    io:format(standard_error, "ERROR: " ++ Format ++ "~n", Args),
    halt(1).
