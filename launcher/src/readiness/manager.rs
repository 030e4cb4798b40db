//! The socket of a service manager: datagrams of `NAME=value` lines, as `sd_notify(3)` has them.

use std::ffi::{OsStr, OsString};
use std::io::{IoSlice, pipe};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::host::environment::Environment;

/// Where it listens: a path, or `@` and an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a manager that does not read may hold up whoever speaks to it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a message may take to be worked on, before its sender ends.
const WORKED_ON: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// A service manager that listens.
#[derive(Debug)]
pub struct Manager {
    name: OsString,
    socket: UnixDatagram,
}

impl Manager {
    /// Takes the manager's address out of the environment; `None` where there is none, or nobody
    /// listens there.
    pub fn take(env: &mut Environment) -> Option<Manager> {
        let name = env.get_os(SOCKET).map(OsStr::to_owned);
        env.take(SOCKET);
        let name = name?;
        match connect(&name) {
            Ok(socket) => Some(Manager { name, socket }),
            Err(error) => {
                tracing::debug!(?name, %error, "the service manager cannot be told anything");
                None
            }
        }
    }

    /// Puts the address into the environment of somebody who shall speak to it, too.
    pub fn put_back(&self, env: &mut Environment) {
        env.set(SOCKET, &self.name);
    }

    /// Says what is going on, and for how long it may do so beyond the time that the unit gives.
    pub fn says(&self, status: &str, more_time: Option<Duration>) {
        let extend = more_time.map(|time| format!("\nEXTEND_TIMEOUT_USEC={}", time.as_micros()));
        self.send(&format!(
            "STATUS={}{}",
            line(status),
            extend.unwrap_or_default()
        ));
    }

    /// Asks for more time only.
    pub fn asks_for(&self, more_time: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", more_time.as_micros()));
    }

    /// Says that the service does what it is for, and waits until that has been worked on: who has
    /// sent a message is looked up by his process, which has to be there then.
    pub fn is_ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
        if let Err(error) = self.wait_until_worked_on() {
            tracing::debug!(%error, "whether it was heard is not known");
        }
    }

    fn send(&self, text: &str) {
        tracing::debug!(text, "told the service manager");
        if let Err(error) = self.socket.send(text.as_bytes()) {
            tracing::debug!(%error, "the service manager did not take it");
        }
    }

    /// The manager closes the handle that it is sent when it comes to this message.
    fn wait_until_worked_on(&self) -> std::io::Result<()> {
        let (ours, theirs) = pipe()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut handles = SendAncillaryBuffer::new(&mut space);
        let handle = [theirs.as_fd()];
        handles.push(SendAncillaryMessage::ScmRights(&handle));
        let text = [IoSlice::new(b"BARRIER=1")];
        sendmsg(&self.socket, &text, &mut handles, SendFlags::NOSIGNAL)?;
        drop(theirs);
        let mut closed = [PollFd::new(&ours, PollFlags::HUP)];
        poll(&mut closed, Some(&WORKED_ON))?;
        Ok(())
    }
}

/// A message is made of lines.
fn line(text: &str) -> String {
    text.replace(['\n', '\r', '\0'], " ")
}

fn connect(name: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn env(name: impl Into<OsString>) -> Environment {
        let mut env = Environment::default();
        env.set(SOCKET, name);
        env
    }

    /// What a manager hears on a socket of its own.
    fn check(listener: &UnixDatagram, name: impl Into<OsString>) {
        let mut env = env(name);
        let manager = Manager::take(&mut env).expect("somebody listens");
        assert_eq!(env.get(SOCKET), None);
        listener
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("set");
        let heard = || {
            let mut bytes = [0; 256];
            let len = listener.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        };
        manager.says("two\nlines", Some(Duration::from_secs(60)));
        assert_eq!(heard(), "STATUS=two lines\nEXTEND_TIMEOUT_USEC=60000000");
        manager.says("one", None);
        assert_eq!(heard(), "STATUS=one");
        manager.asks_for(Duration::from_millis(1));
        assert_eq!(heard(), "EXTEND_TIMEOUT_USEC=1000");
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| manager.is_ready("done"));
            assert_eq!(heard(), "READY=1\nSTATUS=done");
            // Who receives it without the handle has closed that.
            assert_eq!(heard(), "BARRIER=1");
        });
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it was not waited for"
        );
        manager.put_back(&mut env);
        assert!(Manager::take(&mut env).is_some());
    }

    #[test]
    fn a_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a socket");
        check(&UnixDatagram::bind(&path).expect("bound"), &path);
        let name = format!("emqx-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let listener = UnixDatagram::bind_addr(&address).expect("bound");
        check(&listener, format!("@{name}"));
    }

    #[test]
    fn where_nobody_listens_there_is_no_manager() {
        for name in ["", "/nowhere/at all", "@nobody-listens-here", "vsock:2:1"] {
            let mut env = env(name);
            assert!(Manager::take(&mut env).is_none(), "{name}");
            assert_eq!(env.iter().count(), 0, "{name}");
        }
    }

    #[test]
    fn who_does_not_read_does_not_hold_up_whoever_speaks_for_ever() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        let _listener = UnixDatagram::bind(&path).expect("bound");
        let manager = Manager::take(&mut env(&path)).expect("somebody listens");
        manager
            .socket
            .set_write_timeout(Some(Duration::from_millis(1)))
            .expect("set");
        let is_full = (0..100_000).any(|_| manager.socket.send(b"STATUS=still here").is_err());
        assert!(is_full, "a queue ends somewhere");
        manager.says("still here", None);
    }
}
