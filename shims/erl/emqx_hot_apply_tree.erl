%%% The deployed tree of the target release, as the agent reads it: which application owns a module,
%%% which beam is meant, what the application's specification says.
%%%
%%% Exists so that paths below the tree are joined in one place of the agent. It reads and never
%%% writes, and takes nothing from the code path: what will boot from the tree is what gets loaded.
%%% An application's `modules` list decides, not the mere presence of a beam, because the next boot
%%% loads by that list too; the directories are only listed to find the owner without parsing every
%%% specification of the release.
-module(emqx_hot_apply_tree).

-export([open/3, with_apps/2, owners/2, owner/2, app/2, has_module/2]).

-export_type([tree/0, app/0]).

-type app() :: #{
    name := atom(), vsn := string(), ebin := file:filename(), spec := tuple(), modules := [module()]
}.
-opaque tree() :: #{
    dir := file:filename(),
    vsns := #{atom() => string()},
    index := #{file:filename() => [atom()]},
    apps := #{atom() => app()}
}.

%% Reads releases/<vsn>/<name>.rel and lists the ebin directories of its applications.
-spec open(file:filename(), string(), string()) -> tree().
open(Dir, Vsn, RelName) ->
    RelFile = filename:join([Dir, "releases", Vsn, RelName ++ ".rel"]),
    Vsns =
        case file:consult(RelFile) of
            {ok, [{release, {_, _}, {erts, _}, Libs}]} when is_list(Libs) ->
                maps:from_list([{element(1, Lib), element(2, Lib)} || Lib <- Libs, is_lib(Lib)]);
            {ok, _} ->
                emqx_hot_apply_report:fail(
                    failed_to_read_rel_file, "~ts: not a release specification", [RelFile]
                );
            {error, Reason} ->
                emqx_hot_apply_report:fail(failed_to_read_rel_file, "~ts: ~ts", [
                    RelFile, file:format_error(Reason)
                ])
        end,
    Index = maps:fold(
        fun(App, AppVsn, Acc) -> index(App, ebin(Dir, App, AppVsn), Acc) end, #{}, Vsns
    ),
    #{dir => Dir, vsns => Vsns, index => Index, apps => #{}}.

is_lib(Lib) ->
    is_tuple(Lib) andalso tuple_size(Lib) >= 2 andalso is_atom(element(1, Lib)).

ebin(Dir, App, Vsn) ->
    filename:join([Dir, "lib", atom_to_list(App) ++ "-" ++ Vsn, "ebin"]).

index(App, Ebin, Index) ->
    case file:list_dir(Ebin) of
        {ok, Names} ->
            lists:foldl(
                fun(Name, Acc) -> Acc#{Name => [App | maps:get(Name, Acc, [])]} end, Index, Names
            );
        %% An application without a directory owns no module; it fails when the hop needs it.
        {error, _} ->
            Index
    end.

%% Adds the specifications of these applications, so that app/2 and owner/2 know them.
-spec with_apps([atom()], tree()) -> tree().
with_apps(Names, #{apps := Apps, vsns := Vsns} = Tree) ->
    Read = [{Name, read_app(Name, Tree)} || Name <- Names, is_map_key(Name, Vsns)],
    Tree#{apps := maps:merge(Apps, maps:from_list(Read))}.

read_app(App, #{dir := Dir, vsns := Vsns}) ->
    Vsn = map_get(App, Vsns),
    Ebin = ebin(Dir, App, Vsn),
    File = filename:join(Ebin, atom_to_list(App) ++ ".app"),
    case file:consult(File) of
        {ok, [{application, App, Keys} = Spec]} when is_list(Keys) ->
            case {proplists:get_value(vsn, Keys), proplists:get_value(modules, Keys, [])} of
                {Vsn, Modules} when is_list(Modules) ->
                    #{name => App, vsn => Vsn, ebin => Ebin, spec => Spec, modules => Modules};
                {Other, _} ->
                    emqx_hot_apply_report:fail(
                        failed_to_read_app_desc_file,
                        "~ts: its vsn is ~0tp, the release wants ~ts",
                        [File, Other, Vsn]
                    )
            end;
        {ok, _} ->
            emqx_hot_apply_report:fail(
                failed_to_read_app_desc_file, "~ts: not the specification of ~ts", [File, App]
            );
        {error, Reason} ->
            emqx_hot_apply_report:fail(failed_to_read_app_desc_file, "~ts: ~ts", [
                File, file:format_error(Reason)
            ])
    end.

%% Applications of the release whose ebin directory holds the module's beam.
-spec owners(module(), tree()) -> [atom()].
owners(Module, #{index := Index}) ->
    maps:get(beam(Module), Index, []).

-spec has_module(module(), tree()) -> boolean().
has_module(Module, Tree) ->
    owners(Module, Tree) =/= [].

%% The application that lists the module, and the module's beam file. Of the applications that hold
%% such a beam, only those added by with_apps/2 are considered.
-spec owner(module(), tree()) -> {ok, app(), file:filename()} | {error, not_there | not_listed}.
owner(Module, #{apps := Apps} = Tree) ->
    Owners = owners(Module, Tree),
    Listing = [
        App
     || Name <- Owners,
        #{modules := Modules} = App <- [maps:get(Name, Apps, none)],
        lists:member(Module, Modules)
    ],
    case {Listing, Owners} of
        {[#{ebin := Ebin} = App | _], _} -> {ok, App, filename:join(Ebin, beam(Module))};
        {[], []} -> {error, not_there};
        {[], _} -> {error, not_listed}
    end.

-spec app(atom(), tree()) -> {ok, app()} | error.
app(Name, #{apps := Apps}) ->
    maps:find(Name, Apps).

beam(Module) ->
    atom_to_list(Module) ++ ".beam".
