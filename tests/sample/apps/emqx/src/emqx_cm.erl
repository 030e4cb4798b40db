%%% The registry of connected clients: one process for each client id.
%%%
%%% A client that connects with an id in use takes the id over: the older
%%% connection is told to close (MQTT 3.1.1, 3.1.4-2). Processes are monitored, so
%%% that even a killed connection leaves neither entry nor subscription.
-module(emqx_cm).

-behaviour(gen_server).

-export([clients/0, count/0, lookup/1, register/1, start_link/0]).
-export([handle_call/3, handle_cast/2, handle_info/2, init/1]).

-define(TABLE, emqx_channel).

%% The client id that each monitored process has.
-type state() :: #{pid() => binary()}.

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The calling process becomes the connection of that client.
-spec register(binary()) -> ok.
register(ClientId) ->
    gen_server:call(?MODULE, {register, ClientId}, infinity).

-spec lookup(binary()) -> {ok, pid()} | {error, not_found}.
lookup(ClientId) ->
    case ets:lookup(?TABLE, ClientId) of
        [{_, Pid}] -> {ok, Pid};
        [] -> {error, not_found}
    end.

-spec clients() -> [{binary(), pid()}].
clients() ->
    lists:sort(ets:tab2list(?TABLE)).

-spec count() -> non_neg_integer().
count() ->
    ets:info(?TABLE, size).

-spec init([]) -> {ok, state()}.
init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, protected, {read_concurrency, true}]),
    {ok, #{}}.

-spec handle_call({register, binary()}, gen_server:from(), state()) -> {reply, ok, state()}.
handle_call({register, ClientId}, {Pid, _}, State) ->
    case ets:lookup(?TABLE, ClientId) of
        [{_, Pid}] -> ok;
        [{_, Older}] -> emqx_connection:takeover(Older);
        [] -> ok
    end,
    true = ets:insert(?TABLE, {ClientId, Pid}),
    _ = erlang:monitor(process, Pid),
    {reply, ok, State#{Pid => ClientId}}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', _, process, Pid, _Reason}, State) ->
    case maps:take(Pid, State) of
        {ClientId, Rest} ->
            ok = emqx_broker:subscriber_down(Pid),
            %% The id may belong to a newer connection by now.
            true = ets:delete_object(?TABLE, {ClientId, Pid}),
            {noreply, Rest};
        error ->
            {noreply, State}
    end;
handle_info(_Unknown, State) ->
    {noreply, State}.
