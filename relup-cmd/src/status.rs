//! `relup status`: one line that says it all, then what it was concluded from.
//!
//! Works with the node down, with a damaged marker and without any `relup/`, and changes nothing.
//! The state is derived from the disk and from the node, never from what was recorded.

use std::path::Path;

use relup::layout::Tree;
use relup::marker::Marker;
use relup::node::NodeFacts;
use serde_json::json;

use crate::deploy::same_place;
use crate::error::Error;
use crate::install::Install;
use crate::lock::RelupLock;
use crate::logs;
use crate::node::{Node, NodeError};
use crate::output::{Answer, Console};
use crate::release::Identity;
use crate::state;
use crate::trees;

/// Shows the state.
pub(crate) fn run(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let marker = state::read_marker(&install.base);
    let facts = node.facts();
    let holder = RelupLock::holder(&install.base);
    let in_vm = node.running_attempt().ok().flatten();
    let under_way = holder.is_some() || in_vm.is_some();
    let next = Next::of(install, &marker);
    let headline = if under_way {
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
    ];
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
    match (&holder, &in_vm) {
        (_, Some(attempt)) => lines.push(format!("at work: the node, attempt {attempt}")),
        (Some(holder), None) => lines.push(format!("at work: {holder}")),
        (None, None) => {}
    }
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
    .field(
        "trees",
        known.iter().map(trees::Known::to_json).collect::<Vec<_>>(),
    )
    .field("last_attempt", json!(last.map(|row| row.to_json())))
    .field("at_work", json!(in_vm.or(holder))))
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
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::testing::{FakeNode, NEW, OLD, Release, Site, write};

    const PENDING: &str = "hot-upgraded to 5.10.5; pending on restart to boot from the new version";

    /// The first line is exactly `headline`, the rest has every part, and nothing is changed.
    fn check(site: &Site, node: &mut FakeNode, headline: &str, parts: &[&str]) {
        let before = site.snapshot();
        let said = site.run(node, &["status"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.out.lines().next(), Some(headline), "{said:?}");
        for part in parts {
            assert!(said.out.contains(part), "{part:?} is not in {}", said.out);
        }
        let json = site.run(node, &["status", "--json"]).json();
        assert_eq!(json["status"], json!(headline));
        assert_eq!(site.snapshot(), before);
    }

    #[test]
    fn without_any_upgrade_it_is_idle() {
        let site = Site::new();
        let root = site.base().path().display().to_string();
        let next = format!("next start: 5.10.4 from {root}");
        let parts = [
            "running version: 5.10.4",
            &next,
            "marker: absent",
            "staged trees: none",
            "last attempt: none",
        ];
        check(&site, &mut site.node(), "idle", &parts);
        check(
            &site,
            &mut FakeNode::down(),
            "idle",
            &["running version: node not running", &next],
        );
        let mut deaf = site.node();
        deaf.facts = Err(NodeError::Unreachable("it rejects us".into()));
        check(
            &site,
            &mut deaf,
            "idle",
            &["does not answer: it rejects us"],
        );
    }

    #[test]
    fn an_upgrade_is_pending_until_the_node_runs_from_its_tree() {
        let site = Site::with_hop();
        assert_eq!(
            site.upgrade(&mut site.node(), &site.new_tarball(), &[])
                .code,
            0
        );
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        let parts = [
            "marker: 5.10.5",
            "staged trees: 5.10.5 (complete, boots next)",
            "result=success",
        ];
        check(
            &site,
            &mut FakeNode::running(NEW, site.base().path()),
            PENDING,
            &parts,
        );
        check(&site, &mut FakeNode::down(), "idle", &parts);
        let parts = ["staged trees: 5.10.5 (complete, running from it, boots next)"];
        check(
            &site,
            &mut FakeNode::running(NEW, tree.path()),
            "idle",
            &parts,
        );
    }

    #[test]
    fn after_a_rollback_the_base_boots_next() {
        let site = Site::with_hop();
        assert_eq!(
            site.upgrade(&mut site.node(), &site.new_tarball(), &[])
                .code,
            0
        );
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        let mut node = FakeNode::running(NEW, tree.path());
        assert_eq!(site.run(&mut node, &["rollback"]).code, 0);
        check(
            &site,
            &mut node,
            "idle",
            &["running version: 5.10.5", "next start: 5.10.4"],
        );
    }

    #[test]
    fn a_marker_that_no_start_would_follow_is_named() {
        let site = Site::new();
        for (content, parts) in [
            (
                "../x",
                [
                    "marker: damaged",
                    "next start: refused: the marker is damaged",
                ],
            ),
            ("5.10.9\n", ["marker: 5.10.9", "next start: refused: "]),
        ] {
            write(&site.base().marker(), content);
            check(&site, &mut site.node(), "idle", &parts);
            check(&site, &mut FakeNode::down(), "idle", &parts);
        }
    }

    #[test]
    fn a_marker_of_the_plugin_below_a_deployed_tree_is_followed() {
        let mut site = Site::with_hop();
        assert_eq!(
            site.upgrade(&mut site.node(), &site.new_tarball(), &[])
                .code,
            0
        );
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        let nested = tree.nested(&"5.10.6".parse().expect("a version"));
        Release::of("5.10.6").unpack(nested.path());
        site.install.booted = nested;
        site.install.booted_vsn = "5.10.6".parse().expect("a version");
        let headline = "hot-upgraded to 5.10.6; pending on restart to boot from the new version";
        check(
            &site,
            &mut FakeNode::running("5.10.6", tree.path()),
            headline,
            &["marker: 5.10.5"],
        );
    }

    #[test]
    fn somebody_at_work_is_in_progress() {
        let site = Site::new();
        let mut node = site.node();
        node.attempt = Ok(Some("20260102T030405-abcdef".to_owned()));
        check(
            &site,
            &mut node,
            "in-progress",
            &["at work: the node, attempt 20260102T030405-abcdef"],
        );
        let held = RelupLock::acquire(site.base()).expect("free");
        check(&site, &mut site.node(), "in-progress", &["at work: pid "]);
        drop(held);
    }

    #[test]
    fn incomplete_trees_are_said_to_be_so() {
        let site = Site::with_hop();
        assert_eq!(
            site.upgrade(&mut site.node(), &site.new_tarball(), &[])
                .code,
            0
        );
        let tree = site.base().deployed(&NEW.parse().expect("a version"));
        fs::remove_file(tree.launcher()).expect("removed");
        let parts = ["5.10.5 (incomplete: ", "bin/emqx is missing"];
        check(
            &site,
            &mut FakeNode::running(NEW, site.base().path()),
            PENDING,
            &parts,
        );
        assert_eq!(OLD, site.install.booted_vsn.as_str());
    }
}
