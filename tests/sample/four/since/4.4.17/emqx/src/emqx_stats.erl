%%% Counters of the broker.
%%%
%%% Connections add to them without waiting. Since 4.4.17 the counters are a map of
%%% their own, so that a counter can be added without another conversion, and the
%%% state knows every release that it came through.
-module(emqx_stats).

-behaviour(gen_server).

-export([add/2, all/0, layout/0, start_link/0]).
-export([code_change/3, handle_call/3, handle_cast/2, init/1]).

-type state() :: #{
    layout := 3,
    counters := #{atom() => non_neg_integer()},
    started_at := calendar:datetime(),
    %% the releases whose states this one was made from, the latest first
    history := [string()]
}.

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec add(atom(), non_neg_integer()) -> ok.
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
    {ok, new(#{received => 0, delivered => 0}, calendar:universal_time(), [])}.

-spec handle_call(all | layout, gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(all, _From, #{counters := Counters, started_at := StartedAt} = State) ->
    {reply, lists:sort(maps:to_list(Counters)) ++ [{started_at, StartedAt}], State};
handle_call(layout, _From, #{layout := Layout, history := []} = State) ->
    {reply, {Layout, none}, State};
handle_call(layout, _From, #{layout := Layout, history := [Latest | _]} = State) ->
    {reply, {Layout, Latest}, State}.

-spec handle_cast({add, atom(), pos_integer()}, state()) -> {noreply, state()}.
handle_cast({add, Counter, N}, #{counters := Counters} = State) ->
    {noreply, State#{counters := maps:update_with(Counter, fun(C) -> C + N end, N, Counters)}}.

%% A downgrade tells which layout the former release knows; the new code converts back.
-spec code_change(string() | {down, string()}, term(), term()) -> {ok, term()} | {error, term()}.
code_change({down, _Vsn}, #{counters := Counters, started_at := StartedAt}, {layout, 1}) ->
    #{received := Received, delivered := Delivered} = Counters,
    {ok, {stats, Received, Delivered, StartedAt}};
code_change({down, _Vsn}, #{counters := Counters, started_at := StartedAt}, {layout, 2}) ->
    {ok, Counters#{layout => 2, started_at => StartedAt, migrated_from => none}};
code_change(FromVsn, {stats, Received, Delivered, StartedAt}, _Extra) ->
    {ok, new(#{received => Received, delivered => Delivered}, StartedAt, [FromVsn])};
code_change(FromVsn, #{layout := 2, started_at := StartedAt, migrated_from := From} = State, _Extra) ->
    Earlier = [F || F <- [From], F =/= none],
    {ok, new(maps:with([received, delivered], State), StartedAt, [FromVsn | Earlier])};
code_change(_FromVsn, #{layout := 3} = State, _Extra) ->
    {ok, State};
code_change(FromVsn, _State, _Extra) ->
    {error, {unknown_state, FromVsn}}.

new(Counters, StartedAt, History) ->
    #{layout => 3, counters => Counters, started_at => StartedAt, history => History}.
