%%% The one application that the boot script starts; it brings up all others.
-module(emqx_machine_app).

-behaviour(application).
-behaviour(supervisor).

-export([init/1, start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    {ok, Depth} = application:get_env(emqx_machine, backtrace_depth),
    _ = erlang:system_flag(backtrace_depth, Depth),
    _ = os:set_signal(sighup, ignore),
    supervisor:start_link({local, emqx_machine_sup}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Child = #{
        id => emqx_machine_boot,
        start => {emqx_machine_boot, start_link, []},
        %% Stopping the applications is part of its work.
        shutdown => 60_000
    },
    {ok, {#{strategy => one_for_one, intensity => 0, period => 1}, [Child]}}.
