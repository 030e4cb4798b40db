%%% The version that the running code belongs to.
%%%
%%% It is known twice: from the macro that this module is compiled with, and from
%%% the stamp in the compile information of its beam. They must agree, so a beam
%%% of another release is found out at once.
-module(emqx_release).

-export([description/0, edition/0, version/0]).

-spec description() -> string().
description() ->
    "EMQX Broker".

-spec edition() -> ce.
edition() ->
    ce.

-spec version() -> string().
version() ->
    case proplists:get_value(emqx_vsn, ?MODULE:module_info(compile)) of
        ?EMQX_VSN -> ?EMQX_VSN;
        Stamp -> error({version_mismatch, #{source => ?EMQX_VSN, stamp => Stamp}})
    end.
