//! One step of a plan, and the lines that tell it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::redact::{shown_variable, shown_words};

/// What a command would do next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Starts a program and waits for it.
    Run(&'static str, ExecSpec),
    /// Becomes a program.
    Become(&'static str, ExecSpec),
    /// Makes a directory where it is missing.
    MakeDirectory(PathBuf),
    /// Writes a file; the lines of its content where they may be seen.
    Write(PathBuf, Vec<String>),
    /// Removes a file.
    Remove(PathBuf),
    /// Asks the node for something, or waits for it.
    Other(String),
}

impl Step {
    /// The step in a few words.
    pub fn title(&self) -> String {
        match self {
            Step::Run(why, _) => (*why).to_owned(),
            Step::Become(why, _) => format!("{why}, in place of this process"),
            Step::MakeDirectory(dir) => format!("make directory {}", dir.display()),
            Step::Write(file, _) => format!("write {}", file.display()),
            Step::Remove(file) => format!("remove {}", file.display()),
            Step::Other(what) => what.clone(),
        }
    }

    /// Its details, a line each.
    pub fn lines(&self, caller: &Environment) -> Vec<String> {
        match self {
            Step::Run(_, spec) | Step::Become(_, spec) => of_spec(spec, caller),
            Step::Write(_, lines) => lines
                .iter()
                .map(|line| format!("line: {line}").trim_end().to_owned())
                .collect(),
            Step::MakeDirectory(_) | Step::Remove(_) | Step::Other(_) => Vec::new(),
        }
    }
}

fn of_spec(spec: &ExecSpec, caller: &Environment) -> Vec<String> {
    let mut words = shown_words(&spec.words()).into_iter();
    let program = words.next().unwrap_or_default();
    let mut lines = vec![format!("program: {program}")];
    lines.extend(words.map(|word| format!("argument: {word}")));
    let mut changes: Vec<_> = spec.env.changes_since(caller).collect();
    changes.sort();
    lines.extend(
        changes
            .into_iter()
            .map(|(name, value)| of_variable(name, value)),
    );
    lines.push(format!("directory: {}", quoted_path(&spec.cwd)));
    lines
}

/// Relative to the caller's environment.
fn of_variable(name: &OsStr, value: Option<&OsStr>) -> String {
    let shown = name.to_string_lossy();
    match value {
        Some(value) => format!("environment: {shown}={}", shown_variable(name, value)),
        None => format!("environment: {shown} is removed"),
    }
}

fn quoted_path(path: &Path) -> String {
    shown_words(&[path.into()]).concat()
}
