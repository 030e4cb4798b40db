//! `relup status`: one line that says it all, then what it was concluded from.
//!
//! Works with the node down, with a damaged marker and without any `relup/`, and changes nothing.
//! The state is derived from the disk and from the node, never from what was recorded; only whether
//! a tree ever booted has to be remembered.

mod boot;
mod cluster;

use std::path::Path;

use relup::layout::Tree;
use relup::marker::Marker;
use relup::node::NodeFacts;
use serde_json::json;

use crate::debris;
use crate::deploy::same_place;
use crate::error::Error;
use crate::install::Install;
use crate::lock::RelupLock;
use crate::logs;
use crate::node::{Node, NodeError};
use crate::output::{Answer, Console};
use crate::release::Identity;
use crate::replaced;
use crate::state;
use crate::status::boot::Boot;
use crate::trees;

pub(crate) use cluster::run as cluster;

/// Shows the state.
pub(crate) fn run(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    // Who is at work comes first: where nobody is, all that is read after it is the end of it.
    let holder = RelupLock::holder(&install.base);
    let in_vm = node.running_attempt().ok().flatten();
    let abandoned = node.abandoned_attempt().ok().flatten();
    // A command may be stopped, or have more to do, when its node is done.
    let ended = in_vm.is_none() && state::node_has_ended(&install.base);
    let under_way = in_vm.is_some() || holder.is_some() && !ended;
    let facts = node.facts();
    let marker = state::read_marker(&install.base);
    let next = Next::of(install, &marker);
    let boot = Boot::of(install, &marker);
    let replaced = replaced::below(&marker, &install.base);
    let headline = if let Some(attempt) = &abandoned {
        format!("stopped in the middle of attempt {attempt}; restart the node")
    } else if under_way {
        "in-progress".to_owned()
    } else {
        match (&facts, &next) {
            (Ok(facts), Next::Deployed { vsn, tree }) if !same_place(&facts.root_dir, tree) => {
                format!("hot-upgraded to {vsn}; pending on restart to boot from the new version")
            }
            _ => "idle".to_owned(),
        }
    };
    let known = trees::known(
        install,
        facts.as_ref().ok().map(|facts| facts.root_dir.as_path()),
    )?;
    let last = logs::last(install, under_way).unwrap_or_else(|error| {
        console.warn(error.to_string());
        None
    });
    let staged: Vec<_> = known.iter().filter(|tree| !tree.is_base()).collect();
    let mut lines = vec![
        headline.clone(),
        format!("running version: {}", running_text(&facts)),
        format!("booted tree: {}", booted_text(&facts)),
        format!("next start: {}", next.text()),
        format!("marker: {}", marker_text(&marker)),
        format!("boot: {}", boot.text()),
    ];
    if let Some(replaced) = &replaced {
        lines.push(format!("replaced: {replaced}"));
    }
    lines.push(match staged.as_slice() {
        [] => "staged trees: none".to_owned(),
        trees => {
            let texts: Vec<_> = trees.iter().map(|tree| tree.summary()).collect();
            format!("staged trees: {}", texts.join(", "))
        }
    });
    lines.push(match &last {
        Some(row) => format!("last attempt: {}", row.text()),
        None => "last attempt: none".to_owned(),
    });
    // Another user's, or one that can't be removed while the node can't be asked.
    let left_over = if under_way || holder.is_some() {
        Vec::new()
    } else {
        debris::temporary(&install.base)
    };
    if !left_over.is_empty() {
        lines.push(format!(
            "left over by an interrupted command: {} (removed by the next relup command that may)",
            left_over.join(", ")
        ));
    }
    lines.extend(at_work(holder.as_deref(), in_vm.as_deref(), ended));
    let (node_state, node_reason) = node_json(&facts);
    let facts = facts.ok();
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("status", headline)
    .field("node", node_state)
    .field("node_reason", node_reason)
    .field(
        "running_version",
        json!(facts.as_ref().map(|facts| facts.running_vsn.as_str())),
    )
    .field(
        "booted_tree",
        json!(facts.as_ref().map(|facts| facts.root_dir.to_string_lossy())),
    )
    .field("next_start", next.to_json())
    .field("marker", marker_json(&marker))
    .field("replaced", json!(replaced.map(|found| found.to_json())))
    .field("boot", boot.to_json())
    .field(
        "trees",
        known.iter().map(trees::Known::to_json).collect::<Vec<_>>(),
    )
    .field("last_attempt", json!(last.map(|row| row.to_json())))
    .field("left_over", left_over)
    .field("at_work", json!(in_vm.or(holder)))
    .field("abandoned_attempt", json!(abandoned)))
}

