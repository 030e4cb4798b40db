//! A command with everything that is promised about its answer, as data.
//!
//! `{name} {root} {vsn} {erts} {description} {pid}` in a text stand for what the installation under
//! test has there.

use crate::site::Site;
use e2e::process::{self, Finished};
use e2e::{Error, Result};

/// What a stream must say.
#[derive(Debug, Clone, Copy)]
pub enum Text {
    /// Anything.
    Any,
    /// Nothing at all.
    Nothing,
    /// Exactly this.
    Is(&'static str),
    /// Each of these somewhere.
    Has(&'static [&'static str]),
    /// Exactly one line that begins with `ERROR: ` and has this text in it.
    OneError(&'static str),
}

/// A command and its promised answer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
    code: i32,
    out: Text,
    err: Text,
}

/// A command that ends with exit code 0, whatever it prints.
#[must_use]
pub const fn run(args: &'static [&'static str]) -> Call {
    Call {
        args,
        env: &[],
        code: 0,
        out: Text::Any,
        err: Text::Any,
    }
}

/// A command that is refused: nothing is answered, one error is told.
#[must_use]
pub const fn refused(args: &'static [&'static str], code: i32, text: &'static str) -> Call {
    run(args)
        .code(code)
        .out(Text::Nothing)
        .err(Text::OneError(text))
}

impl Call {
    /// With variables in its environment.
    #[must_use]
    pub const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    /// With another exit code.
    #[must_use]
    pub const fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    /// With something on standard output.
    #[must_use]
    pub const fn out(self, out: Text) -> Self {
        Self { out, ..self }
    }

    /// With something on standard error.
    #[must_use]
    pub const fn err(self, err: Text) -> Self {
        Self { err, ..self }
    }

    /// Runs it and holds the answer against the promise.
    pub fn check(&self, site: &Site) -> Result<()> {
        let args: Vec<String> = self.args.iter().map(|arg| site.fill(arg)).collect();
        let mut command = site.emqx_command(&args);
        for (name, value) in self.env {
            command.env(name, site.fill(value));
        }
        let finished = process::run(&mut command, process::HANG)?.exit_code(self.code)?;
        let out = fault(site, "stdout", self.out, &finished.stdout);
        let err = fault(site, "stderr", self.err, &finished.stderr);
        match out.or(err) {
            Some(why) => Err(failed(why, finished)),
            None => Ok(()),
        }
    }
}

/// Runs all calls and tells the first that breaks its promise.
pub fn all(site: &Site, calls: &[Call]) -> Result<()> {
    calls.iter().try_for_each(|call| call.check(site))
}

/// Demands that a command was refused: with an exit code, nothing but one error line that has a
/// text in it, and that on standard error.
pub fn demand_refused(finished: Finished, code: i32, text: &str) -> Result<Finished> {
    let finished = finished.exit_code(code)?;
    match error_fault(&finished.stderr, text) {
        Some(why) => Err(failed(why, finished)),
        None if finished.stdout.contains("ERROR: ") => {
            Err(failed("an error on stdout".to_owned(), finished))
        }
        None => Ok(finished),
    }
}

fn failed(why: String, finished: Finished) -> Error {
    Error::Command {
        why,
        finished: Box::new(finished),
    }
}

fn fault(site: &Site, stream: &str, promised: Text, said: &str) -> Option<String> {
    match promised {
        Text::Any => None,
        Text::Nothing if said.is_empty() => None,
        Text::Nothing => Some(format!("{stream} should be empty")),
        Text::Is(text) if said == site.fill(text) => None,
        Text::Is(text) => Some(format!("{stream} should be {:?}", site.fill(text))),
        Text::Has(texts) => {
            let mut texts = texts.iter().map(|text| site.fill(text));
            let missing = texts.find(|text| !said.contains(text.as_str()))?;
            Some(format!("{stream} should have {missing:?}"))
        }
        Text::OneError(text) => error_fault(said, &site.fill(text)),
    }
}

fn error_fault(said: &str, text: &str) -> Option<String> {
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("ERROR: "))
        .collect();
    match errors.as_slice() {
        [line] if line.contains(text) => None,
        [_] => Some(format!("the error should have {text:?}")),
        lines => Some(format!("{} lines begin with ERROR, not one", lines.len())),
    }
}
