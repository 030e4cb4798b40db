%%% Comes with the hop and belongs to no release: leaves a note in the node's table
%%% when the hop's instructions begin.
-module(emqx_relup_assist).

-export([begin_hop/2]).

-spec begin_hop(string(), string()) -> ok.
begin_hop(FromVsn, TargetVsn) ->
    emqx_db:note('hop_instruction.5.10.5', FromVsn ++ " -> " ++ TargetVsn).
