%%% The process of one client connection: bytes in, packets to emqx_channel, its
%%% replies out.
%%%
%%% It knows sockets, buffers and the keepalive clock, nothing of MQTT's rules.
%%% Its state is a tuple with its version in front, so that a later release can
%%% tell what it has to convert, and this one what a later release has made of it.
-module(emqx_connection).

-behaviour(gen_server).

-export([info/1, socket_ready/1, start_link/1, takeover/1]).
-export([code_change/3, handle_call/3, handle_cast/2, handle_info/2, init/1, terminate/2]).

%% {Version, Socket, Peer, Buffer, Channel, LastSeen}
-type state() ::
    {1, gen_tcp:socket(), term(), binary(), emqx_channel:channel(), integer()}.

%% How many packets of the socket may wait in the mailbox.
-define(ACTIVE, 100).

-spec start_link(gen_tcp:socket()) -> {ok, pid()}.
start_link(Socket) ->
    gen_server:start_link(?MODULE, Socket, []).

%% Told by the acceptor when this process owns the socket.
-spec socket_ready(pid()) -> ok.
socket_ready(Pid) ->
    gen_server:cast(Pid, socket_ready).

%% Another connection came with the same client id.
-spec takeover(pid()) -> ok.
takeover(Pid) ->
    gen_server:cast(Pid, takeover).

-spec info(pid()) -> #{atom() => term()}.
info(Pid) ->
    gen_server:call(Pid, info).

-spec init(gen_tcp:socket()) -> {ok, state()}.
init(Socket) ->
    Peer =
        case inet:peername(Socket) of
            {ok, Address} -> Address;
            {error, _} -> undefined
        end,
    {ok, {1, Socket, Peer, <<>>, emqx_channel:new(), now_ms()}}.

-spec handle_call(info, gen_server:from(), state()) -> {reply, map(), state()}.
handle_call(info, _From, {Version, _, Peer, _, Channel, _} = State) ->
    {reply, (emqx_channel:info(Channel))#{layout => Version, peer => Peer}, State}.

-spec handle_cast(socket_ready | takeover, state()) -> {noreply, state()} | {stop, term(), state()}.
handle_cast(socket_ready, {_, Socket, _, _, _, _} = State) ->
    ok = activate(Socket),
    %% A connection that never says who it is does not stay.
    _ = erlang:send_after(10_000, self(), connect_timeout),
    {noreply, State};
handle_cast(takeover, State) ->
    {stop, {shutdown, takeover}, State}.

-spec handle_info(term(), state()) -> {noreply, state()} | {stop, term(), state()}.
handle_info({tcp, _, Bytes}, {V, Socket, Peer, Buffer, Channel, _}) ->
    packets({V, Socket, Peer, <<Buffer/binary, Bytes/binary>>, Channel, now_ms()}, 0);
handle_info({tcp_passive, Socket}, State) ->
    ok = activate(Socket),
    {noreply, State};
handle_info({deliver, QoS, Message}, {V, Socket, Peer, Buffer, Channel, Seen}) ->
    {Replies, Channel1} = emqx_channel:deliver([{QoS, Message} | waiting(100)], Channel),
    ok = emqx_stats:add(delivered, length(Replies)),
    ok = send(Socket, Replies),
    {noreply, {V, Socket, Peer, Buffer, Channel1, Seen}};
handle_info({keepalive, Interval}, {_, _, _, _, _, Seen} = State) ->
    case now_ms() - Seen > Interval of
        true ->
            {stop, {shutdown, keepalive_timeout}, State};
        false ->
            _ = erlang:send_after(Interval, self(), {keepalive, Interval}),
            {noreply, State}
    end;
handle_info(connect_timeout, {_, _, _, _, Channel, _} = State) ->
    case emqx_channel:is_connected(Channel) of
        true -> {noreply, State};
        false -> {stop, {shutdown, connect_timeout}, State}
    end;
handle_info({tcp_closed, _}, State) ->
    {stop, {shutdown, closed}, State};
handle_info({tcp_error, _, Reason}, State) ->
    {stop, {shutdown, Reason}, State};
handle_info(_Unknown, State) ->
    {noreply, State}.

-spec terminate(term(), state()) -> ok.
terminate(_Reason, {_, _, _, _, Channel, _}) ->
    emqx_channel:terminate(Channel).

-spec code_change(string(), term(), term()) -> {ok, state()}.
code_change(_FromVsn, #{layout := 2, socket := Socket, channel := Channel} = State, _Extra) ->
    #{peer := Peer, buffer := Buffer, last_seen := Seen} = State,
    {ok, {1, Socket, Peer, Buffer, Channel, Seen}};
code_change(_FromVsn, {1, _, _, _, _, _} = State, _Extra) ->
    {ok, State}.

%% ---------------------------------------------------------------------------

packets({V, Socket, Peer, Buffer, Channel, Seen} = State, Count) ->
    case emqx_frame:parse(Buffer, emqx_channel:max_packet_size()) of
        more ->
            ok = emqx_stats:add(received, Count),
            {noreply, State};
        {error, Reason} ->
            {stop, {shutdown, Reason}, State};
        {ok, Packet, Rest} ->
            case emqx_channel:handle(Packet, Channel) of
                {ok, Replies, Channel1} ->
                    ok = send(Socket, Replies),
                    packets({V, Socket, Peer, Rest, Channel1, Seen}, Count + 1);
                {stop, Reason, Replies, Channel1} ->
                    ok = send(Socket, Replies),
                    {stop, {shutdown, Reason}, {V, Socket, Peer, Rest, Channel1, Seen}}
            end
    end.

%% Messages that wait behind the first one go out in the same write.
waiting(0) ->
    [];
waiting(N) ->
    receive
        {deliver, QoS, Message} -> [{QoS, Message} | waiting(N - 1)]
    after 0 -> []
    end.

send(_Socket, []) ->
    ok;
send(Socket, Packets) ->
    %% A closed socket announces itself by a message of its own.
    _ = gen_tcp:send(Socket, [emqx_frame:serialize(P) || P <- Packets]),
    ok.

activate(Socket) ->
    case inet:setopts(Socket, [{active, ?ACTIVE}]) of
        ok ->
            ok;
        {error, _} ->
            self() ! {tcp_closed, Socket},
            ok
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).
