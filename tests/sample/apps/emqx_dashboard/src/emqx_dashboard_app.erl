%%% The dashboard application: it looks at the broker from outside, so stopping and
%%% starting it disturbs no client.
-module(emqx_dashboard_app).

-behaviour(application).
-behaviour(supervisor).

-export([init/1, start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    supervisor:start_link({local, emqx_dashboard_sup}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Child = #{id => emqx_dashboard_monitor, start => {emqx_dashboard_monitor, start_link, []}},
    {ok, {#{strategy => one_for_one}, [Child]}}.
