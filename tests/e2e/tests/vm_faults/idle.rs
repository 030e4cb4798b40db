//! MQTT clients that are connected and say nothing, so that the states of their connections stay
//! what they are.

use e2e::{Error, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Clients that were accepted and have subscribed.
#[derive(Debug)]
pub(super) struct IdleClients(Vec<TcpStream>);

impl IdleClients {
    pub(super) fn connect(port: u16, count: u8) -> Result<Self> {
        (0..count)
            .map(|index| connect(port, index))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Demands that each of them is still served, over the connection that it has.
    pub(super) fn all_answer(&mut self) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|stream| exchange(stream, &[0xc0, 0], &[0xd0, 0]))
    }
}

fn connect(port: u16, index: u8) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    // No keep-alive: the client never has to speak.
    let mut hello = vec![0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 2];
    hello.extend([b'i', b'a' + index]);
    exchange(&mut stream, &hello, &[0x20, 2, 0, 0])?;
    let topic = [0x82, 6, 0, 1, 0, 1, b't', 1];
    exchange(&mut stream, &topic, &[0x90, 3, 0, 1, 1])?;
    Ok(stream)
}

fn exchange(stream: &mut TcpStream, say: &[u8], hear: &[u8]) -> Result<()> {
    stream.write_all(say)?;
    let mut heard = vec![0; hear.len()];
    stream.read_exact(&mut heard)?;
    if heard == hear {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "the broker answered {heard:?} to {say:?}"
    )))
}
