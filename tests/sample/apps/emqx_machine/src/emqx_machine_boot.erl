%%% The boot sequence: applications in order, then the listeners; and back.
%%%
%%% It runs beside the boot script, so that the node answers remote calls while
%%% it boots. When any step fails the VM ends with exit code 1: a node without
%%% its applications must not look alive.
-module(emqx_machine_boot).

-behaviour(gen_server).

-export([apps/0, is_ready/0, shutdown/0, start_link/0]).
-export([handle_call/3, handle_cast/2, handle_continue/2, init/1]).

-define(READY, {?MODULE, ready}).

-type state() :: booting | ready | stopping.

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% In starting order. A release may have further ones that ask for it.
-spec apps() -> [atom()].
apps() ->
    Loaded = lists:sort([App || {App, _, _} <- application:loaded_applications()]),
    Further = [App || App <- Loaded, {ok, ?MODULE} <- [application:get_env(App, started_by)]],
    [emqx_ctl, emqx_license, mnesia, emqx, emqx_management, emqx_dashboard] ++ Further.

-spec is_ready() -> boolean().
is_ready() ->
    persistent_term:get(?READY, false).

-spec shutdown() -> ok.
shutdown() ->
    gen_server:call(?MODULE, shutdown, infinity).

-spec init([]) -> {ok, state(), {continue, boot}}.
init([]) ->
    {ok, booting, {continue, boot}}.

-spec handle_continue(boot, state()) -> {noreply, state()}.
handle_continue(boot, booting) ->
    try
        lists:foreach(fun start/1, apps()),
        ok = emqx_listeners:start(),
        persistent_term:put(?READY, true),
        {noreply, ready}
    catch
        Class:Reason:Stack ->
            logger:critical("failed_to_boot: ~0p", [{Class, Reason, Stack}]),
            init:stop(1),
            {noreply, stopping}
    end.

-spec handle_call(shutdown, gen_server:from(), state()) -> {reply, ok, state()}.
handle_call(shutdown, _From, stopping) ->
    {reply, ok, stopping};
handle_call(shutdown, _From, _BootingOrReady) ->
    persistent_term:put(?READY, false),
    lists:foreach(fun application:stop/1, lists:reverse(apps())),
    %% The answer must be on its way before the VM's connections close.
    {ok, _} = timer:apply_after(100, init, stop, []),
    {reply, ok, stopping}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

%% ---------------------------------------------------------------------------

start(mnesia) ->
    ok = emqx_db:start();
start(App) ->
    case application:ensure_all_started(App) of
        {ok, _} -> ok;
        {error, Reason} -> error({App, Reason})
    end.
