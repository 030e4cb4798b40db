//! Why there is no connection or no answer: each case is one that a person can do something about.

use super::tls::TlsOptionsError;
use crate::etf::EtfError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DistError {
    /// Nobody answered at the address: refused, no route, or silent until the deadline.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Host and port that were tried.
        address: String,
        /// The system's words, or what was waited for.
        reason: String,
    },
    /// The host does not resolve, or epmd does not know the node.
    #[error("unknown node or host '{name}': {reason}")]
    NameUnknown {
        /// The host or the node name in question.
        name: String,
        /// What was looked up and where.
        reason: String,
    },
    /// The node and this program have different cookies.
    #[error("node {node} rejected the cookie")]
    CookieRejected {
        /// The node that was asked for.
        node: String,
    },
    /// Every name that was tried is in use on the node.
    #[error("node {node} already has connections under all names that were tried")]
    Alive {
        /// The node that was asked for.
        node: String,
    },
    /// Another node than the one asked for listens on the port.
    #[error("node {found} answers at {address}, not {wanted}")]
    WrongNode {
        /// The node that was asked for.
        wanted: String,
        /// The node that answered.
        found: String,
        /// Host and port that were tried.
        address: String,
    },
    /// The peer broke the protocol or a limit.
    #[error("distribution protocol: {0}")]
    Protocol(String),
    /// TLS did not come about, or the node ended it.
    #[error("TLS with {address}: {reason}")]
    Tls {
        /// Host and port that were tried.
        address: String,
        /// What TLS says.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The file of TLS options cannot be used.
    #[error(transparent)]
    TlsOptions(#[from] TlsOptionsError),
    /// The connection ended.
    #[error("connection to the node closed: {0}")]
    Closed(String),
}

impl From<EtfError> for DistError {
    fn from(error: EtfError) -> DistError {
        DistError::Protocol(error.to_string())
    }
}
