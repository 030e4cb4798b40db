//! A relay between `emqx` and the distribution port of its node, which counts the messages of the
//! protocol in both directions and can cut the connection at any one of them.
//!
//! It works on the wire alone: a real epmd knows where the node listens, and the epmd that node and
//! commands are told of is a second relay, which changes nothing but the port in the answer. Ticks
//! are passed on and not counted, because when they come is a matter of time.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::ports;
use crate::process::{self, Running};
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The command.
    Command,
    /// The node.
    Node,
}

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Both ends are told in order that it is over; the message does not arrive.
    Closed,
    /// Both ends are told that there is no such connection.
    Reset,
    /// Nothing arrives any more, and nobody is told.
    Silent,
    /// The first half of the message arrives, then the connection is closed.
    Halved,
}

impl How {
    /// All of them.
    pub const ALL: [How; 4] = [How::Closed, How::Reset, How::Silent, How::Halved];
}

/// A condition on which messages of commands are held back.
type Condition = Box<dyn Fn() -> bool + Send>;

#[derive(Default)]
struct State {
    /// Messages of commands and of the node since the last arming.
    counts: [usize; 2],
    plan: Option<(From, usize, How)>,
    hold: Option<Condition>,
    is_held: bool,
    /// What becomes of the message that is held.
    released: Option<How>,
    /// What was asked for whatever comes next.
    cut: Option<How>,
    /// Where the node really listens.
    node: u16,
    /// Connections of commands that stand.
    open: usize,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that has panicked has failed the test anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relay; its ports are free when it is dropped, and its epmd ends.
pub struct Relay {
    shared: Arc<Shared>,
    doors: [u16; 2],
    _epmd: Running,
}

impl Relay {
    /// Puts a relay before the node of an installation, which is started after that.
    pub fn before(install: &mut Install) -> Result<Relay> {
        let [epmd_port, told_port, node_port] = [1, 2, 3].map(|nth| install.slot().port(nth));
        let erts = install.emqx(&["ertspath"])?.success()?;
        let mut command = install.command(install.path(erts.text()).join("bin/epmd"));
        let epmd = Running::spawn(command.args(["-port", &epmd_port.to_string()]))?;
        process::wait_until("epmd to listen", process::HANG, || {
            Ok(ports::is_served(epmd_port))
        })?;
        install.set_env("EPMD_ARGS", "-start_epmd false");
        install.set_env("ERL_EPMD_PORT", told_port.to_string());
        let shared = Arc::new(Shared::default());
        let names = Arc::clone(&shared);
        let closed = Arc::clone(&shared);
        serve(told_port, &closed, move |client| {
            relay_names(client, epmd_port, node_port, &names)
        })?;
        let messages = Arc::clone(&shared);
        serve(node_port, &closed, move |client| {
            Wire::relay(client, &messages)
        })?;
        Ok(Relay {
            shared,
            doors: [told_port, node_port],
            _epmd: epmd,
        })
    }

    /// Counts anew, and cuts the connection at that message; once, or never for `None`.
    pub fn arm(&self, plan: Option<(From, usize, How)>) {
        let mut state = self.shared.state();
        state.plan = plan;
        state.counts = [0, 0];
    }

    /// How many messages there were since [`Relay::arm`].
    #[must_use]
    pub fn count(&self, from: From) -> usize {
        self.shared.state().counts[from as usize]
    }

    /// Whether the message at which to cut has come.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.state().plan.is_none()
    }

    /// Waits until every command that has spoken to the node is gone, with its last message.
    pub fn wait_until_quiet(&self) -> Result<()> {
        process::wait_until("connections to end", process::HANG, || {
            Ok(self.shared.state().open == 0)
        })
    }

    /// Holds back what commands say, from the first message for which the condition is true.
    pub fn hold_when(&self, condition: impl Fn() -> bool + Send + 'static) {
        self.shared.state().hold = Some(Box::new(condition));
    }

    /// Waits until something is held back.
    pub fn wait_until_held(&self) -> Result<()> {
        process::wait_until("a message to be held back", process::HANG, || {
            Ok(self.shared.state().is_held)
        })
    }

    /// Lets go what is held back, or cuts the connection there.
    pub fn let_go(&self, cut: Option<How>) {
        let mut state = self.shared.state();
        (state.hold, state.is_held, state.released) = (None, false, cut);
        self.shared.changed.notify_all();
    }

    /// Cuts the connection that stands now, at whatever comes next in either direction.
    pub fn cut_at_next(&self, how: How) {
        let mut state = self.shared.state();
        state.cut = Some(how);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        for port in self.doors {
            // Who waits there for a connection gets one more, and sees that it is over.
            drop(TcpStream::connect(("127.0.0.1", port)));
        }
    }
}

/// Accepts until the relay is dropped, with a thread for each connection.
fn serve(
    port: u16,
    shared: &Arc<Shared>,
    each: impl Fn(TcpStream) -> std::io::Result<()> + Send + Clone + 'static,
) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(|error| Error::Unexpected(format!("port {port}: {error}")))?;
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if shared.state().is_over {
                return;
            }
            let each = each.clone();
            // A connection that breaks is what this is about.
            std::thread::spawn(move || drop(each(client)));
        }
    });
    Ok(())
}

