%%% The broker application. It accepts no clients by itself: the boot sequence
%%% opens the listeners when every application is up.
-module(emqx_app).

-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()}.
start(_Type, _Args) ->
    emqx_sup:start_link().

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
