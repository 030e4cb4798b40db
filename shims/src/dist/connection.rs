//! The open connection: reading frames, answering what the protocol asks of a node, and sorting the
//! rest into answers, io requests and messages.

use super::call::Calls;
use super::control::Frame;
use super::deadline::Deadline;
use super::error::DistError;
use super::handshake::{Greeting, Identity, NAMES, Peer, identity, shake_hands};
use super::resolve::resolve;
use super::tls::{NoTls, Tls, TlsFailure, TlsStream};
use super::transport::{Buffered, Fill, Transport, connect_tcp};
use super::{Limits, Port, Target, epmd, pick};
use crate::etf::{Raw, RawTerm};
use crate::term::Term;
use erl_dist::term::{Atom, Pid};
use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A frame of no length: "I am here".
const TICK: [u8; 4] = [0; 4];

/// How much may lie here unread: messages nobody fetches, requests that wait for a slow terminal.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Something a process on the node wants of its group leader.
#[derive(Debug)]
pub(crate) struct IoRequest {
    /// Who gets the answer.
    pub(crate) from: RawTerm,
    /// What it recognizes the answer by.
    pub(crate) reply_as: RawTerm,
    pub(crate) request: RawTerm,
}

/// A hidden connection to one node. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    stream: Buffered,
    limits: Limits,
    /// How long a node that lives may say nothing at all.
    tick_time: Option<Duration>,
    /// Until when it has to be heard again.
    silence: Deadline,
    identity: Identity,
    pub(super) peer: Peer,
    pub(super) calls: Calls,
    pub(super) requests: VecDeque<IoRequest>,
    pub(super) messages: VecDeque<RawTerm>,
    pub(super) queued_bytes: usize,
    /// Why nothing can be read any more.
    closed: Option<String>,
    /// Why nothing can be sent any more.
    unwritable: Option<String>,
}

/// What a wait for the node brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// A frame came and was dealt with.
    Frame,
    /// Nothing came in time.
    Nothing,
}

impl Connection {
    /// Resolves, connects and shakes hands, all within `timeout`.
    pub fn connect(target: &Target, timeout: Duration) -> Result<Connection, DistError> {
        let deadline = Deadline::after(Some(timeout));
        let port = match &target.port {
            Port::Fixed(port) => *port,
            Port::Epmd { host, port } => {
                epmd::port_of(target.name.short(), host, *port, target.ipv6, deadline)?
            }
        };
        let shown = if target.host.contains(':') {
            format!("[{}]:{port}", target.host)
        } else {
            format!("{}:{port}", target.host)
        };
        let addresses = resolve(&target.host, port, target.ipv6, deadline)?;
        let first = first_name();
        for attempt in first..first.saturating_add(NAMES) {
            let tcp = connect_tcp(&addresses, &shown, deadline)?;
            let identity = identity(target, attempt)?;
            tracing::debug!(node = %target.name, at = %shown, name = %identity.name, "connecting");
            let stream: Box<dyn Transport> = match &target.tls {
                Some(tls) => Box::new(encrypt(tcp, tls, target, &shown, deadline)?),
                None => Box::new(tcp),
            };
            let greeted = Connection::greet(stream, target, identity, &shown, deadline)?;
            if let Some(connection) = greeted {
                return Ok(connection);
            }
        }
        Err(DistError::Alive {
            node: target.name.to_string(),
        })
    }

    fn greet(
        transport: Box<dyn Transport>,
        target: &Target,
        identity: Identity,
        shown: &str,
        deadline: Deadline,
    ) -> Result<Option<Connection>, DistError> {
        let mut stream = Buffered::new(transport);
        let peer = match shake_hands(&mut stream, target, &identity, shown, deadline)? {
            Greeting::Done(peer) => peer,
            Greeting::NameInUse => return Ok(None),
        };
        // Without a host in the wanted name any host will do: it is this one's short name.
        let wanted = target.name.to_string();
        let found = match target.name.host() {
            Some(_) => peer.name.as_str(),
            None => peer.name.split('@').next().unwrap_or_default(),
        };
        if found != wanted {
            let found = peer.name;
            return Err(DistError::WrongNode {
                wanted,
                found,
                address: shown.to_owned(),
            });
        }
        let calls = Calls::new(&identity);
        Ok(Some(Connection {
            stream,
            limits: Limits::default(),
            tick_time: None,
            silence: Deadline::after(None),
            identity,
            peer,
            calls,
            requests: VecDeque::new(),
            messages: VecDeque::new(),
            queued_bytes: 0,
            closed: None,
            unwritable: None,
        }))
    }

