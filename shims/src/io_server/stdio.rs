//! Standard output and input of this process as a console.

use super::{Input, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

/// How long to wait before writing again to a descriptor that somebody has made non-blocking.
const RETRY: Duration = Duration::from_millis(5);

pub(crate) struct Stdout;

impl Output for Stdout {
    fn is_ready(&mut self) -> bool {
        let out = io::stdout();
        let mut polled = [PollFd::new(&out, PollFlags::OUT)];
        // An error is as good as ready: writing says what it is.
        poll(
            &mut polled,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        )
        .is_ok_and(|ready| ready > 0)
    }

    fn geometry(&mut self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
    }

    fn write(&mut self, mut bytes: &[u8]) -> bool {
        let mut out = io::stdout().lock();
        loop {
            let result = match bytes {
                [] => out.flush().map(|()| None),
                _ => out.write(bytes).map(Some),
            };
            match result {
                Ok(None) => return true,
                Ok(Some(0)) => return false,
                Ok(Some(count)) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(RETRY);
                }
                Err(error) => {
                    tracing::debug!(%error, "standard output takes nothing more");
                    return false;
                }
            }
        }
    }
}

pub(crate) struct Stdin;

impl Input for Stdin {
    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        io::stdin().lock().read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn read_password(&mut self) -> io::Result<Vec<u8>> {
        // A terminal would show it.
        if io::stdin().is_terminal() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.read_line()
    }
}
