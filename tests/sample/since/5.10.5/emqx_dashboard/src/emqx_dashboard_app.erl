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

%% The history must be there before the first look is recorded.
-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Children = [
        #{id => Module, start => {Module, start_link, []}}
     || Module <- [emqx_dashboard_history, emqx_dashboard_monitor]
    ],
    {ok, {#{strategy => rest_for_one}, Children}}.
