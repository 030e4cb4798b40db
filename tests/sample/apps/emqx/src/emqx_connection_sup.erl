%%% One process for each client connection; none is ever restarted.
-module(emqx_connection_sup).

-behaviour(supervisor).

-export([init/1, start_link/0]).

-spec start_link() -> {ok, pid()}.
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Child = #{
        id => emqx_connection,
        start => {emqx_connection, start_link, []},
        restart => temporary,
        modules => [emqx_connection]
    },
    {ok, {#{strategy => simple_one_for_one}, [Child]}}.
