%%% Callbacks of hot upgrades to this release. It has none: the hops to 5.10.6
%%% bring a module of their own, emqx_post_upgrade_5.10.6.
-module(emqx_post_upgrade).
