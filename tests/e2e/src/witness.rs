//! What a refused command must leave as it was, and how a refusal reads.
//!
//! The whole of `relup/` is compared byte by byte, but for `relup/lock`, which holds the id of the
//! last process that took it. Of the VM its process id, version, loaded modules, code path and
//! applications are compared.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::node::{self, VmState};
use crate::process::Finished;
use crate::tree::Snapshot;
use serde_json::Value;

/// The state before a command.
#[derive(Debug)]
pub struct Witness {
    relup: Snapshot,
    vm: Option<(VmState, String)>,
}

impl Witness {
    /// Of an installation whose node runs.
    pub fn of_running(install: &Install) -> Result<Self> {
        let vm = (node::vm_state(install)?, node::loaded_modules(install)?);
        Ok(Self {
            relup: relup(install)?,
            vm: Some(vm),
        })
    }

    /// Of an installation whose node is down.
    pub fn of_stopped(install: &Install) -> Result<Self> {
        Ok(Self {
            relup: relup(install)?,
            vm: None,
        })
    }

    /// Everything that is different now, a line each.
    pub fn differences(&self, install: &Install) -> Result<Vec<String>> {
        let mut told = self.relup.differences(&relup(install)?);
        told.extend(self.vm_differences(install)?);
        Ok(told)
    }

    /// Everything that is different in the VM; for refusals that may leave a deployed tree.
    pub fn vm_differences(&self, install: &Install) -> Result<Vec<String>> {
        let mut told = Vec::new();
        if let Some((before, modules)) = &self.vm {
            let now = node::vm_state(install)?;
            if now != *before {
                told.push(format!("the VM was {before:?} and is {now:?}"));
                let loaded = node::loaded_modules(install)?;
                let new = loaded.lines().filter(|line| !modules.contains(line.trim()));
                told.extend(new.map(|line| format!("loaded now: {}", line.trim())));
            }
        }
        Ok(told)
    }
}

fn relup(install: &Install) -> Result<Snapshot> {
    Ok(Snapshot::of(&install.path("relup"))?.without(&["lock"]))
}

/// Runs `emqx relup ARGS --json` and reads what it printed.
pub fn relup_json(install: &Install, args: &[&str]) -> Result<(Finished, Value)> {
    let words: Vec<&str> = [&["relup"], args, &["--json"]].concat();
    let finished = install.emqx(&words)?;
    // One document, or one a line with the outcome last.
    let last = finished
        .stdout
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    let parsed = serde_json::from_str(&finished.stdout).or_else(|_| serde_json::from_str(last));
    parsed
        .map(|value| (finished.clone(), value))
        .map_err(|error| Error::Command {
            why: format!("expected JSON ({error})"),
            finished: Box::new(finished),
        })
}

/// The name of the error in the JSON of a refusal.
#[must_use]
pub fn error_name(value: &Value) -> &str {
    let error = value.get("error").unwrap_or(&Value::Null);
    let named = error
        .as_str()
        .or_else(|| error.get("name").and_then(Value::as_str));
    named.unwrap_or("(no error name)")
}

/// What is wrong with a refusal as people read it: one line that says `ERROR: ...`, and maybe hints.
#[must_use]
pub fn faults_of_words(finished: &Finished) -> Vec<String> {
    let mut faults = Vec::new();
    let errors = finished
        .stderr
        .lines()
        .filter(|line| line.starts_with("ERROR: "))
        .count();
    if errors != 1 {
        faults.push(format!("{errors} lines begin with `ERROR: `, expected one"));
    }
    let stray = finished.stderr.lines().filter(|line| {
        !["ERROR: ", "hint: ", "WARNING: ", "  "]
            .iter()
            .any(|start| line.starts_with(start))
            && !line.trim().is_empty()
    });
    faults.extend(stray.map(|line| format!("stray line on stderr: {line}")));
    for word in ["panicked", "RUST_BACKTRACE", "crash"] {
        if finished.stderr.contains(word) || finished.stdout.contains(word) {
            faults.push(format!("it says {word:?}"));
        }
    }
    faults
}
