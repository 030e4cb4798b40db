//! `relup status --cluster`: one line for each node of the cluster, for an upgrade that goes from node
//! to node. Read-only; everything comes through the running node.

use std::path::Path;

use relup::marker::Marker;
use relup::node::{ClusterNode, ClusterNodeState};
use serde_json::{Value, json};

use crate::error::Error;
use crate::node::Node;
use crate::output::Answer;

/// Shows the cluster.
pub(crate) fn run(node: &mut dyn Node) -> Result<Answer, Error> {
    let mut rows: Vec<Row> = node.cluster()?.into_iter().map(Row::of).collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    let name = width("node", rows.iter().map(|row| row.name.as_str()));
    let running = width("running", rows.iter().map(|row| row.running.as_str()));
    let marker = width("marker", rows.iter().map(|row| row.marker.as_str()));
    let line = |one: &str, two: &str, three: &str, four: &str| {
        let text = format!("{one:<name$}  {two:<running$}  {three:<marker$}  {four}");
        text.trim_end().to_owned()
    };
    let mut lines = vec![line("node", "running", "marker", "next start")];
    lines.extend(
        rows.iter()
            .map(|row| line(&row.name, &row.running, &row.marker, &row.next)),
    );
    let nodes: Vec<Value> = rows.into_iter().map(|row| row.json).collect();
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("nodes", nodes))
}

fn width<'a>(title: &str, cells: impl Iterator<Item = &'a str>) -> usize {
    let widest = cells.map(|cell| cell.chars().count()).max();
    widest.unwrap_or_default().max(title.len())
}

struct Row {
    name: String,
    running: String,
    marker: String,
    next: String,
    json: Value,
}

impl Row {
    fn of(node: ClusterNode) -> Row {
        let name = node.name;
        match node.state {
            ClusterNodeState::Stopped => Row {
                json: json!({ "name": name, "state": "stopped" }),
                running: "stopped".to_owned(),
                marker: "?".to_owned(),
                next: "not known: only a running node can be asked".to_owned(),
                name,
            },
            ClusterNodeState::Silent(reason) => Row {
                json: json!({ "name": name, "state": "silent", "reason": reason }),
                running: "?".to_owned(),
                marker: "?".to_owned(),
                next: format!("not known, it does not answer: {reason}"),
                name,
            },
            ClusterNodeState::Running {
                version,
                root_dir,
                marker,
            } => {
                let marker = marker.map(|content| Marker::parse(content.as_deref()));
                let (shown, next, pending) = next_start(&root_dir, &marker);
                let of_marker = match &marker {
                    Ok(Marker::Current(vsn)) => json!(vsn.as_str()),
                    Ok(Marker::Absent) => Value::Null,
                    Ok(Marker::Damaged(reason)) | Err(reason) => json!({ "damaged": reason }),
                };
                Row {
                    json: json!({
                        "name": name,
                        "state": "running",
                        "running_version": version,
                        "booted_tree": root_dir.to_string_lossy(),
                        "marker": of_marker,
                        "pending": pending,
                    }),
                    running: version,
                    marker: shown,
                    next,
                    name,
                }
            }
        }
    }
}

/// The marker and the next start for people, and whether the next start boots another tree than the
/// one that was booted, where that is known.
fn next_start(root_dir: &Path, marker: &Result<Marker, String>) -> (String, String, Option<bool>) {
    let deployed = root_dir.parent().and_then(Path::file_name) == Some("relup".as_ref());
    match marker {
        Ok(Marker::Current(vsn)) => {
            let booted = deployed && root_dir.file_name() == Some(vsn.as_str().as_ref());
            let next = if booted {
                "the tree that runs".to_owned()
            } else {
                format!("pending on restart to boot {vsn}")
            };
            (vsn.to_string(), next, Some(!booted))
        }
        Ok(Marker::Absent) if deployed => (
            "absent".to_owned(),
            "pending on restart to boot the original release".to_owned(),
            Some(true),
        ),
        Ok(Marker::Absent) => (
            "absent".to_owned(),
            "the tree that runs".to_owned(),
            Some(false),
        ),
        Ok(Marker::Damaged(reason)) => (
            "damaged".to_owned(),
            format!("refused, the marker is damaged: {reason}"),
            None,
        ),
        Err(reason) => (
            "?".to_owned(),
            format!("not known, the marker cannot be read: {reason}"),
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;
    use std::path::PathBuf;

    #[test]
    fn each_node_is_told_with_what_it_will_boot() {
        let running = |name: &str, root: &str, marker: Result<Option<&str>, &str>| ClusterNode {
            name: name.to_owned(),
            state: ClusterNodeState::Running {
                version: "5.10.5".to_owned(),
                root_dir: PathBuf::from(root),
                marker: marker
                    .map(|content| content.map(|text| text.as_bytes().to_vec()))
                    .map_err(str::to_owned),
            },
        };
        let silent = ClusterNodeState::Silent("noconnection".to_owned());
        let site = Site::new();
        let mut node = site.node();
        node.cluster = vec![
            running("f@h", "/e", Ok(Some("../x"))),
            running("b@h", "/e/relup/5.10.5", Ok(Some("5.10.5\n"))),
            running("a@h", "/e", Ok(Some("5.10.5"))),
            running("c@h", "/e", Ok(None)),
            running("d@h", "/e/relup/5.10.5", Ok(None)),
            running("e@h", "/e", Err("permission denied")),
            ClusterNode {
                name: "g@h".to_owned(),
                state: silent,
            },
            ClusterNode {
                name: "h@h".to_owned(),
                state: ClusterNodeState::Stopped,
            },
        ];
        let answer = run(&mut node).expect("it runs");
        let expected = [
            ("node", "next start"),
            ("a@h", "pending on restart to boot 5.10.5"),
            ("b@h", "the tree that runs"),
            ("c@h", "the tree that runs"),
            ("d@h", "pending on restart to boot the original release"),
            ("e@h", "cannot be read: permission denied"),
            ("f@h", "refused, the marker is damaged"),
            ("g@h", "does not answer: noconnection"),
            ("h@h", "stopped"),
        ];
        assert_eq!(answer.lines.len(), expected.len(), "{:?}", answer.lines);
        for (line, (name, text)) in answer.lines.iter().zip(expected) {
            assert!(line.starts_with(name) && line.contains(text), "{line}");
        }
        let pending: Vec<_> = answer.fields["nodes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|node| node["pending"].as_bool())
            .collect();
        let expected = [Some(true), Some(false), Some(false), Some(true)];
        assert_eq!(pending[..4], expected);
        assert_eq!(pending[4..], [None; 4]);
    }
}
