%%% The broker's face for tools and other applications.
-module(emqx).

-export([data_dir/0, is_running/0, publish/2]).

-spec is_running() -> boolean().
is_running() ->
    is_pid(whereis(emqx_sup)).

%% As configured: relative to the working directory of the node unless absolute.
-spec data_dir() -> file:filename().
data_dir() ->
    application:get_env(emqx, data_dir, "data").

-spec publish(binary(), binary()) -> non_neg_integer().
publish(Topic, Payload) ->
    emqx_broker:publish(#{topic => Topic, payload => Payload, qos => 1, retain => false}).
