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
%% {Filter, Words, Subscribers}: wildcard filters only, split once
-define(WILDCARD, emqx_wildcard).

-spec create_tables() -> ok.
create_tables() ->
    Options = [public, named_table, {read_concurrency, true}, {write_concurrency, true}],
    ?SUBSCRIPTION = ets:new(?SUBSCRIPTION, [duplicate_bag | Options]),
    ?SUBSCRIBER = ets:new(?SUBSCRIBER, [bag | Options]),
    ?WILDCARD = ets:new(?WILDCARD, [set | Options]),
    ok.

%% Subscribing again to the same filter replaces the QoS.
-spec subscribe(pid(), emqx_topic:filter(), 0..1) -> ok.
subscribe(Pid, Filter, QoS) ->
    case ets:match_delete(?SUBSCRIPTION, {Filter, Pid, '_'}) of
        true -> ok
    end,
    true = ets:insert(?SUBSCRIPTION, {Filter, Pid, QoS}),
    IsNew = not lists:member({Pid, Filter}, ets:lookup(?SUBSCRIBER, Pid)),
    true = ets:insert(?SUBSCRIBER, {Pid, Filter}),
    case IsNew andalso emqx_topic:is_wildcard(Filter) of
        true ->
            Default = {Filter, emqx_topic:words(Filter), 0},
            _ = ets:update_counter(?WILDCARD, Filter, {3, 1}, Default),
            ok;
        false ->
            ok
    end.

-spec unsubscribe(pid(), emqx_topic:filter()) -> ok.
unsubscribe(Pid, Filter) ->
    case lists:member({Pid, Filter}, ets:lookup(?SUBSCRIBER, Pid)) of
        true ->
            true = ets:delete_object(?SUBSCRIBER, {Pid, Filter}),
            true = ets:match_delete(?SUBSCRIPTION, {Filter, Pid, '_'}),
            forget_wildcard(Filter);
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
    ets:foldl(
        fun({Filter, FilterWords, _}, Acc) ->
            case emqx_topic:match(Words, FilterWords) of
                true -> [Filter | Acc];
                false -> Acc
            end
        end,
        [],
        ?WILDCARD
    ).

forget_wildcard(Filter) ->
    case emqx_topic:is_wildcard(Filter) of
        true ->
            _ = ets:update_counter(?WILDCARD, Filter, {3, -1}),
            true = ets:match_delete(?WILDCARD, {Filter, '_', 0}),
            ok;
        false ->
            ok
    end.
