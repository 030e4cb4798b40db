%%% What a proven plan would do, in plain terms for the command that asked.
%%%
%%% Exists because the words of a plan are for people and bounded in length, while a program that reads
%%% a plan wants every module, process count and call of it. It only tells: nothing is looked up here.
-module(emqx_hot_apply_outline).

-export([steps/1]).

-type step() ::
    {load, [binary()]}
    | {update, binary(), Processes :: non_neg_integer(), Loads :: boolean()}
    | {restart, binary(), Vsn :: binary() | undefined, [binary()], Removed :: [binary()]}
    | {apply | callback, binary()}.

-spec steps(emqx_hot_apply_plan:plan()) -> [step()].
steps(#{steps := Steps, callbacks := Callbacks}) ->
    [step(Step) || Step <- Steps] ++ [{callback, call(Callback)} || Callback <- Callbacks].

step({load, Parts}) ->
    {load, modules(Parts)};
step({update, Module, _Extra, Parts, Targets}) ->
    {update, atom_to_binary(Module), length(Targets), Parts =/= []};
step({restart, #{app := App, target := Target, parts := Parts, removed := Removed}}) ->
    Gone = [atom_to_binary(Module) || {Module, _Former} <- Removed],
    {restart, atom_to_binary(App), vsn(Target), modules(Parts), Gone};
step({apply, Module, Function, Args}) ->
    {apply, call({Module, Function, Args})}.

vsn(none) -> undefined;
vsn(#{vsn := Vsn}) -> unicode:characters_to_binary(Vsn).

modules(Parts) ->
    lists:append([
        case Part of
            {batch, Items, _Prepared} -> [atom_to_binary(Module) || #{mod := Module} <- Items];
            {single, #{mod := Module}} -> [atom_to_binary(Module)]
        end
     || Part <- Parts
    ]).

call({Module, Function, Args}) ->
    emqx_hot_apply_report:text("~tp:~tp/~b", [Module, Function, length(Args)]).
