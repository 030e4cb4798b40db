%%% One of the further applications of the big sample: a supervisor with a few
%%% idle workers, as many as its environment says.
%%%
%%% big.escript compiles it under the name of each application: every atom that
%%% begins with `emqx_further` gets that name in place of it.
-module(emqx_further_app).

-behaviour(application).
-behaviour(supervisor).

-export([init/1, start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    supervisor:start_link({local, emqx_further_sup}, ?MODULE, []).

-spec stop(term()) -> ok.
stop(_State) ->
    ok.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, Size} = application:get_env(emqx_further, pool_size),
    Workers = [
        #{id => N, start => {emqx_further_worker, start_link, [N]}}
     || N <- lists:seq(1, Size)
    ],
    {ok, {#{strategy => one_for_one}, Workers}}.
