%%% The broker application. In 4.x it boots everything itself: tables, processes, listeners; and it is
%%% known by the name `emqx` from then on.
-module(emqx_app).

-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    ok = emqx_db:start(),
    {ok, Sup} = emqx_sup:start_link(),
    ok = emqx_listeners:start(),
    true = register(emqx, self()),
    {ok, Sup}.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
