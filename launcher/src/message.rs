//! Words for people: `ERROR:` and `hint:` on standard error, `WARNING:` and `INFO:` on standard
//! output, coloured only where the stream is a terminal (anstream obeys `NO_COLOR` and `TERM`).

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};

/// Whether standard output is for answers alone.
static ANSWER_ALONE: AtomicBool = AtomicBool::new(false);

const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();

/// Prints an answer. A reader that is gone is no error: there is nobody left to tell.
pub fn answer(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Passes on what a helper program printed, each to its stream.
pub fn relay(stdout: &str, stderr: &str) {
    if is_answer_alone() {
        let _ = std::io::stderr().write_all(stdout.as_bytes());
    } else {
        let _ = std::io::stdout().write_all(stdout.as_bytes());
    }
    let _ = std::io::stderr().write_all(stderr.as_bytes());
}

/// From now on nothing but answers goes to standard output: words for people go to standard error,
/// those for scripts too.
pub fn keep_answer_alone() {
    ANSWER_ALONE.store(true, Ordering::Relaxed);
}

fn is_answer_alone() -> bool {
    ANSWER_ALONE.load(Ordering::Relaxed)
}

/// Prints why something failed.
pub fn error(text: &str) {
    let _ = writeln!(anstream::stderr(), "{RED}ERROR: {text}{RED:#}");
}

/// Prints what to do about it.
pub fn hint(text: &str) {
    let _ = writeln!(anstream::stderr(), "hint: {text}");
}

/// Prints what the operator should know, on standard output as scripts expect it.
pub fn warning(text: &str) {
    if is_answer_alone() {
        return warning_aside(text);
    }
    let _ = writeln!(anstream::stdout(), "{YELLOW}WARNING: {text}{YELLOW:#}");
}

/// Prints a warning where standard output carries an answer that must stay clean.
pub fn warning_aside(text: &str) {
    let _ = writeln!(anstream::stderr(), "{YELLOW}WARNING: {text}{YELLOW:#}");
}

/// Prints what is going on.
pub fn info(text: &str) {
    let text = format!("{GREEN}INFO: {text}{GREEN:#}");
    if is_answer_alone() {
        let _ = writeln!(anstream::stderr(), "{text}");
    } else {
        let _ = writeln!(anstream::stdout(), "{text}");
    }
}
