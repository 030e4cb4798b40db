//! `relup path A B`: the shortest chain of hops from one version to another, one hop a line.
//!
//! The hops are those of `list-supported-paths`, in the order in which those are searched, so this too
//! works while the node is down. Which tarballs the chain takes is the matter of `upgrade --via`.

use relup::hop::HopPath;
use serde_json::{Value, json};

use crate::cli::PathBetween;
use crate::error::{ChainError, Error};
use crate::hops::{self, chain};
use crate::install::Install;
use crate::node::Node;
use crate::output::{Answer, Console};

/// Tells the chain.
///
/// # Errors
/// There is none.
pub(crate) fn run(
    args: &PathBetween,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let there = hops::installed(install);
    let hops = hops::list(there, node, &mut |text| console.warn(text));
    let paths: Vec<HopPath> = hops.iter().map(|hop| hop.path.clone()).collect();
    let (from, to) = (args.from.as_str(), args.to.as_str());
    let Some(way) = chain::shortest(&paths, from, to) else {
        return Err(Error::Chain(ChainError::NoRelupPath {
            from: from.to_owned(),
            to: to.to_owned(),
            supported: paths.iter().map(HopPath::to_string).collect(),
        }));
    };
    let chain: Vec<_> = way.iter().map(|&index| &hops[index]).collect();
    let lines = match chain.as_slice() {
        [] => vec![format!("{from} is {to}: no hop is needed")],
        hops => hops.iter().map(|hop| hop.path.to_string()).collect(),
    };
    let objects: Vec<Value> = chain
        .iter()
        .map(|hop| {
            json!({
                "from": hop.path.from,
                "to": hop.path.to,
                "file": hop.file.to_string_lossy(),
            })
        })
        .collect();
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("from", from)
    .field("to", to)
    .field("hops", objects))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{FakeNode, NEW, OLD, Site, hop_text, write};

    #[test]
    fn the_chain_is_told_hop_by_hop_without_a_node() {
        let site = Site::new();
        site.add_hop("b.relup", &hop_text(NEW, "5.10.6"));
        let first = site.add_hop("a.relup", &hop_text(OLD, NEW));
        let before = site.snapshot();
        let said = site.run(&mut FakeNode::down(), &["path", OLD, "5.10.6"]);
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "5.10.4 -> 5.10.5\n5.10.5 -> 5.10.6\n")
        );
        let json = site
            .run(&mut FakeNode::down(), &["path", OLD, "5.10.6", "--json"])
            .json();
        assert_eq!(
            json["hops"][0],
            json!({ "from": OLD, "to": NEW, "file": first.to_string_lossy() })
        );
        assert_eq!(site.snapshot(), before);
        // A plugin's hop is searched last, but it is shorter.
        let plugin = site.install.plugins_dir.join("emqx_relup-1.0.0/priv/relup");
        write(&plugin.join("more.relup"), &hop_text(OLD, "5.10.6"));
        let said = site.run(&mut FakeNode::down(), &["path", OLD, "5.10.6"]);
        assert_eq!(said.out, "5.10.4 -> 5.10.6\n");
    }

    #[test]
    fn where_no_chain_leads_there_what_there_is_is_told() {
        let site = Site::with_hop();
        for (args, told) in [
            (["path", NEW, OLD], "supported: 5.10.4 -> 5.10.5"),
            (["path", OLD, "5.10.9"], "no chain of hops 5.10.4 -> 5.10.9"),
        ] {
            let said = site.run(&mut FakeNode::down(), &args);
            assert_eq!((said.code, said.error_name()), (1, "no_relup_path"));
            assert!(said.err.contains(told), "{said:?}");
            assert!(said.err.contains("\nhint: "), "{said:?}");
        }
        let said = site.run(&mut FakeNode::down(), &["path", OLD, OLD]);
        assert_eq!(said.out, "5.10.4 is 5.10.4: no hop is needed\n");
    }
}
