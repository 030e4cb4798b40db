//! Stage 2: the release that an upgrade starts from, as far as the later stages have to know it.
//!
//! A hot upgrade starts from what the node says about itself. One that only the next start sees has to
//! work without a node, and then starts from the tree in force, whose own files tell the same facts.

use std::path::PathBuf;

use relup::layout::Tree;
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::install::Install;
use crate::node::{Node, NodeError};
use crate::release;

/// What an upgrade starts from.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) vsn: ReleaseVsn,
    /// The tree that was booted, or would be.
    pub(crate) root: PathBuf,
    /// The data directory, where the node tells it.
    pub(crate) data_dir: Option<PathBuf>,
    /// Whether `mnesia` is that of EMQX's own build of OTP.
    pub(crate) mnesia_hook: bool,
    /// Whether a node runs.
    pub(crate) is_up: bool,
}

impl Running {
    /// What the running node says.
    pub(crate) fn ask(node: &mut dyn Node) -> Result<Running, Error> {
        let facts = node.facts()?;
        let vsn = facts.running_vsn.parse().map_err(|error| {
            Error::NodeRpc(format!("the node's version is no release version: {error}"))
        })?;
        Ok(Running {
            vsn,
            root: facts.root_dir,
            data_dir: facts.data_dir,
            mnesia_hook: facts.mnesia_hook,
            is_up: true,
        })
    }

    /// For an upgrade of the node itself: one that stopped in the middle of another cannot be told apart
    /// from any version, and is refused.
    pub(crate) fn ask_whole(node: &mut dyn Node) -> Result<Running, Error> {
        let running = Running::ask(node)?;
        match node.abandoned_attempt()? {
            Some(attempt) => Err(Error::Abandoned { attempt }),
            None => Ok(running),
        }
    }

    /// For an upgrade that the next start sees: the version is the running one, or that of the tree in
    /// force where nothing runs; what it is made of is read from its files either way.
    ///
    /// A node that runs and can't be asked is an error: nobody knows what it is at.
    pub(crate) fn ask_or_look(install: &Install, node: &mut dyn Node) -> Result<Running, Error> {
        let mut found = match Running::ask(node) {
            Err(Error::NodeNotRunning(_)) => Running {
                vsn: install.booted_vsn.clone(),
                root: install.booted.path().to_owned(),
                data_dir: None,
                mnesia_hook: false,
                is_up: false,
            },
            other => other?,
        };
        let tree = Tree::new(found.root.clone()).unwrap_or_else(|_| install.base.tree());
        found.mnesia_hook = release::has_mnesia_hook(&tree);
        Ok(found)
    }
}

/// Refuses while the node applies an attempt. True when it is known not to: a node that can't be
/// asked may be applying, so its files stay; stage 2 reports it.
pub(crate) fn refuse_while_applying(node: &mut dyn Node) -> Result<bool, Error> {
    match node.running_attempt() {
        Ok(Some(attempt)) => Err(Error::Locked {
            by: format!("the node is applying attempt {attempt}"),
        }),
        Ok(None) | Err(NodeError::NotRunning(_)) => Ok(true),
        Err(_) => Ok(false),
    }
}
