%%% The hop script: evaluated as file:script/1 does it, and checked for its shape.
%%%
%%% Exists because a hop may be an Erlang expression, so that only a VM can say what it holds.
%%% Evaluation runs code of the hop's author (as the contract wants) in a process of its own with a
%%% time limit; nothing here changes the VM. The source comes with the request: the file that it was
%%% read from is only named, never opened.
-module(emqx_hot_apply_hop).

-export([read/2, value/2]).

-export_type([hop/0, instruction/0, callback/0]).

-type instruction() ::
    {load_module, module()}
    | {update, module(), {advanced, term()}}
    | {restart_application, atom()}
    | {apply, module(), atom(), [term()]}.
-type callback() :: {Function :: atom(), Arguments :: [term()]}.
-type hop() :: #{
    from := string(), to := string(), changes := [instruction()], callbacks := [callback()]
}.

%% Throws invalid_relup_file or invalid_instr, with the file's name.
-spec read(string(), binary()) -> hop().
read(File, Source) ->
    check(File, evaluate(File, Source)).

%% What the script evaluates to, whatever that is, as text that holds no other characters than ASCII. For
%% the check of a hop; throws invalid_relup_file.
-spec value(string(), binary()) -> binary().
value(File, Source) ->
    iolist_to_binary(io_lib:format("~w", [evaluate(File, Source)])).

evaluate(File, Source) ->
    Limit = 30000,
    {Pid, Monitor} = spawn_monitor(fun() -> exit({value, script(File, Source)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {value, {ok, Value}}} ->
            Value;
        {'DOWN', Monitor, process, Pid, {value, {error, Text}}} ->
            emqx_hot_apply_report:fail(invalid_relup_file, "~ts: ~ts", [File, Text]);
        {'DOWN', Monitor, process, Pid, Reason} ->
            emqx_hot_apply_report:fail(invalid_relup_file, "~ts: its evaluation died: ~0tP", [
                File, Reason, 12
            ])
    after Limit ->
        demonitor(Monitor, [flush]),
        exit(Pid, kill),
        emqx_hot_apply_report:fail(
            invalid_relup_file, "~ts: its evaluation did not end within ~b ms", [File, Limit]
        )
    end.

%% A sequence of expressions, each ended by a dot; the value is that of the last one.
script(File, Source) ->
    Encoding =
        case epp:read_encoding_from_binary(Source) of
            none -> utf8;
            Declared -> Declared
        end,
    case unicode:characters_to_list(Source, Encoding) of
        Chars when is_list(Chars) ->
            case erl_scan:string(Chars, 1) of
                {ok, Tokens, _End} ->
                    Bindings = erl_eval:add_binding('ScriptName', File, erl_eval:new_bindings()),
                    run(Tokens, Bindings, none);
                {error, {Line, Module, Reason}, _End} ->
                    {error, located(Line, Module:format_error(Reason))}
            end;
        _ ->
            {error, emqx_hot_apply_report:text("not valid ~p text", [Encoding])}
    end.

run([], _Bindings, {value, Value}) ->
    {ok, Value};
run([], _Bindings, none) ->
    {error, <<"holds no expression">>};
run(Tokens, Bindings, _Last) ->
    {Expression, Rest} = take_expression(Tokens, []),
    case erl_parse:parse_exprs(Expression) of
        {ok, Parsed} ->
            Line = erl_anno:line(element(2, hd(Expression))),
            try erl_eval:exprs(Parsed, Bindings) of
                {value, Value, NewBindings} -> run(Rest, NewBindings, {value, Value})
            catch
                Class:Reason ->
                    {error,
                        located(
                            Line,
                            emqx_hot_apply_report:text("~p ~0tP", [Class, Reason, 12])
                        )}
            end;
        {error, {Line, Module, Reason}} ->
            {error, located(Line, Module:format_error(Reason))}
    end.

take_expression([{dot, _} = Dot | Rest], Taken) -> {lists:reverse(Taken, [Dot]), Rest};
take_expression([Token | Rest], Taken) -> take_expression(Rest, [Token | Taken]);
take_expression([], Taken) -> {lists:reverse(Taken), []}.

located(Location, Text) ->
    Line = erl_anno:line(erl_anno:new(Location)),
    emqx_hot_apply_report:text("line ~b: ~ts", [Line, Text]).

check(File, #{from_version := From, target_version := To, code_changes := Changes} = Map) ->
    Callbacks = maps:get(post_upgrade_callbacks, Map, []),
    #{
        from => version(File, from_version, From),
        to => version(File, target_version, To),
        changes => elements(File, code_changes, Changes, fun instruction/1),
        callbacks => elements(File, post_upgrade_callbacks, Callbacks, fun callback/1)
    };
check(File, Value) ->
    emqx_hot_apply_report:fail(
        invalid_relup_file,
        "~ts: not a map with from_version, target_version and code_changes: ~0tP",
        [File, Value, 12]
    ).

version(File, Key, Vsn) when is_binary(Vsn) ->
    case unicode:characters_to_list(Vsn) of
        Chars when is_list(Chars) -> version(File, Key, Chars);
        _ -> emqx_hot_apply_report:fail(invalid_relup_file, "~ts: ~ts is not text", [File, Key])
    end;
version(File, Key, Vsn) ->
    case Vsn =/= [] andalso io_lib:printable_unicode_list(Vsn) of
        true ->
            Vsn;
        false ->
            emqx_hot_apply_report:fail(invalid_relup_file, "~ts: ~ts is not a string: ~0tP", [
                File, Key, Vsn, 12
            ])
    end.

elements(File, Key, List, Parse) ->
    case is_list(List) andalso length_of(List) of
        Length when is_integer(Length) ->
            [Parse(Element) || Element <- List];
        _ ->
            emqx_hot_apply_report:fail(invalid_relup_file, "~ts: ~ts is not a list: ~0tP", [
                File, Key, List, 12
            ])
    end.

length_of(List) ->
    try
        length(List)
    catch
        error:badarg -> improper
    end.

instruction({load_module, Module} = I) when is_atom(Module) -> own(Module, I);
instruction({update, Module, {advanced, _}} = I) when is_atom(Module) -> own(Module, I);
instruction({restart_application, App} = I) when is_atom(App) -> I;
instruction({apply, Module, Function, Args} = I) when is_atom(Module), is_atom(Function) ->
    case is_list(Args) andalso length_of(Args) of
        Length when is_integer(Length) -> I;
        _ -> invalid(I)
    end;
instruction(I) ->
    invalid(I).

%% The agent would pull the code away from under itself.
own(Module, Instruction) ->
    case atom_to_list(Module) of
        "emqx_hot_apply" ++ _ -> invalid(Instruction);
        _ -> Instruction
    end.

callback({Function, Args} = Callback) when is_atom(Function) ->
    case is_list(Args) andalso length_of(Args) of
        Length when is_integer(Length) -> {Function, Args};
        _ -> invalid(Callback)
    end;
callback(Function) when is_atom(Function) ->
    {Function, []};
callback(Callback) ->
    invalid(Callback).

-spec invalid(term()) -> no_return().
invalid(Term) ->
    emqx_hot_apply_report:fail(invalid_instr, "~0tP", [Term, 20]).