/// Who is at work.
fn at_work(holder: Option<&str>, in_vm: Option<&str>, ended: bool) -> Option<String> {
    match (holder, in_vm) {
        (_, Some(attempt)) => Some(format!("at work: the node, attempt {attempt}")),
        (Some(holder), None) if ended => Some(format!(
            "at work: {holder}; the node has ended its upgrade, the command has not"
        )),
        (Some(holder), None) => Some(format!("at work: {holder}")),
        (None, None) => None,
    }
}

/// What the next start boots.
enum Next {
    Base {
        vsn: String,
        tree: String,
    },
    Deployed {
        vsn: String,
        tree: std::path::PathBuf,
    },
    Refused(String),
}

impl Next {
    fn of(install: &Install, marker: &Marker) -> Next {
        let base = install.base.tree();
        match marker {
            // The base again, unless the plugin of old left a marker of its own below it.
            Marker::Absent => {
                let vsn = Identity::read(&base, &install.base)
                    .map_or_else(|_| "?".to_owned(), |identity| identity.vsn.to_string());
                Next::Base {
                    vsn,
                    tree: base.path().display().to_string(),
                }
            }
            Marker::Current(vsn) => {
                let tree = install.base.deployed(vsn);
                if !tree.path().is_dir() {
                    return Next::Refused(format!("{} does not exist", tree.path().display()));
                }
                Next::nested(install, &tree).unwrap_or_else(|| Next::Deployed {
                    vsn: vsn.to_string(),
                    tree: tree.path().to_owned(),
                })
            }
            Marker::Damaged(reason) => Next::Refused(format!("the marker is damaged: {reason}")),
        }
    }

    /// The launcher follows a marker that the plugin of old wrote below a deployed tree, and it has
    /// told us where that leads.
    fn nested(install: &Install, tree: &Tree) -> Option<Next> {
        let booted = install.booted.path();
        let below = booted != tree.path() && booted.starts_with(tree.path());
        below.then(|| Next::Deployed {
            vsn: install.booted_vsn.to_string(),
            tree: booted.to_owned(),
        })
    }

    fn text(&self) -> String {
        match self {
            Next::Base { vsn, tree } => format!("{vsn} from {tree}"),
            Next::Deployed { vsn, tree } => format!("{vsn} from {}", tree.display()),
            Next::Refused(reason) => {
                format!("refused: {reason} (`emqx relup rollback` returns to the original release)")
            }
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Next::Base { vsn, tree } => json!({ "version": vsn, "tree": tree }),
            Next::Deployed { vsn, tree } => {
                json!({ "version": vsn, "tree": tree.to_string_lossy() })
            }
            Next::Refused(reason) => json!({ "refused": reason }),
        }
    }
}

fn running_text(facts: &Result<NodeFacts, NodeError>) -> String {
    match facts {
        Ok(facts) => facts.running_vsn.clone(),
        Err(NodeError::NotRunning(_)) => "node not running".to_owned(),
        Err(error) => format!("unknown, the node does not answer: {error}"),
    }
}

fn booted_text(facts: &Result<NodeFacts, NodeError>) -> String {
    facts
        .as_ref()
        .map_or_else(|_| "-".to_owned(), |facts| shown(&facts.root_dir))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn marker_text(marker: &Marker) -> String {
    match marker {
        Marker::Absent => "absent".to_owned(),
        Marker::Current(vsn) => vsn.to_string(),
        Marker::Damaged(reason) => format!("damaged: {reason}"),
    }
}

fn marker_json(marker: &Marker) -> serde_json::Value {
    match marker {
        Marker::Absent => json!({ "state": "absent" }),
        Marker::Current(vsn) => json!({ "state": "current", "version": vsn.as_str() }),
        Marker::Damaged(reason) => json!({ "state": "damaged", "reason": reason }),
    }
}

fn node_json(facts: &Result<NodeFacts, NodeError>) -> (&'static str, Option<String>) {
    match facts {
        Ok(_) => ("running", None),
        Err(NodeError::NotRunning(reason)) => ("not_running", Some(reason.clone())),
        Err(error) => ("not_answering", Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
