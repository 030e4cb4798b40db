%%% Applications: restarting one in place on the target's code, and telling the application controller
%%% which version runs.
%%%
%%% Exists so that an application's code, specification and environment change together, each with its
%%% inverse in the log. Environment that people or the configuration have set survives; only values
%%% that still are the old specification's defaults give way to new defaults.
%%% It must never touch kernel, stdlib or compiler, and never stop what depends on the application.
-module(emqx_hot_apply_app).

-export([is_untouchable/1, is_loaded/1, defaults/1]).
-export([restart/2, refresh/1]).

-export_type([change/0]).

-type env() :: [{atom(), term()}].
%% What a restart needs; target is none for an application that only this node has, as a plugin.
-type change() :: #{
    app := atom(),
    target := emqx_hot_apply_tree:app() | none,
    parts := [emqx_hot_apply_code:part()],
    removed := [{module(), emqx_hot_apply_code:former()}],
    defaults := env()
}.

%% Applications whose loss would take the VM down.
-spec is_untouchable(atom()) -> boolean().
is_untouchable(App) ->
    lists:member(App, [kernel, stdlib, compiler]).

-spec is_loaded(atom()) -> boolean().
is_loaded(App) ->
    application:get_key(App, vsn) =/= undefined.

%% Default environment of the specification that was loaded: from its file, because the application
%% controller mixes it with the configured environment. Unknown defaults are no defaults: then every
%% present value is taken for a configured one, and survives.
-spec defaults(atom()) -> env().
defaults(App) ->
    case code:lib_dir(App) of
        {error, bad_name} ->
            [];
        Dir ->
            File = filename:join([Dir, "ebin", atom_to_list(App) ++ ".app"]),
            case file:consult(File) of
                {ok, [{application, App, Keys}]} when is_list(Keys) ->
                    proplists:get_value(env, Keys, []);
                _ ->
                    []
            end
    end.

%% Stops the application, exchanges its code and specification, and starts it again, also when it was
%% not running. Returns what was started: the application and dependencies that are new.
-spec restart(change(), boolean()) -> [atom()].
restart(#{app := App, target := Target, parts := Parts, removed := Removed} = Change, Brutal) ->
    Type = start_type(App),
    stop(App, Type),
    emqx_hot_apply_code:remove(Removed, Brutal),
    emqx_hot_apply_code:replace(Parts, Brutal),
    case Target of
        #{spec := Spec} -> reload(App, Spec, maps:get(defaults, Change));
        none -> ok
    end,
    start(App, Type).

start_type(App) ->
    proplists:get_value(App, started(), none).

started() ->
    proplists:get_value(started, application:info(), []).

stop(_App, none) ->
    ok;
stop(App, Type) ->
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("stopping application ~ts", [App]),
        fun() ->
            _ = start(App, Type),
            ok
        end
    ),
    case application:stop(App) of
        ok ->
            ok;
        {error, {not_started, App}} ->
            ok;
        {error, Reason} ->
            emqx_hot_apply_report:fail(
                stop_application_failed, "application ~ts: ~0tP", [App, Reason, 20]
            )
    end.

%% Always started as temporary: the application controller takes the whole VM down when a permanent
%% application fails to start. Its former type is put back once it runs.
start(App, none) ->
    start(App, temporary);
start(App, Type) ->
    Before = started(),
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("starting application ~ts", [App]),
        fun() -> stop_started(Before) end
    ),
    case application:ensure_all_started(App, temporary) of
        {ok, Started} ->
            %% Also where it runs already, because whoever started it was killed before this.
            retype(lists:usort([App | Started]), Type, 3),
            Started;
        {error, {Failed, Reason}} ->
            emqx_hot_apply_report:fail(
                start_application_failed, "application ~ts: ~0tP", [Failed, Reason, 20]
            )
    end.

%% Newest first, so that dependencies go last. One that is just being started, for somebody who was
%% killed meanwhile, can be stopped only when it runs.
stop_started(Before) ->
    ok = await_starting(Before, 600),
    _ = [application:stop(App) || {App, _} <- started(), not lists:keymember(App, 1, Before)],
    ok.

await_starting(Before, Tries) ->
    Starting = [
        App
     || {App, _RestartType, _Type, _From} <- proplists:get_value(starting, application:info(), []),
        not lists:keymember(App, 1, Before)
    ],
    case Starting of
        [] ->
            ok;
        _ when Tries > 0 ->
            timer:sleep(50),
            await_starting(Before, Tries - 1);
        _ ->
            emqx_hot_apply_report:fail(stop_application_failed, "~0tp is still being started", [
                Starting
            ])
    end.

%% OTP has no function to change the restart type of a running application, and a second restart to
%% that end would be a second outage. So the list of restart types in the controller's state is
%% exchanged, recognised by being the very list that application:info/0 gives; if it is not found there,
%% the state stays as it is, and people are told.
retype(_Apps, temporary, _Tries) ->
    ok;
retype(Apps, Type, 0) ->
    emqx_hot_apply_report:warn(
        "~0tp run as temporary instead of ~ts applications until the next start", [Apps, Type]
    );
