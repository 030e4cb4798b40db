%%% Counters of the broker.
%%%
%%% Connections add to them without waiting. In this release the state is a plain
%%% tuple: `{stats, Received, Delivered, StartedAt}`. It can be gone back to: the map that
%%% the next release makes of it is known here already.
-module(emqx_stats).

-behaviour(gen_server).

-export([add/2, all/0, layout/0, start_link/0]).
-export([code_change/3, handle_call/3, handle_cast/2, init/1]).

-type state() :: {stats, non_neg_integer(), non_neg_integer(), calendar:datetime()}.

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec add(received | delivered, non_neg_integer()) -> ok.
add(_Counter, 0) -> ok;
add(Counter, N) -> gen_server:cast(?MODULE, {add, Counter, N}).

-spec all() -> [{atom(), term()}].
all() ->
    gen_server:call(?MODULE, all).

%% The shape of the state: what an upgrade has to convert.
-spec layout() -> {Version :: pos_integer(), From :: string() | none}.
layout() ->
    gen_server:call(?MODULE, layout).

-spec init([]) -> {ok, state()}.
init([]) ->
    {ok, {stats, 0, 0, calendar:universal_time()}}.

-spec handle_call(all | layout, gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(all, _From, {stats, Received, Delivered, StartedAt} = State) ->
    {reply, [{received, Received}, {delivered, Delivered}, {started_at, StartedAt}], State};
handle_call(layout, _From, State) ->
    {reply, {1, none}, State}.

-spec handle_cast({add, received | delivered, pos_integer()}, state()) -> {noreply, state()}.
handle_cast({add, received, N}, {stats, Received, Delivered, StartedAt}) ->
    {noreply, {stats, Received + N, Delivered, StartedAt}};
handle_cast({add, delivered, N}, {stats, Received, Delivered, StartedAt}) ->
    {noreply, {stats, Received, Delivered + N, StartedAt}}.

-spec code_change(string(), term(), term()) -> {ok, state()}.
code_change(_FromVsn, #{received := Received, delivered := Delivered, started_at := StartedAt}, _Extra) ->
    {ok, {stats, Received, Delivered, StartedAt}};
code_change(_FromVsn, {stats, _, _, _} = State, _Extra) ->
    {ok, State}.
