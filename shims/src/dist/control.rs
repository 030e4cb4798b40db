//! Control messages: what a frame is for. Source: "Protocol between Connected Nodes" in the ERTS
//! reference. Terms in them stay bytes; forms with a trace token are read like those without.

use crate::etf::{EtfError, Raw, encode, tag::VERSION};
use erl_dist::term::{Atom, Pid, Reference};

/// The first byte of every frame when no distribution header was negotiated.
pub(crate) const PASS_THROUGH: u8 = 112;

/// A control message from the node, as far as it concerns this program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Control<'a> {
    /// A message to a pid.
    Send { to: Raw<'a>, message: Raw<'a> },
    /// A message to a registered name.
    SendName { name: Raw<'a>, message: Raw<'a> },
    /// Somebody watches a process here: a pid or a name.
    Monitor {
        from: Raw<'a>,
        to: Raw<'a>,
        reference: Raw<'a>,
    },
    /// A process that is watched from here has ended.
    Down { reference: Raw<'a>, reason: Raw<'a> },
    /// A process links itself to one here.
    Link { from: Raw<'a>, to: Raw<'a> },
    /// It takes the link back and waits for the answer.
    Unlink {
        id: Raw<'a>,
        from: Raw<'a>,
        to: Raw<'a>,
    },
    /// The node wants a process here.
    SpawnRequest { id: Raw<'a>, from: Raw<'a> },
    /// What became of a process that was asked for: its pid, or why there is none.
    SpawnReply { id: Raw<'a>, result: Raw<'a> },
    /// Nothing to do: the process here keeps no state about it.
    Other,
}

impl<'a> Control<'a> {
    /// Reads a frame. Everything in it has been walked when this succeeds.
    pub(crate) fn parse(frame: &'a [u8]) -> Result<Control<'a>, EtfError> {
        let [PASS_THROUGH, rest @ ..] = frame else {
            return Err(EtfError::Tag {
                tag: frame.first().copied().unwrap_or(0),
                at: 0,
            });
        };
        let (head, rest) = Raw::take_versioned(rest)?;
        let payload = match rest {
            [] => None,
            _ => Some(Raw::take_versioned(rest)?.0),
        };
        let parts = head.tuple().unwrap_or_default();
        let Some(operation) = parts.first().and_then(|first| first.int()) else {
            return Err(EtfError::Malformed(1));
        };
        let read = match (operation, &parts[1..], payload) {
            (2 | 12 | 22 | 23, [_, to, ..], Some(message)) => Control::Send { to: *to, message },
            (6 | 16, [_, _, name, ..], Some(message)) => Control::SendName {
                name: *name,
                message,
            },
            (19, [from, to, reference], _) => Control::Monitor {
                from: *from,
                to: *to,
                reference: *reference,
            },
            (21, [_, _, reference, reason], _) => Control::Down {
                reference: *reference,
                reason: *reason,
            },
            (28, [_, _, reference], Some(reason)) => Control::Down {
                reference: *reference,
                reason,
            },
            (1, [from, to], _) => Control::Link {
                from: *from,
                to: *to,
            },
            (35, [id, from, to], _) => Control::Unlink {
                id: *id,
                from: *from,
                to: *to,
            },
            (29 | 30, [id, from, ..], _) => Control::SpawnRequest {
                id: *id,
                from: *from,
            },
            (31 | 32, [id, _, _, result, ..], _) => Control::SpawnReply {
                id: *id,
                result: *result,
            },
            // Known operations in a shape that they cannot have.
            (1 | 2 | 6 | 12 | 16 | 19 | 21..=23 | 28..=32 | 35, ..) => {
                return Err(EtfError::Malformed(1));
            }
            // Exits, demonitor, group leader, old unlink, acknowledgements, aliases.
            _ => Control::Other,
        };
        Ok(read)
    }
}

/// Builds one frame, its length in front.
#[derive(Debug)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// Begins a control message: `{operation, ...}` with `fields` more to come.
    pub(crate) fn control(operation: u8, fields: usize) -> Frame {
        let mut bytes = vec![0, 0, 0, 0, PASS_THROUGH, VERSION];
        encode::tuple_head(&mut bytes, fields + 1);
        encode::int(&mut bytes, i32::from(operation));
        Frame(bytes)
    }

    pub(crate) fn raw(mut self, term: Raw<'_>) -> Frame {
        term.copy_to(&mut self.0);
        self
    }

    pub(crate) fn pid(mut self, pid: &Pid) -> Frame {
        encode::pid(&mut self.0, pid);
        self
    }

    pub(crate) fn reference(mut self, reference: &Reference) -> Frame {
        encode::reference(&mut self.0, reference);
        self
    }

    pub(crate) fn atom(mut self, name: &str) -> Frame {
        encode::atom(&mut self.0, &Atom::from(name));
        self
    }

    pub(crate) fn int(mut self, value: i32) -> Frame {
        encode::int(&mut self.0, value);
        self
    }

    pub(crate) fn tuple(mut self, count: usize) -> Frame {
        encode::tuple_head(&mut self.0, count);
        self
    }

    /// A list: its head, to be followed by `count` elements and [`Frame::end_list`].
    pub(crate) fn list(mut self, count: usize) -> Frame {
        encode::list_head(&mut self.0, count);
        self
    }

    pub(crate) fn end_list(mut self) -> Frame {
        self.0.push(crate::etf::tag::NIL);
        self
    }

    /// Ends the control message; the message that it carries follows.
    pub(crate) fn payload(mut self) -> Frame {
        self.0.push(VERSION);
        self
    }

    /// The bytes to send; `None` when the length does not fit its 32 bits.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        let length = u32::try_from(self.0.len() - 4).ok()?;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        Some(self.0)
    }
}
