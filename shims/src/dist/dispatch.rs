//! What a node has to do about each message that comes, whoever waits for what.

use super::connection::{Connection, IoRequest, Process};
use super::control::{Control, Frame};
use crate::etf::{EtfError, Raw, RawTerm};
use crate::io_server::io_error;

impl Connection {
    /// Deals with one frame: answers it, or files it for who waits for it.
    pub(super) fn dispatch(&mut self, bytes: &[u8]) -> Result<(), EtfError> {
        match Control::parse(bytes)? {
            Control::Send { to, message } => match self.process_of(to) {
                Some(Process::Console) => self.deliver(message),
                Some(Process::Helper) => self.refuse(message),
                None => {}
            },
            Control::SendName { name, message } => self.deliver_to_name(name, message),
            Control::Monitor {
                from,
                to,
                reference,
            } if !self.is_ours(to) => {
                let down = Frame::control(21, 4)
                    .raw(to)
                    .raw(from)
                    .raw(reference)
                    .atom("noproc");
                self.answer(down);
            }
            Control::Down { reference, reason } => self.calls.down(reference, reason),
            Control::Link { from, to } if !self.is_ours(to) => {
                self.answer(Frame::control(3, 3).raw(to).raw(from).atom("noproc"));
            }
            Control::Unlink { id, from, to } => {
                self.answer(Frame::control(36, 3).raw(id).raw(to).raw(from));
            }
            Control::SpawnRequest { id, from } => {
                self.answer(
                    Frame::control(31, 4)
                        .raw(id)
                        .raw(from)
                        .int(0)
                        .atom("notsup"),
                );
            }
            Control::SpawnReply { id, result } => self.calls.spawned(id, result),
            // This process lives as long as the connection, whose end tells whoever watches it.
            Control::Monitor { .. } | Control::Link { .. } | Control::Other => {}
        }
        Ok(())
    }

    /// Whether there is such a process here. `net_kernel` is one: it answers `net_adm:ping`.
    fn is_ours(&self, to: Raw<'_>) -> bool {
        self.process_of(to).is_some() || to.is_atom("net_kernel")
    }

    /// The process that a pid means. Those of an earlier client of the same name, whom something on
    /// the node still remembers, are none of this one's.
    fn process_of(&self, pid: Raw<'_>) -> Option<Process> {
        let (number, creation) = pid.pid_words()?;
        let ours = [Process::Console, Process::Helper];
        let found = ours.into_iter().find(|process| *process as u32 == number);
        found.filter(|process| self.process(*process).creation == creation)
    }

    fn deliver(&mut self, message: Raw<'_>) {
        if self.calls.answered(message) {
            return;
        }
        if let Some((from, reply_as, request)) = as_io_request(message) {
            self.queued_bytes += request.bytes().len();
            self.requests.push_back(IoRequest {
                from: from.own(),
                reply_as: reply_as.own(),
                request: request.own(),
            });
        } else if self.is_full() {
            tracing::warn!("dropped a message of the node: nobody fetches them");
        } else {
            self.queued_bytes += message.bytes().len();
            self.messages.push_back(message.own());
        }
    }

    /// What runs for the console's own needs has its io answered at once and shown nowhere: the
    /// console waits for it and cannot serve it.
    fn refuse(&mut self, message: Raw<'_>) {
        if let Some((from, reply_as, _)) = as_io_request(message) {
            self.reply(from, reply_as, RawTerm::of(&io_error("enotsup")).as_raw());
        }
    }

    /// Nothing serves io requests between calls; a process that a call left behind must not hang
    /// for that.
    pub(super) fn refuse_waiting(&mut self) {
        let answer = RawTerm::of(&io_error("terminated"));
        while let Some(request) = self.take_request(|_| true) {
            self.reply(
                request.from.as_raw(),
                request.reply_as.as_raw(),
                answer.as_raw(),
            );
        }
    }

    /// `net_adm:ping` on the node asks `net_kernel` here whether it may talk to this side.
    fn deliver_to_name(&mut self, name: Raw<'_>, message: Raw<'_>) {
        let Some([tag, caller, request]) = message.tuple_of() else {
            return;
        };
        let Some([caller, reference]) = caller.tuple_of() else {
            return;
        };
        let asks = request
            .tuple_of()
            .is_some_and(|[what, _node]: [_; 2]| what.is_atom("is_auth"));
        if name.is_atom("net_kernel") && tag.is_atom("$gen_call") && asks && caller.is_pid() {
            let answer = Frame::control(2, 2).atom("").raw(caller).payload();
            self.answer(answer.tuple(2).raw(reference).atom("yes"));
        }
    }
}

fn as_io_request(message: Raw<'_>) -> Option<(Raw<'_>, Raw<'_>, Raw<'_>)> {
    let [tag, from, reply_as, request] = message.tuple_of()?;
    (tag.is_atom("io_request") && from.is_pid()).then_some((from, reply_as, request))
}
