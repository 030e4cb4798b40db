%%% Reads back what the VM runs and compares it with the target, before anything is made permanent.
%%%
%%% Exists so that the marker never names a version that does not run. It changes nothing, and trusts
%%% nothing that the apply said about itself: it asks the code server, the application controller and
%%% emqx_release.
-module(emqx_hot_apply_verify).

-export([check/2]).

%% Throws verify_failed with all differences.
-spec check(emqx_hot_apply_plan:plan(), map()) -> ok.
check(#{items := Items, gone := Gone, changed := Changed, restarts := Restarts}, #{to := To}) ->
    Running = application:which_applications(),
    Differences =
        lists:flatmap(fun module/1, Items) ++
            [
                emqx_hot_apply_report:text("~tp is still loaded", [Module])
             || Module <- Gone, erlang:module_loaded(Module)
            ] ++
            lists:flatmap(fun directory/1, Changed) ++
            lists:flatmap(fun(Restart) -> restarted(Restart, Running) end, Restarts) ++
            version(To),
    case Differences of
        [] ->
            ok;
        _ ->
            emqx_hot_apply_report:fail(verify_failed, "~ts", [lists:join("; ", Differences)])
    end.

module(#{mod := Module, file := File, md5 := Md5}) ->
    case {emqx_hot_apply_code:md5(Module), code:is_loaded(Module)} of
        {Md5, {file, File}} ->
            [];
        {Md5, {file, Other}} ->
            [emqx_hot_apply_report:text("~tp runs from ~ts, not ~ts", [Module, Other, File])];
        {_, _} ->
            [emqx_hot_apply_report:text("~tp does not run the code of ~ts", [Module, File])]
    end.

directory(#{name := App, ebin := Ebin}) ->
    Dir = filename:dirname(Ebin),
    case code:lib_dir(App) of
        Dir -> [];
        Other -> [emqx_hot_apply_report:text("the directory of ~ts is ~0tp", [App, Other])]
    end.

restarted({App, Wanted}, Running) ->
    case lists:keyfind(App, 1, Running) of
        {App, _, _} when Wanted =:= unchanged -> [];
        {App, _, Wanted} -> [];
        {App, _, Vsn} -> [emqx_hot_apply_report:text("~ts runs as ~ts", [App, Vsn])];
        false -> [emqx_hot_apply_report:text("~ts does not run", [App])]
    end.

version(To) ->
    try iolist_to_binary(emqx_release:version()) =:= unicode:characters_to_binary(To) of
        true ->
            [];
        false ->
            [
                emqx_hot_apply_report:text("emqx_release:version() is ~ts, not ~ts", [
                    emqx_release:version(), To
                ])
            ]
    catch
        Class:Reason ->
            [
                emqx_hot_apply_report:text("emqx_release:version() failed: ~p ~0tP", [
                    Class, Reason, 20
                ])
            ]
    end.
