//! Requests that read: a line, characters, or until a function on the node has enough. Other
//! processes go on printing meanwhile, and nobody has to type a line for a command that has ended.

use super::chars::{Encoding, flatten};
use super::console::{Line, Wanted};
use super::io_error;
use super::request::Request;
use super::serve::{AT_ONCE, Served, Server, done};
use super::typed::answer_chars;
use crate::dist::{DistError, IoRequest, RawOutcome};
use crate::etf::{Raw, RawTerm};
use crate::term::{Term, atom, list, string};
use std::collections::VecDeque;
use std::time::Duration;

impl Server<'_> {
    /// Reads until `take` finds what was asked for in what was typed.
    pub(super) fn read(
        &mut self,
        prompt: Raw<'_>,
        take: impl Fn(&mut VecDeque<char>, bool) -> Option<Term>,
    ) -> Served {
        let mut at_end = false;
        loop {
            let Some(console) = self.console.as_deref_mut() else {
                return done(&atom("eof"));
            };
            if let Some(answer) = take(console.unread(), at_end) {
                return done(&answer);
            }
            match self.more(prompt)? {
                Some(Line::Text(_)) => {}
                Some(Line::End) => at_end = true,
                Some(Line::Unsupported | Line::Failed) => return done(&io_error("terminated")),
                None => return Ok(None),
            }
        }
    }

    /// `M:F(Continuation, Characters, Extra...)` on the node, until it is done.
    pub(super) fn get_until(
        &mut self,
        prompt: Raw<'_>,
        name: (&str, &str),
        extra: Raw<'_>,
    ) -> Served {
        let failed = || done(&io_error(name.1));
        let Some(extra) = extra.elements() else {
            return failed();
        };
        let mut continuation = RawTerm::of(&list(vec![]));
        let mut at_end = self.console.is_none();
        loop {
            let typed: String = match self.console.as_deref_mut() {
                Some(console) => console.unread().drain(..).collect(),
                None => String::new(),
            };
            let data = if typed.is_empty() {
                atom("eof")
            } else {
                string(&typed)
            };
            if !typed.is_empty() || at_end {
                let mut args = vec![continuation.clone(), RawTerm::of(&data)];
                args.extend_from_slice(&extra);
                let outcome = self.connection.call_helper(name, &args, self.deadline)?;
                let RawOutcome::Return(step) = outcome else {
                    return if outcome == RawOutcome::Timeout {
                        Ok(None)
                    } else {
                        failed()
                    };
                };
                let step = step.as_raw();
                if let Some([tag, result, rest]) = step.tuple_of()
                    && tag.is_atom("done")
                {
                    self.put_back(rest);
                    return Ok(Some(result.own()));
                }
                match step.tuple_of() {
                    Some([tag, next]) if tag.is_atom("more") && !at_end => {
                        continuation = next.own();
                    }
                    _ => return failed(),
                }
            }
            match self.more(prompt)? {
                Some(Line::Text(_)) => {}
                Some(Line::End) => at_end = true,
                Some(Line::Unsupported | Line::Failed) => return done(&io_error("terminated")),
                None => return Ok(None),
            }
        }
    }

    /// What a reader has not used is for the next one.
    fn put_back(&mut self, rest: Raw<'_>) {
        let rest = flatten(rest, Encoding::Unicode)
            .ok()
            .and_then(|text| String::from_utf8(text).ok());
        if let (Some(rest), Some(console)) = (rest, self.console.as_deref_mut()) {
            rest.chars()
                .rev()
                .for_each(|c| console.unread().push_front(c));
        }
    }

    /// Shows the prompt and waits for another line.
    fn more(&mut self, prompt: Raw<'_>) -> Result<Option<Line>, DistError> {
        if let Some(text) = self.prompt(prompt)?
            && self.show(text)?.is_none()
        {
            return Ok(None);
        }
        let line = self.line(Wanted::Line)?;
        if let (Some(Line::Text(text)), Some(console)) = (&line, self.console.as_deref_mut()) {
            console.unread().extend(text.chars());
        }
        Ok(line)
    }

    fn prompt(&mut self, prompt: Raw<'_>) -> Result<Option<Vec<u8>>, DistError> {
        if let Some(name) = prompt.atom() {
            return Ok(Some(name.as_bytes().to_vec()));
        }
        if let Ok(text) = flatten(prompt, Encoding::Unicode) {
            return Ok(Some(text));
        }
        // `{format, Format, Args}`, and whatever else somebody takes for a prompt.
        let args = [prompt.own(), RawTerm::of(&atom("unicode"))];
        let shown =
            self.connection
                .call_helper(("io_lib", "format_prompt"), &args, self.deadline)?;
        Ok(match shown {
            RawOutcome::Return(chars) => flatten(chars.as_raw(), Encoding::Unicode).ok(),
            _ => None,
        })
    }

    /// Waits for a line. Meanwhile other processes go on printing. `None`: the deadline is over, or
    /// the call has ended without it.
    fn line(&mut self, wanted: Wanted) -> Result<Option<Line>, DistError> {
        let Some(console) = self.console.as_deref_mut() else {
            return Ok(Some(Line::End));
        };
        if !console.begin_read(wanted) {
            return Ok(Some(Line::Failed));
        }
        // A pipe has its line at once, a person does not.
        let mut wait = AT_ONCE;
        loop {
            let Some(console) = self.console.as_deref_mut() else {
                return Ok(Some(Line::End));
            };
            if let Some(line) = console.poll_line(wait) {
                return Ok(Some(line));
            }
            let is_output =
                |request: &IoRequest| Request::parse(request.request.as_raw()).is_output();
            while let Some(request) = self.connection.take_request(is_output) {
                self.answer(&request)?;
            }
            if self.deadline.is_over() || self.connection.call_has_ended() {
                return Ok(None);
            }
            self.look_after_connection()?;
            wait = Duration::ZERO;
        }
    }

    pub(super) fn password(&mut self, encoding: Encoding) -> Served {
        match self.line(Wanted::Password)? {
            Some(Line::Text(text)) => done(&answer_chars(text.trim_end_matches('\n'), encoding)),
            Some(Line::End) => done(&atom("eof")),
            Some(Line::Unsupported) => done(&io_error("enotsup")),
            Some(Line::Failed) => done(&io_error("terminated")),
            None => Ok(None),
        }
    }
}
