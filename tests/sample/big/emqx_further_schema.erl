%%% What a further application adds to the configuration: how many workers it has,
%%% and how much it lets through.
%%%
%%% Compiled like emqx_further_app.
-module(emqx_further_schema).

-behaviour(hocon_schema).

-export([fields/1, roots/0, translations/0]).

-spec roots() -> [hocon_schema:root()].
roots() ->
    "emqx_" ++ Name = atom_to_list(emqx_further),
    [{Name, #{type => ref("root")}}].

-spec translations() -> [{string(), fun((hocon:config()) -> term())}].
translations() ->
    [].

-spec fields(hocon_schema:name()) -> [hocon_schema:field()].
fields("root") ->
    [
        {"enable", #{type => boolean, default => true}},
        {"pool_size", #{
            type => {range, 1, 256}, default => 4, mapping => atom_to_list(emqx_further) ++ ".pool_size"
        }},
        {"limits", #{type => ref("limits")}}
    ];
fields("limits") ->
    [
        {"max_conn_rate", limit(integer)},
        {"messages_rate", limit(integer)},
        {"bytes_rate", limit(bytesize)},
        {"burst", #{type => duration_ms, default => <<"10s">>}}
    ].

limit(Type) -> #{type => {union, [{enum, [infinity]}, Type]}, default => <<"infinity">>}.

ref(Name) -> {struct, {?MODULE, Name}}.
