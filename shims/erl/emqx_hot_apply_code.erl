%%% Object code: what is to be loaded, how it gets in, and how the former code gets back.
%%%
%%% Exists so that loading and deleting of modules happen in one place, each with its inverse in the
%%% log (emqx_hot_apply_undo). It must never kill a process unless the operator asked for it:
%%% code:load_binary/3 purges, and so kills, so nothing is loaded before old code has been vacated
%%% (emqx_hot_apply_purge).
%%% Beams come from the target tree or with the request; former beams from the file that the module
%%% was loaded from, and only if that file still is what runs.
-module(emqx_hot_apply_code).

-export([item/3, former/1, md5/1, is_protected/1, read/1]).
-export([prepare/1, load/2, replace/2, remove/2]).

-export_type([item/0, former/0, part/0]).

-type former() :: none | {known | lost, file:filename() | atom(), Md5 :: binary(), Beam :: binary()}.
-type item() :: #{
    mod := module(),
    file := file:filename(),
    bin := binary(),
    md5 := binary(),
    exports := [{atom(), arity()}],
    former := former()
}.
%% A module with an on_load function can't be in a batch: OTP must run that function by itself.
-type part() :: {batch, [item()], code:prepared_code()} | {single, item()}.

%% A module as it is to be loaded. Throws module_not_found when the beam is not what it should be.
-spec item(module(), file:filename(), binary()) -> item().
item(Module, File, Packed) ->
    %% Stripped releases have compressed beams.
    Beam =
        case Packed of
            <<16#1f, 16#8b, _/binary>> -> unpack(File, Packed);
            _ -> Packed
        end,
    case beam_lib:chunks(Beam, [exports]) of
        {ok, {Module, [{exports, Exports}]}} ->
            #{
                mod => Module,
                file => File,
                bin => Beam,
                md5 => code:module_md5(Beam),
                exports => Exports,
                former => former(Module)
            };
        {ok, {Other, _}} ->
            emqx_hot_apply_report:fail(module_not_found, "~ts holds module ~tp instead of ~tp", [
                File, Other, Module
            ]);
        {error, beam_lib, Reason} ->
            emqx_hot_apply_report:fail(module_not_found, "~ts: ~ts", [
                File, beam_lib:format_error(Reason)
            ])
    end.

unpack(File, Packed) ->
    try
        zlib:gunzip(Packed)
    catch
        error:Reason ->
            emqx_hot_apply_report:fail(module_not_found, "~ts: cannot unpack: ~p", [File, Reason])
    end.

-spec read(file:filename()) -> binary().
read(File) ->
    case file:read_file(File) of
        {ok, Beam} ->
            Beam;
        {error, Reason} ->
            emqx_hot_apply_report:fail(module_not_found, "~ts: ~ts", [
                File, file:format_error(Reason)
            ])
    end.

%% MD5 of the code that runs now. It leaves out the compile chunk, into which release builds stamp
%% their version, so that it tells whether the code itself differs.
-spec md5(module()) -> binary() | none.
md5(Module) ->
    case erlang:module_loaded(Module) of
        true -> erlang:get_module_info(Module, md5);
        false -> none
    end.

%% The object code that runs now, to be loaded back by an undo. lost: it runs, but no file has it
%% any more (a patch that was replaced on disk, code that was compiled in the VM).
-spec former(module()) -> former().
former(Module) ->
    case {code:is_loaded(Module), md5(Module)} of
        {false, _} -> none;
        {_, none} -> none;
        {{file, File}, Md5} when is_list(File), File =/= [] -> former(File, Md5);
        {{file, NoFile}, Md5} -> {lost, NoFile, Md5, <<>>}
    end.

former(File, Md5) ->
    case file:read_file(File) of
        {ok, Beam} ->
            case code:module_md5(Beam) of
                Md5 -> {known, File, Md5, Beam};
                _ -> {lost, File, Md5, <<>>}
            end;
        {error, _} ->
            {lost, File, Md5, <<>>}
    end.

%% Preloaded modules and those in sticky directories: the runtime itself, never replaced.
-spec is_protected(module()) -> boolean().
is_protected(Module) ->
    lists:member(Module, erlang:pre_loaded()) orelse code:is_sticky(Module).

%% Reads the code of all items into the VM without making any of it visible.
-spec prepare([item()]) -> [part()].
prepare([]) ->
    [];