    /// The full name of the node, as it gave it in the handshake.
    #[must_use]
    pub fn peer_name(&self) -> &str {
        &self.peer.name
    }

    /// Whether the connection still stands. Whoever keeps one while doing something else should ask
    /// now and then, because this is also when ticks are answered that came meanwhile.
    pub fn is_alive(&mut self) -> bool {
        let now = Duration::from_millis(1);
        // A node that never stops sending is alive.
        for _ in 0..1000 {
            match self.pump(Deadline::after(Some(now))) {
                Ok(Pumped::Frame) => {}
                Ok(Pumped::Nothing) => return self.unwritable.is_none(),
                Err(_) => return false,
            }
        }
        true
    }

    /// Sets what is accepted from the node.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes a node for lost that cannot be heard while it is waited for. A node says that it lives
    /// four times within its tick time (`kernel net_ticktime`), and takes a quarter more for the end.
    pub fn expect_ticks(&mut self, tick_time: Duration) {
        self.tick_time = Some(tick_time + tick_time / 4);
        self.silence = Deadline::after(self.tick_time);
    }

    /// The next message that was sent to [`Connection::pid`] and is no io request; `None` when none
    /// came in time.
    pub fn recv_message(&mut self, timeout: Duration) -> Result<Option<Term>, DistError> {
        let deadline = Deadline::after(Some(timeout));
        loop {
            self.refuse_waiting();
            if let Some(message) = self.messages.pop_front() {
                self.queued_bytes -= message.as_raw().bytes().len();
                return Ok(Some(message.as_raw().decode(&self.limits)?));
            }
            if self.pump(deadline)? == Pumped::Nothing {
                return Ok(None);
            }
        }
    }

    /// The name by which the node knows this end of the connection.
    pub(crate) fn name(&self) -> String {
        self.identity.name.to_string()
    }

    /// The process of this program on the node: the group leader of what it calls, and where
    /// messages can be sent to.
    #[must_use]
    pub fn pid(&self) -> Term {
        self.process(Process::Console).into()
    }

