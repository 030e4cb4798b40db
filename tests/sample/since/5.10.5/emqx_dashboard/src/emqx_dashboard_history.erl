%%% Keeps the last minute of looks at the broker's counters (new in 5.10.5).
-module(emqx_dashboard_history).

-behaviour(gen_server).

-export([record/1, size/0, start_link/0]).
-export([handle_call/3, handle_cast/2, init/1]).

-define(MAX, 60).

-type look() :: [{atom(), term()}].
-type state() :: [look()].

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec record(look()) -> ok.
record(Look) ->
    gen_server:cast(?MODULE, {record, Look}).

-spec size() -> non_neg_integer().
size() ->
    gen_server:call(?MODULE, size).

-spec init([]) -> {ok, state()}.
init([]) ->
    {ok, []}.

-spec handle_call(size, gen_server:from(), state()) -> {reply, non_neg_integer(), state()}.
handle_call(size, _From, Looks) ->
    {reply, length(Looks), Looks}.

-spec handle_cast({record, look()}, state()) -> {noreply, state()}.
handle_cast({record, Look}, Looks) ->
    {noreply, lists:sublist([Look | Looks], ?MAX)}.
