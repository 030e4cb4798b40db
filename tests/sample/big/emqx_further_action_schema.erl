%%% What a further application adds to the configuration: what it does with
%%% messages, and which ones it takes.
%%%
%%% Compiled like emqx_further_app.
-module(emqx_further_action_schema).

-behaviour(hocon_schema).

-export([fields/1, roots/0, translations/0]).

-spec roots() -> [hocon_schema:root()].
roots() ->
    "emqx_" ++ Name = atom_to_list(emqx_further),
    [
        {Name ++ "_actions", #{type => {map, ref("action")}}},
        {Name ++ "_sources", #{type => {map, ref("source")}}}
    ].

-spec translations() -> [{string(), fun((hocon:config()) -> term())}].
translations() ->
    [].

-spec fields(hocon_schema:name()) -> [hocon_schema:field()].
fields("action") ->
    [
        {"enable", boolean(true)},
        {"connector", #{type => binary, required => true, validator => fun word/1}},
        {"description", #{type => binary, default => <<>>}},
        {"parameters", #{type => {union, [ref("batch"), ref("single")]}}},
        {"fallback", #{type => {array, ref("fallback")}, default => []}},
        {"resource_opts", #{type => resource_opts()}}
    ];
fields("single") ->
    [{"mode", enum([single], single)}, topic(), template() | encoding()];
fields("batch") ->
    [
        {"mode", #{type => {enum, [batch]}, required => true}},
        {"size", #{type => {range, 1, 65535}, default => 100}},
        {"time", duration(<<"20ms">>)},
        {"partition", #{type => {union, [{enum, [random, hash]}, integer]}, default => <<"random">>}},
        topic(),
        template()
        | encoding()
    ];
fields("fallback") ->
    [{"kind", enum([reference, republish], reference)}, topic(), qos(), template()];
fields("source") ->
    [
        {"enable", boolean(true)},
        {"connector", #{type => binary, required => true, validator => fun word/1}},
        {"topics", #{type => {array, ref("subscription")}, default => [#{}]}},
        {"resource_opts", #{type => resource_opts()}}
    ];
fields("subscription") ->
    [topic(), qos(), {"share", boolean(false)}, {"max_inflight", #{type => {range, 1, 65535}, default => 32}}].

%% ---------------------------------------------------------------------------

topic() ->
    {"topic", #{type => binary, default => <<"devices/+/up/#">>, validator => fun topic_filter/1}}.

qos() -> {"qos", #{type => {range, 0, 2}, default => 1}}.

template() ->
    {"template", #{
        type => binary,
        default => <<"{\"id\": \"${id}\", \"client\": \"${clientid}\", \"payload\": ${payload}}">>,
        validator => fun placeholders/1
    }}.

encoding() ->
    [
        {"encoding", enum([none, plain, base64, hex], plain)},
        {"compression", enum([none, gzip, snappy], none)},
        {"headers", #{type => {map, binary}}},
        {"undefined_vars", enum([null, ignore], null)}
    ].

boolean(Default) -> #{type => boolean, default => Default}.
duration(Default) -> #{type => duration_ms, default => Default}.
enum(Symbols, Default) -> #{type => {enum, Symbols}, default => Default}.
ref(Name) -> {struct, {?MODULE, Name}}.
resource_opts() -> {struct, {emqx_further_connector_schema, "resource_opts"}}.

word(Text) -> matches(Text, "^[A-Za-z0-9][-_.A-Za-z0-9]*$", bad_name).

topic_filter(Text) ->
    Words = binary:split(Text, <<"/">>, [global]),
    Misplaced = lists:member(<<"#">>, lists:droplast(Words)),
    Mixed = [W || W <- Words, byte_size(W) > 1, binary:match(W, [<<"+">>, <<"#">>]) =/= nomatch],
    case {Misplaced, Mixed} of
        {false, []} -> ok;
        _ -> {error, {bad_topic_filter, Text}}
    end.

placeholders(Text) -> matches(Text, "^(?:[^$]|\\$\\{[a-z][a-z_.]*\\}|\\$(?!\\{))*$", bad_placeholder).

matches(Text, Pattern, Reason) ->
    case re:run(Text, Pattern, [{capture, none}]) of
        match -> ok;
        nomatch -> {error, Reason}
    end.
