%%% Callbacks of hot upgrades to this release: called by name after the code has
%%% changed, with the version that the node came from. They must be safe to run
%%% twice.
-module(emqx_post_upgrade).

-export([pr_1001_register_topics_command/1, pr_1002_leave_note/2]).

%% A node that was started on 5.10.4 has never registered the new command.
-spec pr_1001_register_topics_command(string()) -> ok.
pr_1001_register_topics_command(_FromVsn) ->
    emqx_mgmt_topics:load().

%% Visible in `emqx ctl state`, also after a restart: the note is on disk.
-spec pr_1002_leave_note(string(), atom()) -> ok.
pr_1002_leave_note(FromVsn, Name) ->
    emqx_db:note(Name, FromVsn ++ " -> " ++ emqx_release:version()).
