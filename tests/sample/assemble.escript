#!/usr/bin/env escript
%% -*- mode: erlang -*-
%%% Assembles the unpacked tree of one version of the sample release.
%%%
%%%     assemble.escript SHAPE VERSION OUT_DIR [FURTHER]
%%%
%%% SHAPE is five.eterm or four.eterm: the applications, and where their sources and
%%% the other files are, beside it. FURTHER lists applications that are in OUT_DIR/lib
%%% already, as big.escript does. The runtime system and OTP's libraries are copied
%%% from the Erlang installation that runs this script. It writes below OUT_DIR only
%%% and asks no network.
-mode(compile).

%% Programs of the runtime system that a release carries; not every installation
%% has all of the second list.
erts_programs() ->
    {
        ["beam.smp", "erl_child_setup", "erlexec", "escript", "heart", "inet_gethost", "run_erl", "to_erl"],
        ["dyn_erl", "epmd", "erl_call", "start", "start_erl"]
    }.

main([File, Version, Out]) ->
    assemble(shape(File), Version, Out, []);
main([File, Version, Out, FurtherFile]) ->
    {ok, Further} = file:consult(FurtherFile),
    assemble(shape(File), Version, Out, Further);
main(_) ->
    stop("usage: assemble.escript SHAPE VERSION OUT_DIR [FURTHER]", []).

shape(File) ->
    {ok, Terms} = file:consult(File),
    maps:put(here, filename:dirname(filename:absname(File)), maps:from_list(Terms)).

