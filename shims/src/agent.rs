//! Drives the hot-apply agent in the node.

use crate::dist::{Connection, DistError};
use relup::node::{ApplyDone, ApplyEvent, ApplyFailure, ApplyRequest, HopScript, HopSummary};

/// Why the agent could not be used, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The connection failed or ended before the agent was started.
    #[error(transparent)]
    Dist(#[from] DistError),
    /// The connection was lost after the agent was started: it finishes by itself.
    #[error("lost the node while attempt {attempt} was running: {reason}")]
    Lost {
        /// The attempt that was started.
        attempt: String,
        /// How the connection ended.
        reason: String,
    },
    /// The agent's source did not compile or load in this node.
    #[error("the node cannot load the upgrade agent: {0}")]
    Load(String),
    /// Another attempt is running in the node.
    #[error("another upgrade is running on the node: attempt {0}")]
    Locked(String),
    /// The agent answered in an unknown form.
    #[error("unexpected answer of the upgrade agent: {0}")]
    Answer(String),
}

/// Applies a hop in the node and reports its steps until it is done.
pub fn apply(
    connection: &mut Connection,
    request: &ApplyRequest,
    progress: &mut dyn FnMut(ApplyEvent),
) -> Result<Result<ApplyDone, ApplyFailure>, AgentError> {
    let _ = (connection, request, progress);
    Err(AgentError::Load("not built yet".into()))
}

/// The attempt that runs in the node now.
pub fn running_attempt(connection: &mut Connection) -> Result<Option<String>, AgentError> {
    let _ = connection;
    Err(AgentError::Load("not built yet".into()))
}

/// Has the node evaluate hop scripts that are expressions, without applying them.
pub fn evaluate_hops(
    connection: &mut Connection,
    scripts: &[HopScript],
) -> Result<Vec<Result<HopSummary, String>>, AgentError> {
    let _ = (connection, scripts);
    Err(AgentError::Load("not built yet".into()))
}
