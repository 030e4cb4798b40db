//! `relup list`, and what `status` says about trees: every deployed tree with its size and state.
//!
//! The state is derived from the disk each time; nothing recorded is believed without looking.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::layout::Tree;
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;
use serde_json::{Value, json};

use crate::deploy::same_place;
use crate::error::Error;
use crate::install::Install;
use crate::manifest_file::check_tree;
use crate::node::Node;
use crate::output::Answer;
use crate::quantity::human;
use crate::release::{Identity, check_tree_of, names_in};
use crate::state;

/// A tree and what is known about it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one observed fact, not a state"
)]
pub(crate) struct Known {
    version: String,
    tree: Tree,
    base: bool,
    marked: bool,
    running: bool,
    /// What is missing or wrong.
    fault: Option<String>,
    manifest: bool,
}

/// Lists the original release and all deployed trees.
pub(crate) fn run(install: &Install, node: &mut dyn Node) -> Result<Answer, Error> {
    let booted = node.facts().ok().map(|facts| facts.root_dir);
    let known = known(install, booted.as_deref())?;
    let mut lines = vec![];
    let mut list = vec![];
    for tree in &known {
        let bytes = size_of(
            tree.tree.path(),
            tree.base.then(|| install.base.relup_dir()).as_deref(),
        );
        lines.push(format!(
            "{:<16} {:>10}  {}",
            tree.version,
            human(bytes),
            tree.state()
        ));
        let mut object = tree.to_json();
        if let Some(object) = object.as_object_mut() {
            object.insert("bytes".to_owned(), json!(bytes));
        }
        list.push(object);
    }
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("trees", list))
}

/// The original release, then the deployed trees by name. `booted` is the running node's root.
pub(crate) fn known(install: &Install, booted: Option<&Path>) -> Result<Vec<Known>, Error> {
    let marker = state::read_marker(&install.base);
    let runs = |tree: &Tree| booted.is_some_and(|booted| same_place(booted, tree.path()));
    let base = install.base.tree();
    let identity = Identity::read(&base, &install.base);
    let mut found = vec![Known {
        version: identity
            .as_ref()
            .map_or_else(|_| "?".to_owned(), |found| found.vsn.to_string()),
        base: true,
        marked: marker == Marker::Absent,
        running: runs(&base),
        fault: identity
            .and_then(|identity| identity.check_complete(&base))
            .err()
            .map(|error| error.to_string()),
        manifest: false,
        tree: base,
    }];
    for vsn in deployed(install)? {
        let tree = install.base.deployed(&vsn);
        let manifest = install.base.manifest(&vsn);
        let has_manifest = manifest.exists();
        let fault = check_tree_of(&tree, &vsn, &install.base)
            .and_then(|()| {
                if has_manifest {
                    check_tree(&tree, &manifest)
                } else {
                    Ok(())
                }
            })
            .err()
            .map(|error| error.to_string());
        found.push(Known {
            version: vsn.to_string(),
            base: false,
            marked: marker == Marker::Current(vsn),
            running: runs(&tree),
            fault,
            manifest: has_manifest,
            tree,
        });
    }
    Ok(found)
}

/// The versions that have a directory below `relup/`; none when there is no `relup/`.
pub(crate) fn deployed(install: &Install) -> Result<Vec<ReleaseVsn>, Error> {
    let dir = install.base.relup_dir();
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let versions = names_in(&dir)?
        .into_iter()
        .filter_map(|name| name.parse().ok());
    Ok(versions
        .filter(|vsn| install.base.deployed(vsn).path().is_dir())
        .collect())
}

impl Known {
    /// Whether it is the original release.
    pub(crate) fn is_base(&self) -> bool {
        self.base
    }

    /// Version and state in a few words.
    pub(crate) fn summary(&self) -> String {
        format!("{} ({})", self.version, self.state())
    }

    fn state(&self) -> String {
        let mut words = vec![];
        if self.base {
            words.push("base".to_owned());
        }
        match &self.fault {
            Some(fault) => words.push(format!("incomplete: {fault}")),
            None if self.base => {}
            None if self.manifest => words.push("complete".to_owned()),
            None => words.push("complete, without a manifest".to_owned()),
        }
        if self.running {
            words.push("running from it".to_owned());
        }
        if self.marked {
            words.push("boots next".to_owned());
        }
        words.join(", ")
    }

    /// The same as an object.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "version": self.version,
            "path": self.tree.path().to_string_lossy(),
            "base": self.base,
            "boots_next": self.marked,
            "running": self.running,
            "complete": self.fault.is_none(),
            "fault": self.fault,
            "manifest": self.manifest,
        })
    }
}

/// Bytes of all files below `dir`, hard links counted once, `without` left out.
pub(crate) fn size_of(dir: &Path, without: Option<&Path>) -> u64 {
    let mut open: Vec<PathBuf> = vec![dir.to_owned()];
    let mut seen = HashSet::new();
    let mut bytes = 0;
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir() && Some(entry.path().as_path()) != without {
                open.push(entry.path());
            } else if found.is_file() && (found.nlink() == 1 || seen.insert(found.ino())) {
                bytes += found.len();
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tree_is_listed_with_its_size_and_state() {
        use crate::testing::{FakeNode, NEW, Release, Site, packaged, write};
        let site = Site::with_hop();
        assert_eq!(
            site.upgrade(&mut site.node(), &site.new_tarball(), &[])
                .code,
            0
        );
        let hand_made = site.base().deployed(&"5.10.6".parse().expect("a version"));
        Release::of("5.10.6").unpack(hand_made.path());
        write(
            &site
                .base()
                .deployed(&"5.10.7".parse().expect("a version"))
                .emqx_vars(),
            "",
        );
        let mut node = FakeNode::running(NEW, site.base().path());
        let said = site.run(&mut node, &["list"]);
        let lines: Vec<_> = said.out.lines().collect();
        let [base, marked, unknown, broken] = lines.as_slice() else {
            panic!("{said:?}")
        };
        for (line, start, end) in [
            (base, "5.10.4 ", "base, running from it"),
            (marked, "5.10.5 ", "complete, boots next"),
            (unknown, "5.10.6 ", "complete, without a manifest"),
        ] {
            assert!(line.starts_with(start) && line.ends_with(end), "{line}");
        }
        assert!(broken.contains("incomplete: "), "{broken}");
        let json = site.run(&mut FakeNode::down(), &["list", "--json"]).json();
        assert_eq!(json["trees"].as_array().map(Vec::len), Some(4));
        assert_eq!(json["trees"][0]["running"], json!(false));
        let bytes: u64 = Release::of(NEW)
            .entries
            .iter()
            .filter(|entry| !entry.0.starts_with("etc/"))
            .map(|(path, _, content)| packaged(path, content).len() as u64)
            .sum();
        assert_eq!(json["trees"][1]["bytes"], json!(bytes));
    }

    #[test]
    fn an_installation_that_never_saw_an_upgrade_has_one_tree() {
        use crate::testing::{FakeNode, Site};
        let site = Site::new();
        let before = site.snapshot();
        let said = site.run(&mut FakeNode::down(), &["list"]);
        assert!(
            said.out.starts_with("5.10.4 ") && said.out.lines().count() == 1,
            "{said:?}"
        );
        assert!(
            said.out.trim_end().ends_with("base, boots next"),
            "{said:?}"
        );
        assert_eq!(site.snapshot(), before);
    }
}
