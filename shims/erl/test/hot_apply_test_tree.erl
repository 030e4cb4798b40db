%%% Builds release trees from module sources, in the layout of a real release: every beam is stamped
%%% with the release's version in its compile chunk, as release builds do.
-module(hot_apply_test_tree).

-export([build/3, build/4, beam/2, release/1, worker/1, sup/3]).

-type app() :: {
    App :: atom(), Vsn :: string(), Keys :: [{atom(), term()}], Sources :: [{module(), string()}]
}.

-spec build(file:filename(), string(), [app()]) -> file:filename().
build(Dir, Vsn, Apps) ->
    build(Dir, Vsn, Apps, fun(Beam) -> Beam end).

%% Pack changes each beam before it is written.
-spec build(file:filename(), string(), [app()], fun((binary()) -> binary())) -> file:filename().
build(Dir, Vsn, Apps, Pack) ->
    Releases = filename:join([Dir, "releases", Vsn]),
    ok = filelib:ensure_path(Releases),
    Libs = [{App, AppVsn} || {App, AppVsn, _, _} <- Apps] ++ [{kernel, "0"}, {stdlib, "0"}],
    write(filename:join(Releases, "emqx.rel"), {release, {"emqx", Vsn}, {erts, "0"}, Libs}),
    lists:foreach(fun(App) -> app(Dir, Vsn, App, Pack) end, Apps),
    Dir.

app(Dir, Vsn, {App, AppVsn, Keys, Sources}, Pack) ->
    Lib = filename:join([Dir, "lib", atom_to_list(App) ++ "-" ++ AppVsn]),
    Ebin = filename:join(Lib, "ebin"),
    ok = filelib:ensure_path(Ebin),
    ok = filelib:ensure_path(filename:join(Lib, "priv")),
    lists:foreach(
        fun({Module, Source}) ->
            File = filename:join(Ebin, atom_to_list(Module) ++ ".beam"),
            ok = file:write_file(File, Pack(beam(Source, Vsn)))
        end,
        Sources
    ),
    Defaults = [
        {description, "test application"},
        {vsn, AppVsn},
        {modules, [Module || {Module, _} <- Sources]},
        {registered, []},
        {applications, [kernel, stdlib]}
    ],
    Spec = [Default || {Key, _} = Default <- Defaults, not lists:keymember(Key, 1, Keys)] ++ Keys,
    write(filename:join(Ebin, atom_to_list(App) ++ ".app"), {application, App, Spec}).

write(File, Term) ->
    ok = file:write_file(File, io_lib:format("~p.~n", [Term])).

-spec beam(string(), string()) -> binary().
beam(Source, Vsn) ->
    {ok, Tokens, _} = erl_scan:string(Source),
    Options = [{compile_info, [{emqx_vsn, Vsn}]}, return_errors],
    {ok, _, Beam} = compile:forms(forms(Tokens, []), Options),
    Beam.

forms([], []) ->
    [];
forms([{dot, _} = Dot | Tokens], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse(Form, [Dot])),
    [Parsed | forms(Tokens, [])];
forms([Token | Tokens], Form) ->
    forms(Tokens, [Token | Form]).

%% The application emqx of a release, with the module that tells the version from its compile chunk.
-spec release(string()) -> app().
release(Vsn) ->
    {emqx, Vsn, [], [
        {emqx_release,
            "-module(emqx_release). -export([version/0]).\n"
            "version() -> proplists:get_value(emqx_vsn, module_info(compile)).\n"}
    ]}.

%% A gen_server whose state is {Version, Count}; code_change/3 makes version 2 out of version 1.
-spec worker(1 | 2) -> string().
worker(Version) ->
    V = integer_to_list(Version),
    "-module(app_worker). -behaviour(gen_server).\n"
    "-export([start_link/1, init/1, handle_call/3, handle_cast/2, code_change/3, v/0]).\n"
    "v() -> " ++ V ++ ".\n"
    "start_link(Name) -> gen_server:start_link({local, Name}, app_worker, Name, []).\n"
    "init(_) -> {ok, {" ++ V ++ ", 0}}.\n"
    "handle_call(get, _, {" ++ V ++ ", _} = S) -> {reply, S, S};\n"
    "handle_call({sleep, Ms}, _, {" ++ V ++ ", _} = S) -> timer:sleep(Ms), {reply, S, S};\n"
    "handle_call(add, _, {" ++ V ++ ", N}) -> {reply, N + 1, {" ++ V ++ ", N + 1}}.\n"
    "handle_cast(add, {" ++ V ++ ", N}) -> {noreply, {" ++ V ++ ", N + 1}}.\n" ++
        case Version of
            1 ->
                "code_change(_, S, _) -> {ok, S}.\n";
            2 ->
                "code_change(\"5.10.4\", {1, N}, fail_at_3) when N =:= 3 -> error(three);\n"
                "code_change(\"5.10.4\", {1, N}, fail) -> error({cannot, N});\n"
                "code_change(\"5.10.4\", {1, N}, _) -> {ok, {2, N}}.\n"
        end.

%% An application callback and its supervisor in one module, with the given children.
-spec sup(module(), string(), string()) -> string().
sup(Module, Flags, Children) ->
    "-module(" ++ atom_to_list(Module) ++ "). -behaviour(supervisor).\n"
    "-export([start/2, stop/1, init/1]).\n"
    "start(_, _) -> supervisor:start_link({local, " ++ atom_to_list(Module) ++ "}, " ++
        atom_to_list(Module) ++ ", []).\n"
    "stop(_) -> ok.\n"
    "init(_) -> {ok, {" ++ Flags ++ ", [" ++ Children ++ "]}}.\n".
