%%% Reads configuration files in HOCON syntax into one merged map.
%%%
%%% It offers the public functions that a boot tool calls on EMQX's library of
%%% the same name, so that the tool finds the same door here. It never looks at
%%% the environment and never checks a value: that is hocon_tconf's job.
%%% Its data comes from the files named by the caller.
-module(hocon).

-export([binary/1, binary/2, files/1, files/2, load/1, load/2]).

-export_type([config/0, opts/0]).

-type config() :: #{binary() => term()}.
-type opts() :: #{format => map | richmap, include_dirs => [file:name_all()]}.

-spec files([file:name_all()]) -> {ok, config()} | {error, term()}.
files(Files) ->
    files(Files, #{}).

%% Later files win over earlier ones; a file that does not exist is an empty one,
%% because cluster.hocon appears only after the first change at run time.
-spec files([file:name_all()], opts()) -> {ok, config()} | {error, term()}.
files(Files, Opts) ->
    try
        {ok, lists:foldl(fun(File, Conf) -> merge_file(File, Conf, Opts) end, #{}, Files)}
    catch
        throw:{hocon, Reason} -> {error, Reason}
    end.

-spec load(file:name_all()) -> {ok, config()} | {error, term()}.
load(File) ->
    load(File, #{}).

-spec load(file:name_all(), opts()) -> {ok, config()} | {error, term()}.
load(File, Opts) ->
    files([File], Opts).

-spec binary(iodata()) -> {ok, config()} | {error, term()}.
binary(Text) ->
    binary(Text, #{}).

-spec binary(iodata(), opts()) -> {ok, config()} | {error, term()}.
binary(Text, Opts) ->
    try
        {ok, parse(iolist_to_binary(Text), undefined, [], Opts)}
    catch
        throw:{hocon, Reason} -> {error, Reason}
    end.

%% ---------------------------------------------------------------------------

merge_file(File, Conf, Opts) ->
    case file:read_file(File) of
        {ok, Text} ->
            hocon_maps:merge(Conf, parse(Text, File, [filename:absname(File)], Opts));
        {error, enoent} ->
            Conf;
        {error, Reason} ->
            throw({hocon, #{reason => file_error, file => File, cause => Reason}})
    end.

parse(Text, File, Stack, Opts) ->
    case hocon_scanner:tokens(Text) of
        {ok, Tokens} ->
            Include = fun(Name) -> include(Name, File, Stack, Opts) end,
            case hocon_parser:parse(Tokens, Include) of
                {ok, Conf} -> Conf;
                {error, Reason} -> throw({hocon, located(Reason, File)})
            end;
        {error, Reason} ->
            throw({hocon, located(Reason, File)})
    end.

located(Reason, undefined) -> Reason;
located(Reason, File) -> Reason#{file => File}.

%% Included files are looked for beside the including file, then in the include
%% directories. A file that includes itself, however far around, is an error.
include(Name, File, Stack, Opts) ->
    Beside =
        case File of
            undefined -> [];
            _ -> [filename:dirname(File)]
        end,
    Dirs = Beside ++ maps:get(include_dirs, Opts, []),
    Found = [P || D <- Dirs, P <- [filename:absname(filename:join(D, Name))], filelib:is_file(P)],
    case Found of
        [] ->
            #{};
        [Path | _] ->
            case lists:member(Path, Stack) of
                true -> throw({hocon, #{reason => include_cycle, file => Path}});
                false -> ok
            end,
            {ok, Text} = file:read_file(Path),
            parse(Text, Path, [Path | Stack], Opts)
    end.
