%%% The registry of connected clients: one process for each client id.
%%%
%%% A client that connects with an id in use takes the id over: the older
%%% connection is told to close (MQTT 3.1.1, 3.1.4-2). Processes are monitored, so
%%% that even a killed connection leaves neither entry nor subscription. Since
%%% 4.4.17 it also counts how many connections have gone.
-module(emqx_cm).

-behaviour(gen_server).

-export([clients/0, count/0, gone/0, lookup/1, register/1, start_link/0]).
-export([code_change/3, handle_call/3, handle_cast/2, handle_info/2, init/1]).

-define(TABLE, emqx_channel).

-type state() :: {
    registry,
    %% the client id that each monitored process has
    #{pid() => binary()},
    Gone :: non_neg_integer()
}.

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

%% Connections that ended since the node runs this release.
-spec gone() -> non_neg_integer().
gone() ->
    gen_server:call(?MODULE, gone).

-spec init([]) -> {ok, state()}.
init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, protected, {read_concurrency, true}]),
    {ok, {registry, #{}, 0}}.

-spec handle_call({register, binary()} | gone, gen_server:from(), state()) ->
    {reply, term(), state()}.
handle_call({register, ClientId}, {Pid, _}, {registry, Clients, Gone}) ->
    case ets:lookup(?TABLE, ClientId) of
        [{_, Pid}] -> ok;
        [{_, Older}] -> emqx_connection:takeover(Older);
        [] -> ok
    end,
    true = ets:insert(?TABLE, {ClientId, Pid}),
    _ = erlang:monitor(process, Pid),
    {reply, ok, {registry, Clients#{Pid => ClientId}, Gone}};
handle_call(gone, _From, {registry, _, Gone} = State) ->
    {reply, Gone, State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', _, process, Pid, _Reason}, {registry, Clients, Gone} = State) ->
    case maps:take(Pid, Clients) of
        {ClientId, Rest} ->
            ok = emqx_broker:subscriber_down(Pid),
            %% The id may belong to a newer connection by now.
            true = ets:delete_object(?TABLE, {ClientId, Pid}),
            {noreply, {registry, Rest, Gone + 1}};
        error ->
            {noreply, State}
    end;
handle_info(_Unknown, State) ->
    {noreply, State}.

%% Until 4.4.16 the state was the map of clients alone, and it is again after a downgrade.
-spec code_change(string() | {down, string()}, term(), term()) -> {ok, term()}.
code_change({down, _FromVsn}, {registry, Clients, _Gone}, _Extra) ->
    {ok, Clients};
code_change(_FromVsn, #{} = Clients, _Extra) ->
    {ok, {registry, Clients, 0}};
code_change(_FromVsn, {registry, _, _} = State, _Extra) ->
    {ok, State}.
