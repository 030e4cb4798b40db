%%% Administration commands about the node and its clients.
%%%
%%% Read-only but for `clients kick`. Called with the words of the command line,
%%% or with the atom `usage`.
-module(emqx_mgmt_cli).

-export([broker/1, clients/1, listeners/1, load/0, retained/1, status/1, unload/0]).

-type words() :: [string()] | usage.

commands() ->
    [status, broker, clients, listeners, retained].

-spec load() -> ok.
load() ->
    ok = emqx_mgmt_state:load(),
    lists:foreach(fun(C) -> ok = emqx_ctl:register_command(C, {?MODULE, C}) end, commands()).

-spec unload() -> ok.
unload() ->
    ok = emqx_mgmt_state:unload(),
    lists:foreach(fun(C) -> ok = emqx_ctl:unregister_command(C) end, commands()).

-spec status(words()) -> ok.
status([]) ->
    {Internal, _} = init:get_status(),
    emqx_ctl:print("Node ~p ~ts is ~p~n", [node(), emqx_release:version(), Internal]);
status(_) ->
    emqx_ctl:usage("status", "Show whether the node is started").

-spec broker(words()) -> ok.
broker([]) ->
    {Milliseconds, _} = erlang:statistics(wall_clock),
    emqx_ctl:print("~-10s: ~ts~n", [sysdescr, emqx_release:description()]),
    emqx_ctl:print("~-10s: ~ts~n", [version, emqx_release:version()]),
    emqx_ctl:print("~-10s: ~b s~n", [uptime, Milliseconds div 1000]);
broker(["stats"]) ->
    Stats = [
        {'connections.count', emqx_cm:count()},
        {'retained.count', emqx_db:retained_count()},
        {'subscriptions.count', emqx_broker:subscription_count()}
    ],
    print_all(Stats);
broker(["metrics"]) ->
    print_all([{K, V} || {K, V} <- emqx_stats:all(), is_integer(V)]);
broker(_) ->
    emqx_ctl:usage([
        {"broker", "Show version, description and uptime"},
        {"broker stats", "Show how many clients, subscriptions and retained messages there are"},
        {"broker metrics", "Show the counters"}
    ]).

-spec clients(words()) -> ok | {error, not_found}.
clients(["count"]) ->
    emqx_ctl:print("~b~n", [emqx_cm:count()]);
clients(["list"]) ->
    case emqx_cm:clients() of
        [] -> emqx_ctl:print("No clients.~n");
        Clients -> lists:foreach(fun({_, Pid}) -> print_client(Pid) end, Clients)
    end;
clients(["show", ClientId]) ->
    with_client(ClientId, fun print_client/1);
clients(["kick", ClientId]) ->
    with_client(ClientId, fun(Pid) ->
        ok = emqx_connection:takeover(Pid),
        emqx_ctl:print("ok~n")
    end);
clients(_) ->
    emqx_ctl:usage([
        {"clients list", "List all clients"},
        {"clients count", "Show how many clients are connected"},
        {"clients show <ClientId>", "Show one client"},
        {"clients kick <ClientId>", "Close the connection of a client"}
    ]).

-spec listeners(words()) -> ok.
listeners([]) ->
    lists:foreach(
        fun({Name, {Ip, Port}}) ->
            emqx_ctl:print("tcp:~ts~n  listen_on: ~ts:~b~n", [Name, inet:ntoa(Ip), Port])
        end,
        emqx_listeners:list()
    );
listeners(_) ->
    emqx_ctl:usage("listeners", "List the listeners").

-spec retained(words()) -> ok.
retained(["list"]) ->
    lists:foreach(
        fun(#{topic := Topic}) -> emqx_ctl:print("~ts~n", [Topic]) end,
        emqx_db:retained(<<"#">>)
    );
retained(_) ->
    emqx_ctl:usage("retained list", "List the topics of retained messages").

%% ---------------------------------------------------------------------------

with_client(ClientId, Do) ->
    case emqx_cm:lookup(unicode:characters_to_binary(ClientId)) of
        {ok, Pid} ->
            Do(Pid);
        {error, not_found} ->
            emqx_ctl:print("Client ~ts is not connected.~n", [ClientId]),
            {error, not_found}
    end.

%% A client may go while it is looked at.
print_client(Pid) ->
    try emqx_connection:info(Pid) of
        #{client_id := ClientId} = Info ->
            Fields = [[atom_to_list(K), "=", value(V)] || {K, V} <- lists:sort(maps:to_list(Info))],
            emqx_ctl:print("Client(~ts, ~ts)~n", [ClientId, lists:join(", ", Fields)])
    catch
        exit:_ -> ok
    end.

value({Ip, Port}) when is_tuple(Ip), is_integer(Port) -> [inet:ntoa(Ip), ":", integer_to_list(Port)];
value(V) when is_binary(V) -> V;
value(V) -> io_lib:format("~0tp", [V]).

print_all(Pairs) ->
    lists:foreach(fun({K, V}) -> emqx_ctl:print("~-30s: ~w~n", [K, V]) end, Pairs).