assemble(#{applications := Applications} = Shape, Version, Out, Further) ->
    Otp = erlang:system_info(otp_release),
    list_to_integer(Otp) >= 25 orelse stop("Erlang/OTP ~s is too old: 25 or later is needed", [Otp]),
    Own = own_apps(Shape, Version, Out),
    Apps = [app(App, Type, Own, Out) || {App, Type} <- Applications] ++ Further,
    ok = copy_erts(Out),
    ok = write_release(Shape, Version, Apps, Out),
    ok = write_built_on(Shape, Version, Out),
    ok = write_templates(Shape, Version, Out),
    lists:foreach(
        fun(Dir) -> ok = filelib:ensure_path(filename:join(Out, Dir)) end, maps:get(directories, Shape)
    ).

%% ---------------------------------------------------------------------------
%% Own applications

own_apps(#{applications := Applications} = Shape, Version, Out) ->
    Wanted = [atom_to_list(App) || {App, _} <- Applications],
    Files = [File || {[App | _], _} = File <- own_files(Shape, Version), lists:member(App, Wanted)],
    Found = lists:usort([App || {[App | _], _} <- Files]),
    %% hocon defines the behaviour that a schema module is checked against.
    {First, Others} = lists:partition(fun(App) -> App =:= "hocon" end, Found),
    [
        own_app(App, [F || {[A | _], F} <- Files, A =:= App], {Version, code_vsn(Shape, Version)}, Out)
     || App <- First ++ Others
    ].

code_vsn(#{code_vsn := release}, Version) -> [{vsn, Version}];
code_vsn(#{code_vsn := none}, _Version) -> [].

%% {["emqx", "src", "emqx.erl"], PathOfTheFileInForce}
own_files(#{here := Here, sources := Sources, without := Without}, Version) ->
    Layers = lists:append([Dirs || {Since, Dirs} <- Sources, Since =< Version]),
    Found = lists:foldl(
        fun(Layer, Acc) ->
            Dir = filename:join(Here, Layer),
            Files = filelib:wildcard("*/src/*", Dir),
            maps:merge(Acc, maps:from_list([{F, filename:join(Dir, F)} || F <- Files]))
        end,
        #{},
        Layers
    ),
    [{filename:split(F), Path} || {F, Path} <- maps:to_list(maps:without(Without, Found))].

own_app(App, Files, Versions, Out) ->
    [AppSrc] = [F || F <- Files, lists:suffix(".app.src", F)],
    {ok, [{application, Name, Keys}]} = file:consult(AppSrc),
    {vsn, AppVsn} = lists:keyfind(vsn, 1, Keys),
    Ebin = filename:join([Out, "lib", App ++ "-" ++ AppVsn, "ebin"]),
    ok = filelib:ensure_path(Ebin),
    Modules = [compile(F, Versions, Ebin) || F <- Files, filename:extension(F) =:= ".erl"],
    true = code:add_patha(Ebin),
    [copy(F, filename:join(Ebin, filename:basename(F))) || F <- Files, filename:extension(F) =:= ".appup"],
    Spec = {application, Name, lists:keystore(modules, 1, Keys, {modules, lists:sort(Modules)})},
    ok = file:write_file(filename:join(Ebin, App ++ ".app"), io_lib:format("~p.~n", [Spec])),
    {Name, AppVsn}.

%% Every beam is stamped with the release it was built for, as EMQX does: so all
%% files differ between releases while the code of most does not.
compile(File, {Version, Attributes}, Ebin) ->
    Options = [
        {outdir, Ebin},
        {d, 'EMQX_VSN', Version},
        {compile_info, [{emqx_vsn, Version}]},
        deterministic,
        warnings_as_errors,
        warn_missing_spec,
        report
    ],
    case compile(File, Version, Attributes, Options) of
        {ok, Module} ->
            Module;
        {ok, Module, Beam} ->
            ok = file:write_file(filename:join(Ebin, atom_to_list(Module) ++ ".beam"), Beam),
            Module;
        error ->
            stop("~ts does not compile", [File])
    end.

compile(File, _Version, [], Options) ->
    compile:file(File, Options);
compile(File, Version, Attributes, Options) ->
    {ok, [FileForm, ModuleForm | Forms]} = epp:parse_file(File, [
        {macros, [{'EMQX_VSN', Version}]}, {source_name, filename:basename(File)}
    ]),
    Added = [{attribute, 1, Name, Value} || {Name, Value} <- Attributes],
    compile:forms([FileForm, ModuleForm] ++ Added ++ Forms, Options).

%% ---------------------------------------------------------------------------
%% OTP

app(App, Type, Own, Out) ->
    case lists:keyfind(App, 1, Own) of
        {App, Vsn} -> {App, Vsn, Type};
        false -> {App, copy_app(App, Out), Type}
    end.

copy_app(App, Out) ->
    Dir =
        case code:lib_dir(App) of
            {error, _} -> missing(App);
            D -> D
        end,
    AppFile = filename:join([Dir, "ebin", atom_to_list(App) ++ ".app"]),
    case file:consult(AppFile) of
        {ok, [{application, App, Keys}]} ->
            {vsn, Vsn} = lists:keyfind(vsn, 1, Keys),
            To = filename:join([Out, "lib", atom_to_list(App) ++ "-" ++ Vsn]),
            lists:foreach(fun(Sub) -> copy(filename:join(Dir, Sub), filename:join(To, Sub)) end, [
                "ebin", "priv"
            ]),
            Vsn;
        {error, _} ->
            missing(App)
    end.

missing(App) ->
    stop(
        "this Erlang installation has no application ~s~n"
        "hint: on Debian and Ubuntu it is in the package erlang-~s",
        [App, string:replace(atom_to_list(App), "_", "-", all)]
    ).

copy_erts(Out) ->
    Vsn = erlang:system_info(version),
    From = filename:join([code:root_dir(), "erts-" ++ Vsn, "bin"]),
    Bin = filename:join([Out, "erts-" ++ Vsn, "bin"]),
    {Needed, Optional} = erts_programs(),
    lists:foreach(
        fun(Program) ->
            filelib:is_file(filename:join(From, Program)) orelse
                stop("~ts has no program ~ts", [From, Program]),
            copy(filename:join(From, Program), filename:join(Bin, Program))
        end,
        Needed
    ),
    lists:foreach(fun(P) -> copy(filename:join(From, P), filename:join(Bin, P)) end, Optional),
    Erl = filename:join(Bin, "erl"),
    case filelib:is_file(filename:join(Bin, "dyn_erl")) of
        %% It finds the root directory from its own place.
        true -> copy(filename:join(From, "dyn_erl"), Erl);
        false -> write(Erl, erl_script(), 8#755)
    end.

erl_script() ->
    "#!/bin/sh\n"
    "# Starts the VM of the tree that this file is in, wherever that is.\n"
    "BINDIR=$(dirname \"$(readlink -f \"$0\")\")\n"
    "ROOTDIR=$(dirname \"$(dirname \"$BINDIR\")\")\n"
    "EMU=beam\n"
    "PROGNAME=erl\n"
    "export BINDIR ROOTDIR EMU PROGNAME\n"
    "exec \"$BINDIR/erlexec\" \"$@\"\n".

%% ---------------------------------------------------------------------------
%% releases/

write_release(#{boot_files := BootFiles, keep := Keep}, Version, Apps, Out) ->
    Dir = filename:join([Out, "releases", Version]),
    Erts = erlang:system_info(version),
    ok = filelib:ensure_path(Dir),
    ok = filelib:ensure_path(filename:join(Out, "bin")),
    Release = {release, {"emqx", Version}, {erts, Erts}, Apps},
    Clean = {release, {"start_clean", Version}, {erts, Erts}, [clean(App) || App <- Apps]},
    %% These two must start anywhere without a boot variable.
    ok = boot(Dir, "start_clean", Clean, "ROOT", Out, []),
    ok = boot(Dir, "no_dot_erlang", Clean, "ROOT", Out, [no_dot_erlang]),
    ok = boot(Dir, "emqx", Release, "ERTS_LIB_DIR", filename:join(Out, "lib"), []),
    In = fun(Name) -> filename:join(Dir, Name) end,
    lists:foreach(fun(Name) -> copy(In(Name), filename:join([Out, "bin", Name])) end, [
        "start_clean.boot", "no_dot_erlang.boot"
    ]),
    ok = file:rename(In("emqx.script"), In("start.script")),
    ok = file:rename(In("emqx.boot"), In("boot")),
    [copy(In("boot"), In(Name)) || Name <- BootFiles],
    ok = release_files(Version, Erts, Out),
    Kept = ["emqx.rel", "start_clean.boot"] ++ BootFiles ++ Keep,
    {ok, Names} = file:list_dir(Dir),
    [ok = file:delete(In(Name)) || Name <- Names -- Kept],
    ok.

clean({App, Vsn, _}) when App =:= kernel; App =:= stdlib -> {App, Vsn};
clean({App, Vsn, _}) -> {App, Vsn, none}.

boot(Dir, Name, Release, Variable, Value, Options) ->
    Rel = filename:join(Dir, Name ++ ".rel"),
    ok = file:write_file(Rel, io_lib:format("~p.~n", [Release])),
    Out = filename:dirname(filename:dirname(Dir)),
    Path = filelib:wildcard(filename:join([Out, "lib", "*", "ebin"])),
    Script = [{path, Path}, {outdir, Dir}, {variables, [{Variable, Value}]}, no_warn_sasl, silent],
    case systools:make_script(filename:rootname(Rel), Script ++ Options) of
        {ok, _, []} -> ok;
        {ok, Module, Warnings} -> stop("~ts: ~ts", [Name, Module:format_warning(Warnings)]);
        {error, Module, Error} -> stop("~ts: ~ts", [Name, Module:format_error(Error)])
    end.

%% Paths in RELEASES are relative, so that they hold wherever the tree is moved.
release_files(Version, Erts, Out) ->
    Releases = filename:join(Out, "releases"),
    Rel = filename:join([Releases, Version, "emqx.rel"]),
    ok = release_handler:create_RELEASES(".", Releases, Rel, []),
    write(filename:join(Releases, "start_erl.data"), [Erts, " ", Version, "\n"], 8#644).

write_built_on(#{built_on := "BUILT_ON"}, Version, Out) ->
    {Os, Arch} = platform(),
    write(filename:join([Out, "releases", Version, "BUILT_ON"]), [Arch, "-", Os, "\n"], 8#644);
write_built_on(#{built_on := "BUILD_INFO"}, Version, Out) ->
    {Os, Arch} = platform(),
    write(
        filename:join([Out, "releases", Version, "BUILD_INFO"]),
        io_lib:format(
            "arch: \"~s\"~nwordsize: ~b~nos: \"~s\"~nerlang: \"~s\"~nelixir: \"none\"~nrelform: \"tgz\"~n",
            [Arch, erlang:system_info({wordsize, external}) * 8, Os, full_otp_version()]
        ),
        8#644
    ).

full_otp_version() ->
    {ok, Full} = file:read_file(
        filename:join([code:root_dir(), "releases", erlang:system_info(otp_release), "OTP_VERSION"])
    ),
    string:trim(Full).

platform() ->
    {os:getenv("SAMPLE_OS"), erlang:system_info(system_architecture)}.

%% ---------------------------------------------------------------------------
%% Files

write_templates(#{here := Here, templates := Dir, places := Places, copies := Copies}, Version, Out) ->
    Rel = filename:join(Here, Dir),
    Fill = fun(Template) ->
        lists:foldl(
            fun({Mark, Value}, Text) -> string:replace(Text, Mark, Value, all) end,
            Template,
            [{"@REL_VSN@", Version}, {"@ERTS_VSN@", erlang:system_info(version)}]
        )
    end,
    Files = [F || F <- filelib:wildcard("**", Rel), filelib:is_regular(filename:join(Rel, F))],
    lists:foreach(
        fun(Name) ->
            {ok, Template} = file:read_file(filename:join(Rel, Name)),
            To = Fill(proplists:get_value(Name, Places, Name)),
            write(filename:join(Out, To), Fill(Template), mode(filename:split(Name)))
        end,
        Files
    ),
    lists:foreach(
        fun({From, To}) -> copy(filename:join(Out, From), filename:join(Out, Fill(To))) end, Copies
    ).

mode(["bin" | _]) -> 8#755;
mode(_) -> 8#644.

write(Path, Content, Mode) ->
    ok = filelib:ensure_dir(Path),
    ok = file:write_file(Path, Content),
    ok = file:change_mode(Path, Mode).

%% A directory with all it holds, or a file, with its permissions; what does not
%% exist is left out.
copy(From, To) ->
    case file:list_dir(From) of
        {ok, Names} ->
            lists:foreach(fun(N) -> copy(filename:join(From, N), filename:join(To, N)) end, Names);
        {error, enotdir} ->
            ok = filelib:ensure_dir(To),
            {ok, _} = file:copy(From, To),
            case filelib:is_file(From) andalso file:read_file_info(From) of
                {ok, Info} -> ok = file:change_mode(To, element(8, Info) band 8#755)
            end;
        {error, enoent} ->
            ok
    end.

stop(Format, Args) ->
    io:format(standard_error, "ERROR: " ++ Format ++ "~n", Args),
    halt(1).
