//! The stream under a connection: TCP, or TLS over it. Anything will do that reads, writes and takes
//! timeouts.

use super::deadline::Deadline;
use super::error::DistError;
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How many bytes of an answer are kept to recognize it by.
const FIRST_BYTES: usize = 3;

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
        self.flush(deadline)
    }

    /// A stream that encrypts may still hold what it has taken.
    fn flush(&mut self, deadline: Deadline) -> io::Result<()> {
        loop {
            match self.transport.flush() {
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {
                    deadline.left().map_err(|_| io::ErrorKind::TimedOut)?;
                }
                done => return done,
            }
        }
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

/// Whether it only took too long.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
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
    /// The first bytes that came: what answers instead of a node may show by them.
    pub(crate) first: Vec<u8>,
    widened: Option<Widened>,
}

/// Over TLS a message of the handshake has a length of four bytes, over TCP one of two, which is what
/// `erl_dist` writes and reads.
#[derive(Debug, Default)]
struct Widened {
    /// The length of the message that is being read, in its short form.
    head: Vec<u8>,
    /// How much of the message is to come.
    left: usize,
}

impl<'a> Timed<'a> {
    pub(crate) fn new(stream: &'a mut Buffered, deadline: Deadline) -> Timed<'a> {
        Timed {
            stream,
            deadline,
            unsent: Vec::new(),
            flushes: 0,
            first: Vec::new(),
            widened: None,
        }
    }

    /// A stream whose messages of the handshake have long lengths on the wire.
    pub(crate) fn widened(stream: &'a mut Buffered, deadline: Deadline) -> Timed<'a> {
        Timed {
            widened: Some(Widened::default()),
            ..Timed::new(stream, deadline)
        }
    }

    /// Reads until so many bytes are there; `false` at the end of the stream.
    fn await_bytes(&mut self, count: usize) -> io::Result<bool> {
        while self.stream.read.len() < count {
            match self.stream.fill(self.deadline)? {
                Fill::More => {}
                Fill::End => return Ok(false),
                Fill::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        Ok(true)
    }

    fn read_plain(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.await_bytes(1)? {
            return Ok(0);
        }
        let count = into.len().min(self.stream.read.len());
        let missing = FIRST_BYTES.saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(&self.stream.read[..missing]);
        into[..count].copy_from_slice(&self.stream.read[..count]);
        self.stream.read.drain(..count);
        Ok(count)
    }

    fn read_widened(&mut self, into: &mut [u8], mut message: Widened) -> io::Result<usize> {
        if message.left == 0 && message.head.is_empty() {
            if !self.await_bytes(4)? {
                return Ok(0);
            }
            let head: Vec<u8> = self.stream.read.drain(..4).collect();
            let [0, 0, high, low] = head[..] else {
                let reason = "a message of the handshake is longer than 64 KiB";
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            };
            message.head = vec![high, low];
            message.left = usize::from(u16::from_be_bytes([high, low]));
        }
        let count = if message.head.is_empty() {
            let end = into.len().min(message.left);
            let count = self.read_plain(&mut into[..end])?;
            message.left -= count;
            count
        } else {
            let count = into.len().min(message.head.len());
            into[..count].copy_from_slice(&message.head[..count]);
            message.head.drain(..count);
            count
        };
        self.widened = Some(message);
        Ok(count)
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.widened.take() {
            Some(message) => self.read_widened(into, message),
            None => self.read_plain(into),
        }
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unsent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut unsent = std::mem::take(&mut self.unsent);
        if self.widened.is_some() {
            // One message, its length in front.
            unsent.splice(..0, [0, 0]);
        }
        self.flushes += 1;
        self.stream.write(&unsent, self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Gives one byte at a time and keeps what is written.
    #[derive(Debug)]
    struct Trickle {
        comes: Vec<u8>,
        gone: Arc<Mutex<Vec<u8>>>,
    }

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.comes.is_empty() {
                return Ok(0);
            }
            into[0] = self.comes.remove(0);
            Ok(1)
        }
    }

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut gone = self.gone.lock().map_err(|_| io::ErrorKind::Other)?;
            gone.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Transport for Trickle {
        fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_handshake_has_long_lengths_over_tls_and_what_follows_it_stays_as_it_is() {
        let gone = Arc::new(Mutex::new(Vec::new()));
        let comes = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0].to_vec();
        let mut stream = Buffered::new(Box::new(Trickle {
            comes,
            gone: Arc::clone(&gone),
        }));
        let mut timed = Timed::widened(&mut stream, Deadline::after(None));
        let mut read = [0; 9];
        timed.read_exact(&mut read).expect("it is there");
        assert_eq!(read, [0, 2, 7, 8, 0, 0, 0, 1, 9]);
        timed.write_all(&[0, 1]).expect("it is gathered");
        timed.write_all(&[5]).expect("it is gathered");
        timed.flush().expect("it is sent");
        stream.fill(Deadline::after(None)).expect("there is more");
        assert_eq!(stream.read, [0]);
        assert_eq!(*gone.lock().expect("nobody panics"), [0, 0, 0, 1, 5]);
    }

    #[test]
    fn a_handshake_that_is_too_long_is_an_error_and_not_read() {
        let mut stream = Buffered::new(Box::new(Trickle {
            comes: vec![0x15, 3, 3, 0, 2],
            gone: Arc::default(),
        }));
        let mut timed = Timed::widened(&mut stream, Deadline::after(None));
        let error = timed.read(&mut [0; 9]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
