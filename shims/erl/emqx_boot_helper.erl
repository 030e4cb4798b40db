%%% Everything that a boot asks the release's own code, in one short-lived VM: does crypto load,
%%% which values decide how to boot, what do the generated files hold, is the licence good.
%%%
%%% It is not compiled: the launcher sends this text, and the VM evaluates its functions, which
%%% takes less time than loading the compiler. Hence no macros, no records, no `fun name/arity`.
%%% It writes nothing and decides nothing. A request is a line of words, an answer is a line that
%%% begins with a mark of this boot; every other line of output is meant for people. A word is an
%%% `x` and bytes in hexadecimal digits.
%%%
%%% Configuration is read by hocon's public functions alone: hocon:files/2, hocon_schema:
%%% resolve_struct_name/2, hocon_tconf:map/4 and generate/3, hocon_maps:get/2.
-module(emqx_boot_helper).

-export([main/1]).

%% Answers requests until the launcher closes the pipe.
-spec main(string()) -> no_return().
main(Mark) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            [Verb | Args] = [decode(Word) || Word <- string:lexemes(Line, " \n")],
            say(Mark, answered(binary_to_list(Verb), Args)),
            main(Mark);
        _EofOrError ->
            erlang:halt(0)
    end.

%% A failure that nobody foresaw is an answer too: the launcher has another way to ask.
answered(Verb, Args) ->
    try
        answer(Verb, Args)
    catch
        throw:{refused, Lines} -> ["refused" | Lines];
        Class:Reason:Stack -> ["failed", text("~0tp", [{Class, Reason, Stack}])]
    end.

answer("runtime", []) -> runtime();
answer("libs", [Root, Vsn]) -> libs(chars(Root), chars(Vsn));
answer("setenv", [Name, Value]) -> setenv(chars(Name), chars(Value));
answer("unsetenv", [Name]) -> unsetenv(chars(Name));
answer("values", [Schema, Count | Rest]) ->
    {Keys, Files} = lists:split(binary_to_integer(Count), [chars(Word) || Word <- Rest]),
    values(binary_to_atom(Schema), Keys, Files);
answer("generate", [Schema | Files]) ->
    generated(binary_to_atom(Schema), [chars(File) || File <- Files]);
answer("check", [Schema | Files]) ->
    checked(binary_to_atom(Schema), [chars(File) || File <- Files]);
answer("license", [Key]) ->
    license(Key).

%% ---------------------------------------------------------------------------
%% The runtime

runtime() ->
    Crypto =
        case catch crypto:info_lib() of
            [_ | _] -> "";
            Failed ->
                told(),
                text("~0tp", [Failed])
        end,
    Hook =
        case code:ensure_loaded(mnesia_hook) of
            {module, _} -> "true";
            _ -> "false"
        end,
    ["ok", Crypto, Hook].

%% Why a library does not load goes to the terminal from the code server over the logger, by messages;
%% whoever asked may end this VM with the answer.
told() ->
    _ = (catch sys:get_state(logger)),
    _ = (catch logger_std_h:filesync(default)),
    ok.

setenv(Name, Value) ->
    true = os:putenv(Name, Value),
    ["ok"].

unsetenv(Name) ->
    true = os:unsetenv(Name),
    ["ok"].

%% ---------------------------------------------------------------------------
%% The release's libraries

%% Puts the libraries of the release on the code path and loads the applications among which
%% schemas look for others. What hocon lacks of the functions used here is the answer.
libs(Root, Vsn) ->
    {ok, [Releases]} = file:consult(filename:join([Root, "releases", "RELEASES"])),
    {release, _, Vsn, _, Libs, _} = lists:keyfind(Vsn, 3, Releases),
    Dirs = [
        {App, filename:join([Root, "lib", atom_to_list(App) ++ "-" ++ AppVsn, "ebin"])}
     || {App, AppVsn, _} <- Libs
    ],
    %% Each goes in front of those before it, as the release's own tool adds them.
    ok = add_paths([Dir || {_, Dir} <- Dirs]),
    %% The node's own directory of patches is the one in its working directory, as is this VM's.
    Patches = [
        Dir
     || Dir <- [filename:absname("data/patches"), "/var/lib/emqx/patches"],
        filelib:is_dir(Dir)
    ],
    ok = add_paths(Patches),
    Own = [{App, Dir} || {App, Dir} <- Dirs, lists:prefix("emqx_", atom_to_list(App))],
    [load_application(App, Dir) || {App, Dir} <- Own],
    ok = load_schemas([Dir || {_, Dir} <- Own], Patches),
    ["ok" | missing()].

%% From OTP 26 on the code server can remember what a directory holds.
add_paths(Dirs) ->
    case remembers() of
        true -> apply(code, add_pathsa, [Dirs, cache]);
        false -> code:add_pathsa(Dirs)
    end.

remembers() -> erlang:function_exported(code, add_pathsa, 2).

%% Hundreds of schemas, each looked for in hundreds of directories, take longer than the rest of a
%% boot's preparation. Where the code server would do that they are loaded from where they are, all
%% at once. Those that cannot be are found in the usual way.
load_schemas(Dirs, Patches) ->
    Patched = [Name || Dir <- Patches, {ok, Names} <- [file:list_dir(Dir)], Name <- Names],
    Files = [
        filename:join(Dir, Name)
     || not remembers(),
        Dir <- Dirs,
        {ok, Names} <- [file:list_dir(Dir)],
        Name <- Names,
        lists:suffix("_schema.beam", Name),
        not lists:member(Name, Patched)
    ],
    Modules = [
        {list_to_atom(filename:basename(File, ".beam")), File, Code}
     || File <- Files,
        {ok, Code} <- [file:read_file(File)]
    ],
    case code:prepare_loading(Modules) of
        {ok, Prepared} -> _ = code:finish_loading(Prepared);
        {error, _} -> ok
    end,
    ok.

