%%% The distribution carrier `-proto_dist ekka`: a node listens on a port that
%%% everybody can compute from its name, so no epmd is needed.
%%%
%%% It carries nothing itself: each callback goes to the OTP carrier named by the
%%% environment variable EKKA_PROTO_DIST_MOD (an escript has no application
%%% environment to read it from), which is one of four and TCP by default.
-module(ekka_dist).

-export([port/1]).

%% Called by net_kernel and by the carriers' processes.
-export([
    accept/1,
    accept_connection/5,
    address/0,
    childspecs/0,
    close/1,
    listen/1,
    listen/2,
    select/1,
    setup/5
]).

-define(BASE_PORT, 4370).
-define(PORTS, 60000).

%% The base port plus the number at the end of the short name, so that many
%% nodes fit on one host. A remote shell accepts no connection: port 0.
-spec port(node() | string()) -> inet:port_number().
port(Node) when is_atom(Node) ->
    port(atom_to_list(Node));
port("remsh" ++ _) ->
    0;
port(Name) ->
    [Short | _] = string:split(Name, "@"),
    Base = application:get_env(kernel, inet_dist_base_port, ?BASE_PORT),
    case re:run(Short, "[0-9]+$", [{capture, first, list}]) of
        {match, [Digits]} -> Base + list_to_integer(Digits) rem ?PORTS;
        nomatch -> Base
    end.

-spec listen(atom()) -> term().
listen(Name) ->
    ok = fix_port(port(Name)),
    told((carrier()):listen(Name), port(Name)).

-spec listen(atom(), string()) -> term().
listen(Name, Host) ->
    ok = fix_port(port(Name)),
    told((carrier()):listen(Name, Host), port(Name)).

-spec select(node()) -> boolean().
select(Node) ->
    (carrier()):select(Node).

-spec accept(term()) -> pid().
accept(Listen) ->
    (carrier()):accept(Listen).

-spec accept_connection(pid(), term(), node(), term(), term()) -> pid().
accept_connection(Acceptor, Socket, MyNode, Allowed, SetupTime) ->
    (carrier()):accept_connection(Acceptor, Socket, MyNode, Allowed, SetupTime).

-spec setup(node(), term(), node(), longnames | shortnames, term()) -> pid().
setup(Node, Type, MyNode, LongOrShortNames, SetupTime) ->
    (carrier()):setup(Node, Type, MyNode, LongOrShortNames, SetupTime).

-spec close(term()) -> term().
close(Listen) ->
    (carrier()):close(Listen).

-spec address() -> term().
address() ->
    (carrier()):address().

%% TLS brings supervised processes of its own; TCP has none.
-spec childspecs() -> term().
childspecs() ->
    Carrier = carrier(),
    {module, Carrier} = code:ensure_loaded(Carrier),
    case erlang:function_exported(Carrier, childspecs, 0) of
        true -> Carrier:childspecs();
        false -> {ok, []}
    end.

%% ---------------------------------------------------------------------------

fix_port(0) ->
    ok;
fix_port(Port) ->
    ok = application:set_env(kernel, inet_dist_listen_min, Port),
    ok = application:set_env(kernel, inet_dist_listen_max, Port).

told({error, eaddrinuse}, Port) when Port > 0 ->
    {error, "distribution port " ++ integer_to_list(Port) ++ " is in use"};
told(Result, _Port) ->
    Result.

carrier() ->
    case os:getenv("EKKA_PROTO_DIST_MOD", "") of
        "" -> inet_tcp_dist;
        "inet_tcp" -> inet_tcp_dist;
        "inet6_tcp" -> inet6_tcp_dist;
        "inet_tls" -> inet_tls_dist;
        "inet6_tls" -> inet6_tls_dist;
        Other -> error({unsupported_proto_dist, Other})
    end.
