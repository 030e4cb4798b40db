%%% The command line of the configuration library: `nodetool hocon ...`.
%%%
%%% Boot tools and operators depend on its options, output and exit codes, which
%%% are those of EMQX's tool of the same name: answers on stdout, errors through
%%% logger (to stderr for queries), exit code 1 when anything is wrong. It writes
%%% only the two generated files and removes only older ones of the same kind.
-module(hocon_cli).

-export([main/1]).

-type options() :: #{
    schema => module(),
    dest_dir => file:filename(),
    dest_file => string(),
    now_time => string(),
    max_history => non_neg_integer(),
    verbose => boolean(),
    conf_files => [file:filename()],
    include_dirs => [file:filename()]
}.

-spec main([string()]) -> ok | no_return().
main(Args) ->
    case parse(Args, #{conf_files => [], include_dirs => []}, []) of
        {ok, Options, Words} ->
            ok = log_to(log_device(Words)),
            command(Words, Options);
        error ->
            help()
    end.

-spec command([string()], options()) -> ok | no_return().
command([], Options) -> command(["generate"], Options);
command(["generate"], Options) -> generate(Options);
command(["check_schema"], Options) -> check_schema(Options);
command(["now_time"], _Options) -> io:format("~s~n", [now_time()]);
command(["get", Key | _], Options) -> io:format("~0p~n", [value(Key, Options, load(Options))]);
command(["multi_get", _ | _] = [_ | Keys], Options) -> multi_get(Keys, Options);
command(_Words, _Options) -> help().

help() ->
    io:format(
        "Commands: now_time | get KEY | multi_get KEY... | generate | check_schema~n"
        "Options:  -s SCHEMA_MODULE  -c CONF_FILE (repeatable)  -d DEST_DIR  -f DEST_FILE~n"
        "          -t NOW_TIME  -m MAX_HISTORY  -I INCLUDE_DIR (repeatable)  -v~n"
    ),
    erlang:halt(1).

%% ---------------------------------------------------------------------------
%% Options: short and long names, before or after the command.

parse([], Options, Words) ->
    {ok, Options, lists:reverse(Words)};
parse([V | Rest], Options, Words) when V =:= "-v"; V =:= "--verbose_env" ->
    parse(Rest, Options#{verbose => true}, Words);
parse(["-" ++ _ = Option, Value | Rest], Options, Words) ->
    case option(Option, Value, Options) of
        error -> error;
        Options1 -> parse(Rest, Options1, Words)
    end;
parse(["-" ++ _ | _], _Options, _Words) ->
    error;
parse([Word | Rest], Options, Words) ->
    parse(Rest, Options, [Word | Words]).

option(O, V, Opts) when O =:= "-s"; O =:= "--schema_module" -> Opts#{schema => list_to_atom(V)};
option(O, V, Opts) when O =:= "-d"; O =:= "--dest_dir" -> Opts#{dest_dir => V};
option(O, V, Opts) when O =:= "-f"; O =:= "--dest_file" -> Opts#{dest_file => V};
option(O, V, Opts) when O =:= "-t"; O =:= "--now_time" -> Opts#{now_time => V};
option(O, V, Opts) when O =:= "-c"; O =:= "--conf_file" -> append(conf_files, V, Opts);
option(O, V, Opts) when O =:= "-I"; O =:= "--include_dir" -> append(include_dirs, V, Opts);
option(O, V, Opts) when O =:= "-m"; O =:= "--max_history" -> history(string:to_integer(V), Opts);
option(O, _, Opts) when O =:= "-l"; O =:= "--log_level" -> Opts;
option(_, _, _) -> error.

append(Key, Value, Opts) -> Opts#{Key := map_get(Key, Opts) ++ [Value]}.

history({N, ""}, Opts) when is_integer(N), N >= 0 -> Opts#{max_history => N};
history(_, _Opts) -> error.

%% ---------------------------------------------------------------------------
%% Commands

multi_get(Keys, Options) ->
    Conf = load(Options),
    Values = [{Key, value(Key, Options, Conf)} || Key <- Keys],
    lists:foreach(fun({Key, Value}) -> io:format("~s=~0p~n", [Key, Value]) end, Values).

%% Only the root that holds the key is checked: a fault elsewhere must not keep
%% a tool from learning the node's name.
value(Key, Options, Conf) ->
    Schema = schema(Options),
    [RootName | _] = string:split(Key, "."),
    checked(Schema, fun() ->
        Root = hocon_schema:resolve_struct_name(Schema, RootName),
        Opts = #{logger => fun(_, _) -> ok end, apply_override_envs => true},
        {_, Checked} = hocon_tconf:map(Schema, Conf, [Root], Opts),
        hocon_maps:get(Key, Checked)
    end).

check_schema(Options) ->
    _ = environment(Options, fun(_, _) -> ok end),
    ok.

generate(#{dest_dir := Dir} = Options) ->
    Time = maps:get(now_time, Options, now_time()),
    is_time(Time) orelse fail("bad -t|--now_time option: ~ts", [Time]),
    Env = environment(Options, env_logger(Options)),
    VmArgs = [vm_arg(Key, Value) || {Key, Value} <- proplists:get_value(vm_args, Env, [])],
    Config = io_lib:format("~p.~n", [proplists:delete(vm_args, Env)]),
    App = maps:get(dest_file, Options, "app"),
    ok = write(Dir, "vm", Time, ".args", lists:join("\n", VmArgs)),
    ok = write(Dir, App, Time, ".config", Config),
    Keep = maps:get(max_history, Options, 3),
    ok = prune(Dir, "vm", ".args", Keep),
    ok = prune(Dir, App, ".config", Keep);
generate(_Options) ->
    fail("Missing -d|--dest_dir option", []).

environment(Options, Logger) ->
    Schema = schema(Options),
    Conf = load(Options),
    checked(Schema, fun() ->
        hocon_tconf:generate(Schema, Conf, #{logger => Logger, apply_override_envs => true})
    end).

checked(Schema, Check) ->
    try
        Check()
    catch
        throw:{unknown_struct_name, Schema, Name} ->
            fail("unknown_root: ~ts", [Name]);
        throw:{Schema, Errors} ->
            logger:error("failed_to_check_schema: ~0p", [Schema]),
            [logger:error("~0p", [Error]) || Error <- Errors],
            fail()
    end.

schema(#{schema := Schema}) -> Schema;
schema(_Options) -> fail("Missing -s|--schema_module option", []).

load(#{conf_files := Files, include_dirs := Dirs}) ->
    case hocon:files(Files, #{format => richmap, include_dirs => Dirs}) of
        {ok, Conf} -> Conf;
        {error, Reason} -> fail("~0p", [Reason])
    end.

env_logger(#{verbose := true}) ->
    fun(_Level, #{hocon_env_var_name := Name, path := Path, value := Value}) ->
        io:format("~ts [~ts]: ~ts~n", [Name, Path, shown(Value)])
    end;
env_logger(_Options) ->
    fun(_, _) -> ok end.

shown(Value) when is_binary(Value) -> Value;
shown(Value) -> io_lib:format("~0tp", [Value]).

vm_arg('-setcookie', Cookie) -> io_lib:format("-setcookie ~0tp", [list_to_atom(Cookie)]);
vm_arg(Key, Value) when is_list(Value) -> io_lib:format("~ts ~ts", [Key, Value]);
vm_arg(Key, Value) -> io_lib:format("~ts ~w", [Key, Value]).

%% ---------------------------------------------------------------------------
%% Files

write(Dir, Base, Time, Ext, Content) ->
    Path = filename:join(filename:absname(Dir), Base ++ "." ++ Time ++ Ext),
    Bytes = unicode:characters_to_binary(Content),
    case filelib:ensure_dir(Path) of
        ok -> ok;
        {error, NoDir} -> fail("Error creating ~ts: ~ts", [Dir, file:format_error(NoDir)])
    end,
    Temp = Path ++ "." ++ os:getpid() ++ ".tmp",
    Written =
        case file:write_file(Temp, Bytes, [raw, sync]) of
            ok -> file:rename(Temp, Path);
            Error -> Error
        end,
    case Written of
        ok -> ok;
        {error, Reason} -> fail("Error writing ~ts: ~ts", [Path, file:format_error(Reason)])
    end.

prune(Dir, Base, Ext, Keep) ->
    Names = lists:sort([
        Name
     || Name <- filelib:wildcard(Base ++ ".*" ++ Ext, Dir),
        is_time(lists:sublist(Name, length(Base) + 2, max(0, length(Name) - length(Base ++ Ext) - 1)))
    ]),
    Old = lists:sublist(Names, max(0, length(Names) - Keep)),
    lists:foreach(fun(Name) -> file:delete(filename:join(Dir, Name)) end, Old).

now_time() ->
    {{Y, Mo, D}, {H, Mi, S}} = calendar:local_time(),
    lists:flatten(io_lib:format("~b.~2..0b.~2..0b.~2..0b.~2..0b.~2..0b", [Y, Mo, D, H, Mi, S])).

is_time(Text) ->
    match =:= re:run(Text, "^[0-9]{4}(\\.[0-9]{2}){5}$", [{capture, none}]).

%% ---------------------------------------------------------------------------
%% Ending

%% The answer of a query must not be mixed with complaints.
log_device([Query | _]) when Query =:= "get"; Query =:= "multi_get" -> standard_error;
log_device(_) -> standard_io.

log_to(Device) ->
    _ = logger:remove_handler(default),
    Formatter = #{single_line => true, template => [time, " [", level, "] ", msg, "\n"]},
    ok = logger:add_handler(?MODULE, logger_std_h, #{
        config => #{type => Device}, formatter => {logger_formatter, Formatter}
    }).

-spec fail(io:format(), [term()]) -> no_return().
fail(Format, Args) ->
    logger:error(Format, Args),
    fail().

-spec fail() -> no_return().
fail() ->
    ok = logger_std_h:filesync(?MODULE),
    erlang:halt(1).