retype(Apps, Type, Tries) ->
    Before = started(),
    After = [
        case lists:member(App, Apps) of
            true -> {App, Type};
            false -> {App, Was}
        end
     || {App, Was} <- Before
    ],
    try
        sys:replace_state(application_controller, fun(State) -> swap(Before, After, State) end)
    catch
        exit:_ -> unchanged
    end,
    case [App || App <- Apps, start_type(App) =/= Type] of
        [] -> ok;
        _ -> retype(Apps, Type, Tries - 1)
    end.

swap(Before, After, State) when is_tuple(State) ->
    case [I || I <- lists:seq(2, tuple_size(State)), element(I, State) =:= Before] of
        [Index] -> setelement(Index, State, After);
        _ -> State
    end;
swap(_Before, _After, State) ->
    State.

reload(App, Spec, Defaults) ->
    Included =
        case application:get_key(App, included_applications) of
            {ok, Apps} -> Apps;
            undefined -> []
        end,
    Env = application:get_all_env(App),
    Others = [{Other, application:get_all_env(Other)} || Other <- Included],
    Old = application:get_all_key(App),
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("loading the specification of ~ts", [App]),
        fun() -> unreload(App, Old, [{App, Env} | Others]) end
    ),
    unload(App),
    load(App, Spec),
    set_env([{App, [Value || Value <- Env, not lists:member(Value, Defaults)]} | Others]).

unreload(App, undefined, _Envs) ->
    unload(App),
    ok;
unreload(App, {ok, Keys}, Envs) ->
    unload(App),
    load(App, {application, App, Keys}),
    set_env(Envs).

unload(App) ->
    case application:unload(App) of
        ok ->
            ok;
        {error, {not_loaded, App}} ->
            ok;
        {error, Reason} ->
            emqx_hot_apply_report:fail(
                load_application_failed, "cannot unload ~ts: ~0tP", [App, Reason, 20]
            )
    end.

load(App, Spec) ->
    case application:load(Spec) of
        ok ->
            ok;
        {error, Reason} ->
            emqx_hot_apply_report:fail(
                load_application_failed, "cannot load ~ts: ~0tP", [App, Reason, 20]
            )
    end.

set_env(Envs) ->
    lists:foreach(
        fun({App, Env}) ->
            lists:foreach(fun({Key, Value}) -> application:set_env(App, Key, Value) end, Env)
        end,
        Envs
    ).

%% Lets application:which_applications/0 tell the target's version of an application that goes on
%% running with changed modules. application_controller:change_application_data/2, which OTP's release
%% handler uses, is not for a live broker: it deletes the application's environment before it sets it
%% anew, so that a reader in between finds nothing, loses what was set at run time, and forgets the
%% node's configuration for applications loaded later. So the controller's record is exchanged in its
%% public table, which is atomic, but only after every field that is meant has been recognised by
%% the value that the documented functions give for it. A record of another shape is left alone.
-spec refresh(emqx_hot_apply_tree:app()) -> ok.
refresh(#{name := App, vsn := Vsn, spec := {application, App, Keys}}) ->
    Row = ets:lookup(ac_tab, {loaded, App}),
    case [redrawn(App, Record, Keys) || {_, Record} <- Row] of
        [] ->
            ok;
        [{ok, New}] ->
            ok = emqx_hot_apply_undo:push(
                emqx_hot_apply_report:text("the version of application ~ts", [App]),
                fun() ->
                    true = ets:insert(ac_tab, Row),
                    ok
                end
            ),
            true = ets:insert(ac_tab, {{loaded, App}, New}),
            {ok, Vsn} = application:get_key(App, vsn),
            add_env(App, proplists:get_value(env, Keys, []));
        [unknown] ->
            emqx_hot_apply_report:warn(
                "application ~ts keeps telling its former version until the next start", [App]
            )
    end.

redrawn(App, Record, Keys) ->
    {ok, Description} = application:get_key(App, description),
    {ok, Vsn} = application:get_key(App, vsn),
    {ok, Modules} = application:get_key(App, modules),
    case Record of
        _ when
            element(1, Record) =:= appl,
            element(2, Record) =:= App,
            element(4, Record) =:= Description,
            element(6, Record) =:= Vsn,
            element(1, element(3, Record)) =:= appl_data,
            element(6, element(3, Record)) =:= Modules
        ->
            Data = setelement(
                6, element(3, Record), proplists:get_value(modules, Keys, [])
            ),
            Described = setelement(
                4, Record, proplists:get_value(description, Keys, Description)
            ),
            {ok, setelement(6, setelement(3, Described, Data), proplists:get_value(vsn, Keys))};
        _ ->
            unknown
    end.

%% Parameters that the target introduces: the changed modules may ask for them.
add_env(App, Env) ->
    New = [{Key, Value} || {Key, Value} <- Env, application:get_env(App, Key) =:= undefined],
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("new parameters of application ~ts", [App]),
        fun() -> lists:foreach(fun({Key, _}) -> application:unset_env(App, Key) end, New) end
    ),
    set_env([{App, New}]).
