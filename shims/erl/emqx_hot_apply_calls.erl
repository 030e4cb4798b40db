%%% Functions that the upgrade will call: whether they exist in the version that runs at that moment.
%%%
%%% Exists because a callback that is missing shows only after the code has changed, when it is too
%%% late to refuse. It must not load anything to find out, and makes no atom of the target's version:
%%% it looks at the beams that the plan has read, and at what the VM runs already.
-module(emqx_hot_apply_calls).

-export([callback/4, require/4]).

%% The call that a post-upgrade callback stands for: Module:Function(FromVsn, Args...), in
%% 'emqx_post_upgrade_<target>' where that is loaded by then, else in emqx_post_upgrade.
-spec callback(
    emqx_hot_apply_hop:callback(), string(), string(), emqx_hot_apply_plan:world()
) -> {module(), atom(), [term()]}.
callback({Function, Args}, To, From, World) ->
    Module = callback_module(To, World),
    require(Module, Function, length(Args) + 1, World),
    {Module, Function, [From | Args]}.

%% No atom is made for a module that nobody has ever named.
callback_module(To, #{put := Put, gone := Gone}) ->
    try list_to_existing_atom("emqx_post_upgrade_" ++ To) of
        Tagged when is_map_key(Tagged, Put) -> Tagged;
        Tagged when is_map_key(Tagged, Gone) -> emqx_post_upgrade;
        Tagged ->
            case erlang:module_loaded(Tagged) of
                true -> Tagged;
                false -> emqx_post_upgrade
            end
    catch
        error:_ -> emqx_post_upgrade
    end.

%% Throws callback_not_exported.
-spec require(module(), atom(), arity(), emqx_hot_apply_plan:world()) -> ok.
require(Module, Function, Arity, World) ->
    case is_exported(Module, Function, Arity, World) of
        true ->
            ok;
        false ->
            emqx_hot_apply_report:fail(
                callback_not_exported, "~tp:~tp/~b: not in the version that will run then", [
                    Module, Function, Arity
                ]
            )
    end.

is_exported(Module, Function, Arity, #{put := Put, items := Items}) when is_map_key(Module, Put) ->
    #{exports := Exports} = map_get(Module, Items),
    lists:member({Function, Arity}, Exports);
is_exported(Module, _Function, _Arity, #{gone := Gone}) when is_map_key(Module, Gone) ->
    false;
is_exported(Module, Function, Arity, World) ->
    case erlang:module_loaded(Module) of
        true -> erlang:function_exported(Module, Function, Arity);
        false -> lists:member({Function, Arity}, unloaded_exports(Module, World))
    end.

%% In interactive mode a call loads the module from the code path, where changed applications are
%% first. Loading it here to look would change the VM.
unloaded_exports(Module, #{tree := Tree, changed := Changed}) ->
    File =
        case {code:get_mode(), emqx_hot_apply_tree:owner(Module, Tree)} of
            {embedded, _} -> non_existing;
            {interactive, {ok, #{name := App}, Beam}} ->
                case lists:member(App, Changed) of
                    true -> Beam;
                    false -> code:where_is_file(atom_to_list(Module) ++ ".beam")
                end;
            {interactive, _} -> code:where_is_file(atom_to_list(Module) ++ ".beam")
        end,
    case File =/= non_existing andalso beam_lib:chunks(File, [exports]) of
        {ok, {Module, [{exports, Exports}]}} -> Exports;
        _ -> []
    end.
