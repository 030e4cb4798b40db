%%% Checks the form of a licence key.
%%%
%%% Two words stand for built-in licences; any other key is two base64 parts with
%%% a dot between. Nothing is looked up and no limit is enforced: the boot path
%%% only needs a yes or a no with a reason.
-module(emqx_license).

-export([read_license/1]).

-spec read_license(#{key := binary()}) -> {ok, map()} | {error, term()}.
read_license(#{key := Key}) when Key =:= <<"evaluation">>; Key =:= <<"default">> ->
    {ok, #{type => Key}};
read_license(#{key := Key}) ->
    case binary:split(Key, <<".">>, [global]) of
        [Payload, Signature] ->
            try {base64:decode(Payload), base64:decode(Signature)} of
                {P, S} when P =/= <<>>, S =/= <<>> -> {ok, #{type => <<"key">>, payload => P}};
                _ -> {error, invalid_license_format}
            catch
                error:_ -> {error, invalid_license_format}
            end;
        _ ->
            {error, invalid_license_format}
    end.
