%%% The broker's processes: statistics, the client registry, the connections.
%%% Listeners are added at the end of the boot sequence by emqx_listeners.
-module(emqx_sup).

-behaviour(supervisor).

-export([init/1, start_link/0]).

-spec start_link() -> {ok, pid()}.
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% The supervisor owns the subscription tables, so that no worker's crash loses
%% the subscriptions of connected clients.
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    ok = emqx_broker:create_tables(),
    Children = [
        #{id => emqx_stats, start => {emqx_stats, start_link, []}},
        #{id => emqx_cm, start => {emqx_cm, start_link, []}},
        #{
            id => emqx_connection_sup,
            start => {emqx_connection_sup, start_link, []},
            type => supervisor,
            shutdown => infinity
        }
    ],
    {ok, {#{strategy => one_for_one, intensity => 5, period => 10}, Children}}.
