//! Answers io requests, one after the other in the order in which they came. While it waits (for a
//! slow reader of the output, for a line, for the node to format something) frames are still read:
//! ticks are answered, and requests queue up.

use super::chars::{Encoding, flatten};
use super::console::Console;
use super::format::format;
use super::io_error;
use super::request::Request;
use super::typed::{take_chars, take_line};
use crate::dist::{Connection, Deadline, DistError, IoRequest, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::term::{Term, atom, int};
use std::time::Duration;

/// How long a write is waited for without looking at the connection: nearly all are over by then.
pub(super) const AT_ONCE: Duration = Duration::from_millis(20);
/// How often the console is looked at while the connection is waited on.
const SLICE: Duration = Duration::from_millis(20);
/// How long to wait at a time while the node is held up on purpose.
const HELD_UP: Duration = Duration::from_millis(500);
/// Requests within requests that are looked into; nobody sends more than one level.
const MAX_NESTED: usize = 4;

/// The answer; `None`: nobody waits for it any more.
pub(super) type Served = Result<Option<RawTerm>, DistError>;

/// Answers everything that waits. Without a console what is printed is thrown away, and there is
/// nothing to read.
pub(crate) fn serve_waiting(
    connection: &mut Connection,
    mut console: Option<&mut Console>,
    deadline: Deadline,
) -> Result<(), DistError> {
    while let Some(request) = connection.take_request(|_| true) {
        Server {
            connection,
            console: console.as_deref_mut(),
            deadline,
        }
        .answer(&request)?;
    }
    Ok(())
}

/// What serving takes.
pub(super) struct Server<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) console: Option<&'a mut Console>,
    pub(super) deadline: Deadline,
}

impl Server<'_> {
    pub(super) fn answer(&mut self, waiting: &IoRequest) -> Result<(), DistError> {
        let request = Request::parse(waiting.request.as_raw());
        if let Some(answer) = self.serve(&request, MAX_NESTED)? {
            let (to, reply_as) = (waiting.from.as_raw(), waiting.reply_as.as_raw());
            self.connection.reply(to, reply_as, answer.as_raw());
        }
        Ok(())
    }

    fn serve(&mut self, request: &Request<'_>, nested: usize) -> Served {
        match *request {
            Request::Put { encoding, chars } => match flatten(chars, encoding) {
                Ok(text) => self.show(text),
                Err(_) => done(&io_error("put_chars")),
            },
            Request::PutCall {
                encoding,
                module,
                function,
                args,
            } => self.put_call(encoding, (module, function), args),
            Request::GetLine { encoding, prompt } => {
                self.read(prompt, |typed, at_end| take_line(typed, at_end, encoding))
            }
            Request::GetChars {
                encoding,
                prompt,
                count,
            } => self.read(prompt, |typed, at_end| {
                take_chars(typed, at_end, encoding, count)
            }),
            Request::GetUntil {
                prompt,
                module,
                function,
                extra,
            } => self.get_until(prompt, (module, function), extra),
            Request::GetPassword { encoding } => self.password(encoding),
            Request::Geometry { columns } => self.geometry(columns),
            Request::Options => done(&io_error("enotsup")),
            Request::Many(ref requests) if nested > 0 => {
                let mut last = RawTerm::of(&atom("ok"));
                for request in requests {
                    match self.serve(&Request::parse(*request), nested - 1)? {
                        Some(answer) => last = answer,
                        None => return Ok(None),
                    }
                    if is_error(last.as_raw()) {
                        break;
                    }
                }
                Ok(Some(last))
            }
            Request::Many(_) | Request::Unknown => done(&io_error("request")),
        }
    }

    fn put_call(&mut self, encoding: Encoding, name: (&str, &str), args: Raw<'_>) -> Served {
        let failed = || done(&io_error(name.1));
        if self
            .console
            .as_ref()
            .is_none_or(|console| console.is_closed())
        {
            return done(&atom("ok"));
        }
        let Some(args) = args.elements() else {
            return failed();
        };
        if let (("io_lib", "format" | "fwrite"), [directions, arguments]) = (name, args.as_slice())
            && encoding == Encoding::Unicode
            && let Some(text) = format(directions.as_raw(), arguments.as_raw())
        {
            return self.show(text);
        }
        match self.connection.call_helper(name, &args, self.deadline)? {
            RawOutcome::Return(chars) => match flatten(chars.as_raw(), encoding) {
                Ok(text) => self.show(text),
                Err(_) => failed(),
            },
            RawOutcome::Timeout => Ok(None),
            _ => failed(),
        }
    }

    pub(super) fn show(&mut self, text: Vec<u8>) -> Served {
        if !self.finish_write() {
            return Ok(None);
        }
        let Some(console) = self.console.as_deref_mut() else {
            return done(&atom("ok"));
        };
        if console.begin_write(text) && !self.finish_write() {
            return Ok(None);
        }
        done(&atom("ok"))
    }

    /// Waits until nothing is being written, looking after the connection meanwhile. `false`: it
    /// takes longer than the deadline.
    fn finish_write(&mut self) -> bool {
        let mut wait = AT_ONCE;
        while let Some(console) = self
            .console
            .as_deref_mut()
            .filter(|console| console.is_writing())
        {
            if console.poll_output(wait) {
                return true;
            }
            if self.deadline.is_over() {
                return false;
            }
            // What was printed before the node went away is still to be shown.
            wait = match self.look_after_connection() {
                Ok(()) => Duration::ZERO,
                Err(_) => HELD_UP,
            };
        }
        true
    }

    fn geometry(&mut self, columns: bool) -> Served {
        self.finish_write();
        done(
            &match self.console.as_deref_mut().and_then(Console::geometry) {
                Some((width, height)) => int(i64::from(if columns { width } else { height })),
                None => io_error("enotsup"),
            },
        )
    }

    pub(super) fn look_after_connection(&mut self) -> Result<(), DistError> {
        if self.connection.is_full() {
            self.connection.tick();
            std::thread::sleep(HELD_UP);
            return Ok(());
        }
        self.connection.pump(self.deadline.within(SLICE)).map(drop)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it ends functions that can fail in other ways"
)]
pub(super) fn done(answer: &Term) -> Served {
    Ok(Some(RawTerm::of(answer)))
}

fn is_error(answer: Raw<'_>) -> bool {
    matches!(answer.tuple_of(), Some([tag, _]) if tag.is_atom("error"))
}
