%%% Administration commands: a table of names, and one function that runs them.
%%%
%%% A command runs in the caller's process, which is the remote call's: so its
%%% output goes to the caller's group leader as it is printed, and a slow command
%%% blocks nobody. A command that crashes becomes {error, Reason}. It evaluates nothing:
%%% that is for erl_eval in 4.x.
-module(emqx_ctl).

-behaviour(gen_server).

-export([
    get_commands/0,
    print/1,
    print/2,
    register_command/2,
    register_command/3,
    run_command/1,
    run_command/2,
    start_link/0,
    unregister_command/1,
    usage/1,
    usage/2
]).
-export([handle_call/3, handle_cast/2, init/1]).

-define(TABLE, emqx_command).

-type usage() :: [{Command :: string(), Text :: string()}].

-spec start_link() -> {ok, pid()}.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

-spec register_command(atom(), {module(), atom()}) -> ok.
register_command(Name, MF) ->
    register_command(Name, MF, []).

%% Registering a name again replaces its function and keeps its place.
-spec register_command(atom(), {module(), atom()}, [hidden]) -> ok.
register_command(Name, MF, Opts) ->
    gen_server:call(?MODULE, {register, Name, MF, Opts}).

-spec unregister_command(atom()) -> ok.
unregister_command(Name) ->
    gen_server:call(?MODULE, {unregister, Name}).

-spec get_commands() -> [{atom(), module(), atom()}].
get_commands() ->
    [{Name, M, F} || {_, Name, {M, F}, _} <- ets:tab2list(?TABLE)].

%% The words of a command line. Names come from outside: never a new atom.
-spec run_command([string()]) -> ok | {error, term()} | term().
run_command([]) ->
    help();
run_command([Word | Args]) ->
    try list_to_existing_atom(Word) of
        Name -> run_command(Name, Args)
    catch
        error:badarg ->
            _ = help(),
            {error, cmd_not_found}
    end.

-spec run_command(atom(), [string()] | term()) -> ok | {error, term()} | term().
run_command(help, []) ->
    help();
run_command(Name, Args) ->
    case ets:match(?TABLE, {'_', Name, '$1', '_'}) of
        [[{M, F}]] ->
            run(fun() -> M:F(Args) end);
        [] ->
            _ = help(),
            {error, cmd_not_found}
    end.

-spec print(io:format()) -> ok.
print(Text) ->
    print(Text, []).

-spec print(io:format(), [term()]) -> ok.
print(Format, Args) ->
    io:format("~ts", [io_lib:format(Format, Args)]).

-spec usage(usage()) -> ok.
usage(Lines) ->
    Width = lists:max([length(Command) || {Command, _} <- Lines]),
    lists:foreach(
        fun({Command, Text}) -> print("~-*s # ~ts~n", [Width, Command, Text]) end,
        Lines
    ).

-spec usage(string(), string()) -> ok.
usage(Command, Text) ->
    usage([{Command, Text}]).

%% ---------------------------------------------------------------------------

help() ->
    print("Usage: emqx ctl~n"),
    Visible = [MF || {_, _, MF, Opts} <- ets:tab2list(?TABLE), not lists:member(hidden, Opts)],
    lists:foreach(
        fun({M, F}) ->
            print("~80..-s~n", [""]),
            M:F(usage)
        end,
        Visible
    ).

run(Command) ->
    try
        Command()
    catch
        Class:Reason:Stack ->
            logger:error("ctl_command_crashed: ~0p", [{Class, Reason, Stack}]),
            {error, Reason}
    end.

%% ---------------------------------------------------------------------------
%% gen_server: the state is the next place in the list of commands.

-spec init([]) -> {ok, non_neg_integer()}.
init([]) ->
    ?TABLE = ets:new(?TABLE, [named_table, ordered_set, protected]),
    {ok, 0}.

-spec handle_call(term(), gen_server:from(), non_neg_integer()) ->
    {reply, term(), non_neg_integer()}.
handle_call({register, Name, MF, Opts}, _From, Next) ->
    case ets:match(?TABLE, {'$1', Name, '_', '_'}) of
        [[Place]] ->
            true = ets:insert(?TABLE, {Place, Name, MF, Opts}),
            {reply, ok, Next};
        [] ->
            true = ets:insert(?TABLE, {Next, Name, MF, Opts}),
            {reply, ok, Next + 1}
    end;
handle_call({unregister, Name}, _From, Next) ->
    true = ets:match_delete(?TABLE, {'_', Name, '_', '_'}),
    {reply, ok, Next}.

-spec handle_cast(term(), non_neg_integer()) -> {noreply, non_neg_integer()}.
handle_cast(_Unknown, Next) ->
    {noreply, Next}.
