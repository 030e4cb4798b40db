%%% A worker of a further application: it holds a small table and waits.
%%%
%%% Compiled like emqx_further_app.
-module(emqx_further_worker).

-behaviour(gen_server).

-export([start_link/1, status/1]).
-export([handle_call/3, handle_cast/2, init/1]).

-type state() :: #{number := pos_integer(), table := ets:table(), since := integer()}.

-spec start_link(pos_integer()) -> {ok, pid()}.
start_link(Number) ->
    gen_server:start_link(?MODULE, Number, []).

-spec status(pid()) -> map().
status(Pid) ->
    gen_server:call(Pid, status).

-spec init(pos_integer()) -> {ok, state()}.
init(Number) ->
    Table = ets:new(?MODULE, [ordered_set, public, {read_concurrency, true}]),
    true = ets:insert(Table, [{N, Number} || N <- lists:seq(1, 16)]),
    {ok, #{number => Number, table => Table, since => erlang:monotonic_time()}}.

-spec handle_call(status, gen_server:from(), state()) -> {reply, map(), state()}.
handle_call(status, _From, #{number := Number, table := Table} = State) ->
    {reply, #{number => Number, size => ets:info(Table, size)}, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.
