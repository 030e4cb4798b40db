%%% Subscriptions, and the way of a message from publisher to subscribers.
%%%
%%% It has no process: publishers read the tables themselves and send to the
%%% subscribers' processes, so one slow client holds up nobody. A subscriber gets
%%% `{deliver, QoS, Message}`. Tables belong to emqx_sup.
-module(emqx_broker).

-export([create_tables/0, publish/1, subscribe/3, subscriber_down/1, subscriptions/1, unsubscribe/2]).
-export([subscription_count/0]).

-export_type([message/0]).

-type message() :: #{topic := binary(), payload := binary(), qos := 0..1, retain := boolean()}.

%% {Filter, Subscriber, QoS}
-define(SUBSCRIPTION, emqx_subscription).
%% {Subscriber, Filter}
-define(SUBSCRIBER, emqx_subscriber).

-spec create_tables() -> ok.
create_tables() ->
    Options = [public, named_table, {read_concurrency, true}, {write_concurrency, true}],
    ?SUBSCRIPTION = ets:new(?SUBSCRIPTION, [duplicate_bag | Options]),
    ?SUBSCRIBER = ets:new(?SUBSCRIBER, [bag | Options]),
    emqx_trie:create_table().

%% Subscribing again to the same filter replaces the QoS.
-spec subscribe(pid(), emqx_topic:filter(), 0..1) -> ok.
subscribe(Pid, Filter, QoS) ->
    true = ets:match_delete(?SUBSCRIPTION, {Filter, Pid, '_'}),
    true = ets:insert(?SUBSCRIPTION, {Filter, Pid, QoS}),
    IsNew = not lists:member({Pid, Filter}, ets:lookup(?SUBSCRIBER, Pid)),
    true = ets:insert(?SUBSCRIBER, {Pid, Filter}),
    case IsNew andalso emqx_topic:is_wildcard(Filter) of
        true -> emqx_trie:insert(Filter);
        false -> ok
    end.

-spec unsubscribe(pid(), emqx_topic:filter()) -> ok.
unsubscribe(Pid, Filter) ->
    case lists:member({Pid, Filter}, ets:lookup(?SUBSCRIBER, Pid)) of
        true ->
            true = ets:delete_object(?SUBSCRIBER, {Pid, Filter}),
            true = ets:match_delete(?SUBSCRIPTION, {Filter, Pid, '_'}),
            case emqx_topic:is_wildcard(Filter) of
                true -> emqx_trie:delete(Filter);
                false -> ok
            end;
        false ->
            ok
    end.

%% For a subscriber that is gone without saying so.
-spec subscriber_down(pid()) -> ok.
subscriber_down(Pid) ->
    lists:foreach(fun(Filter) -> unsubscribe(Pid, Filter) end, subscriptions(Pid)).

-spec subscriptions(pid()) -> [emqx_topic:filter()].
subscriptions(Pid) ->
    [Filter || {_, Filter} <- ets:lookup(?SUBSCRIBER, Pid)].

-spec subscription_count() -> non_neg_integer().
subscription_count() ->
    ets:info(?SUBSCRIPTION, size).

%% The number of subscribers that the message was sent to.
-spec publish(message()) -> non_neg_integer().
publish(#{topic := Topic, qos := QoS, retain := Retain} = Message) ->
    case Retain of
        true -> ok = emqx_db:retain(Message);
        false -> ok
    end,
    %% The flag tells new subscribers that a message is old; it is not old now.
    Live = Message#{retain := false},
    lists:foldl(
        fun(Filter, Sent) ->
            Subscribers = ets:lookup(?SUBSCRIPTION, Filter),
            lists:foreach(
                fun({_, Pid, Granted}) -> Pid ! {deliver, min(QoS, Granted), Live} end, Subscribers
            ),
            Sent + length(Subscribers)
        end,
        0,
        [Topic | wildcards(Topic)]
    ).

wildcards(Topic) ->
    Words = emqx_topic:words(Topic),
    [Filter || Filter <- emqx_trie:candidates(Words), emqx_topic:match(Words, Filter)].
