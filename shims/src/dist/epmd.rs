//! Asks the port mapper daemon for a node's port: for releases whose `EPMD_ARGS` bring the daemon
//! back. EMQX itself derives the port from the name and runs without one.

use super::deadline::Deadline;
use super::error::DistError;
use super::resolve::resolve;
use super::transport::{Buffered, Timed, connect_tcp};
use erl_dist::epmd::{EpmdClient, EpmdError};
use futures::executor::block_on;
use futures::io::AllowStdIo;

/// The distribution port of the node with this short name.
pub(crate) fn port_of(
    short_name: &str,
    host: &str,
    port: u16,
    ipv6: bool,
    deadline: Deadline,
) -> Result<u16, DistError> {
    let shown = format!("epmd at {host}:{port}");
    let stream = connect_tcp(&resolve(host, port, ipv6, deadline)?, &shown, deadline)?;
    let mut stream = Buffered::new(Box::new(stream));
    let client = EpmdClient::new(AllowStdIo::new(Timed::new(&mut stream, deadline)));
    let unknown = || DistError::NameUnknown {
        name: short_name.to_owned(),
        reason: format!("{shown} has no node of that name"),
    };
    match block_on(client.get_node(short_name)) {
        Ok(Some(entry)) => Ok(entry.port),
        Ok(None) => Err(unknown()),
        Err(EpmdError::Io(error)) => Err(DistError::Unreachable {
            address: shown,
            reason: error.to_string(),
        }),
        Err(error) => Err(DistError::Protocol(format!("{shown}: {error}"))),
    }
}
