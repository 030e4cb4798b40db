//! `relup list-supported-paths`: the hops that are there, one `<from> -> <to>` a line.
//!
//! Literal hop files are read without any VM, so this works while the node is down.

mod shortest;

use serde_json::{Value, json};

use crate::hops;
use crate::install::Install;
use crate::node::Node;
use crate::output::{Answer, Console};
pub(crate) use shortest::run as run_shortest;

/// Lists the hops of the catalog and of installed plugins.
pub(crate) fn run(install: &Install, node: &mut dyn Node, console: &mut Console<'_>) -> Answer {
    let there = hops::installed(install);
    let paths = hops::list(there, node, &mut |text| console.warn(text));
    let list: Vec<Value> = paths
        .iter()
        .map(|hop| json!({ "from": hop.path.from, "to": hop.path.to }))
        .collect();
    let lines = match paths.as_slice() {
        [] => vec!["no supported upgrade paths in priv catalog".to_owned()],
        paths => paths.iter().map(|hop| hop.path.to_string()).collect(),
    };
    Answer {
        lines,
        ..Answer::default()
    }
    .field("paths", list)
}

#[cfg(test)]
mod tests {
    use relup::node::HopSummary;

    use super::*;
    use crate::node::NodeError;
    use crate::testing::{FakeNode, NEW, OLD, Site, hop_text, write};

    #[test]
    fn an_empty_catalog_is_said_in_the_plugins_words() {
        let site = Site::new();
        let before = site.snapshot();
        let said = site.run(&mut FakeNode::down(), &["list-supported-paths"]);
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "no supported upgrade paths in priv catalog\n")
        );
        assert_eq!(site.snapshot(), before);
    }

    #[test]
    fn literal_hops_are_listed_without_a_node() {
        let site = Site::new();
        site.add_hop("b.relup", &hop_text(NEW, "5.10.6"));
        site.add_hop("a.relup", &hop_text(OLD, NEW));
        site.add_hop("c.relup", "nonsense(");
        let plugin = site.install.plugins_dir.join("emqx_relup-1.0.0/priv/relup");
        write(&plugin.join("same.relup"), &hop_text(OLD, NEW));
        write(&plugin.join("more.relup"), &hop_text(OLD, "5.10.6"));
        write(
            &site
                .install
                .plugins_dir
                .join("other-1.0.0/priv/relup/x.relup"),
            &hop_text("1", "2"),
        );
        let said = site.run(&mut FakeNode::down(), &["list-supported-paths"]);
        assert_eq!(
            said.out,
            "5.10.4 -> 5.10.5\n5.10.5 -> 5.10.6\n5.10.4 -> 5.10.6\n"
        );
        assert!(said.err.contains("c.relup is skipped"), "{said:?}");
        let json = site
            .run(&mut FakeNode::down(), &["list-supported-paths", "--json"])
            .json();
        assert_eq!(json["paths"][0], json!({ "from": OLD, "to": NEW }));
        assert_eq!(json["warnings"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn expressions_are_evaluated_and_those_that_can_not_be_are_named() {
        let site = Site::new();
        site.add_hop("a.relup", "F = fun() -> right end, F().");
        site.add_hop("b.relup", &hop_text(OLD, NEW));
        let mut node = site.node();
        node.hops = vec![(
            "right",
            Ok(HopSummary {
                from: NEW.into(),
                to: "5.10.6".into(),
            }),
        )];
        let said = site.run(&mut node, &["list-supported-paths"]);
        assert_eq!(said.out, "5.10.5 -> 5.10.6\n5.10.4 -> 5.10.5\n");
        node.evaluation_fails = Some(NodeError::Rpc("no VM".into()));
        let said = site.run(&mut node, &["list-supported-paths"]);
        assert_eq!((said.code, said.out.as_str()), (0, "5.10.4 -> 5.10.5\n"));
        assert!(
            said.err.contains("a.relup: could not be evaluated: no VM"),
            "{said:?}"
        );
    }
}
