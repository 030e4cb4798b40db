%%% Post-upgrade callbacks that come with the hop to 5.10.6 instead of the release.
-module('emqx_post_upgrade_5.10.6').

-export([pr_2001_leave_note/2]).

%% Visible in `emqx ctl state`, also after a restart: the note is on disk.
-spec pr_2001_leave_note(string(), atom()) -> ok.
pr_2001_leave_note(FromVsn, Name) ->
    emqx_db:note(Name, FromVsn ++ " -> " ++ emqx_release:version()).
