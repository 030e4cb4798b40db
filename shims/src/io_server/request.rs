//! The requests of the io protocol, the old forms without an encoding included.

use super::chars::Encoding;
use crate::etf::Raw;

/// What a process wants of its group leader.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request<'a> {
    /// Print these characters.
    Put { encoding: Encoding, chars: Raw<'a> },
    /// Print what this function returns.
    PutCall {
        encoding: Encoding,
        module: &'a str,
        function: &'a str,
        args: Raw<'a>,
    },
    /// Read a line.
    GetLine { encoding: Encoding, prompt: Raw<'a> },
    /// Read so many characters.
    GetChars {
        encoding: Encoding,
        prompt: Raw<'a>,
        count: i32,
    },
    /// Read until this function says that it has enough.
    GetUntil {
        prompt: Raw<'a>,
        module: &'a str,
        function: &'a str,
        extra: Raw<'a>,
    },
    /// Read a line without showing it.
    GetPassword { encoding: Encoding },
    /// The size of the terminal, of which `true` is the columns.
    Geometry { columns: bool },
    /// The options, or to set some.
    Options,
    /// Several of these; the first error ends it.
    Many(Vec<Raw<'a>>),
    /// None of the protocol.
    Unknown,
}

impl<'a> Request<'a> {
    pub(crate) fn parse(request: Raw<'a>) -> Request<'a> {
        if request.is_atom("getopts") {
            return Request::Options;
        }
        let parts = request.tuple().unwrap_or_default();
        let [name, args @ ..] = parts.as_slice() else {
            return Request::Unknown;
        };
        let Some(name) = name.atom() else {
            return Request::Unknown;
        };
        // Requests say their encoding first since OTP R13; without one it is latin1.
        let (encoding, rest) = match args.split_first().map(|(first, rest)| (first.atom(), rest)) {
            Some((Some("unicode"), rest)) => (Encoding::Unicode, rest),
            Some((Some("latin1"), rest)) => (Encoding::Latin1, rest),
            _ => (Encoding::Latin1, args),
        };
        let read = match (name, rest) {
            ("put_chars", [chars]) => Some(Request::Put {
                encoding,
                chars: *chars,
            }),
            ("put_chars", [module, function, args]) => {
                names(*module, *function).map(|(module, function)| Request::PutCall {
                    encoding,
                    module,
                    function,
                    args: *args,
                })
            }
            ("get_line", [prompt]) => Some(Request::GetLine {
                encoding,
                prompt: *prompt,
            }),
            ("get_chars", [prompt, count]) => count.int().map(|count| Request::GetChars {
                encoding,
                prompt: *prompt,
                count,
            }),
            ("get_until", [prompt, module, function, extra]) => {
                names(*module, *function).map(|(module, function)| Request::GetUntil {
                    prompt: *prompt,
                    module,
                    function,
                    extra: *extra,
                })
            }
            ("get_password", []) => Some(Request::GetPassword { encoding }),
            ("get_geometry", [what]) => match what.atom() {
                Some("columns") => Some(Request::Geometry { columns: true }),
                Some("rows") => Some(Request::Geometry { columns: false }),
                _ => None,
            },
            ("setopts", [_]) => Some(Request::Options),
            ("requests", [requests]) => requests.list().map(Request::Many),
            _ => None,
        };
        read.unwrap_or(Request::Unknown)
    }

    /// Whether it only prints: then it may overtake somebody who waits for a line to be typed.
    pub(crate) fn is_output(&self) -> bool {
        matches!(self, Request::Put { .. } | Request::PutCall { .. })
    }
}

fn names<'a>(module: Raw<'a>, function: Raw<'a>) -> Option<(&'a str, &'a str)> {
    Some((module.atom()?, function.atom()?))
}
