%%% The schema of etc/emqx.conf: names, types, defaults, and where each value goes
%%% (an application's environment or the VM's arguments).
%%%
%%% Names and defaults are EMQX's own, reduced to what this release uses. Defaults
%%% that depend on the machine read EMQX_LOG_DIR and EMQX_DEFAULT_LOG_HANDLER.
-module(emqx_conf_schema).

-behaviour(hocon_schema).

-export([fields/1, roots/0, translations/0]).

-define(DIST_OPTIONS, "[{buffer,1048576}]").

%% Other applications add roots of their own: whoever checks a configuration loads
%% them first.
-spec roots() -> [hocon_schema:root()].
roots() ->
    ["node", "cluster", "license", "listeners", "mqtt", "log", "dashboard"] ++ roots_of_others().

roots_of_others() ->
    Loaded = lists:sort([App || {App, _, _} <- application:loaded_applications()]),
    Schemas = lists:append([application:get_env(App, schemas, []) || App <- Loaded]),
    lists:append([Schema:roots() || Schema <- Schemas]).

-spec fields(hocon_schema:name()) -> [hocon_schema:field()].
fields("node") ->
    [
        {"name", #{type => string, default => <<"emqx@127.0.0.1">>}},
        {"cookie", #{
            type => string, required => true, sensitive => true, mapping => "vm_args.-setcookie"
        }},
        {"data_dir", #{type => string, default => <<"data">>, mapping => "emqx.data_dir"}},
        {"db_backend", #{type => {enum, [mnesia, rlog]}, default => mnesia}},
        {"role", #{type => {enum, [core, replicant]}, default => core, mapping => "emqx.node_role"}},
        {"max_ports", #{
            type => {range, 1024, 134217727}, default => 1048576, mapping => "vm_args.+Q"
        }},
        {"dist_buffer_size", #{
            type => {range, 1, 2097151}, default => 8192, mapping => "vm_args.+zdbbl"
        }},
        {"max_ets_tables", #{type => integer, default => 262144, mapping => "vm_args.+e"}},
        {"crash_dump_file", #{type => string, default => fun crash_dump_file/0}},
        {"crash_dump_seconds", #{
            type => duration_s,
            default => <<"30s">>,
            mapping => "vm_args.-env ERL_CRASH_DUMP_SECONDS"
        }},
        {"crash_dump_bytes", #{
            type => bytesize,
            default => <<"100MB">>,
            mapping => "vm_args.-env ERL_CRASH_DUMP_BYTES"
        }},
        {"dist_net_ticktime", #{
            type => duration_s, default => <<"2m">>, mapping => "vm_args.-kernel net_ticktime"
        }},
        {"backtrace_depth", #{
            type => integer, default => 23, mapping => "emqx_machine.backtrace_depth"
        }}
    ];
