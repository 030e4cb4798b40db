%%% A VM that runs the base release, and the requests that are made to the agent in it.
-module(hot_apply_test_node).

-export([start/3, start/4, stop/1, call/4, eval/2]).
-export([hop/1, hop/2, request/3, attempt/2, attempt/3, prove/2, snapshot/1]).
-export([done/1, failed/1, marker/1, journal/1, steps/2]).
%% In the VM:
-export([boot/1, probe/2, orphan/1, in_vm_snapshot/0, evaluate/1]).

-define(AGENT, [
    emqx_hot_apply_report,
    emqx_hot_apply_memory,
    emqx_hot_apply_guardian,
    emqx_hot_apply_helper,
    emqx_hot_apply_outcome,
    emqx_hot_apply_undo,
    emqx_hot_apply_record,
    emqx_hot_apply_hop,
    emqx_hot_apply_tree,
    emqx_hot_apply_purge,
    emqx_hot_apply_code,
    emqx_hot_apply_procs,
    emqx_hot_apply_state,
    emqx_hot_apply_sys,
    emqx_hot_apply_app,
    emqx_hot_apply_calls,
    emqx_hot_apply_outline,
    emqx_hot_apply_plan,
    emqx_hot_apply_update,
    emqx_hot_apply_exec,
    emqx_hot_apply_verify,
    emqx_hot_apply
]).

%% Base runs as 5.10.4; Target is deployed as 5.10.5 below it. Both are added to by emqx_release.
start(Dir, Base, Target) ->
    start(Dir, Base, Target, #{}).

start(Dir, Base, Target, Options) ->
    Root = filename:join(Dir, "base"),
    To = maps:get(to, Options, "5.10.5"),
    Pack = maps:get(pack, Options, fun(Beam) -> Beam end),
    Release = [hot_apply_test_tree:release("5.10.4") | Base],
    hot_apply_test_tree:build(Root, "5.10.4", Release),
    Tree = filename:join([Root, "relup", To]),
    Own = [hot_apply_test_tree:release(To) || not maps:is_key(no_release, Options)],
    hot_apply_test_tree:build(Tree, To, Own ++ Target, Pack),
    Paths = [
        filename:join([Root, "lib", atom_to_list(App) ++ "-" ++ Vsn, "ebin"])
     || {App, Vsn, _, _} <- Release
    ],
    Mode = atom_to_list(maps:get(mode, Options, embedded)),
    {ok, Peer, _} = peer:start_link(#{
        connection => standard_io,
        args => ["-boot", "start_clean", "-kernel", "logger_level", "none", "-mode", Mode, "-pa" | Paths] ++
            maps:get(args, Options, []),
        wait_boot => 30000
    }),
    Node = #{peer => Peer, root => Root, tree => Tree, to => To},
    Agent =
        case maps:get(agent, Options, loaded) of
            loaded -> ?AGENT;
            none -> []
        end,
    lists:foreach(
        fun(Module) ->
            {Module, Beam, File} = code:get_object_code(Module),
            {module, Module} = call(Node, code, load_binary, [Module, File, Beam])
        end,
        [?MODULE | Agent]
    ),
    ok = call(Node, ?MODULE, boot, [
        [
            {App, [M || {M, _} <- Sources]}
         || {App, _, _, Sources} <- Release, not lists:member(App, maps:get(unbooted, Options, []))
        ]
    ]),
    Node.

boot(Apps) ->
    lists:foreach(
        fun({_App, Modules}) -> [{module, M} = code:load_file(M) || M <- Modules] end, Apps
    ),
    lists:foreach(fun({App, _}) -> {ok, _} = application:ensure_all_started(App, permanent) end, Apps).

