%%% The broker's face for tools and other applications, as 4.x has it.
-module(emqx).

-export([data_dir/0, is_running/1, publish/2]).

%% Whether the broker of a node has started: 4.x knows no more than that.
-spec is_running(node()) -> boolean().
is_running(Node) ->
    is_pid(rpc:call(Node, erlang, whereis, [emqx])).

%% As configured: relative to the working directory of the node unless absolute.
-spec data_dir() -> file:filename().
data_dir() ->
    application:get_env(emqx, data_dir, "data").

-spec publish(binary(), binary()) -> non_neg_integer().
publish(Topic, Payload) ->
    emqx_broker:publish(#{topic => Topic, payload => Payload, qos => 1, retain => false}).
