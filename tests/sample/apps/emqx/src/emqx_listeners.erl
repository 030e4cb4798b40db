%%% Opens the configured TCP listeners and accepts connections.
%%%
%%% One process owns the socket of a listener; its acceptors are linked to it and
%%% hand every connection to a process of its own. Bind addresses come from the
%%% application environment of emqx.
-module(emqx_listeners).

-behaviour(gen_server).

-export([list/0, start/0, start_link/3]).
-export([accept/1, handle_call/3, handle_cast/2, handle_info/2, init/1]).

-type address() :: {inet:ip_address(), inet:port_number()}.

%% An acceptor looks up its code again this often, so that an upgrade never finds
%% one waiting in old code for ever.
-define(ACCEPT_TIMEOUT, 5_000).

-spec start() -> ok.
start() ->
    lists:foreach(
        fun({Name, Bind, Opts}) ->
            Child = #{
                id => {?MODULE, Name}, start => {?MODULE, start_link, [Name, Bind, Opts]}
            },
            case supervisor:start_child(emqx_sup, Child) of
                {ok, _} -> ok;
                {error, Reason} -> error({listener, Name, Bind, Reason})
            end
        end,
        application:get_env(emqx, listeners, [])
    ).

-spec list() -> [{Name :: string(), address()}].
list() ->
    [
        {Name, gen_server:call(Pid, address)}
     || {{?MODULE, Name}, Pid, _, _} <- supervisor:which_children(emqx_sup), is_pid(Pid)
    ].

-spec start_link(string(), address(), map()) -> {ok, pid()} | {error, term()}.
start_link(Name, Bind, Opts) ->
    gen_server:start_link(?MODULE, {Name, Bind, Opts}, []).

-spec init({string(), address(), map()}) -> {ok, gen_tcp:socket()} | {stop, term()}.
init({_Name, {Ip, Port}, #{acceptors := Acceptors}}) ->
    process_flag(trap_exit, true),
    Options = [
        binary,
        {ip, Ip},
        {active, false},
        {reuseaddr, true},
        {backlog, 1024},
        {nodelay, true},
        {send_timeout, 15_000},
        {send_timeout_close, true}
    ],
    case gen_tcp:listen(Port, Options) of
        {ok, Socket} ->
            [start_acceptor(Socket) || _ <- lists:seq(1, Acceptors)],
            {ok, Socket};
        {error, Reason} ->
            {stop, Reason}
    end.

-spec handle_call(address, gen_server:from(), gen_tcp:socket()) ->
    {reply, address(), gen_tcp:socket()}.
handle_call(address, _From, Socket) ->
    {ok, Address} = inet:sockname(Socket),
    {reply, Address, Socket}.

-spec handle_cast(term(), gen_tcp:socket()) -> {noreply, gen_tcp:socket()}.
handle_cast(_Unknown, Socket) ->
    {noreply, Socket}.

-spec handle_info(term(), gen_tcp:socket()) ->
    {noreply, gen_tcp:socket()} | {stop, term(), gen_tcp:socket()}.
handle_info({'EXIT', _Acceptor, Reason}, Socket) ->
    logger:warning("acceptor ended: ~0p", [Reason]),
    _ = start_acceptor(Socket),
    {noreply, Socket};
handle_info(_Unknown, Socket) ->
    {noreply, Socket}.

start_acceptor(Socket) ->
    proc_lib:spawn_link(?MODULE, accept, [Socket]).

-spec accept(gen_tcp:socket()) -> no_return().
accept(Listening) ->
    case gen_tcp:accept(Listening, ?ACCEPT_TIMEOUT) of
        {ok, Socket} -> ok = hand_over(Socket);
        {error, timeout} -> ok;
        {error, closed} -> exit(normal);
        {error, econnaborted} -> ok;
        %% Out of file descriptors: better later than never.
        {error, _Reason} -> timer:sleep(100)
    end,
    ?MODULE:accept(Listening).

hand_over(Socket) ->
    {ok, Pid} = supervisor:start_child(emqx_connection_sup, [Socket]),
    case gen_tcp:controlling_process(Socket, Pid) of
        ok -> emqx_connection:socket_ready(Pid);
        {error, _ClosedByPeer} -> emqx_connection:socket_ready(Pid)
    end.
