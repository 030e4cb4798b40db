%%% Callbacks of hot upgrades to this release: called by name after the code has
%%% changed, with the version that the node came from. They must be safe to run
%%% twice. This release needs none.
-module(emqx_post_upgrade).
