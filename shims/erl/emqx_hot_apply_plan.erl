%%% The proof: turns a hop into steps that are known to be possible, before anything is changed.
%%%
%%% Exists so that an upgrade that can't work is refused while nothing has happened yet: every beam is
%%% read and prepared, every process found, every function that will be called known to exist in the
%%% version that will be loaded at that moment. It must not change anything that a process could
%%% notice: it reads the target tree, asks the VM, and prepares code without making it current.
%%% Throws the contract's error names; see relup-contract, stage 11.
-module(emqx_hot_apply_plan).

-export([prove/1]).

-export_type([plan/0, step/0, world/0]).

-type step() ::
    {load, [emqx_hot_apply_code:part()]}
    | {update, module(), Extra :: term(), [emqx_hot_apply_code:part()], [
        emqx_hot_apply_procs:target()
    ]}
    | {restart, emqx_hot_apply_app:change()}
    | {apply, module(), atom(), [term()]}.
-type plan() :: #{
    steps := [step()],
    %% Applications whose code path moves to the target, in the order in which the hop names them.
    changed := [emqx_hot_apply_tree:app()],
    restarts := [{atom(), string() | unchanged}],
    callbacks := [mfa_call()],
    %% What must be current when all steps are done.
    items := [emqx_hot_apply_code:item()],
    gone := [module()],
    skipped := non_neg_integer(),
    processes := non_neg_integer(),
    words := [binary()]
}.
-type mfa_call() :: {module(), atom(), [term()]}.

%% The world as it will be after the steps so far.
-type world() :: #{
    tree := emqx_hot_apply_tree:tree(),
    patches := file:filename() | undefined,
    items := #{module() => emqx_hot_apply_code:item()},
    %% Modules that a step so far loads, or takes away.
    put := #{module() => true},
    gone := #{module() => true},
    changed := [atom()],
    skipped := non_neg_integer(),
    %% Newest first; with items where the finished steps have prepared parts.
    steps := [term()]
}.