    pub(super) fn process(&self, process: Process) -> Pid {
        let node = Atom::from(self.identity.name.to_string());
        Pid {
            node,
            id: process as u32,
            serial: 0,
            creation: self.identity.creation,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the first io request of that kind out of the queue.
    pub(crate) fn take_request(
        &mut self,
        is_wanted: impl Fn(&IoRequest) -> bool,
    ) -> Option<IoRequest> {
        let first = self.requests.iter().position(is_wanted)?;
        let request = self.requests.remove(first)?;
        self.queued_bytes -= request.request.as_raw().bytes().len();
        Some(request)
    }

    pub(super) fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether the answer of the call that is being served has come.
    pub(crate) fn call_has_ended(&self) -> bool {
        self.calls.foreground_has_ended()
    }

    /// Whether so much waits here that the node should be held up rather than read from.
    pub(crate) fn is_full(&self) -> bool {
        self.queued_bytes > MAX_QUEUED_BYTES
    }

    /// Says that this side is alive when it does not read on purpose.
    pub(crate) fn tick(&mut self) {
        self.write(&TICK);
    }

    /// Waits for one frame and deals with it. Ticks are answered on the way.
    pub(crate) fn pump(&mut self, deadline: Deadline) -> Result<Pumped, DistError> {
        match self.next_frame(deadline)? {
            None => Ok(Pumped::Nothing),
            Some(frame) => {
                self.dispatch(&frame).map_err(|error| {
                    // Nothing after a frame that makes no sense can be trusted.
                    self.closed = Some(error.to_string());
                    DistError::from(error)
                })?;
                Ok(Pumped::Frame)
            }
        }
    }

    fn next_frame(&mut self, deadline: Deadline) -> Result<Option<Vec<u8>>, DistError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                if frame.is_empty() {
                    self.tick();
                    continue;
                }
                return Ok(Some(frame));
            }
            if let Some(reason) = &self.closed {
                return Err(DistError::Closed(reason.clone()));
            }
            let mut filled = self.stream.fill(deadline.or(self.silence));
            // Nobody may have listened for a while: what has come meanwhile counts.
            if matches!(filled, Ok(Fill::TimedOut)) && self.silence.is_over() {
                filled = self.stream.fill(Deadline::after(Some(LAST_LOOK)));
                if matches!(filled, Ok(Fill::TimedOut)) {
                    return Err(self.close("nothing was heard of it for its tick time".to_owned()));
                }
            }
            match filled {
                Ok(Fill::More) => self.silence = Deadline::after(self.tick_time),
                Ok(Fill::TimedOut) => return Ok(None),
                Ok(Fill::End) => return Err(self.close("the node hung up".to_owned())),
                Err(error) => return Err(self.close(error.to_string())),
            }
        }
    }

    /// A complete frame from what was read, without its length.
    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, DistError> {
        let read = &mut self.stream.read;
        let Some(head) = read.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > self.limits.frame_bytes {
            let limit = self.limits.frame_bytes;
            let reason = format!("a message of {length} bytes is larger than the limit of {limit}");
            self.closed = Some(reason.clone());
            return Err(DistError::Protocol(reason));
        }
        if read.len() < 4 + length {
            return Ok(None);
        }
        let rest = read.split_off(4 + length);
        let mut frame = std::mem::replace(read, rest);
        frame.drain(..4);
        Ok(Some(frame))
    }

    /// Answers an io request.
    pub(crate) fn reply(&mut self, to: Raw<'_>, reply_as: Raw<'_>, answer: Raw<'_>) {
        let frame = Frame::control(2, 2).atom("").raw(to).payload();
        self.answer(frame.tuple(3).atom("io_reply").raw(reply_as).raw(answer));
    }

    /// Sends what a call depends on.
    pub(super) fn send(&mut self, frame: Frame) -> Result<(), DistError> {
        let bytes = frame.finish().ok_or_else(|| {
            DistError::Protocol("a message of more than 4 GiB cannot be sent".to_owned())
        })?;
        self.write(&bytes);
        match &self.unwritable {
            None => Ok(()),
            Some(reason) => Err(DistError::Closed(reason.clone())),
        }
    }

    /// Sends what the node waits for. When it cannot be sent the node is going away, and reading
    /// on finds that out, after everything that it has sent before.
    pub(super) fn answer(&mut self, frame: Frame) {
        if let Some(bytes) = frame.finish() {
            self.write(&bytes);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.unwritable.is_some() {
            return;
        }
        let deadline = Deadline::after(Some(SEND_TIMEOUT));
        if let Err(error) = self.stream.write(bytes, deadline) {
            self.unwritable = Some(error.to_string());
        }
    }

    fn close(&mut self, reason: String) -> DistError {
        self.closed = Some(reason.clone());
        DistError::Closed(reason)
    }
}

fn encrypt(
    tcp: TcpStream,
    tls: &Tls,
    target: &Target,
    shown: &str,
    deadline: Deadline,
) -> Result<TlsStream, DistError> {
    TlsStream::connect(tcp, tls, &target.host, deadline).map_err(|no_tls| match no_tls {
        NoTls::Options(error) => DistError::TlsOptions(error),
        NoTls::Failure(TlsFailure { reason, hint }) => DistError::Tls {
            address: shown.to_owned(),
            reason,
            hint,
        },
    })
}

/// Which name is tried first: another one for each connection of this process.
fn first_name() -> u32 {
    static FIRST: OnceLock<u32> = OnceLock::new();
    static MADE: AtomicU32 = AtomicU32::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed) % NAMES;
    FIRST.get_or_init(|| pick(0..NAMES)) + made
}

/// The processes that the node believes this program to consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// The group leader and the receiver of answers.
    Console = 1,
    /// The group leader of what runs for the console's own needs.
    Helper = 2,
}

/// A node reads in whatever state it is; one that does not for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a node that seems to be silent is listened to once more.
const LAST_LOOK: Duration = Duration::from_millis(10);
