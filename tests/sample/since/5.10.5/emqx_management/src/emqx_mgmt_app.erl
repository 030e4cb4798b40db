%%% Registers the administration commands while it runs.
-module(emqx_mgmt_app).

-behaviour(application).
-behaviour(supervisor).

-export([init/1, start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    ok = emqx_mgmt_cli:load(),
    ok = emqx_mgmt_demo:load(),
    ok = emqx_mgmt_topics:load(),
    supervisor:start_link({local, emqx_mgmt_sup}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok = emqx_mgmt_cli:unload(),
    ok = emqx_mgmt_demo:unload(),
    ok = emqx_mgmt_topics:unload().

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, {#{}, []}}.
