%%% MQTT 3.1.1 rules of one connection: what a packet from the client does, what is
%%% sent back, and which messages are on their way to the client.
%%%
%%% Sessions end with the connection. QoS 0 and 1 are served; a subscription to
%%% QoS 2 is granted 1, a publish with QoS 2 closes the connection. Messages for
%%% the client wait when too many are unacknowledged; none is dropped.
-module(emqx_channel).

-export([deliver/2, handle/2, info/1, is_connected/1, max_packet_size/0, new/0, terminate/1]).

-export_type([channel/0]).

-opaque channel() :: #{
    client_id := undefined | binary(),
    will := undefined | emqx_broker:message(),
    next_id := 1..65535,
    %% identifiers that the client has not acknowledged yet
    inflight := #{1..65535 => []},
    waiting := queue:queue(emqx_broker:message()),
    max_inflight := pos_integer()
}.

-type result() ::
    {ok, [emqx_frame:packet()], channel()}
    | {stop, atom(), [emqx_frame:packet()], channel()}.

-spec new() -> channel().
new() ->
    #{
        client_id => undefined,
        will => undefined,
        next_id => 1,
        inflight => #{},
        waiting => queue:new(),
        max_inflight => application:get_env(emqx, max_inflight, 1000)
    }.

-spec is_connected(channel()) -> boolean().
is_connected(#{client_id := ClientId}) ->
    ClientId =/= undefined.

-spec info(channel()) -> #{atom() => term()}.
info(#{client_id := ClientId, inflight := Inflight, waiting := Waiting}) ->
    #{
        client_id => ClientId,
        subscriptions => length(emqx_broker:subscriptions(self())),
        inflight => map_size(Inflight),
        waiting => queue:len(Waiting)
    }.

-spec max_packet_size() -> pos_integer().
max_packet_size() ->
    application:get_env(emqx, max_packet_size, 1048576).

%% Must be called in the process that owns the connection.
-spec handle(emqx_frame:packet(), channel()) -> result().
handle({connect, Connect}, #{client_id := undefined} = Channel) ->
    connect(Connect, Channel);
handle(_Packet, #{client_id := undefined} = Channel) ->
    {stop, not_connected, [], Channel};
handle({publish, #{qos := QoS, topic := Topic} = Publish}, Channel) when QoS < 2 ->
    case emqx_topic:is_name(Topic) of
        true ->
            _ = emqx_broker:publish(maps:with([topic, payload, qos, retain], Publish)),
            {ok, [{puback, map_get(id, Publish)} || QoS =:= 1], Channel};
        false ->
            {stop, invalid_topic, [], Channel}
    end;
handle({puback, Id}, #{inflight := Inflight} = Channel) ->
    {Replies, Channel1} = fill([], Channel#{inflight := maps:remove(Id, Inflight)}),
    {ok, Replies, Channel1};
handle({subscribe, Id, Filters}, Channel) ->
    Codes = [subscribe(Filter, QoS) || {Filter, QoS} <- Filters],
    Granted = lists:zip(Filters, Codes),
    Retained = [
        {min(Code, map_get(qos, Message)), Message}
     || {{Filter, _}, Code} <- Granted, Code < 2, Message <- emqx_db:retained(Filter)
    ],
    {Replies, Channel1} = deliver(Retained, Channel),
    {ok, [{suback, Id, Codes} | Replies], Channel1};
handle({unsubscribe, Id, Filters}, Channel) ->
    lists:foreach(fun(Filter) -> emqx_broker:unsubscribe(self(), Filter) end, Filters),
    {ok, [{unsuback, Id}], Channel};
handle(pingreq, Channel) ->
    {ok, [pingresp], Channel};
handle(disconnect, Channel) ->
    {stop, disconnected, [], Channel#{will := undefined}};
handle(_Packet, Channel) ->
    {stop, protocol_error, [], Channel}.

%% The packets to send for messages from the broker, in order.
-spec deliver([{0..1, emqx_broker:message()}], channel()) -> {[emqx_frame:packet()], channel()}.
deliver(Messages, #{waiting := Waiting} = Channel) ->
    Queue = lists:foldl(
        fun({QoS, Message}, Q) -> queue:in(Message#{qos := QoS}, Q) end, Waiting, Messages
    ),
    fill([], Channel#{waiting := Queue}).

%% The will is published unless the client said goodbye.
-spec terminate(channel()) -> ok.
terminate(#{will := undefined}) ->
    ok;
terminate(#{will := Will}) ->
    _ = emqx_broker:publish(Will),
    ok.

%% ---------------------------------------------------------------------------

connect(#{protocol := {Name, Level}}, Channel) when
    {Name, Level} =/= {<<"MQTT">>, 4}, {Name, Level} =/= {<<"MQIsdp">>, 3}
->
    {stop, unsupported_protocol, [{connack, 0, 1}], Channel};
connect(#{client_id := <<>>, clean := false}, Channel) ->
    {stop, client_id_rejected, [{connack, 0, 2}], Channel};
connect(#{client_id := Given, will := Will, keepalive := Seconds}, Channel) ->
    ClientId =
        case Given of
            <<>> -> iolist_to_binary(["auto-", binary:encode_hex(rand:bytes(8))]);
            _ -> Given
        end,
    ok = emqx_cm:register(ClientId),
    ok = keepalive(Seconds),
    {ok, [{connack, 0, 0}], Channel#{client_id := ClientId, will := will(Will)}}.

%% Silence of one and a half times the interval closes the connection; zero
%% switches the check off.
keepalive(0) ->
    ok;
keepalive(Seconds) ->
    Interval = Seconds * 1500,
    _ = erlang:send_after(Interval, self(), {keepalive, Interval}),
    ok.

will(undefined) ->
    undefined;
will(#{topic := Topic, qos := QoS} = Will) ->
    case emqx_topic:is_name(Topic) of
        true -> Will#{qos := min(QoS, 1)};
        false -> undefined
    end.

subscribe(Filter, QoS) when QoS < 3 ->
    case emqx_topic:is_filter(Filter) of
        true ->
            Granted = min(QoS, 1),
            ok = emqx_broker:subscribe(self(), Filter, Granted),
            Granted;
        false ->
            16#80
    end;
subscribe(_Filter, _QoS) ->
    16#80.

fill(Packets, #{waiting := Waiting, inflight := Inflight, max_inflight := Max} = Channel) ->
    case queue:peek(Waiting) of
        {value, #{qos := 0} = Message} ->
            fill([publish(Message, undefined) | Packets], Channel#{waiting := queue:drop(Waiting)});
        {value, Message} when map_size(Inflight) < Max ->
            Id = free_id(Channel),
            fill([publish(Message, Id) | Packets], Channel#{
                waiting := queue:drop(Waiting),
                inflight := Inflight#{Id => []},
                next_id := next_id(Id)
            });
        _ ->
            {lists:reverse(Packets), Channel}
    end.

publish(Message, Id) ->
    {publish, Message#{id => Id, dup => false}}.

free_id(#{next_id := Id, inflight := Inflight}) ->
    free_id(Id, Inflight).

free_id(Id, Inflight) when is_map_key(Id, Inflight) -> free_id(next_id(Id), Inflight);
free_id(Id, _Inflight) -> Id.

next_id(65535) -> 1;
next_id(Id) -> Id + 1.
