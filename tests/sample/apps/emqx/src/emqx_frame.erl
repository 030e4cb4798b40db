%%% MQTT 3.1.1 on the wire: bytes to packets and back.
%%%
%%% Total: bytes from the network give packets, `more`, or an error with a name;
%%% nothing is allocated for a packet before its length is known to be allowed.
%%% Pure; the limit comes from the caller.
-module(emqx_frame).

-export([parse/2, serialize/1]).

-export_type([packet/0]).

-type id() :: 1..65535.
-type qos() :: 0..2.
-type publish() :: #{
    topic := binary(),
    payload := binary(),
    qos := qos(),
    retain := boolean(),
    dup := boolean(),
    id := id() | undefined
}.
-type connect() :: #{
    protocol := {binary(), byte()},
    client_id := binary(),
    clean := boolean(),
    keepalive := 0..65535,
    will := undefined | map(),
    username := undefined | binary(),
    password := undefined | binary()
}.
-type packet() ::
    {connect, connect()}
    | {connack, 0 | 1, 0..5}
    | {publish, publish()}
    | {puback, id()}
    | {subscribe, id(), [{binary(), byte()}, ...]}
    | {suback, id(), [byte()]}
    | {unsubscribe, id(), [binary(), ...]}
    | {unsuback, id()}
    | pingreq
    | pingresp
    | disconnect.

%% The packet at the head of the bytes, and the bytes after it.
-spec parse(binary(), pos_integer()) ->
    {ok, packet(), binary()} | more | {error, packet_too_large | malformed_packet}.
parse(<<Type:4, Flags:4, Rest/binary>>, MaxSize) ->
    case body(Rest, MaxSize) of
        {ok, Body, Left} ->
            try
                {ok, packet(Type, Flags, Body), Left}
            catch
                error:_ -> {error, malformed_packet}
            end;
        Other ->
            Other
    end;
parse(_, _MaxSize) ->
    more.

