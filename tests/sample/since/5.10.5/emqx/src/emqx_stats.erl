%%% Counters of the broker.
%%%
%%% Connections add to them without waiting. Since 5.10.5 the state is a map with
%%% its layout inside; the tuple of 5.10.4 is converted with its counts kept.
-module(emqx_stats).

-behaviour(gen_server).

-export([add/2, all/0, layout/0, start_link/0]).
-export([code_change/3, handle_call/3, handle_cast/2, init/1]).

-type state() :: #{
    layout := 2,
    received := non_neg_integer(),
    delivered := non_neg_integer(),
    started_at := calendar:datetime(),
    %% the release whose state this one was made from
    migrated_from := string() | none
}.

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
    {ok, new(0, 0, calendar:universal_time(), none)}.

-spec handle_call(all | layout, gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(all, _From, State) ->
    Keys = [received, delivered, started_at],
    {reply, [{Key, map_get(Key, State)} || Key <- Keys], State};
handle_call(layout, _From, #{layout := Layout, migrated_from := From} = State) ->
    {reply, {Layout, From}, State}.

-spec handle_cast({add, received | delivered, pos_integer()}, state()) -> {noreply, state()}.
handle_cast({add, Counter, N}, State) ->
    {noreply, maps:update_with(Counter, fun(Count) -> Count + N end, State)}.

%% {down, Vsn}: an upgrade to this release is taken back.
-spec code_change(string() | {down, string()}, term(), term()) -> {ok, term()} | {error, term()}.
code_change({down, _Vsn}, #{received := Received, delivered := Delivered, started_at := StartedAt}, _) ->
    {ok, {stats, Received, Delivered, StartedAt}};
code_change(FromVsn, {stats, Received, Delivered, StartedAt}, _Extra) ->
    {ok, new(Received, Delivered, StartedAt, FromVsn)};
code_change(_FromVsn, #{layout := 2} = State, _Extra) ->
    {ok, State};
code_change(FromVsn, _State, _Extra) ->
    {error, {unknown_state, FromVsn}}.

new(Received, Delivered, StartedAt, From) ->
    #{
        layout => 2,
        received => Received,
        delivered => Delivered,
        started_at => StartedAt,
        migrated_from => From
    }.
