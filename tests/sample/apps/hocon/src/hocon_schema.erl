%%% What a schema module says about configuration: its roots, their fields, and
%%% how values become application environment.
%%%
%%% A schema module is the only source of this knowledge; nothing is cached.
-module(hocon_schema).

-export([fields/2, resolve_struct_name/2, root_names/1, roots/1, translations/1]).

-export_type([field/0, name/0, root/0, schema/0, type/0]).

-type schema() :: module().
-type name() :: string().
%% A struct of the schema itself, or of another module that adds to it.
-type struct() :: name() | {module(), name()}.
-type type() ::
    string
    | binary
    | boolean
    | integer
    | duration_s
    | duration_ms
    | bytesize
    | ip_port
    | {enum, [atom()]}
    | {range, integer(), integer()}
    | {array, type()}
    | {struct, struct()}
    | {map, type()}
    %% the first member that the value fits
    | {union, [type()]}.
-type field() :: {
    name(),
    #{
        type := type(),
        default => term() | fun(() -> term()),
        required => boolean(),
        sensitive => boolean(),
        %% looks at the converted value
        validator => fun((term()) -> ok | {error, term()}),
        %% "application.key" of the generated environment
        mapping => string()
    }
}.
%% A plain name is that of a struct of the schema.
-type root() :: name() | field().

-callback roots() -> [root()].
-callback fields(name()) -> [field()].
%% `{"application.key", fun}`: values computed from the whole configuration.
-callback translations() -> [{string(), fun((hocon:config()) -> term())}].

-spec roots(schema()) -> [field()].
roots(Schema) ->
    [root(Root) || Root <- Schema:roots()].

root({Name, #{type := _} = Field}) -> {Name, Field};
root(Name) -> {Name, #{type => {struct, Name}}}.

-spec root_names(schema()) -> [name()].
root_names(Schema) ->
    [Name || {Name, _} <- roots(Schema)].

-spec fields(schema(), struct()) -> [field()].
fields(_Schema, {Module, Name}) ->
    Module:fields(Name);
fields(Schema, Name) ->
    Schema:fields(Name).

-spec translations(schema()) -> [{string(), fun((hocon:config()) -> term())}].
translations(Schema) ->
    Schema:translations().

%% The name of the root that a path begins with, as the schema spells it.
-spec resolve_struct_name(schema(), atom() | string() | binary()) -> name().
resolve_struct_name(Schema, Name) when is_atom(Name) ->
    resolve_struct_name(Schema, atom_to_list(Name));
resolve_struct_name(Schema, Name) when is_binary(Name) ->
    resolve_struct_name(Schema, binary_to_list(Name));
resolve_struct_name(Schema, Name) ->
    case lists:member(Name, root_names(Schema)) of
        true -> Name;
        false -> throw({unknown_struct_name, Schema, Name})
    end.
