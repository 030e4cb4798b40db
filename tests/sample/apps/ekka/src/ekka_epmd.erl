%%% Stands in for the epmd client (`-epmd_module ekka_epmd`): ports are computed
%%% from node names by ekka_dist, so there is nobody to register with or to ask.
-module(ekka_epmd).

-export([
    names/0,
    names/1,
    port_please/2,
    port_please/3,
    register_node/2,
    register_node/3,
    start_link/0
]).

%% The version of the distribution protocol that epmd would tell.
-define(DIST_VERSION, 6).

-spec start_link() -> ignore.
start_link() ->
    ignore.

-spec register_node(string(), inet:port_number()) -> {ok, 1..3}.
register_node(Name, Port) ->
    register_node(Name, Port, inet).

%% The creation tells one life of a node from the next.
-spec register_node(string(), inet:port_number(), atom()) -> {ok, 1..3}.
register_node(_Name, _Port, _Family) ->
    {ok, rand:uniform(3)}.

-spec port_please(string(), term()) -> {port, inet:port_number(), 6}.
port_please(Name, _Host) ->
    {port, ekka_dist:port(Name), ?DIST_VERSION}.

-spec port_please(string(), term(), timeout()) -> {port, inet:port_number(), 6}.
port_please(Name, Host, _Timeout) ->
    port_please(Name, Host).

-spec names() -> {error, address}.
names() ->
    {error, address}.

-spec names(term()) -> {error, address}.
names(_Host) ->
    {error, address}.
