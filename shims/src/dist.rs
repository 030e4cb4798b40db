//! The connection to a node.

use crate::cookie::Cookie;
use crate::io_server::Console;
use crate::node_name::NodeName;
use crate::term::Term;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DistError {
    /// Nobody answered at the address: refused, no route, or silent until the deadline.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Host and port that were tried.
        address: String,
        /// The system's words, or how long was waited.
        reason: String,
    },
    /// The host does not resolve, or epmd does not know the node.
    #[error("unknown node {name}: {reason}")]
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
    /// The connection ended.
    #[error("connection to the node closed: {0}")]
    Closed(String),
}

/// How the port of the node is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// A known port, as EMQX derives it from the name: [`NodeName::dist_port`].
    Fixed(u16),
    /// The node's entry in the port mapper daemon at this host and port.
    Epmd {
        /// Host of the daemon.
        host: String,
        /// Its port, usually 4369.
        port: u16,
    },
}

/// Which node to talk to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The node's name.
    pub name: NodeName,
    /// The shared secret.
    pub cookie: Cookie,
    /// What to connect to: usually the host part of the name.
    pub host: String,
    /// Where it listens.
    pub port: Port,
    /// Whether the node's distribution runs over IPv6 (`-proto_dist inet6_tcp`).
    pub ipv6: bool,
}

/// How a call is made.
#[derive(Debug, Default)]
pub struct CallOptions<'a> {
    /// How long to wait for the answer; `None`: for ever.
    pub timeout: Option<Duration>,
    /// What the called function reads and prints. `None`: output is thrown away, input is at its end.
    pub console: Option<&'a mut Console>,
}

/// How a call ended, by the classes of `erpc`.
#[derive(Debug, Clone, PartialEq)]
pub enum CallOutcome {
    /// It returned.
    Return(Term),
    /// It threw.
    Throw(Term),
    /// It, or the process it ran in, exited with this reason.
    Exit(Term),
    /// It failed: `{Reason, StackTrace}`.
    Error(Term),
    /// The node went away before it answered.
    NodeDown,
    /// No answer in time. The function goes on running on the node.
    Timeout,
}

/// A hidden connection to one node. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    peer: String,
}

impl Connection {
    /// Resolves, connects and shakes hands, all within `timeout`.
    pub fn connect(target: &Target, timeout: Duration) -> Result<Connection, DistError> {
        let _ = (timeout, target);
        Err(DistError::Protocol("not built yet".into()))
    }

    /// The full name of the node, as it gave it in the handshake.
    #[must_use]
    pub fn peer_name(&self) -> &str {
        &self.peer
    }

    /// Calls `module:function(args...)` on the node.
    pub fn call(
        &mut self,
        module: &str,
        function: &str,
        args: Vec<Term>,
        options: CallOptions<'_>,
    ) -> Result<CallOutcome, DistError> {
        let _ = (module, function, args, options);
        Err(DistError::Protocol("not built yet".into()))
    }

    /// The next message that was sent to this program's process and is no io request; `None` when
    /// none came in time.
    pub fn recv_message(&mut self, timeout: Duration) -> Result<Option<Term>, DistError> {
        let _ = timeout;
        Err(DistError::Protocol("not built yet".into()))
    }
}