stop(#{peer := Peer}) ->
    peer:stop(Peer).

call(#{peer := Peer}, Module, Function, Args) ->
    peer:call(Peer, Module, Function, Args, 30000).

%% Evaluates expressions in the VM.
eval(Node, Text) ->
    call(Node, ?MODULE, evaluate, [Text]).

evaluate(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, erl_eval:new_bindings()),
    Value.

hop(Changes) ->
    hop(Changes, []).

hop(Changes, Callbacks) ->
    unicode:characters_to_binary(
        io_lib:format("~tp.~n", [
            #{
                from_version => "5.10.4",
                target_version => "5.10.5",
                code_changes => Changes,
                post_upgrade_callbacks => Callbacks
            }
        ])
    ).

request(#{root := Root, tree := Tree, to := To}, Hop, More) ->
    Relup = filename:join(Root, "relup"),
    maps:merge(
        #{
            attempt => <<"20260102T030405-abcdef">>,
            from => <<"5.10.4">>,
            to => list_to_binary(To),
            base_root => bin(Root),
            tree => bin(Tree),
            rel_name => <<"emqx">>,
            marker => bin(filename:join(Relup, "current")),
            journal => bin(filename:join(Relup, "journal.jsonl")),
            hop => {<<"test.relup">>, Hop},
            beams => [],
            patches_dir => undefined,
            brutal_purge => false,
            suspend_timeout => 1000,
            mode => apply
        },
        More
    ).

bin(Text) -> unicode:characters_to_binary(Text).

attempt(Node, Hop) ->
    attempt(Node, Hop, #{}).

attempt(Node, Hop, More) ->
    call(Node, ?MODULE, probe, [request(Node, Hop, More), 25000]).

prove(Node, Hop) ->
    attempt(Node, Hop, #{mode => prove}).

%% In the VM: makes the request and collects what the owner says.
probe(#{attempt := Attempt} = Request, Limit) ->
    case emqx_hot_apply:start(self(), Request) of
        {ok, Owner} ->
            Monitor = monitor(process, Owner),
            collect(Attempt, Monitor, Limit, []);
        {error, _} = Error ->
            Error
    end.

collect(Attempt, Monitor, Limit, Steps) ->
    receive
        {emqx_hot_apply, Attempt, {step, Step, Detail}} ->
            collect(Attempt, Monitor, Limit, [{Step, Detail} | Steps]);
        {emqx_hot_apply, Attempt, {Outcome, Map}} ->
            ok = wait_idle(),
            {Outcome, Map#{steps => lists:reverse(Steps)}};
        %% Its guardian goes on, if it has one.
        {'DOWN', Monitor, process, _, killed} ->
            collect(Attempt, Monitor, min(Limit, 10000), Steps);
        {'DOWN', Monitor, process, _, Reason} ->
            {died, Reason, Steps}
    after Limit ->
        {timeout, Steps}
    end.

wait_idle() ->
    case emqx_hot_apply:status() of
        idle ->
            ok;
        {running, _} ->
            timer:sleep(10),
            wait_idle()
    end.

%% In the VM: a command that starts an attempt and is gone at once.
orphan(Request) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
        %% As a command does, it is the group leader of its own calls.
        group_leader(self(), self()),
        {ok, _} = emqx_hot_apply:start(self(), Request)
    end),
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> Reason
    end.

%% Everything that a refused hop must leave as it was.
snapshot(#{root := Root} = Node) ->
    Relup = filename:join(Root, "relup"),
    Files = lists:sort(element(2, file:list_dir(Relup))),
    {call(Node, ?MODULE, in_vm_snapshot, []), Files, marker(Node)}.

in_vm_snapshot() ->
    {
        lists:sort([
            {M, File, erlang:get_module_info(M, md5), erlang:check_old_code(M)}
         || {M, File} <- code:all_loaded(),
            is_list(File),
            %% In interactive mode the runtime's own modules come by themselves.
            not lists:prefix(code:root_dir(), File)
        ]),
        code:get_path(),
        lists:sort(application:loaded_applications()),
        lists:sort([{App, Vsn} || {App, _, Vsn} <- application:which_applications()]),
        lists:sort(registered()),
        lists:sort([
            {App, lists:sort(application:get_all_env(App))}
         || {App, _, _} <- application:loaded_applications()
        ])
    }.

done({done, Map}) -> Map.

failed({failed, Map}) -> Map.

marker(#{root := Root}) ->
    case file:read_file(filename:join([Root, "relup", "current"])) of
        {ok, Content} -> Content;
        {error, enoent} -> none
    end.

journal(#{root := Root}) ->
    case file:read_file(filename:join([Root, "relup", "journal.jsonl"])) of
        {ok, Content} -> binary:split(Content, <<"\n">>, [global, trim]);
        {error, enoent} -> none
    end.

steps(Step, #{steps := Steps}) ->
    [Detail || {Name, Detail} <- Steps, Name =:= Step].
