%%% The command line of the configuration generator in bin/cuttlefish, as scripts of EMQX 4.x use it.
%%%
%%%     cuttlefish [-v] -i SCHEMA... -c CONF... [-d DIR] [-m COUNT] [generate]
%%%     cuttlefish -i SCHEMA... -c CONF... get NAME
%%%
%%% All the work is done by the cuttlefish library, which is packed into the same escript. What this
%%% module has more than the library's own front: environment variables override settings
%%% (CUTTLEFISH_ENV_OVERRIDE_PREFIX; `-v` prints which), `get`, and the arguments file under both of
%%% its options on the last line. Errors go to standard error, one line each, and end with 1.
-module(cuttlefish_escript).

-export([main/1]).

-type conf() :: [{[string()], term()}].

-spec main([string()]) -> no_return().
main(Args) ->
    ok = log_to_stderr(),
    Specs = [
        {schema, $i, "schema_file", string, "schema"},
        {conf, $c, "conf_file", string, "configuration"},
        {dir, $d, "dest_dir", string, "where the generated files go"},
        {etc, $e, "etc_dir", string, "without use here"},
        {history, $m, "max_history", {integer, 3}, "how many generated files are kept"},
        {verbose, $v, "verbose_env", {boolean, false}, "print what the environment overrides"}
    ],
    case getopt:parse(Specs, Args) of
        {ok, {Options, []}} -> generate(Options);
        {ok, {Options, ["generate"]}} -> generate(Options);
        {ok, {Options, ["get", Name]}} -> get(Options, Name);
        _ -> failed(["unknown arguments: ", lists:join(" ", Args)])
    end.

%% ---------------------------------------------------------------------------

generate(Options) ->
    Log =
        case proplists:get_value(verbose, Options) of
            true -> fun(Name, Value) -> io:format("~ts = ~p~n", [Name, Value]) end;
            false -> fun(_, _) -> ok end
        end,
    {_, Mappings, _} = Schema = schema(Options),
    Conf = override(conf(Options), Mappings, Log),
    case cuttlefish_generator:map(Schema, Conf) of
        {error, Phase, {errorlist, Errors}} ->
            logger:error("Error generating configuration in phase ~s", [Phase]),
            failed_all(Errors);
        Config ->
            Dir = filename:absname(proplists:get_value(dir, Options)),
            ok = filelib:ensure_path(Dir),
            Time = stamp(),
            App = filename:join(Dir, "app." ++ Time ++ ".config"),
            Vm = filename:join(Dir, "vm." ++ Time ++ ".args"),
            VmArgs = cuttlefish_vmargs:stringify(proplists:get_value(vm_args, Config, [])),
            Kept = proplists:get_value(history, Options) - 1,
            lists:foreach(fun(Kind) -> prune(Dir, Kind, Kept) end, ["app.*.config", "vm.*.args"]),
            ok = write(App, io_lib:format("~p.~n", [proplists:delete(vm_args, Config)])),
            ok = write(Vm, lists:join("\n", VmArgs)),
            %% Twice: the VM hides from its programs what it was given as `-args_file`.
            io:format(" -config ~ts -args_file ~ts -vm_args ~ts ~n", [App, Vm, Vm]),
            finish(0)
    end.

get(Options, Name) ->
    {_, Mappings, _} = schema(Options),
    Conf = override(conf(Options), Mappings, fun(_, _) -> ok end),
    case lists:keyfind(cuttlefish_variable:tokenize(Name), 1, Conf) of
        {_, Value} ->
            io:format("~ts~n", [Value]),
            finish(0);
        false ->
            finish(1)
    end.

schema(Options) ->
    case cuttlefish_schema:files(proplists:get_all_values(schema, Options)) of
        {errorlist, Errors} -> failed_all(Errors);
        Schema -> Schema
    end.

conf(Options) ->
    case cuttlefish_conf:files(proplists:get_all_values(conf, Options)) of
        {errorlist, Errors} -> failed_all(Errors);
        Conf -> Conf
    end.

%% PREFIX_NODE__NAME is node.name. Variables that name no setting are none of its business.
-spec override(conf(), [term()], fun((string(), string()) -> ok)) -> conf().
override(Conf, Mappings, Log) ->
    case os:getenv("CUTTLEFISH_ENV_OVERRIDE_PREFIX", "") of
        "" ->
            Conf;
        Prefix ->
            Given = [
                {name_of(Rest), Value}
             || {Variable, Value} <- os:env(),
                Rest <- [string:prefix(Variable, Prefix)],
                Rest =/= nomatch
            ],
            lists:foldl(
                fun({Name, Value}, Acc) ->
                    ok = Log(cuttlefish_variable:format(Name), Value),
                    lists:keystore(Name, 1, Acc, {Name, Value})
                end,
                Conf,
                lists:sort([G || {Name, _} = G <- Given, is_setting(Name, Mappings)])
            )
    end.

name_of(Variable) ->
    Dotted = lists:flatten(string:replace(Variable, "__", ".", all)),
    cuttlefish_variable:tokenize(string:lowercase(Dotted)).

is_setting(Name, Mappings) ->
    Names = [cuttlefish_mapping:variable(Mapping) || Mapping <- Mappings],
    lists:any(fun(Known) -> cuttlefish_variable:is_fuzzy_match(Name, Known) end, Names).

prune(Dir, Kind, Kept) ->
    Files = lists:sort(filelib:wildcard(Kind, Dir)),
    Old = lists:sublist(Files, max(0, length(Files) - Kept)),
    lists:foreach(fun(Name) -> ok = file:delete(filename:join(Dir, Name)) end, Old).

write(File, Content) ->
    case file:write_file(File, unicode:characters_to_binary(Content)) of
        ok -> ok;
        {error, Reason} -> failed(["Error writing ", File, ": ", file:format_error(Reason)])
    end.

stamp() ->
    {{Y, Mo, D}, {H, Mi, S}} = calendar:local_time(),
    lists:flatten(io_lib:format("~b.~2..0b.~2..0b.~2..0b.~2..0b.~2..0b", [Y, Mo, D, H, Mi, S])).

%% ---------------------------------------------------------------------------

log_to_stderr() ->
    ok = logger:remove_handler(default),
    logger:add_handler(stderr, logger_std_h, #{
        config => #{type => standard_error},
        formatter =>
            {logger_formatter, #{
                single_line => true, template => [time, " [", level, "] ", msg, "\n"]
            }}
    }).

-spec failed_all([term()]) -> no_return().
failed_all(Errors) ->
    lists:foreach(fun(Error) -> logger:error("~ts", [cuttlefish_error:xlate(Error)]) end, Errors),
    finish(1).

-spec failed(iolist()) -> no_return().
failed(Text) ->
    logger:error("~ts", [Text]),
    finish(1).

%% The handler writes what it has been given before it answers.
-spec finish(0 | 1) -> no_return().
finish(Code) ->
    ok = logger_std_h:filesync(stderr),
    halt(Code).