/// To epmd and back; the node's port becomes that of the relay.
fn relay_names(
    mut client: TcpStream,
    epmd: u16,
    relay: u16,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", epmd))?;
    let (mut questions, mut asked) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut questions, &mut asked);
        // A node is known as long as its connection stands.
        asked.shutdown(Shutdown::Write)
    });
    let mut chunk = [0; 1024];
    loop {
        let count = server.read(&mut chunk)?;
        let answer = &mut chunk[..count];
        // PORT2_RESP: 119, a result, the port.
        if let [119, 0, high, low, ..] = answer {
            shared.state().node = u16::from_be_bytes([*high, *low]);
            [*high, *low] = relay.to_be_bytes();
        }
        if count == 0 {
            return client.shutdown(Shutdown::Write);
        }
        client.write_all(answer)?;
    }
}

/// One direction of a connection.
struct Wire {
    from: From,
    read: TcpStream,
    write: TcpStream,
    shared: Arc<Shared>,
    /// What has become of the connection, in both directions.
    fate: Arc<Mutex<Fate>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stands,
    /// Nothing is passed on any more.
    Silent,
    /// The last one to let go of it sends the reset.
    Reset,
}

impl Wire {
    fn relay(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
        let port = shared.state().node;
        let node = TcpStream::connect(("127.0.0.1", port))?;
        node.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let fate = Arc::new(Mutex::new(Fate::Stands));
        let wire = |from, read: &TcpStream, write: &TcpStream| {
            Ok::<_, std::io::Error>(Wire {
                from,
                read: read.try_clone()?,
                write: write.try_clone()?,
                shared: Arc::clone(shared),
                fate: Arc::clone(&fate),
            })
        };
        let (there, back) = (
            wire(From::Command, &client, &node)?,
            wire(From::Node, &node, &client)?,
        );
        drop((client, node));
        std::thread::spawn(move || back.pump());
        shared.state().open += 1;
        let end = there.pump();
        shared.state().open -= 1;
        end
    }

    /// Passes on message after message. Those of the handshake have lengths of two bytes, and the
    /// digest of either side is its last one.
    fn pump(mut self) -> std::io::Result<()> {
        let mut in_handshake = true;
        loop {
            let message = match self.next(in_handshake) {
                Ok(message) => message,
                Err(error) => {
                    // The other end of a silent connection has to find out by itself.
                    if *self.fate() == Fate::Stands {
                        self.close();
                    }
                    return Err(error);
                }
            };
            let is_tick = !in_handshake && message.len() == 4;
            if in_handshake {
                in_handshake = !matches!(message.get(2), Some(b'r' | b'a'));
            }
            if *self.fate() == Fate::Silent {
                continue;
            }
            match self.cut_at(is_tick) {
                None => self.write.write_all(&message)?,
                Some(How::Silent) => *self.fate() = Fate::Silent,
                Some(how) => {
                    if how == How::Halved {
                        self.write.write_all(&message[..message.len() / 2])?;
                    }
                    if how == How::Reset {
                        self.reset()?;
                    } else {
                        self.close();
                    }
                    return Ok(());
                }
            }
        }
    }

    fn next(&mut self, in_handshake: bool) -> std::io::Result<Vec<u8>> {
        let mut message = vec![0; if in_handshake { 2 } else { 4 }];
        self.read.read_exact(&mut message)?;
        let length = message
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let head = message.len();
        message.resize(head + length, 0);
        self.read.read_exact(&mut message[head..])?;
        Ok(message)
    }

    /// Counts a message; how to cut, if it is the one.
    fn cut_at(&self, is_tick: bool) -> Option<How> {
        let mut state = self.shared.state();
        if let Some(how) = state.cut.take() {
            return Some(how);
        }
        if is_tick {
            return None;
        }
        let count = &mut state.counts[self.from as usize];
        *count += 1;
        let here = (self.from, *count);
        if let Some((from, nth, how)) = state.plan
            && (from, nth) == here
        {
            state.plan = None;
            return Some(how);
        }
        let holds = |state: &State| state.hold.as_ref().is_some_and(|condition| condition());
        if self.from == From::Command && holds(&state) {
            state.is_held = true;
            while state.is_held {
                let wait = self.shared.changed.wait(state);
                state = wait.unwrap_or_else(PoisonError::into_inner);
            }
            return state.released.take();
        }
        None
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        // It may be closed already.
        let _ = self.read.shutdown(Shutdown::Both);
        let _ = self.write.shutdown(Shutdown::Both);
    }

    /// Without a lingering time the kernel answers the last close with a reset.
    fn reset(&self) -> std::io::Result<()> {
        *self.fate() = Fate::Reset;
        let now = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        for stream in [&self.read, &self.write] {
            setsockopt(stream, sockopt::Linger, &now)?;
            // Ends the other thread's wait and sends nothing.
            stream.shutdown(Shutdown::Read)?;
        }
        Ok(())
    }
}