%% The file is named, so that not every directory of the code path is searched for it.
load_application(App, Dir) ->
    {ok, [Description]} = file:consult(filename:join(Dir, atom_to_list(App) ++ ".app")),
    case application:load(Description) of
        ok -> ok;
        {error, {already_loaded, App}} -> ok
    end.

missing() ->
    [
        text("~s:~s/~b", [M, F, A])
     || {M, F, A} <- [
            {hocon, files, 2},
            {hocon_schema, resolve_struct_name, 2},
            {hocon_tconf, map, 4},
            {hocon_tconf, generate, 3},
            {hocon_maps, get, 2}
        ],
        code:ensure_loaded(M) =/= {module, M} orelse not erlang:function_exported(M, F, A)
    ].

%% ---------------------------------------------------------------------------
%% Configuration

%% Only the roots that hold the keys are checked: a fault elsewhere must not keep anybody from
%% learning the node's name.
values(Schema, Keys, Files) ->
    Conf = files(Files),
    Roots = lists:usort([
        hocon_schema:resolve_struct_name(Schema, hd(string:split(Key, ".")))
     || Key <- Keys
    ]),
    Opts = #{logger => fun(_, _) -> ok end, apply_override_envs => true},
    {_, Checked} = of_schema(Schema, fun() -> hocon_tconf:map(Schema, Conf, Roots, Opts) end),
    ["ok" | [text("~ts=~0p", [Key, hocon_maps:get(Key, Checked)]) || Key <- Keys]].

%% The content of both generated files, as hocon's own command writes it.
generated(Schema, Files) ->
    Config = config(Schema, Files, fun(Level, Event) -> tell(Level, Event) end),
    VmArgs = [vm_arg(Key, Value) || {Key, Value} <- proplists:get_value(vm_args, Config, [])],
    AppConfig = io_lib:format("~p.\n", [proplists:delete(vm_args, Config)]),
    ["ok", bytes(AppConfig), bytes(lists:join("\n", VmArgs))].

checked(Schema, Files) ->
    _ = config(Schema, Files, fun(_, _) -> ok end),
    ["ok"].

config(Schema, Files, Logger) ->
    Conf = files(Files),
    Opts = #{logger => Logger, apply_override_envs => true},
    of_schema(Schema, fun() -> hocon_tconf:generate(Schema, Conf, Opts) end).

files(Files) ->
    case hocon:files(Files, #{format => richmap}) of
        {ok, Conf} -> Conf;
        {error, Reason} -> throw({refused, [text("~0tp", [Reason])]})
    end.

of_schema(Schema, Work) ->
    try
        Work()
    catch
        throw:{unknown_struct_name, Schema, Name} ->
            throw({refused, [text("unknown_root: ~ts", [Name])]});
        throw:{Schema, Errors} when is_list(Errors) ->
            Lines = [text("~0tp", [Error]) || Error <- Errors],
            throw({refused, [text("failed_to_check_schema: ~0p", [Schema]) | Lines]})
    end.

vm_arg('-setcookie', Cookie) -> text("-setcookie ~0p", [list_to_atom(Cookie)]);
vm_arg(Key, Value) when is_list(Value) -> text("~ts ~ts", [Key, Value]);
vm_arg(Key, Value) -> text("~ts ~w", [Key, Value]).

%% Which variable of the environment overrides what, and hocon's warnings. Secrets arrive masked.
tell(_Level, #{hocon_env_var_name := Name, path := Path, value := Value}) ->
    io:format("~ts [~ts]: ~ts~n", [Name, Path, shown(Value)]);
tell(Level, _Event) when Level =:= debug; Level =:= info ->
    ok;
tell(Level, Event) when is_binary(Event) ->
    io:format(standard_error, "[~0p] ~ts~n", [Level, Event]);
tell(Level, Event) ->
    io:format(standard_error, "[~0p] ~0tp~n", [Level, Event]).

shown(Value) when is_binary(Value) -> Value;
shown(Value) when is_map(Value) -> "{...}";
shown([]) -> "[]";
shown([_ | _]) -> "[...]";
shown(Value) -> io_lib:format("~0p", [Value]).

%% ---------------------------------------------------------------------------
%% The licence

%% An expired one starts a node too: whether it may serve clients, the node decides.
license(Key) ->
    case emqx_license:read_license(#{key => Key}) of
        {ok, _} -> ["ok"];
        {error, Reason} -> ["refused", text("~0tp", [Reason])]
    end.

%% ---------------------------------------------------------------------------
%% Lines

say(Mark, Words) ->
    io:put_chars([Mark, [[" x", binary:encode_hex(encode(Word))] || Word <- Words], "\n"]).

encode(Word) when is_binary(Word) -> Word;
encode(Word) -> unicode:characters_to_binary(Word).

decode("x" ++ Hex) -> binary:decode_hex(list_to_binary(Hex)).

%% Names of files and variables as this VM writes them, which depends on the locale.
chars(Word) ->
    case file:native_name_encoding() of
        utf8 -> unicode:characters_to_list(Word);
        latin1 -> binary_to_list(Word)
    end.

text(Format, Args) -> lists:flatten(io_lib:format(Format, Args)).

%% What a file gets: characters of one byte stay that byte, as file:write_file/2 has it.
bytes(Chars) ->
    try
        iolist_to_binary(Chars)
    catch
        error:badarg -> unicode:characters_to_binary(Chars)
    end.