-spec prove(map()) -> plan().
prove(#{from := From, to := To, hop := {File, Source}} = Job) ->
    Hop = emqx_hot_apply_hop:read(File, Source),
    case Hop of
        #{from := From, to := To, changes := Changes, callbacks := Callbacks} ->
            emqx_hot_apply_report:step(plan, "~b instructions, ~b callbacks", [
                length(Changes), length(Callbacks)
            ]),
            Start = companions(Job, world(Job, Changes)),
            Done = own_version(lists:foldl(fun instruction/2, Start, Changes)),
            finish(Job, Done, [
                emqx_hot_apply_calls:callback(Callback, To, From, Done)
             || Callback <- Callbacks
            ]);
        #{from := HopFrom, to := HopTo} ->
            emqx_hot_apply_report:fail(
                invalid_relup_file, "~ts is for ~ts -> ~ts, not ~ts -> ~ts", [
                    File, HopFrom, HopTo, From, To
                ]
            )
    end.

world(#{tree := Dir, to := To, rel_name := RelName, beams := Beams} = Job, Changes) ->
    Tree = emqx_hot_apply_tree:open(Dir, To, RelName),
    Modules = [emqx_release | [M || {M, _, _} <- Beams] ++ lists:flatmap(fun named/1, Changes)],
    Apps = [
        App
     || {restart_application, App} <- Changes, not emqx_hot_apply_app:is_untouchable(App)
    ],
    Owners = lists:append([emqx_hot_apply_tree:owners(M, Tree) || M <- Modules]),
    #{
        tree => emqx_hot_apply_tree:with_apps(lists:usort(Apps ++ Owners), Tree),
        patches => maps:get(patches_dir, Job),
        items => #{},
        put => #{},
        gone => #{},
        changed => [],
        skipped => 0,
        steps => []
    }.

named({load_module, Module}) -> [Module];
named({update, Module, _}) -> [Module];
named({apply, Module, _, _}) -> [Module];
named({restart_application, _}) -> [].

%% Beams that the hop brings along count only where the target has no such module: what boots from
%% the tree at the next start must be what runs now. They are loaded before the first instruction.
companions(#{beams := Beams}, #{tree := Tree} = World) ->
    lists:foldl(
        fun({Module, File, Beam}, #{items := Items} = W) ->
            case is_map_key(Module, Items) orelse emqx_hot_apply_tree:owner(Module, Tree) of
                true ->
                    W;
                {ok, _App, _File} ->
                    W;
                {error, _} ->
                    protect(Module),
                    Item = emqx_hot_apply_code:item(Module, File, Beam),
                    load(Item, W#{items := Items#{Module => Item}})
            end
        end,
        World,
        Beams
    ).

-spec instruction(emqx_hot_apply_hop:instruction(), world()) -> world().
instruction({load_module, Module}, World0) ->
    {Item, World} = resolve(Module, World0),
    load(Item, World);
instruction({update, Module, {advanced, Extra}}, World0) ->
    {Item, #{steps := Steps} = World} = resolve(Module, World0),
    %% Processes change their state even where the code is the same: the author asked for it.
    case is_due(Item, World) of
        true -> put_items([Item], World#{steps := [{update, Module, Extra, [Item]} | Steps]});
        false -> skip(World#{steps := [{update, Module, Extra, []} | Steps]})
    end;
instruction({restart_application, App}, World) ->
    case emqx_hot_apply_app:is_untouchable(App) of
        true ->
            emqx_hot_apply_report:warn("application ~ts is never restarted: left as it is", [App]),
            World;
        false ->
            restart(App, World)
    end;
instruction({apply, Module, Function, Args}, #{steps := Steps} = World) ->
    emqx_hot_apply_calls:require(Module, Function, length(Args), World),
    World#{steps := [{apply, Module, Function, Args} | Steps]}.

%% The module as the hop means it: from the tree, else from what the hop brings along.
resolve(Module, #{items := Items} = World) when is_map_key(Module, Items) ->
    {map_get(Module, Items), World};
resolve(Module, #{tree := Tree, items := Items, changed := Changed} = World) ->
    protect(Module),
    case emqx_hot_apply_tree:owner(Module, Tree) of
        {ok, #{name := App}, File} ->
            Meant = patched(Module, File, World),
            Item = emqx_hot_apply_code:item(Module, Meant, emqx_hot_apply_code:read(Meant)),
            {Item, World#{
                items := Items#{Module => Item}, changed := (Changed -- [App]) ++ [App]
            }};
        {error, not_listed} ->
            emqx_hot_apply_report:fail(
                module_not_found,
                "~tp: no application of the target lists it, so that it would not be booted",
                [Module]
            );
        {error, not_there} ->
            emqx_hot_apply_report:fail(
                module_not_found, "~tp: neither in the target nor brought along by the hop", [Module]
            )
    end.

%% An operator who upgrades although there are patches wants them to stay on top of the target: they
%% would be what the next start boots.
patched(_Module, File, #{patches := undefined}) ->
    File;
patched(Module, File, #{patches := Dir}) ->
    Patch = filename:join(Dir, filename:basename(File)),
    case filelib:is_regular(Patch) of
        true ->
            emqx_hot_apply_report:warn("~tp stays as patched in ~ts", [Module, Dir]),
            Patch;
        false ->
            File
    end.

protect(Module) ->
    case emqx_hot_apply_code:is_protected(Module) of
        true ->
            emqx_hot_apply_report:fail(
                invalid_instr, "~tp belongs to the runtime (sticky or preloaded)", [Module]
            );
        false ->
            ok
    end.

load(Item, #{steps := Steps} = World) ->
    case {is_due(Item, World), Steps} of
        {false, _} ->
            skip(World);
        %% Neighbours become one batch.
        {true, [{load, Items} | Before]} ->
            put_items([Item], World#{steps := [{load, Items ++ [Item]} | Before]});
        {true, _} ->
            put_items([Item], World#{steps := [{load, [Item]} | Steps]})
    end.

%% A module is loaded once at most, and only if its code differs from what runs at that moment.
%% emqx_release differs always: a version as 5.6.1+patch.A is in the compile chunk only, which the
%% digest leaves out.
is_due(#{mod := Module, md5 := Md5}, #{put := Put, gone := Gone}) ->
    not is_map_key(Module, Put) andalso
        (Module =:= emqx_release orelse is_map_key(Module, Gone) orelse
            emqx_hot_apply_code:md5(Module) =/= Md5).

put_items(Items, #{put := Put, gone := Gone} = World) ->
    Modules = [Module || #{mod := Module} <- Items],
    World#{
        put := maps:merge(Put, maps:from_list([{Module, true} || Module <- Modules])),
        gone := maps:without(Modules, Gone)
    }.

skip(#{skipped := Skipped} = World) ->
    World#{skipped := Skipped + 1}.

restart(App, #{tree := Tree} = World) ->
    case emqx_hot_apply_tree:app(App, Tree) of
        {ok, Target} ->
            restart_target(Target, lists:foldl(fun introduce/2, World, needs(Target, World)));
        error ->
            case lists:keymember(App, 1, application:which_applications()) of
                true ->
                    emqx_hot_apply_report:warn(
                        "application ~ts is not part of the target: restarted on the code it has", [
                            App
                        ]
                    ),
                    add_restart(App, none, [], [], World);
                false ->
                    emqx_hot_apply_report:fail(
                        app_not_found, "~ts: neither in the target nor running", [App]
                    )
            end
    end.

%% Applications that the restarted one needs and this VM has never loaded, each before what needs it.
%% A node in embedded mode loads no code by itself, so their modules have to come along.
needs(#{spec := {application, _, Keys}}, #{tree := Tree} = World) ->
    lists:foldl(
        fun(App, Found) ->
            case emqx_hot_apply_app:is_loaded(App) of
                true ->
                    Found;
                false ->
                    WithApp = emqx_hot_apply_tree:with_apps([App], Tree),
                    case emqx_hot_apply_tree:app(App, WithApp) of
                        {ok, Target} ->
                            Deeper = needs(Target, World#{tree := WithApp}),
                            Found ++ ((Deeper ++ [Target]) -- Found);
                        %% Optional, or its absence shows when the application is started.
                        error ->
                            Found
                    end
            end
        end,
        [],
        proplists:get_value(applications, Keys, []) ++
            proplists:get_value(included_applications, Keys, [])
    ).

introduce(#{name := App} = Target, #{tree := Tree, changed := Changed} = World0) ->
    World = World0#{
        tree := emqx_hot_apply_tree:with_apps([App], Tree),
        changed := (Changed -- [App]) ++ [App]
    },
    {Items, #{steps := Steps} = Read} = read_app(Target, World),
    put_items(Items, Read#{steps := [{load, Items} | Steps]}).

restart_target(#{name := App, modules := Modules} = Target, #{tree := Tree} = World0) ->
    {Items, World} = read_app(Target, World0),
    Former =
        case application:get_key(App, modules) of
            {ok, Listed} -> Listed;
            undefined -> []
        end,
    %% A module that moved to another application of the target is not gone.
    Gone = [
        Module
     || Module <- Former -- Modules,
        erlang:module_loaded(Module),
        not emqx_hot_apply_tree:has_module(Module, Tree),
        not emqx_hot_apply_code:is_protected(Module)
    ],
    add_restart(App, Target, Items, Gone, World).

%% All modules of the application that no earlier step has brought to the target's version already:
%% also equal ones, so that all of them run from the target's directory.
read_app(#{modules := Modules}, #{put := Put} = World) ->
    lists:mapfoldl(fun resolve/2, World, [M || M <- Modules, not is_map_key(M, Put)]).

add_restart(App, Target, Items, Removed, #{gone := Gone, changed := Changed, steps := Steps} = W) ->
    NowChanged =
        case Target of
            none -> Changed;
            #{} -> (Changed -- [App]) ++ [App]
        end,
    Change = #{
        app => App,
        target => Target,
        parts => Items,
        removed => [{Module, emqx_hot_apply_code:former(Module)} || Module <- Removed],
        defaults => emqx_hot_apply_app:defaults(App)
    },
    put_items(Items, W#{
        gone := maps:merge(Gone, maps:from_list([{Module, true} || Module <- Removed])),
        changed := NowChanged,
        steps := [{restart, Change} | Steps]
    }).

%% The VM must tell the target's version afterwards, whether the author thought of it or not.
own_version(World0) ->
    {Item, #{put := Put} = World} = resolve(emqx_release, World0),
    case is_map_key(emqx_release, Put) of
        true ->
            World;
        false ->
            emqx_hot_apply_report:warn("the hop does not reload emqx_release: done at its end", []),
            load(Item, World)
    end.

%% Prepares the code, finds the processes, and looks for users of old code last.
finish(#{limit := Limit} = Job, World, Callbacks) ->
    #{tree := Tree, items := Items, put := Put, gone := Gone, changed := Changed} = World,
    Steps = lists:reverse(map_get(steps, World)),
    Updated = lists:usort([Module || {update, Module, _, _} <- Steps]),
    Targets = emqx_hot_apply_procs:find(Updated, Limit),
    Prepared = [prepare(Step, Targets) || Step <- Steps],
    emqx_hot_apply_purge:check(maps:keys(Put) ++ maps:keys(Gone), stopping(Steps), Job),
    #{
        steps => Prepared,
        changed => [App || Name <- Changed, {ok, App} <- [emqx_hot_apply_tree:app(Name, Tree)]],
        restarts => [
            {App, vsn(Target)}
         || {restart, #{app := App, target := Target}} <- Steps
        ],
        callbacks => Callbacks,
        items => [map_get(Module, Items) || Module <- maps:keys(Put)],
        gone => maps:keys(Gone),
        skipped => map_get(skipped, World),
        processes => lists:sum([length(List) || {update, _, _, _, List} <- Prepared]),
        words => [words(Step) || Step <- Prepared] ++ [words(Callback) || Callback <- Callbacks]
    }.

vsn(none) -> unchanged;
vsn(#{vsn := Vsn}) -> Vsn.

prepare({load, Items}, _Targets) ->
    {load, emqx_hot_apply_code:prepare(Items)};
prepare({update, Module, Extra, Items}, Targets) ->
    {update, Module, Extra, emqx_hot_apply_code:prepare(Items), map_get(Module, Targets)};
prepare({restart, #{parts := Items} = Change}, _Targets) ->
    Parts = emqx_hot_apply_code:prepare(Items),
    %% on_load functions may call any other module of their application.
    {Singles, Batches} = lists:partition(fun(Part) -> element(1, Part) =:= single end, Parts),
    {restart, Change#{parts := Batches ++ Singles}};
prepare({apply, _, _, _} = Step, _Targets) ->
    Step.

%% Modules that are exchanged while their application is stopped, with that application's master.
stopping(Steps) ->
    maps:from_list([
        {Module, Master}
     || {restart, #{app := App, parts := Items, removed := Removed}} <- Steps,
        Master <- [application_controller:get_master(App)],
        is_pid(Master),
        Module <- [M || #{mod := M} <- Items] ++ [M || {M, _} <- Removed]
    ]).

words({load, Parts}) ->
    emqx_hot_apply_report:text("load ~ts", [modules(Parts)]);
words({update, Module, _Extra, _Parts, Targets}) ->
    emqx_hot_apply_report:text("update ~ts: ~b processes", [Module, length(Targets)]);
words({restart, #{app := App, target := none}}) ->
    emqx_hot_apply_report:text("restart ~ts", [App]);
words({restart, #{app := App, target := #{vsn := Vsn}, parts := Parts}}) ->
    emqx_hot_apply_report:text("restart ~ts ~ts: ~ts", [App, Vsn, modules(Parts)]);
words({apply, Module, Function, Args}) ->
    emqx_hot_apply_report:text("apply ~tp:~tp/~b", [Module, Function, length(Args)]);
words({Module, Function, Args}) ->
    emqx_hot_apply_report:text("call ~tp:~tp/~b", [Module, Function, length(Args)]).

modules(Parts) ->
    Names = lists:append([
        case Part of
            {batch, Items, _} -> [M || #{mod := M} <- Items];
            {single, #{mod := M}} -> [M]
        end
     || Part <- Parts
    ]),
    lists:join(", ", [atom_to_binary(Name) || Name <- Names]).
