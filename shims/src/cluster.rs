//! How far an upgrade has come on every node of a cluster, asked through one of them. Only functions
//! that every release has are called, so that a node answers whichever launcher it was started by.

use std::path::PathBuf;
use std::time::Duration;

use relup::node::{ClusterNode, ClusterNodeState};

use crate::dist::{Connection, Deadline, DistError, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::program::{self, returned, tagged};
use crate::term::int;

/// The nodes that the cluster knows, each with its version, the tree it was booted from and its
/// marker. What hangs is given `Limit` milliseconds, all nodes at the same time. The marker
/// is above `relup/` where the tree is a deployed one, which has a base exported to it.
const LOOK_AROUND: &str = r#"
    Members = fun(Kind) ->
        try emqx:cluster_nodes(Kind) of
            Nodes when is_list(Nodes) -> Nodes
        catch _:_ -> []
        end
    end,
    Text = fun(Chars) ->
        case unicode:characters_to_binary(Chars) of
            Binary when is_binary(Binary) -> Binary;
            _ -> <<>>
        end
    end,
    Home = fun Home(Root, Base) ->
        Above = filename:dirname(Root),
        case filename:basename(Above) of
            "relup" when Base =/= false -> Home(filename:dirname(Above), Base);
            _ -> Root
        end
    end,
    Up = lists:usort([node() | nodes()] ++ Members(running)),
    Down = lists:usort(Members(stopped)) -- Up,
    Ask = fun(Calls) ->
        Asked = [{Node, erpc:send_request(Node, M, F, A)} || {Node, M, F, A} <- Calls],
        [{Node, try {ok, erpc:receive_response(Request, Limit)}
                catch _:{erpc, Reason} -> {silent, Text(io_lib:format("~0p", [Reason]))};
                      _:Reason -> {silent, Text(io_lib:format("~0P", [Reason, 12]))}
                end} || {Node, Request} <- Asked]
    end,
    Roots = Ask([{Node, code, root_dir, []} || Node <- Up]),
    Answering = [{Node, Root} || {Node, {ok, Root}} <- Roots],
    Versions = maps:from_list(Ask([{Node, emqx_release, version, []} || {Node, _} <- Answering])),
    Bases = maps:from_list(Ask([{Node, os, getenv, ["BASE_RUNNER_ROOT_DIR"]} || {Node, _} <- Answering])),
    Marker = fun(Node, Root) ->
        Base = case map_get(Node, Bases) of {ok, Value} -> Value; {silent, _} -> false end,
        filename:join([Home(Root, Base), "relup", "current"])
    end,
    Markers = maps:from_list(
        Ask([{Node, file, read_file, [Marker(Node, Root)]} || {Node, Root} <- Answering])
    ),
    [case Answer of
        {silent, Why} -> {silent, Text(atom_to_list(Node)), Why};
        {ok, Root} ->
            Version = case map_get(Node, Versions) of
                {ok, Chars} -> Text(Chars);
                {silent, _} -> <<>>
            end,
            Content = case map_get(Node, Markers) of
                {ok, {ok, Bytes}} when byte_size(Bytes) =< 1024 -> {content, Bytes};
                {ok, {ok, Bytes}} -> {unreadable, Text(io_lib:format("it is ~b bytes long", [byte_size(Bytes)]))};
                {ok, {error, enoent}} -> absent;
                {ok, {error, enotdir}} -> absent;
                {ok, {error, Posix}} -> {unreadable, Text(file:format_error(Posix))};
                {silent, Why} -> {unreadable, Why}
            end,
            {up, Text(atom_to_list(Node)), Version, Text(Root), Content}
     end || {Node, Answer} <- Roots] ++ [{down, Text(atom_to_list(Node))} || Node <- Down].
"#;

/// Asks all nodes, of which none may take longer than `limit` for an answer.
///
/// # Errors
/// The connection is lost, or the node's answer makes no sense.
pub fn look_around(
    connection: &mut Connection,
    limit: Duration,
) -> Result<Vec<ClusterNode>, DistError> {
    // Four questions one after the other, and the way there and back.
    let deadline = Deadline::after(Some(limit * 5));
    let millis = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    let bindings = [("Limit", RawTerm::of(&int(millis)))];
    let outcome = program::run(connection, LOOK_AROUND, &bindings, deadline)?;
    let odd = || DistError::Protocol("the node gives no view of its cluster".to_owned());
    match &outcome {
        RawOutcome::NodeDown => Err(DistError::Closed("the node went away".to_owned())),
        RawOutcome::Timeout => Err(DistError::Closed(
            "the node did not answer in time".to_owned(),
        )),
        _ => returned(&outcome)
            .and_then(Raw::list)
            .and_then(|nodes| nodes.into_iter().map(node).collect())
            .ok_or_else(odd),
    }
}

fn node(term: Raw<'_>) -> Option<ClusterNode> {
    if let Some([_, name]) = tagged(term, "down") {
        return Some(ClusterNode {
            name: text(name)?,
            state: ClusterNodeState::Stopped,
        });
    }
    if let Some([_, name, reason]) = tagged(term, "silent") {
        return Some(ClusterNode {
            name: text(name)?,
            state: ClusterNodeState::Silent(text(reason)?),
        });
    }
    let [_, name, version, root, marker] = tagged(term, "up")?;
    let marker = match marker.atom() {
        Some(_) => Ok(None),
        None => match tagged(marker, "content") {
            Some([_, content]) => Ok(Some(content.binary()?.to_vec())),
            None => {
                let [_, reason] = tagged(marker, "unreadable")?;
                Err(text(reason)?)
            }
        },
    };
    Some(ClusterNode {
        name: text(name)?,
        state: ClusterNodeState::Running {
            version: text(version)?,
            root_dir: PathBuf::from(text(root)?),
            marker,
        },
    })
}

fn text(term: Raw<'_>) -> Option<String> {
    term.binary()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
