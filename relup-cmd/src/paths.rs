//! `relup list-supported-paths`: the hops that are there, one `<from> -> <to>` a line.
//!
//! Literal hop files are read without any VM, so this works while the node is down.

use relup::hop::HopPath;
use serde_json::{Value, json};

use crate::hops::{self, Sources};
use crate::install::Install;
use crate::node::Node;
use crate::output::{Answer, Console};

/// Lists the hops of the catalog and of installed plugins.
pub(crate) fn run(install: &Install, node: &mut dyn Node, console: &mut Console<'_>) -> Answer {
    let sources = Sources {
        install,
        given: None,
        tarball: None,
        staged: None,
    };
    let paths = hops::list(&sources, node, &mut |text| console.warn(text));
    let list: Vec<Value> = paths
        .iter()
        .map(|path| json!({ "from": path.from, "to": path.to }))
        .collect();
    let lines = match paths.as_slice() {
        [] => vec!["no supported upgrade paths in priv catalog".to_owned()],
        paths => paths.iter().map(HopPath::to_string).collect(),
    };
    Answer {
        lines,
        ..Answer::default()
    }
    .field("paths", list)
}
