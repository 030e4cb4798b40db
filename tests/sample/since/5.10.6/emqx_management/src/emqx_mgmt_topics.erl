%%% Administration commands about topics and the connections that use them.
-module(emqx_mgmt_topics).

-export([load/0, topics/1, unload/0]).

-spec load() -> ok.
load() ->
    emqx_ctl:register_command(topics, {?MODULE, topics}).

-spec unload() -> ok.
unload() ->
    emqx_ctl:unregister_command(topics).

-spec topics([string()] | usage) -> ok.
topics(["match", Name, Filter]) ->
    [N, F] = [unicode:characters_to_binary(T) || T <- [Name, Filter]],
    emqx_ctl:print("~ts~n", [emqx_topic:match(N, F)]);
topics(["gone"]) ->
    emqx_ctl:print("~b~n", [emqx_cm:gone()]);
topics(_) ->
    emqx_ctl:usage([
        {"topics match <Name> <Filter>", "Tell whether the filter matches the name"},
        {"topics gone", "Show how many connections have ended"}
    ]).
