%%% What a process does with its own state for an upgrade: keep it, take it back, tell what it did.
%%%
%%% Exists because the states of all connections of a broker would not fit into one process: each keeps
%%% its own, in its process dictionary, where that costs no copy. The funs here are run by the processes
%%% themselves, through replace_state of sys(3); an event manager runs them once for each of its
%%% handlers, in their order. They must never fail in a way that ends the process, and leave nothing
%%% behind once drop/1 has run.
-module(emqx_hot_apply_state).

-export([keep/1, note/1, revert/3, settle/2, drop/1]).

-export_type([key/0, reverted/0, settled/0]).

%% One update of one attempt. A process that several updates meet has an entry for each.
-type key() :: reference().
-type stored() :: #{
    old := [term()],
    new := [term()],
    %% States that have moved on, with what was kept for them.
    moved := [{Old :: term(), Converted :: boolean(), Now :: term()}],
    %% Who has taken the state back.
    round => reference(),
    found => reverted()
}.
%% back: the state is again what was kept; Converted tells whether that differs from what it was made
%% into. moved: the process has worked with its new state since, so the kept one is out of date.
%% stranger: it has kept nothing, because it was started later.
-type reverted() :: {back, Converted :: boolean()} | moved | stranger.
%% lowered: the new code has made a state of the former version. forced: it has not, and the state is
%% what was kept. unknown: it has not, and there is nothing else.
-type settled() :: lowered | forced | unknown.

%% Keeps the state. Thrown, so that the answer is short: it would hold the state else.
-spec keep(key()) -> fun((term()) -> no_return()).
keep(Key) ->
    fun(State) ->
        #{old := Old} = Stored = stored(Key),
        store(Key, Stored#{old := Old ++ [State]}),
        throw(emqx_hot_apply_kept)
    end.

%% Notes what the new code has made of the state.
-spec note(key()) -> fun((term()) -> no_return()).
note(Key) ->
    fun(State) ->
        #{new := New} = Stored = stored(Key),
        store(Key, Stored#{new := New ++ [State]}),
        throw(emqx_hot_apply_kept)
    end.

%% Gives the kept state back, unless the process has changed its state since. Once: who takes it back
%% again, because the first who did so was killed, is told what was found then.
-spec revert(key(), Round :: reference(), pid()) -> fun((term()) -> term()).
revert(Key, Round, Helper) ->
    fun(State) ->
        case stored(Key) of
            #{round := Other} = Stored when Other =/= Round ->
                tell(Helper, found(Stored)),
                State;
            Stored ->
                {What, Then, Now} = reverted(Stored, State),
                store(Key, Now#{round => Round, found => What}),
                tell(Helper, What),
                Then
        end
    end.

reverted(#{old := [Old | Olds], new := [State | News]} = Stored, State) ->
    {{back, Old =/= State}, Old, Stored#{old := Olds, new := News}};
%% It never came to a new state.
reverted(#{old := [Old | Olds], new := []} = Stored, _State) ->
    {{back, false}, Old, Stored#{old := Olds}};
reverted(#{old := [Old | Olds], new := [New | News], moved := Moved} = Stored, State) ->
    {moved, State, Stored#{
        old := Olds, new := News, moved := Moved ++ [{Old, Old =/= New, State}]
    }};
reverted(#{moved := Moved} = Stored, State) ->
    {stranger, State, Stored#{moved := Moved ++ [{State, true, State}]}}.

%% What has moved on and is settled by now must not be lowered again.
found(#{moved := [], found := {back, _} = What}) -> What;
found(#{moved := []}) -> {back, true};
found(#{found := What}) -> What.

%% After the new code was asked for a state of the former version: a module without such a clause fails,
%% or gives the state back as it is. Then the kept state has to do.
-spec settle(key(), pid()) -> fun((term()) -> term()).
settle(Key, Helper) ->
    fun(State) ->
        case stored(Key) of
            #{moved := [{Same, true, Same} | Moved]} = Stored when Same =:= State ->
                store(Key, Stored#{moved := Moved}),
                tell(Helper, unknown),
                State;
            #{moved := [{Old, true, State} | Moved]} = Stored ->
                store(Key, Stored#{moved := Moved}),
                tell(Helper, forced),
                Old;
            #{moved := [_ | Moved]} = Stored ->
                store(Key, Stored#{moved := Moved}),
                tell(Helper, lowered),
                State;
            #{} ->
                tell(Helper, lowered),
                State
        end
    end.

%% Removes all that was kept.
-spec drop(key()) -> fun((term()) -> no_return()).
drop(Key) ->
    fun(_State) ->
        _ = erase({emqx_hot_apply_kept, Key}),
        throw(emqx_hot_apply_kept)
    end.

-spec stored(key()) -> stored().
stored(Key) ->
    case get({emqx_hot_apply_kept, Key}) of
        undefined -> #{old => [], new => [], moved => []};
        Stored -> Stored
    end.

-spec store(key(), stored()) -> ok.
store(Key, Stored) ->
    _ = put({emqx_hot_apply_kept, Key}, Stored),
    ok.

tell(Helper, What) ->
    Helper ! {emqx_hot_apply_state, self(), What},
    ok.
