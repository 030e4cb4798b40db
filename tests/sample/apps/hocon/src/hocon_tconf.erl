%%% Checks a configuration against a schema module and turns it into application
%%% environment.
%%%
%%% Bad values are collected and thrown together as `{Schema, Errors}`, so that
%%% the user sees all of them at once. The only outside data are environment
%%% variables that begin with HOCON_ENV_OVERRIDE_PREFIX, read when
%%% `apply_override_envs` is true; each one used is told to the logger.
-module(hocon_tconf).

-export([generate/2, generate/3, map/2, map/3, map/4]).

-export_type([opts/0]).

-type opts() :: #{
    logger => fun((atom(), map()) -> term()),
    apply_override_envs => boolean(),
    format => map | richmap
}.
-type mapped() :: [{[string()], term()}].

-spec map(hocon_schema:schema(), hocon:config()) -> {mapped(), hocon:config()}.
map(Schema, Conf) ->
    map(Schema, Conf, all, #{}).

-spec map(hocon_schema:schema(), hocon:config(), all | [hocon_schema:name()]) ->
    {mapped(), hocon:config()}.
map(Schema, Conf, Roots) ->
    map(Schema, Conf, Roots, #{}).

%% Only the named roots are looked at: unknown data at the root level is dropped
%% in silence, unknown fields inside a root are errors.
-spec map(hocon_schema:schema(), hocon:config(), all | [hocon_schema:name()], opts()) ->
    {mapped(), hocon:config()}.
map(Schema, Conf, all, Opts) ->
    map(Schema, Conf, hocon_schema:root_names(Schema), Opts);
map(Schema, Conf0, RootNames, Opts) ->
    Roots = [Root || {Name, _} = Root <- hocon_schema:roots(Schema), lists:member(Name, RootNames)],
    Keys = [list_to_binary(Name) || Name <- RootNames],
    Conf1 = overridden(maps:with(Keys, Conf0), Schema, RootNames, Opts),
    {Conf, Mapped, Errors} = struct(Schema, Roots, Conf1, []),
    case Errors of
        [] -> {Mapped, Conf};
        _ -> throw({Schema, Errors})
    end.

-spec generate(hocon_schema:schema(), hocon:config()) -> [proplists:property()].
generate(Schema, Conf) ->
    generate(Schema, Conf, #{}).

-spec generate(hocon_schema:schema(), hocon:config(), opts()) -> [proplists:property()].
generate(Schema, Conf0, Opts) ->
    {Mapped, Conf} = map(Schema, Conf0, all, Opts),
    Translated = [
        {application_key(Key), Translate(Conf)}
     || {Key, Translate} <- hocon_schema:translations(Schema)
    ],
    lists:foldl(
        fun({[App, Key], Value}, Env) -> set_env(list_to_atom(App), list_to_atom(Key), Value, Env) end,
        [],
        [Entry || {_, Value} = Entry <- Mapped ++ Translated, Value =/= undefined]
    ).

set_env(App, Key, Value, Env) ->
    Old = proplists:get_value(App, Env, []),
    lists:keystore(App, 1, Env, {App, lists:keystore(Key, 1, Old, {Key, Value})}).

application_key(Mapping) ->
    string:split(Mapping, ".").

%% ---------------------------------------------------------------------------
%% Fields

struct(Schema, Fields, Conf, Path) ->
    Known = [list_to_binary(Name) || {Name, _} <- Fields],
    Unknown =
        case maps:keys(maps:without(Known, Conf)) of
            [] -> [];
            Keys -> [failure(unknown_fields, Path, #{unknown => text(lists:join(",", Keys))})]
        end,
    lists:foldl(
        fun({Name, Field}, {Values, Mapped, Errors}) ->
            Key = list_to_binary(Name),
            Raw = raw_value(maps:get(Key, Conf, null), Field),
            {Value, More, Bad} = field(Schema, Field, Raw, Path ++ [Name]),
            {Values#{Key => Value}, Mapped ++ More, Errors ++ Bad}
        end,
        {#{}, [], Unknown},
        Fields
    ).

raw_value(null, #{default := Default}) when is_function(Default, 0) -> Default();
raw_value(null, #{default := Default}) -> Default;
raw_value(null, #{type := {struct, _}}) -> #{};
raw_value(null, #{type := {map, _}}) -> #{};
raw_value(Value, _Field) -> Value.

field(_Schema, #{required := true}, null, Path) ->
    {undefined, [], [failure(required_field, Path, #{})]};
field(_Schema, _Field, null, _Path) ->
    {undefined, [], []};
field(Schema, #{type := Type} = Field, Raw, Path) ->
    case value(Schema, Type, Raw, Path) of
        {Value, Mapped, []} -> validated(Field, Value, mapping(Field, Value) ++ Mapped, Path);
        {ok, Value} -> validated(Field, Value, mapping(Field, Value), Path);
        {error, Why} -> {undefined, [], [failure(bad_value, Path, masked(Field, Why))]};
        {_, _, Errors} -> {undefined, [], Errors}
    end.

%% What has parts gives their errors with their paths; the rest a reason.
value(Schema, {struct, Name}, #{} = Conf, Path) ->
    struct(Schema, hocon_schema:fields(Schema, Name), Conf, Path);
value(Schema, {map, Type}, #{} = Conf, Path) ->
    struct(Schema, [{binary_to_list(K), #{type => Type}} || K <- maps:keys(Conf)], Conf, Path);
value(Schema, {array, {struct, _} = Type}, Raw, Path) when is_list(Raw) ->
    elements(Schema, Type, Raw, Path);
value(Schema, {union, Types}, Raw, Path) ->
    member(Schema, Types, Types, Raw, Path);
value(_Schema, Type, Raw, _Path) ->
    hocon_types:convert(Type, Raw).

elements(Schema, Type, Raw, Path) ->
    Numbered = lists:zip(lists:seq(1, length(Raw)), Raw),
    Checked = [
        field(Schema, #{type => Type}, Element, Path ++ [integer_to_list(Index)])
     || {Index, Element} <- Numbered
    ],
    {Values, Mapped, Errors} = lists:unzip3(Checked),
    {Values, lists:append(Mapped), lists:append(Errors)}.

member(_Schema, [], Types, Raw, _Path) ->
    {error, #{expected => {union, Types}, got => Raw}};
member(Schema, [Type | Rest], Types, Raw, Path) ->
    case value(Schema, Type, Raw, Path) of
        {ok, Value} -> {ok, Value};
        {_, _, []} = Fits -> Fits;
        _ -> member(Schema, Rest, Types, Raw, Path)
    end.

validated(#{validator := Validator} = Field, Value, Mapped, Path) ->
    case Validator(Value) of
        ok -> {Value, Mapped, []};
        {error, Why} -> {undefined, [], [failure(bad_value, Path, masked(Field, #{why => Why}))]}
    end;
validated(_Field, Value, Mapped, _Path) ->
    {Value, Mapped, []}.

mapping(#{mapping := Mapping}, Value) -> [{application_key(Mapping), Value}];
mapping(_Field, _Value) -> [].

masked(#{sensitive := true}, Why) -> Why#{got => <<"******">>};
masked(_Field, Why) -> Why.

failure(Reason, Path, Details) ->
    Details#{kind => validation_error, reason => Reason, path => text(lists:join(".", Path))}.

text(Iodata) ->
    unicode:characters_to_list(Iodata).

%% ---------------------------------------------------------------------------
%% Environment overrides

overridden(Conf, _Schema, _Roots, #{apply_override_envs := false}) ->
    Conf;
overridden(Conf, Schema, Roots, Opts) ->
    case os:getenv("HOCON_ENV_OVERRIDE_PREFIX") of
        false -> Conf;
        "" -> Conf;
        Prefix -> lists:foldl(fun(E, C) -> override(E, C, Schema, Opts) end, Conf, envs(Prefix, Roots))
    end.

%% EMQX_A__B_C=v is the path a.b_c. Sorted, so that the log is the same each time.
envs(Prefix, Roots) ->
    [
        {Name, [list_to_binary(Word) || Word <- Path], Value}
     || Entry <- lists:sort(os:getenv()),
        [Name, Value] <- [string:split(Entry, "=")],
        [] =/= Value,
        [[], Rest] <- [string:split(Name, Prefix)],
        [Root, _ | _] = Path <- [string:split(string:lowercase(Rest), "__", all)],
        lists:member(Root, Roots)
    ].

override({Name, Path, Text}, Conf, Schema, Opts) ->
    Log = maps:get(logger, Opts, fun(_, _) -> ok end),
    Value = env_value(Text),
    Shown =
        case is_sensitive(Schema, Path) of
            true -> <<"******">>;
            false -> Value
        end,
    Dotted = text(lists:join(".", Path)),
    _ = Log(info, #{hocon_env_var_name => Name, path => Dotted, value => Shown}),
    hocon_maps:put(Path, Value, Conf).

%% A value is read as HOCON, so that numbers and lists work; text that is not
%% HOCON (a path, an address with a port) is taken as it is.
env_value(Text) ->
    Raw = unicode:characters_to_binary(Text),
    case hocon:binary([<<"value = ">>, Raw]) of
        {ok, #{<<"value">> := Value} = Conf} when map_size(Conf) =:= 1 -> Value;
        _ -> Raw
    end.

is_sensitive(Schema, Path) ->
    is_sensitive_in(Schema, hocon_schema:roots(Schema), Path).

is_sensitive_in(Schema, Fields, [Word | Path]) ->
    case lists:keyfind(binary_to_list(Word), 1, Fields) of
        {_, #{sensitive := true}} -> true;
        {_, #{type := Type}} -> is_sensitive(Schema, Type, Path);
        false -> false
    end.

is_sensitive(Schema, {struct, Name}, [_ | _] = Path) ->
    is_sensitive_in(Schema, hocon_schema:fields(Schema, Name), Path);
is_sensitive(Schema, {map, Type}, [_Word | Path]) ->
    is_sensitive(Schema, Type, Path);
is_sensitive(Schema, {union, Types}, Path) ->
    lists:any(fun(Type) -> is_sensitive(Schema, Type, Path) end, Types);
is_sensitive(_Schema, _Type, _Path) ->
    false.
