%%% What the boot tool asks of a node: whether it is ready, and to shut down.
-module(emqx_machine).

-export([brutal_shutdown/0, graceful_shutdown/0, is_ready/0]).

%% True from the end of the boot sequence (listeners accept clients) until the
%% shutdown begins.
-spec is_ready() -> boolean().
is_ready() ->
    emqx_machine_boot:is_ready().

%% Answers when the applications are stopped; the VM ends right after that.
-spec graceful_shutdown() -> ok.
graceful_shutdown() ->
    emqx_machine_boot:shutdown().

%% For a node whose boot sequence hangs: nobody is asked.
-spec brutal_shutdown() -> ok.
brutal_shutdown() ->
    init:stop().