-spec serialize(packet()) -> iodata().
serialize({connect, #{client_id := Id, clean := Clean, keepalive := KeepAlive}}) ->
    Flags = <<0:6, (bit(Clean)):1, 0:1>>,
    frame(1, 0, [text(<<"MQTT">>), 4, Flags, <<KeepAlive:16>>, text(Id)]);
serialize({connack, Present, Code}) ->
    frame(2, 0, <<Present, Code>>);
serialize({publish, #{topic := Topic, payload := Payload, qos := 0} = P}) ->
    frame(3, publish_flags(P), [text(Topic), Payload]);
serialize({publish, #{topic := Topic, payload := Payload, id := Id} = P}) ->
    frame(3, publish_flags(P), [text(Topic), <<Id:16>>, Payload]);
serialize({puback, Id}) ->
    frame(4, 0, <<Id:16>>);
serialize({subscribe, Id, Filters}) ->
    frame(8, 2, [<<Id:16>> | [[text(F), QoS] || {F, QoS} <- Filters]]);
serialize({suback, Id, Codes}) ->
    frame(9, 0, [<<Id:16>>, Codes]);
serialize({unsubscribe, Id, Filters}) ->
    frame(10, 2, [<<Id:16>> | [text(F) || F <- Filters]]);
serialize({unsuback, Id}) ->
    frame(11, 0, <<Id:16>>);
serialize(pingreq) ->
    frame(12, 0, <<>>);
serialize(pingresp) ->
    frame(13, 0, <<>>);
serialize(disconnect) ->
    frame(14, 0, <<>>).

%% ---------------------------------------------------------------------------
%% Parsing. Packets of the wrong shape crash in here and become an error above.

body(<<0:1, L:7, Rest/binary>>, Max) -> body(L, Rest, Max);
body(<<1:1, A:7, 0:1, B:7, Rest/binary>>, Max) -> body(A + B bsl 7, Rest, Max);
body(<<1:1, A:7, 1:1, B:7, 0:1, C:7, Rest/binary>>, Max) ->
    body(A + B bsl 7 + C bsl 14, Rest, Max);
body(<<1:1, A:7, 1:1, B:7, 1:1, C:7, 0:1, D:7, Rest/binary>>, Max) ->
    body(A + B bsl 7 + C bsl 14 + D bsl 21, Rest, Max);
body(<<_:4/binary, _/binary>>, _Max) -> {error, malformed_packet};
body(_, _Max) -> more.

body(Length, _Rest, Max) when Length > Max ->
    {error, packet_too_large};
body(Length, Rest, _Max) ->
    case Rest of
        <<Body:Length/binary, Left/binary>> -> {ok, Body, Left};
        _ -> more
    end.

packet(1, 0, Body) -> {connect, connect(Body)};
packet(2, 0, <<Present, Code>>) -> {connack, Present, Code};
packet(3, Flags, Body) -> {publish, publish(<<Flags:4>>, Body)};
packet(4, 0, <<Id:16>>) when Id > 0 -> {puback, Id};
packet(8, 2, <<Id:16, Body/binary>>) when Id > 0 -> {subscribe, Id, [_ | _] = filters(Body)};
packet(9, 0, <<Id:16, Codes/binary>>) -> {suback, Id, binary_to_list(Codes)};
packet(10, 2, <<Id:16, Body/binary>>) when Id > 0 -> {unsubscribe, Id, [_ | _] = texts(Body)};
packet(11, 0, <<Id:16>>) -> {unsuback, Id};
packet(12, 0, <<>>) -> pingreq;
packet(13, 0, <<>>) -> pingresp;
packet(14, 0, <<>>) -> disconnect.

connect(<<N:16, Name:N/binary, Level, Flags:1/binary, KeepAlive:16, L:16, Id:L/binary, R0/binary>>) ->
    <<User:1, Password:1, WillRetain:1, WillQoS:2, Will:1, Clean:1, 0:1>> = Flags,
    {WillTopic, R1} = optional(Will, R0),
    {WillPayload, R2} = optional(Will, R1),
    {Username, R3} = optional(User, R2),
    {Secret, <<>>} = optional(Password, R3),
    #{
        protocol => {Name, Level},
        client_id => Id,
        clean => Clean =:= 1,
        keepalive => KeepAlive,
        username => Username,
        password => Secret,
        will =>
            case Will of
                0 ->
                    undefined;
                1 when WillQoS < 3 ->
                    #{
                        topic => WillTopic,
                        payload => WillPayload,
                        qos => WillQoS,
                        retain => WillRetain =:= 1
                    }
            end
    }.

optional(0, Rest) -> {undefined, Rest};
optional(1, <<L:16, Text:L/binary, Rest/binary>>) -> {Text, Rest}.

publish(<<Dup:1, QoS:2, Retain:1>>, <<L:16, Topic:L/binary, Rest/binary>>) when QoS < 3 ->
    {Id, Payload} =
        case {QoS, Rest} of
            {0, _} -> {undefined, Rest};
            {_, <<N:16, P/binary>>} when N > 0 -> {N, P}
        end,
    #{
        topic => Topic,
        payload => Payload,
        qos => QoS,
        retain => Retain =:= 1,
        dup => Dup =:= 1,
        id => Id
    }.

filters(<<>>) -> [];
filters(<<L:16, Filter:L/binary, 0:6, QoS:2, Rest/binary>>) -> [{Filter, QoS} | filters(Rest)].

texts(<<>>) -> [];
texts(<<L:16, Text:L/binary, Rest/binary>>) -> [Text | texts(Rest)].

%% ---------------------------------------------------------------------------
%% Serializing

frame(Type, Flags, Body) ->
    [<<Type:4, Flags:4>>, length_bytes(iolist_size(Body)), Body].

length_bytes(N) when N < 128 -> [N];
length_bytes(N) -> [128 bor (N band 127) | length_bytes(N bsr 7)].

publish_flags(#{qos := QoS, retain := Retain} = P) ->
    (bit(maps:get(dup, P, false)) bsl 3) bor (QoS bsl 1) bor bit(Retain).

text(Bin) -> [<<(byte_size(Bin)):16>>, Bin].

bit(true) -> 1;
bit(false) -> 0.
