//! The value of a hop that is an expression, asked of a release's own VM.
//!
//! No node is needed: the release that the hop leads to has everything that its hop may call in the
//! language.

use std::path::Path;

use fs_err as fs;
use relup::term::{Parsed, Term, parse_expression};

use crate::author::place::{NoAnswer, Place};
use crate::error::Error;
use crate::interrupt::Interrupt;

/// What the answer begins with; the release's code may print as well.
const VALUE: &str = "hop value ";
const REASON: &str = "hop error ";

/// `~w` writes strings as lists of numbers and is plain ASCII in one line.
const EVALUATE: &str = "\
    [File] = init:get_plain_arguments(), \
    try file:script(File) of \
        {ok, Value} -> io:format(\"~nhop value ~w~n\", [Value]); \
        {error, Reason} -> io:format(\"~nhop error ~ts~n\", [file:format_error(Reason)]) \
    catch Class:Reason -> io:format(\"~nhop error ~w ~0tp~n\", [Class, Reason]) end, \
    erlang:halt(0).";

/// Why there is no value.
pub(super) enum NoValue {
    /// The file is wrong.
    Wrong(String),
    /// Nobody could be asked.
    Unknown(String),
}

/// The value of the hop file, by the VM of a release: a directory or a tarball.
///
/// # Errors
/// Ctrl-C; everything else is an inner error.
pub(super) fn evaluate(
    hop: &Path,
    release: &Path,
    interrupt: &Interrupt,
) -> Result<Result<Term, NoValue>, Error> {
    let place = match Place::of(release, interrupt) {
        Ok(place) => place,
        Err(error @ Error::Interrupted) => return Err(error),
        Err(error) => return Ok(Err(NoValue::Unknown(error.to_string()))),
    };
    let hop = fs::canonicalize(hop).map_err(|error| Error::io(hop, "open", error))?;
    let output = match place.ask(EVALUATE, &hop, interrupt)? {
        Ok(output) => output,
        Err(NoAnswer(reason)) => return Ok(Err(NoValue::Unknown(reason))),
    };
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    Ok(match (line(VALUE), line(REASON)) {
        (Some(value), _) => parse_value(value),
        (None, Some(reason)) => Err(NoValue::Wrong(reason.to_owned())),
        (None, None) => Err(NoValue::Unknown(format!(
            "the VM of {} gave no answer",
            release.display()
        ))),
    })
}

/// Reads a value as `~w` prints it.
pub(super) fn parse_value(text: &str) -> Result<Term, NoValue> {
    match parse_expression(&format!("{text}.")) {
        Ok(Parsed::Literal(term)) => Ok(term),
        _ => Err(NoValue::Wrong(
            "its value has a fun, a process or something like it in it".to_owned(),
        )),
    }
}