prepare(Items) ->
    case code:prepare_loading([{M, F, B} || #{mod := M, file := F, bin := B} <- Items]) of
        {ok, Prepared} ->
            [{batch, Items, Prepared}];
        {error, Errors} ->
            case [M || {M, on_load_not_allowed} <- Errors] of
                OnLoad when length(OnLoad) =:= length(Errors) ->
                    prepare_around(Items, OnLoad, []);
                _ ->
                    emqx_hot_apply_report:fail(module_not_found, "cannot be loaded: ~0tp", [Errors])
            end
    end.

prepare_around([#{mod := Module} = Item | Items], OnLoad, Run) ->
    case lists:member(Module, OnLoad) of
        true ->
            prepare(lists:reverse(Run)) ++ [{single, Item} | prepare_around(Items, OnLoad, [])];
        false ->
            prepare_around(Items, OnLoad, [Item | Run])
    end;
prepare_around([], _OnLoad, Run) ->
    prepare(lists:reverse(Run)).

%% Makes prepared code current: a batch at once for all its modules.
-spec load([part()], boolean()) -> ok.
load(Parts, Brutal) ->
    lists:foreach(fun(Part) -> load_part(Part, Brutal) end, Parts).

load_part({batch, Items, Prepared}, Brutal) ->
    lists:foreach(fun(#{mod := M}) -> emqx_hot_apply_purge:vacate(M, Brutal) end, Items),
    record(Items, Brutal),
    case code:finish_loading(Prepared) of
        ok -> ok;
        {error, Errors} -> load_failed(Errors)
    end;
load_part({single, #{mod := Module} = Item}, Brutal) ->
    emqx_hot_apply_purge:vacate(Module, Brutal),
    record([Item], Brutal),
    insert(Item).

%% As load/2, for an application that is stopped: modules with an on_load function are deleted first,
%% because a NIF library without an upgrade function can only be loaded into a fresh module.
-spec replace([part()], boolean()) -> ok.
replace(Parts, Brutal) ->
    lists:foreach(
        fun
            ({single, #{mod := Module} = Item}) ->
                emqx_hot_apply_purge:vacate(Module, Brutal),
                record([Item], Brutal),
                _ = code:delete(Module),
                emqx_hot_apply_purge:vacate(Module, Brutal),
                insert(Item);
            ({batch, _, _} = Part) ->
                load_part(Part, Brutal)
        end,
        Parts
    ).

%% Takes modules away that the target does not have any more. Their last users keep the code.
-spec remove([{module(), former()}], boolean()) -> ok.
remove(Modules, Brutal) ->
    lists:foreach(
        fun({Module, Former}) ->
            emqx_hot_apply_purge:vacate(Module, Brutal),
            record([#{mod => Module, former => Former}], Brutal),
            _ = code:delete(Module),
            _ = code:soft_purge(Module)
        end,
        Modules
    ).

%% By a helper, which is waited for if the owner is killed: the code server goes on with the module's
%% on_load function then, and makes the module current after it.
insert(#{mod := Module, file := File, bin := Beam}) ->
    case emqx_hot_apply_helper:run(fun() -> code:load_binary(Module, File, Beam) end) of
        {module, Module} -> ok;
        {error, Reason} -> load_failed([{Module, Reason}])
    end.

-spec load_failed([{module(), term()}]) -> no_return().
load_failed(Errors) ->
    emqx_hot_apply_report:fail(load_failed, "~0tp", [Errors]).

record(Items, Brutal) ->
    Formers = [{Module, Former} || #{mod := Module, former := Former} <- Items],
    ok = emqx_hot_apply_undo:push(
        emqx_hot_apply_report:text("loading ~0tp", [[M || {M, _} <- Formers]]),
        fun() -> put_back(Formers, Brutal) end
    ),
    ok.

%% The inverse of every change above: whatever the modules' present state is, their former code is
%% current again, all of it at once where OTP can do that.
put_back(Formers, Brutal) ->
    {Back, Attention} = lists:foldl(
        fun({Module, Former}, {Items, Texts}) ->
            case former_item(Module, Former, Brutal) of
                {ok, Item} -> {[Item | Items], Texts};
                ok -> {Items, Texts};
                {attention, Text} -> {Items, [Text | Texts]}
            end
        end,
        {[], []},
        Formers
    ),
    lists:foreach(
        fun
            ({batch, _, Prepared}) -> ok = code:finish_loading(Prepared);
            ({single, Item}) -> insert(Item)
        end,
        prepare(lists:reverse(Back))
    ),
    case Attention of
        [] -> ok;
        _ -> {attention, lists:reverse(Attention)}
    end.

former_item(Module, none, _Brutal) ->
    _ = code:delete(Module),
    _ = code:soft_purge(Module),
    ok;
former_item(Module, {Kind, File, Md5, Beam}, Brutal) ->
    case {md5(Module), code:is_loaded(Module), Kind} of
        %% It was never exchanged, or is back already.
        {Md5, {file, File}, _} ->
            ok;
        {_, _, known} ->
            vacated(Module, File, Beam, Brutal);
        {_, _, lost} ->
            {attention,
                emqx_hot_apply_report:text(
                    "~tp stays new: the file of its former code has changed or is gone", [Module]
                )}
    end.

vacated(Module, File, Beam, Brutal) ->
    try
        emqx_hot_apply_purge:vacate(Module, Brutal),
        {ok, item(Module, File, Beam)}
    catch
        throw:{refused, _, Detail} ->
            {attention, emqx_hot_apply_report:text("~tp stays new: ~ts", [Module, Detail])}
    end.
