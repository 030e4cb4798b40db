%%% Looks at the broker's counters at a fixed interval; since 5.10.5 each look goes
%%% into the history.
-module(emqx_dashboard_monitor).

-behaviour(gen_server).

-export([info/0, start_link/0]).
-export([handle_call/3, handle_cast/2, handle_info/2, init/1]).

-type state() :: #{started_at := calendar:datetime()}.

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec info() -> [{atom(), term()}].
info() ->
    gen_server:call(?MODULE, info).

-spec init([]) -> {ok, state()}.
init([]) ->
    {ok, look(#{started_at => calendar:universal_time()})}.

-spec handle_call(info, gen_server:from(), state()) -> {reply, [{atom(), term()}], state()}.
handle_call(info, _From, #{started_at := StartedAt} = State) ->
    {reply, [{started_at, StartedAt}, {history, emqx_dashboard_history:size()}], State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(look, state()) -> {noreply, state()}.
handle_info(look, State) ->
    {noreply, look(State)}.

%% The counters may be away for a moment while they are upgraded.
look(State) ->
    {ok, Interval} = application:get_env(emqx_dashboard, sample_interval),
    _ = erlang:send_after(Interval, self(), look),
    try
        ok = emqx_dashboard_history:record(emqx_stats:all())
    catch
        exit:_ -> ok
    end,
    State.
