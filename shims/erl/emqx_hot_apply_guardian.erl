%%% The guardian: waits for the end of the process that owns an attempt, and takes its place if that
%%% end was not its own choice.
%%%
%%% Exists because a process can be killed at any moment, by an operator's shell or by a limit of its
%%% memory, and the broker's processes must not stay suspended for that. It inherits the attempt's
%%% memory, takes the changes back with the same code, and writes and tells how the attempt ended; or
%%% completes it, if the marker was written. While it does so it has a guardian of its own, which
%%% carries on if this one is killed too. It must do nothing as long as the owner lives, and run none
%%% of the agent's other code until then: who purges a module kills those who are inside of it.
%%% The two hold the names emqx_hot_apply and emqx_hot_apply_guardian, whichever has which: as long as
%%% one of them is taken, an attempt runs.
-module(emqx_hot_apply_guardian).

-export([guard/1, ensure/0, release/0]).

-export_type([trust/0]).

%% What an heir needs beside the memory: the attempt's identity and files, and who wants to know.
-type trust() :: #{attempt := binary(), reply_to := pid(), job := map()}.

%% Gives the calling process, which has opened the attempt's memory, a guardian.
-spec guard(trust()) -> ok.
guard(Trust) ->
    Ward = self(),
    {Guardian, Monitor} = spawn_opt(
        %% No limit of memory: there is nobody else to clean up.
        fun() -> watch(Ward, Trust) end, [monitor, {max_heap_size, 0}]
    ),
    receive
        {emqx_hot_apply_guardian, Guardian, watches} ->
            demonitor(Monitor, [flush]),
            emqx_hot_apply_memory:bequeath(Guardian);
        {'DOWN', Monitor, process, Guardian, _} ->
            ok
    end,
    _ = put(emqx_hot_apply_guardian, {Guardian, Trust}),
    ok.

%% A guardian that was killed is replaced before the next change.
-spec ensure() -> ok.
ensure() ->
    case get(emqx_hot_apply_guardian) of
        undefined ->
            ok;
        {Guardian, Trust} ->
            case is_process_alive(Guardian) of
                true -> ok;
                false -> guard(Trust)
            end
    end.

%% The end of the attempt: the guardian is gone when this returns, and its name free.
-spec release() -> ok.
release() ->
    case erase(emqx_hot_apply_guardian) of
        undefined ->
            ok;
        {Guardian, _} ->
            Monitor = monitor(process, Guardian),
            Guardian ! {emqx_hot_apply_guardian, self(), released},
            receive
                {'DOWN', Monitor, process, Guardian, _} -> ok
            end
    end.

-spec watch(pid(), trust()) -> ok.
watch(Ward, #{attempt := Attempt} = Trust) ->
    _ = put(emqx_hot_apply_attempt, Attempt),
    process_flag(trap_exit, true),
    ok = take_name([emqx_hot_apply_guardian, emqx_hot_apply], 50),
    Monitor = monitor(process, Ward),
    Ward ! {emqx_hot_apply_guardian, self(), watches},
    receive
        {emqx_hot_apply_guardian, Ward, released} ->
            ok;
        {'DOWN', Monitor, process, Ward, Reason} ->
            %% Comes first, if there is one: who is killed before it could bequeath leaves none.
            receive
                {'ETS-TRANSFER', Table, Ward, emqx_hot_apply_memory} ->
                    inherit(Table, Reason, Trust)
            after 1000 -> ok
            end
    end.

%% Somebody who wants to start another attempt may have a name for a moment. A guardian without a name
%% is better than none.
take_name(_Names, 0) ->
    ok;
take_name(Names, Tries) ->
    case lists:any(fun register_as/1, Names) of
        true ->
            ok;
        false ->
            timer:sleep(10),
            take_name(Names, Tries - 1)
    end.

register_as(Name) ->
    try
        register(Name, self())
    catch
        error:badarg -> false
    end.

inherit(Table, Reason, #{attempt := Attempt, reply_to := ReplyTo, job := Job} = Trust) ->
    ok = emqx_hot_apply_memory:adopt(Table),
    ok = guard(Trust),
    ok = emqx_hot_apply_report:open(ReplyTo, Attempt),
    ok = emqx_hot_apply_helper:settle(),
    emqx_hot_apply_outcome:conclude(emqx_hot_apply_outcome:inherited(Reason, Job)).
