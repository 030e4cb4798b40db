%%% What every hot upgrade of 4.x calls at its end, by name: each relup has it as its last instruction.
%%% The note is on disk and shows in `emqx ctl state`.
-module(emqx_relup).

-export([post_release_downgrade/1, post_release_upgrade/1]).

-spec post_release_upgrade(string()) -> ok.
post_release_upgrade(From) ->
    emqx_db:note('relup.upgrade', From ++ " -> " ++ emqx_release:version()).

%% Called by the release that is left.
-spec post_release_downgrade(string()) -> ok.
post_release_downgrade(To) ->
    emqx_db:note('relup.downgrade', emqx_release:version() ++ " -> " ++ To).
