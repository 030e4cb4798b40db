//! The running node as the commands see it: one trait, because it is the only thing here that is truly remote.
//!
//! Whoever implements [`Node`] knows the node's name and cookie; nothing in this crate may learn them.
//! All data that crosses the trait is plain and comes from `relup::node`.

use std::path::PathBuf;

use relup::node::{
    ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest, ClusterNode, HopScript, HopSummary,
    NodeFacts, Proof,
};

use crate::error::Error;

/// A node that may or may not be running.
///
/// Every method may be called at any time; a method that needs the node answers
/// [`NodeError::NotRunning`] when there is none.
pub trait Node {
    /// What the running node says about itself (stage 2 of the contract).
    fn facts(&mut self) -> Result<NodeFacts, NodeError>;

    /// The `{from, to}` pairs of hop files that are Erlang expressions, one answer for each script
    /// in the same order. Asks the running node if there is one, else the release's own VM.
    fn evaluate_hops(
        &mut self,
        scripts: &[HopScript],
    ) -> Result<Vec<Result<HopSummary, String>>, NodeError>;

    /// The whole value of a hop file that is an Erlang expression, as Erlang prints it. Asks the running
    /// node and nobody else.
    fn hop_value(&mut self, script: &HopScript) -> Result<Result<String, String>, NodeError>;

    /// The id of the attempt that the node is applying at this moment, if any.
    ///
    /// An apply goes on inside the node after its command died, so a free lock file proves nothing.
    fn running_attempt(&mut self) -> Result<Option<String>, NodeError>;

    /// The id of the attempt in whose middle the node stopped, because everything in it that could have
    /// ended the attempt was killed: what runs there is of two versions, until it is restarted.
    fn abandoned_attempt(&mut self) -> Result<Option<String>, NodeError>;

    /// The directories that running nodes of this installation were booted from or load code from;
    /// none where no node runs. An error where one of them can't tell.
    fn trees_in_use(&mut self) -> Result<Vec<PathBuf>, NodeError>;

    /// The numeric user that the running node's process belongs to, where that can be seen; `None`
    /// where it can't, or where no node runs.
    fn uid(&mut self) -> Option<u32> {
        None
    }

    /// Stages 11 to 14: proves, applies, calls back and writes the marker, all inside the node.
    ///
    /// The outer error says that the node could not be asked (or was lost on the way), the inner
    /// one what the node found wrong and in which state it left itself.
    fn apply(
        &mut self,
        request: &ApplyRequest,
        progress: &mut dyn FnMut(ApplyEvent),
    ) -> Result<Result<ApplyDone, ApplyFailure>, NodeError>;

    /// Every node of the cluster that the running node belongs to, itself among them.
    fn cluster(&mut self) -> Result<Vec<ClusterNode>, NodeError>;

    /// Stage 11 alone: what [`Node::apply`] would do with the same request. Nothing is changed.
    fn prove(&mut self, request: &ApplyRequest) -> Result<Result<Proof, ApplyFailure>, NodeError>;

    /// The rows of the upstream plugin's own log table, oldest first; empty when there is no such table.
    fn plugin_logs(&mut self) -> Result<Vec<PluginLogRow>, NodeError>;

    /// Empties the upstream plugin's log table, if there is one.
    fn clear_plugin_logs(&mut self) -> Result<(), NodeError>;
}

/// One row of the plugin's table `emqx_relup_log` (relup-contract section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLogRow {
    /// Start in milliseconds since the Unix epoch.
    pub started_at_ms: i64,
    /// End in milliseconds since the Unix epoch; `None` while it has not ended.
    pub finished_at_ms: Option<i64>,
    /// The version that was running.
    pub from: String,
    /// The version asked for.
    pub to: String,
    /// The plugin's word for the state, for instance `finished`.
    pub status: String,
    /// The plugin's result as text; empty when it has none yet.
    pub result: String,
}

/// Why the node could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// No node of this installation is running; the text says what was looked for.
    #[error("{0}")]
    NotRunning(String),
    /// A node runs, but does not answer or refuses us.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke while the node was working; it may still be working.
    #[error("{0}")]
    Lost(String),
    /// The node answered with an error, or with something that makes no sense.
    #[error("{0}")]
    Rpc(String),
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Error {
        match error {
            NodeError::NotRunning(text) => Error::NodeNotRunning(text),
            // Only an apply goes on without us; `apply` tells that case apart by itself.
            NodeError::Unreachable(text) | NodeError::Lost(text) => Error::NodeUnreachable(text),
            NodeError::Rpc(text) => Error::NodeRpc(text),
        }
    }
}
