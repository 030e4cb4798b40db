//! A TLS connection as a plain stream with timeouts.
//!
//! A timeout may hit in the middle of a record or of the handshake; what was read or is still to be
//! written stays in `rustls`, and the next call goes on from there.

use super::failure::TlsFailure;
use super::{Loaded, Tls, TlsOptionsError};
use crate::dist::deadline::Deadline;
use crate::dist::transport::{Transport, is_timeout};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a node may take for the handshake. OTP gives 7 seconds; a node that does not speak TLS
/// hangs up after those, and says less then than its silence does now.
const HANDSHAKE: Duration = Duration::from_secs(6);

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_millis(100);

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) enum NoTls {
    Options(TlsOptionsError),
    Failure(TlsFailure),
}

/// How a handshake fails.
enum Unshaken {
    /// It was not done in time.
    Late,
    Failed(TlsFailure),
}

/// An established connection.
pub(crate) struct TlsStream {
    tls: ClientConnection,
    tcp: TcpStream,
    has_identity: bool,
    /// Why nothing more comes or goes.
    failed: Option<TlsFailure>,
}

impl TlsStream {
    /// Shakes hands with a node that is on `host` by its name.
    pub(crate) fn connect(
        tcp: TcpStream,
        tls: &Tls,
        host: &str,
        deadline: Deadline,
    ) -> Result<TlsStream, NoTls> {
        let loaded = tls.load().map_err(NoTls::Options)?;
        let other = |error: &rustls::Error| NoTls::Failure(TlsFailure::of(error, false));
        let config = loaded.config(host).map_err(|error| other(&error))?;
        let name = indicated_name(loaded, host);
        let connection =
            ClientConnection::new(Arc::new(config), name).map_err(|error| other(&error))?;
        let mut stream = TlsStream {
            tls: connection,
            tcp,
            has_identity: loaded.has_identity(),
            failed: None,
        };
        let begun = Instant::now();
        stream
            .shake_hands(deadline.within(HANDSHAKE))
            .map_err(|failed| match failed {
                Unshaken::Late => NoTls::Failure(TlsFailure::silence(begun.elapsed())),
                Unshaken::Failed(failure) => NoTls::Failure(failure),
            })?;
        tracing::debug!(
            version = ?stream.tls.protocol_version(),
            cipher = ?stream.tls.negotiated_cipher_suite().map(|suite| suite.suite()),
            "TLS"
        );
        Ok(stream)
    }

    fn shake_hands(&mut self, deadline: Deadline) -> Result<(), Unshaken> {
        let hung_up = |reason: &str| Unshaken::Failed(TlsFailure::hung_up(reason));
        while self.tls.is_handshaking() || self.tls.wants_write() {
            let left = deadline.left().map_err(|_| Unshaken::Late)?;
            let timeouts = TcpStream::set_read_timeout(&self.tcp, left)
                .and_then(|()| TcpStream::set_write_timeout(&self.tcp, left));
            let step = timeouts.and_then(|()| {
                self.send()?;
                if self.tls.is_handshaking() {
                    self.receive()
                } else {
                    Ok(true)
                }
            });
            match step {
                Ok(true) => {}
                Ok(false) => return Err(hung_up("end of the connection")),
                Err(error) if is_again(&error) => {}
                Err(error) => {
                    let said = TlsFailure::of_io(&error).cloned();
                    return Err(said.map_or_else(|| hung_up(&error.to_string()), Unshaken::Failed));
                }
            }
        }
        Ok(())
    }

    /// Sends what is ready to be sent.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if is_again(&error) => return Err(error),
                // A node that hangs up has often said why before.
                Err(error) => return Err(self.last_words().map_or(error, io::Error::from)),
            }
        }
        Ok(())
    }

    /// Reads once; `false` at the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        let count = self.tls.read_tls(&mut self.tcp)?;
        if let Err(error) = self.tls.process_new_packets() {
            let failure = TlsFailure::of(&error, self.has_identity);
            self.failed = Some(failure.clone());
            // The node learns why, if it still listens.
            let _ = self.tls.write_tls(&mut self.tcp);
            return Err(failure.into());
        }
        Ok(count > 0)
    }

    /// The alert that came before the connection broke.
    fn last_words(&mut self) -> Option<TlsFailure> {
        let _ = TcpStream::set_read_timeout(&self.tcp, Some(FAREWELL));
        while self.failed.is_none() && matches!(self.receive(), Ok(true)) {}
        self.failed.clone()
    }
}

/// The name that the node is told, where it is one that can be told: addresses are not.
fn indicated_name(loaded: &Loaded, host: &str) -> ServerName<'static> {
    let name = loaded.name_to_check(host).unwrap_or_default();
    let nameless = std::net::Ipv4Addr::UNSPECIFIED;
    ServerName::try_from(name)
        .unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from(nameless)))
}

/// Whether to try again later.
fn is_again(error: &io::Error) -> bool {
    is_timeout(error) || error.kind() == io::ErrorKind::Interrupted
}

impl Read for TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Hanging up without a farewell is the end as well: every message tells its length.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if let Some(failure) = &self.failed {
                return Err(failure.clone().into());
            }
            // At the end of the stream the next round says so.
            self.receive()?;
            // Keys are renewed now and then, which wants an answer.
            match self.send() {
                Err(error) if !is_again(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nothing is taken before what was taken earlier is gone: what waits stays bounded.
        self.send()?;
        let taken = self.tls.writer().write(bytes)?;
        match self.send() {
            Err(error) if !is_again(&error) => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Transport for TlsStream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(&self.tcp, timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(&self.tcp, timeout)
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        // A node that does not read any more need not be told.
        let _ = TcpStream::set_write_timeout(&self.tcp, Some(FAREWELL));
        let _ = self.tls.write_tls(&mut self.tcp);
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version: Option<ProtocolVersion> = self.tls.protocol_version();
        f.debug_struct("TlsStream")
            .field("tcp", &self.tcp)
            .field("version", &version)
            .finish_non_exhaustive()
    }
}
