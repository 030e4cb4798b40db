%%% What a further application adds to the configuration: how it connects to the
%%% outside, with its own default for everything.
%%%
%%% Compiled like emqx_further_app. A short configuration is a long check this way.
-module(emqx_further_connector_schema).

-behaviour(hocon_schema).

-export([fields/1, roots/0, translations/0]).

-spec roots() -> [hocon_schema:root()].
roots() ->
    "emqx_" ++ Name = atom_to_list(emqx_further),
    [{Name ++ "_connectors", #{type => {map, ref("connector")}}}].

-spec translations() -> [{string(), fun((hocon:config()) -> term())}].
translations() ->
    [].

-spec fields(hocon_schema:name()) -> [hocon_schema:field()].
fields("connector") ->
    [
        {"enable", boolean(true)},
        {"description", #{type => binary, default => <<>>}},
        {"tags", #{type => {array, binary}, default => []}},
        {"server", #{type => ip_port, required => true}},
        {"database", #{type => binary, default => <<"mqtt">>, validator => fun word/1}},
        {"connect_timeout", duration(<<"5s">>)},
        {"pool_size", #{type => {range, 1, 1024}, default => 8}},
        {"auto_reconnect", boolean(true)},
        {"authentication", #{type => authentication(), default => <<"none">>, sensitive => true}},
        {"ssl", #{type => ref("ssl")}},
        {"tcp_opts", #{type => ref("tcp_opts")}},
        {"resource_opts", #{type => ref("resource_opts")}}
    ];
fields("auth_password") ->
    [
        {"mechanism", enum([plain, scram_sha_256, scram_sha_512], plain)},
        {"username", #{type => binary, required => true, validator => fun word/1}},
        {"password", #{type => binary, required => true, sensitive => true}}
    ];
fields("auth_token") ->
    [
        {"issuer", #{type => binary, required => true}},
        {"token", #{type => binary, required => true, sensitive => true}},
        {"refresh", duration(<<"10m">>)}
    ];
fields("auth_certificate") ->
    [
        {"certfile", file()},
        {"keyfile", file()},
        {"passphrase", #{type => binary, required => true, sensitive => true}}
    ];
fields("ssl") ->
    [
        {"enable", boolean(false)},
        {"verify", enum([verify_none, verify_peer], verify_none)},
        {"cacertfile", file()},
        {"certfile", file()},
        {"keyfile", file()},
        {"depth", #{type => {range, 0, 100}, default => 10}},
        {"reuse_sessions", boolean(true)},
        {"secure_renegotiate", boolean(true)},
        {"hibernate_after", duration(<<"5s">>)},
        {"log_level", enum([debug, info, notice, warning, error, none], notice)},
        {"versions", #{
            type => {array, {enum, ['tlsv1.3', 'tlsv1.2', 'tlsv1.1', tlsv1]}},
            default => [<<"tlsv1.3">>, <<"tlsv1.2">>]
        }},
        {"ciphers", #{type => {array, binary}, default => [], validator => fun ciphers/1}},
        {"server_name_indication", #{type => {union, [{enum, [disable]}, binary]}}}
    ];
fields("tcp_opts") ->
    [
        {"nodelay", boolean(true)},
        {"keepalive", #{type => {union, [{enum, [none]}, {array, integer}]}, default => <<"none">>}},
        {"buffer", bytes(<<"4KB">>)},
        {"sndbuf", bytes(<<"64KB">>)},
        {"recbuf", bytes(<<"64KB">>)},
        {"linger", duration(<<"0s">>)}
    ];
fields("resource_opts") ->
    [
        {"health_check_interval", duration(<<"15s">>)},
        {"health_check_timeout", duration(<<"60s">>)},
        {"start_after_created", boolean(true)},
        {"start_timeout", duration(<<"5s">>)},
        {"worker_pool_size", #{type => {range, 1, 1024}, default => 16}},
        {"query_mode", enum([sync, async], async)},
        {"request_ttl", #{type => {union, [{enum, [infinity]}, duration_ms]}, default => <<"45s">>}},
        {"inflight_window", #{type => {range, 1, 65535}, default => 100}},
        {"resume_interval", duration(<<"15s">>)},
        {"max_buffer_bytes", bytes(<<"256MB">>)},
        {"buffer_mode", enum([memory_only, volatile_offload], memory_only)},
        {"buffer_seg_bytes", bytes(<<"64MB">>)}
    ].

%% ---------------------------------------------------------------------------

authentication() ->
    {union, [{enum, [none]}, ref("auth_certificate"), ref("auth_token"), ref("auth_password")]}.

boolean(Default) -> #{type => boolean, default => Default}.
bytes(Default) -> #{type => bytesize, default => Default}.
duration(Default) -> #{type => duration_ms, default => Default}.
enum(Symbols, Default) -> #{type => {enum, Symbols}, default => Default}.
file() -> #{type => string, validator => fun path/1, default => <<"${EMQX_ETC_DIR}/certs/cert.pem">>}.
ref(Name) -> {struct, {?MODULE, Name}}.

word(Text) -> matches(Text, "^[A-Za-z0-9][-_.A-Za-z0-9]*$", bad_name).
path(Text) -> matches(Text, "^[^\\x00]+\\.(?:pem|crt|key)$", bad_file_name).

ciphers(Names) ->
    case length(lists:usort(Names)) =:= length(Names) of
        true -> ok;
        false -> {error, duplicate_ciphers}
    end.

matches(Text, Pattern, Reason) ->
    case re:run(Text, Pattern, [{capture, none}]) of
        match -> ok;
        nomatch -> {error, Reason}
    end.
