//! The stream under a connection. TCP now; anything that reads, writes and takes timeouts (TLS over
//! TCP) can be put in its place.

use super::deadline::Deadline;
use super::error::DistError;
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A connected stream of bytes.
pub(crate) trait Transport: Read + Write + Send + Debug {
    /// How long one read may take; `None`: for ever. Zero is not allowed.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    /// How long one write may take; as above.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }
}

/// Connects to the first address that answers.
pub(crate) fn connect_tcp(
    addresses: &[SocketAddr],
    shown: &str,
    deadline: Deadline,
) -> Result<TcpStream, DistError> {
    let unreachable = |reason: String| DistError::Unreachable {
        address: shown.to_owned(),
        reason,
    };
    let mut reason = "it has no address".to_owned();
    for address in addresses {
        let left = deadline
            .left()
            .map_err(|_| unreachable("no time left to connect".to_owned()))?;
        let tried = match left {
            Some(left) => TcpStream::connect_timeout(address, left),
            None => TcpStream::connect(address),
        };
        match tried.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(unreachable(reason))
}

/// A transport with what was read of it and not used yet, and with deadlines: a timeout of the
/// system's covers one read, and a peer that sends a byte now and then must not get round it.
#[derive(Debug)]
pub(crate) struct Buffered {
    transport: Box<dyn Transport>,
    /// Bytes that were read and are not used yet.
    pub(crate) read: Vec<u8>,
    chunk: Box<[u8]>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

/// How an attempt to read ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// There are more bytes than before.
    More,
    /// The peer has ended the stream.
    End,
    /// Nothing came in time.
    TimedOut,
}

impl Buffered {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Buffered {
        Buffered {
            transport,
            read: Vec::new(),
            chunk: vec![0; CHUNK].into_boxed_slice(),
            read_timeout: None,
            write_timeout: None,
        }
    }

    /// Reads once, whatever comes, until the deadline.
    pub(crate) fn fill(&mut self, deadline: Deadline) -> io::Result<Fill> {
        loop {
            let Ok(left) = deadline.left() else {
                return Ok(Fill::TimedOut);
            };
            if !serves(self.read_timeout, left) {
                self.transport.set_read_timeout(left)?;
                self.read_timeout = left;
            }
            match self.transport.read(&mut self.chunk) {
                Ok(0) => return Ok(Fill::End),
                Ok(count) => {
                    self.read.extend_from_slice(&self.chunk[..count]);
                    return Ok(Fill::More);
                }
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes and flushes all of `bytes`; an error of the kind `TimedOut` at the deadline.
    pub(crate) fn write(&mut self, mut bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = deadline.left().map_err(|_| io::ErrorKind::TimedOut)?;
            if !serves(self.write_timeout, left) {
                self.transport.set_write_timeout(left)?;
                self.write_timeout = left;
            }
            match self.transport.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.flush()
    }
}

/// Whether a timeout that is set is good enough. One that is too short only makes a loop go round
/// once more, so that it need not be set anew for each read.
fn serves(set: Option<Duration>, left: Option<Duration>) -> bool {
    match (set, left) {
        (None, None) => true,
        (Some(set), Some(left)) => set <= left && set >= left / 2,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// [`Buffered`] as a plain stream for code that knows no deadlines: the handshake and the epmd
/// client of `erl_dist`. Writes are gathered until they are flushed, so that a message of the
/// handshake is one packet.
#[derive(Debug)]
pub(crate) struct Timed<'a> {
    stream: &'a mut Buffered,
    deadline: Deadline,
    unsent: Vec<u8>,
    /// How many messages were sent.
    pub(crate) flushes: usize,
}

impl<'a> Timed<'a> {
    pub(crate) fn new(stream: &'a mut Buffered, deadline: Deadline) -> Timed<'a> {
        Timed {
            stream,
            deadline,
            unsent: Vec::new(),
            flushes: 0,
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stream.read.is_empty() {
            match self.stream.fill(self.deadline)? {
                Fill::More => {}
                Fill::End => return Ok(0),
                Fill::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let count = into.len().min(self.stream.read.len());
        into[..count].copy_from_slice(&self.stream.read[..count]);
        self.stream.read.drain(..count);
        Ok(count)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unsent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.flushes += 1;
        self.stream.write(&unsent, self.deadline)
    }
}
