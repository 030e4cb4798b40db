%%% The command `state`: what a hot upgrade has done to this VM, as `key: value`
%%% lines for people and for tests.
%%%
%%% It asks the processes and the code server each time; nothing is remembered.
-module(emqx_mgmt_state).

-export([load/0, state/1, unload/0]).

%% Gregorian seconds of 1970-01-01.
-define(UNIX_EPOCH, 62167219200).

-spec load() -> ok.
load() ->
    emqx_ctl:register_command(state, {?MODULE, state}).

-spec unload() -> ok.
unload() ->
    emqx_ctl:unregister_command(state).

-spec state([string()] | usage) -> ok.
state([]) ->
    lists:foreach(fun({Key, Value}) -> emqx_ctl:print("~ts: ~ts~n", [Key, Value]) end, lines());
state(_) ->
    emqx_ctl:usage("state", "Show versions and layouts of everything an upgrade touches").

lines() ->
    {StatsLayout, StatsFrom} = emqx_stats:layout(),
    Counters = [{["emqx_stats.", atom_to_list(K)], text(V)} || {K, V} <- emqx_stats:all()],
    Dashboard = [
        {["emqx_dashboard.", atom_to_list(K)], text(V)}
     || {K, V} <- dashboard()
    ],
    Notes = [{["note.", text(K)], text(V)} || {K, V} <- emqx_db:notes()],
    [
        {"release.version", emqx_release:version()},
        {"os.pid", os:getpid()},
        {"code.root_dir", code:root_dir()},
        {"app.emqx", app_version(emqx)},
        {"app.emqx_dashboard", app_version(emqx_dashboard)},
        {"app.emqx_management", app_version(emqx_management)},
        {"clients.count", text(emqx_cm:count())},
        {"emqx_connection.layouts", connection_layouts()},
        {"emqx_stats.layout", text(StatsLayout)},
        {"emqx_stats.migrated_from", text(StatsFrom)}
        | Counters ++ Dashboard ++ Notes
    ].

%% An upgrade may be restarting it just now.
dashboard() ->
    try
        emqx_dashboard_monitor:info()
    catch
        _:_ -> []
    end.

app_version(App) ->
    case lists:keyfind(App, 1, application:which_applications()) of
        {_, _, Version} -> Version;
        false -> "not running"
    end.

%% "1=200" when 200 connections have the state layout 1.
connection_layouts() ->
    Layouts = lists:foldl(
        fun({_, Pid}, Acc) ->
            try emqx_connection:info(Pid) of
                #{layout := Layout} -> maps:update_with(Layout, fun(N) -> N + 1 end, 1, Acc)
            catch
                exit:_ -> Acc
            end
        end,
        #{},
        emqx_cm:clients()
    ),
    lists:join(",", [
        io_lib:format("~b=~b", [L, N])
     || {L, N} <- lists:sort(maps:to_list(Layouts))
    ]).

text({{_, _, _}, {_, _, _}} = DateTime) ->
    Seconds = calendar:datetime_to_gregorian_seconds(DateTime) - ?UNIX_EPOCH,
    calendar:system_time_to_rfc3339(Seconds, [{offset, "Z"}]);
text(Value) when is_list(Value) -> Value;
text(Value) when is_atom(Value) -> atom_to_list(Value);
text(Value) -> io_lib:format("~0tp", [Value]).