fields("cluster") ->
    [
        {"name", #{type => string, default => <<"emqxcl">>, mapping => "ekka.cluster_name"}},
        {"discovery_strategy", #{type => {enum, [singleton, manual]}, default => manual}},
        {"proto_dist", #{
            type => {enum, [inet_tcp, inet6_tcp, inet_tls, inet6_tls]},
            default => inet_tcp,
            mapping => "ekka.proto_dist"
        }}
    ];
fields("license") ->
    [{"key", #{type => binary, default => <<"evaluation">>, sensitive => true}}];
fields("listeners") ->
    [{"tcp", #{type => {map, {struct, "tcp_listener"}}, default => #{<<"default">> => #{}}}}];
fields("tcp_listener") ->
    [
        {"enable", #{type => boolean, default => true}},
        {"bind", #{type => ip_port, default => <<"127.0.0.1:1883">>}},
        {"acceptors", #{type => {range, 1, 64}, default => 4}}
    ];
fields("mqtt") ->
    [
        {"max_packet_size", #{
            type => bytesize, default => <<"1MB">>, mapping => "emqx.max_packet_size"
        }},
        {"max_inflight", #{
            type => {range, 1, 65535}, default => 1000, mapping => "emqx.max_inflight"
        }}
    ];
fields("log") ->
    [{"console", #{type => {struct, "log_console"}}}, {"file", #{type => {struct, "log_file"}}}];
fields("log_console") ->
    [{"enable", #{type => boolean, default => fun console_enabled/0}}, level()];
fields("log_file") ->
    [
        {"enable", #{type => boolean, default => fun file_enabled/0}},
        {"path", #{type => string, default => <<"${EMQX_LOG_DIR}/emqx.log">>}},
        {"rotation_size", #{type => bytesize, default => <<"50MB">>}},
        {"rotation_count", #{type => {range, 1, 128}, default => 10}},
        level()
    ];
fields("dashboard") ->
    [
        {"sample_interval", #{
            type => duration_ms, default => <<"1s">>, mapping => "emqx_dashboard.sample_interval"
        }}
    ].

-spec translations() -> [{string(), fun((hocon:config()) -> term())}].
translations() ->
    [
        {"vm_args.+P", fun(Conf) -> 2 * hocon_maps:get("node.max_ports", Conf) end},
        {"vm_args.-env ERL_CRASH_DUMP", fun vm_crash_dump/1},
        {"vm_args.-kernel inet_dist_connect_options", fun(_) -> ?DIST_OPTIONS end},
        {"vm_args.-kernel inet_dist_listen_options", fun(_) -> ?DIST_OPTIONS end},
        {"vm_args.-kernel prevent_overlapping_partitions", fun(_) -> false end},
        {"emqx.listeners", fun listeners/1},
        {"emqx_license.key", fun(Conf) -> hocon_maps:get("license.key", Conf) end},
        {"kernel.logger_level", fun logger_level/1},
        {"kernel.logger", fun logger_handlers/1},
        %% Nothing but these handlers writes to the console.
        {"kernel.error_logger", fun(_) -> silent end},
        {"sasl.errlog_type", fun(_) -> error end}
    ].

%% ---------------------------------------------------------------------------

level() ->
    Levels = [debug, info, notice, warning, error, critical, alert, emergency],
    {"level", #{type => {enum, Levels}, default => warning}}.

console_enabled() ->
    lists:member(os:getenv("EMQX_DEFAULT_LOG_HANDLER"), ["console", "both"]).

file_enabled() ->
    lists:member(os:getenv("EMQX_DEFAULT_LOG_HANDLER"), ["file", "both", "", false]).

log_dir() ->
    os:getenv("EMQX_LOG_DIR", "log").

crash_dump_file() ->
    unicode:characters_to_binary(filename:join(log_dir(), "erl_crash.dump")).

%% The file of VM arguments is cut at blanks, like a shell's command line.
vm_crash_dump(Conf) ->
    Path = hocon_maps:get("node.crash_dump_file", Conf),
    case lists:any(fun(C) -> C =:= $\s orelse C =:= $\t end, Path) of
        true -> "\"" ++ Path ++ "\"";
        false -> Path
    end.

listeners(Conf) ->
    [
        {binary_to_list(Name), Bind, #{acceptors => Acceptors}}
     || {Name, #{<<"enable">> := true, <<"bind">> := Bind, <<"acceptors">> := Acceptors}} <-
            lists:sort(maps:to_list(hocon_maps:get("listeners.tcp", Conf)))
    ].

logger_level(Conf) ->
    Enabled = [
        hocon_maps:get("log." ++ Handler ++ ".level", Conf)
     || Handler <- ["console", "file"], hocon_maps:get("log." ++ Handler ++ ".enable", Conf)
    ],
    Lowest = lists:search(fun(L) -> lists:member(L, Enabled) end, [debug, info, notice, warning]),
    case {Lowest, Enabled} of
        {{value, Level}, _} -> Level;
        {false, [Level | _]} -> Level;
        {false, []} -> error
    end.

logger_handlers(Conf) ->
    Console = [
        {handler, console, logger_std_h, handler("console", Conf, #{type => standard_io})}
     || hocon_maps:get("log.console.enable", Conf)
    ],
    File = [
        {handler, file, logger_std_h, handler("file", Conf, file_config(Conf))}
     || hocon_maps:get("log.file.enable", Conf)
    ],
    [{handler, default, undefined} | Console ++ File].

handler(Name, Conf, Config) ->
    Template = [time, " [", level, "] ", msg, "\n"],
    #{
        level => hocon_maps:get("log." ++ Name ++ ".level", Conf),
        config => Config,
        formatter => {logger_formatter, #{single_line => true, template => Template}}
    }.

file_config(Conf) ->
    Path = string:replace(hocon_maps:get("log.file.path", Conf), "${EMQX_LOG_DIR}", log_dir()),
    #{
        file => lists:flatten(Path),
        max_no_bytes => hocon_maps:get("log.file.rotation_size", Conf),
        max_no_files => hocon_maps:get("log.file.rotation_count", Conf)
    }.
