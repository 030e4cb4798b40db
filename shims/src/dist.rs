//! The connection to a node: who is meant, how it is reached, and how a call to it ends.
//!
//! [`Connection`] is one blocking socket and one owner; there is no runtime and no shared state. It
//! is made for one command and dropped. One that is kept idle for longer than the node's tick time
//! (a minute or two) is closed by the node, because ticks are answered only while something waits.

mod call;
mod connection;
mod control;
mod deadline;
mod dispatch;
mod epmd;
mod error;
mod handshake;
mod resolve;
mod tls;
mod transport;

pub use crate::etf::Limits;
pub use connection::Connection;
pub use error::DistError;
pub use tls::{Tls, TlsOptionsError, TlsSource};

pub(crate) use call::RawOutcome;
pub(crate) use connection::IoRequest;
pub(crate) use deadline::Deadline;

use crate::cookie::Cookie;
use crate::io_server::Console;
use crate::node_name::NodeName;
use crate::term::Term;
use std::ops::Range;
use std::time::Duration;

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
    /// The node's name. Without a host part the node is taken to be one of this host (`-sname`).
    pub name: NodeName,
    /// The shared secret.
    pub cookie: Cookie,
    /// What to connect to: usually the host part of the name.
    pub host: String,
    /// Where it listens.
    pub port: Port,
    /// Whether the node's distribution runs over IPv6 (`-proto_dist inet6_tcp`).
    pub ipv6: bool,
    /// The client's side of TLS, where the distribution runs over it (`-proto_dist inet_tls`).
    pub tls: Option<Tls>,
}

/// How a call is made.
#[derive(Debug, Default)]
pub struct CallOptions<'a> {
    /// How long to wait for the answer; `None`: for ever.
    pub timeout: Option<Duration>,
    /// Where the called function prints and reads. `None`: what it prints is thrown away, and there
    /// is nothing to read.
    pub console: Option<&'a mut Console>,
}

/// How a call ended, by the classes of `erpc`.
#[derive(Debug, Clone, PartialEq)]
pub enum CallOutcome {
    /// It returned.
    Return(Term),
    /// It threw.
    Throw(Term),
    /// It exited, or the process that it ran in was ended, with this reason.
    Exit(Term),
    /// It failed: `{Reason, StackTrace}`.
    Error(Term),
    /// The node went away before it answered.
    NodeDown,
    /// No answer in time. The function goes on running on the node.
    Timeout,
}

/// A random number, for names and incarnations that must differ and keep no secret.
fn pick(range: Range<u32>) -> u32 {
    fastrand::u32(range)
}

/// A frame as the connection reads it, for tests that feed it bytes.
#[cfg(test)]
pub(crate) fn parse_frame(frame: &[u8]) {
    let _ = control::Control::parse(frame);
}

/// The terms in a frame that somebody will look into.
#[cfg(feature = "fuzzing")]
pub(crate) fn terms_of_frame(frame: &[u8]) -> Vec<crate::etf::Raw<'_>> {
    use control::Control;
    match control::Control::parse(frame) {
        Ok(Control::Send { to, message } | Control::SendName { name: to, message }) => {
            vec![to, message]
        }
        Ok(Control::Monitor {
            from,
            to,
            reference,
        }) => vec![from, to, reference],
        Ok(Control::Down { reference, reason }) => vec![reference, reason],
        Ok(Control::Link { from, to }) => vec![from, to],
        Ok(Control::Unlink { id, from, to }) => vec![id, from, to],
        Ok(Control::SpawnRequest { id, from }) => vec![id, from],
        Ok(Control::SpawnReply { id, result }) => vec![id, result],
        Ok(Control::Other) | Err(_) => Vec::new(),
    }
}
