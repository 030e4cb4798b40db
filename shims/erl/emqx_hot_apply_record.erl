%%% What an attempt leaves on disk: the marker that names the tree to boot, and the journal.
%%%
%%% The marker is the only commit point of an upgrade: one rename, made durable before anything is
%%% called done. After a failed fsync nothing is retried and nothing is reported as success.
%%% Paths come from the request; this file never invents one, except the marker's temporary sibling.
-module(emqx_hot_apply_record).

-export([write_marker/3, confirm_marker/2, drop_temporary/2, append/2, json/1]).

-type json() ::
    binary() | non_neg_integer() | [{binary(), json()}].

%% Makes the marker name Vsn. Throws permanent_upgrade; the log of inverses is sealed once the rename
%% has happened.
-spec write_marker(file:filename(), string(), binary()) -> ok.
write_marker(Marker, Vsn, Attempt) ->
    Temp = temporary(Marker, Attempt),
    try
        ok = must(write_synced(Temp, [write, exclusive], content(Vsn)), "write", Temp),
        ok = must(file:rename(Temp, Marker), "rename to", Marker)
    catch
        throw:Refusal ->
            ok = drop_temporary(Marker, Attempt),
            throw(Refusal)
    end,
    make_durable(Marker, Vsn).

%% Whether the marker names Vsn, because whoever was writing it came as far as that; then it is made
%% durable.
-spec confirm_marker(file:filename(), string()) -> boolean().
confirm_marker(Marker, Vsn) ->
    Content = content(Vsn),
    case file:read_file(Marker) of
        {ok, Content} ->
            ok = make_durable(Marker, Vsn),
            true;
        _ ->
            false
    end.

-spec drop_temporary(file:filename(), binary()) -> ok.
drop_temporary(Marker, Attempt) ->
    _ = file:delete(temporary(Marker, Attempt)),
    ok.

temporary(Marker, Attempt) ->
    Name = ".current-" ++ [C || C <- binary_to_list(Attempt), is_plain(C)],
    filename:join(filename:dirname(Marker), Name).

content(Vsn) ->
    <<(unicode:characters_to_binary(Vsn))/binary, $\n>>.

make_durable(Marker, Vsn) ->
    %% The marker already names the new version: taking the code back now would part the VM from
    %% what the next start boots.
    emqx_hot_apply_undo:seal(
        emqx_hot_apply_report:text(
            "the new code runs and ~ts names ~ts, but that may not survive a power cut",
            [Marker, Vsn]
        )
    ),
    Dir = filename:dirname(Marker),
    must(sync_dir(Dir), "sync", Dir).

must(ok, _What, _Path) ->
    ok;
must({error, Reason}, What, Path) ->
    emqx_hot_apply_report:fail(permanent_upgrade, "cannot ~ts ~ts: ~ts", [
        What, Path, file:format_error(Reason)
    ]).

is_plain(C) ->
    (C >= $0 andalso C =< $9) orelse (C >= $A andalso C =< $Z) orelse
        (C >= $a andalso C =< $z) orelse C =:= $-.

%% Appends one record (one line, one write) and makes it durable.
-spec append(file:filename(), [{binary(), json()}]) -> ok | {error, file:posix() | badarg}.
append(Journal, Fields) ->
    Line = iolist_to_binary([json(Fields), $\n]),
    case ends_torn(Journal) of
        missing ->
            case write_synced(Journal, [append], Line) of
                ok -> sync_dir(filename:dirname(Journal));
                Error -> Error
            end;
        %% A power cut left half a line: it must not swallow this record too.
        true ->
            write_synced(Journal, [append], [$\n, Line]);
        false ->
            write_synced(Journal, [append], Line)
    end.

ends_torn(Journal) ->
    case file:open(Journal, [read, raw, binary]) of
        {ok, File} ->
            Last =
                case file:position(File, eof) of
                    {ok, Size} when Size > 0 -> file:pread(File, Size - 1, 1);
                    Other -> Other
                end,
            _ = file:close(File),
            case Last of
                {ok, Byte} when is_binary(Byte) -> Byte =/= <<"\n">>;
                _EmptyOrUnreadable -> false
            end;
        {error, _} ->
            missing
    end.

write_synced(Path, Modes, Content) ->
    case file:open(Path, [raw, binary | Modes]) of
        {ok, File} ->
            Written = first_error([
                fun() -> file:write(File, Content) end,
                fun() -> file:sync(File) end
            ]),
            Closed = file:close(File),
            first_error([fun() -> Written end, fun() -> Closed end]);
        {error, _} = Error ->
            Error
    end.

sync_dir(Dir) ->
    case file:open(Dir, [read, raw, directory]) of
        {ok, File} ->
            Synced = file:sync(File),
            _ = file:close(File),
            Synced;
        {error, _} = Error ->
            Error
    end.

first_error([]) ->
    ok;
first_error([Step | Steps]) ->
    case Step() of
        ok -> first_error(Steps);
        {error, _} = Error -> Error
    end.

%% JSON of the few kinds of values that a record has. No library: the VM may have none.
-spec json(json()) -> iodata().
json(Text) when is_binary(Text) ->
    [$", [escape(C) || C <- characters(Text)], $"];
json(Number) when is_integer(Number) ->
    integer_to_binary(Number);
json(Fields) when is_list(Fields) ->
    Members = [[json(Key), $:, json(Value)] || {Key, Value} <- Fields],
    [${, lists:join($,, Members), $}].

characters(Text) ->
    case unicode:characters_to_list(Text) of
        Characters when is_list(Characters) -> Characters;
        %% Not UTF-8: every byte is shown as the character of that number.
        _ -> binary_to_list(Text)
    end.

escape($") -> <<"\\\"">>;
escape($\\) -> <<"\\\\">>;
escape($\n) -> <<"\\n">>;
escape($\r) -> <<"\\r">>;
escape($\t) -> <<"\\t">>;
escape(C) when C < 32; C =:= 127 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) -> <<C/utf8>>.
