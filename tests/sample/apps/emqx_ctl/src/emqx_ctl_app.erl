%%% Starts the registry of administration commands.
-module(emqx_ctl_app).

-behaviour(application).
-behaviour(supervisor).

-export([init/1, start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    supervisor:start_link({local, emqx_ctl_sup}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Child = #{id => emqx_ctl, start => {emqx_ctl, start_link, []}},
    {ok, {#{strategy => one_for_one}, [Child]}}.
