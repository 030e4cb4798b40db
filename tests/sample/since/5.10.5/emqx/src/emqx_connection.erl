%%% The process of one client connection: bytes in, packets to emqx_channel, its
%%% replies out.
%%%
%%% It knows sockets, buffers and the keepalive clock, nothing of MQTT's rules.
%%% Since 5.10.5 its state is a map that also counts packets; the tuple of 5.10.4
%%% is converted while the client stays connected.
-module(emqx_connection).

-behaviour(gen_server).

-export([info/1, socket_ready/1, start_link/1, takeover/1]).
-export([code_change/3, handle_call/3, handle_cast/2, handle_info/2, init/1, terminate/2]).

-type state() :: #{
    layout := 2,
    socket := gen_tcp:socket(),
    peer := undefined | {inet:ip_address(), inet:port_number()},
    buffer := binary(),
    channel := emqx_channel:channel(),
    last_seen := integer(),
    %% packets since this layout is in force
    packets_in := non_neg_integer(),
    packets_out := non_neg_integer(),
    migrated_from := string() | none
}.

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
    {ok, new(Socket, Peer, <<>>, emqx_channel:new(), now_ms(), none)}.

-spec handle_call(info, gen_server:from(), state()) -> {reply, map(), state()}.
handle_call(info, _From, #{channel := Channel} = State) ->
    Own = maps:with([layout, peer, packets_in, packets_out, migrated_from], State),
    {reply, maps:merge(emqx_channel:info(Channel), Own), State}.

-spec handle_cast(socket_ready | takeover, state()) -> {noreply, state()} | {stop, term(), state()}.
handle_cast(socket_ready, #{socket := Socket} = State) ->
    ok = activate(Socket),
    %% A connection that never says who it is does not stay.
    _ = erlang:send_after(10_000, self(), connect_timeout),
    {noreply, State};
handle_cast(takeover, State) ->
    {stop, {shutdown, takeover}, State}.

-spec handle_info(term(), state()) -> {noreply, state()} | {stop, term(), state()}.
handle_info({tcp, _, Bytes}, #{buffer := Buffer} = State) ->
    packets(State#{buffer := <<Buffer/binary, Bytes/binary>>, last_seen := now_ms()}, 0);
handle_info({tcp_passive, Socket}, State) ->
    ok = activate(Socket),
    {noreply, State};
handle_info({deliver, QoS, Message}, #{channel := Channel} = State) ->
    {Replies, Channel1} = emqx_channel:deliver([{QoS, Message} | waiting(100)], Channel),
    ok = emqx_stats:add(delivered, length(Replies)),
    {noreply, send(Replies, State#{channel := Channel1})};
handle_info({keepalive, Interval}, #{last_seen := Seen} = State) ->
    case now_ms() - Seen > Interval of
        true ->
            {stop, {shutdown, keepalive_timeout}, State};
        false ->
            _ = erlang:send_after(Interval, self(), {keepalive, Interval}),
            {noreply, State}
    end;
handle_info(connect_timeout, #{channel := Channel} = State) ->
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
terminate(_Reason, #{channel := Channel}) ->
    emqx_channel:terminate(Channel).

%% {down, Vsn}: an upgrade to this release is taken back.
-spec code_change(string() | {down, string()}, term(), term()) -> {ok, term()} | {error, term()}.
code_change({down, _Vsn}, #{layout := 2, socket := Socket, channel := Channel} = State, _Extra) ->
    #{peer := Peer, buffer := Buffer, last_seen := Seen} = State,
    {ok, {1, Socket, Peer, Buffer, Channel, Seen}};
code_change(FromVsn, {1, Socket, Peer, Buffer, Channel, Seen}, _Extra) ->
    {ok, new(Socket, Peer, Buffer, Channel, Seen, FromVsn)};
code_change(_FromVsn, #{layout := 2} = State, _Extra) ->
    {ok, State};
code_change(FromVsn, _State, _Extra) ->
    {error, {unknown_state, FromVsn}}.

%% ---------------------------------------------------------------------------

new(Socket, Peer, Buffer, Channel, Seen, From) ->
    #{
        layout => 2,
        socket => Socket,
        peer => Peer,
        buffer => Buffer,
        channel => Channel,
        last_seen => Seen,
        packets_in => 0,
        packets_out => 0,
        migrated_from => From
    }.

packets(#{buffer := Buffer, channel := Channel, packets_in := Total} = State, Count) ->
    case emqx_frame:parse(Buffer, emqx_channel:max_packet_size()) of
        more ->
            ok = emqx_stats:add(received, Count),
            {noreply, State#{packets_in := Total + Count}};
        {error, Reason} ->
            {stop, {shutdown, Reason}, State};
        {ok, Packet, Rest} ->
            case emqx_channel:handle(Packet, Channel) of
                {ok, Replies, Channel1} ->
                    packets(send(Replies, State#{buffer := Rest, channel := Channel1}), Count + 1);
                {stop, Reason, Replies, Channel1} ->
                    {stop, {shutdown, Reason}, send(Replies, State#{channel := Channel1})}
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

send([], State) ->
    State;
send(Packets, #{socket := Socket, packets_out := Sent} = State) ->
    %% A closed socket announces itself by a message of its own.
    _ = gen_tcp:send(Socket, [emqx_frame:serialize(P) || P <- Packets]),
    State#{packets_out := Sent + length(Packets)}.

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
