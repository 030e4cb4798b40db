//! Cases of refusals: a command, the error that it must end with, and the proof that nothing happened.
//!
//! Each case is run twice, for machines (`--json`) and for people, and everything that is wrong
//! with it is told at once, since setting up a node for each case would take minutes.

use crate::error::Result;
use crate::install::Install;
use crate::witness::{Witness, error_name, faults_of_words, relup_json};
use std::path::Path;

/// A command that must be refused, and how.
#[derive(Debug)]
pub struct Case {
    /// What the case is called when it fails.
    pub name: &'static str,
    /// What follows `emqx relup`.
    pub args: Vec<String>,
    /// Name of the error.
    pub error: &'static str,
    /// A text that the line for people must have: the value that is wrong.
    pub value: String,
}

impl Case {
    /// `emqx relup upgrade TARBALL`.
    #[must_use]
    pub fn upgrade(name: &'static str, tarball: &Path, error: &'static str, value: &str) -> Self {
        let args = vec!["upgrade".to_owned(), tarball.to_string_lossy().into_owned()];
        Self {
            name,
            args,
            error,
            value: value.to_owned(),
        }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }
}

/// Runs a case both ways and tells everything that is wrong with it.
fn faults(install: &Install, witness: &Witness, case: &Case) -> Result<Vec<String>> {
    let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
    let mut faults = Vec::new();
    let (finished, json) = relup_json(install, &args)?;
    if finished.code != Some(1) {
        faults.push(format!("exit code {:?} with --json", finished.code));
    }
    if error_name(&json) != case.error {
        faults.push(format!(
            "error {}, expected {}: {json}",
            error_name(&json),
            case.error
        ));
    }
    let spoken = install.emqx(&[&["relup"], &args[..]].concat())?;
    if spoken.code != Some(1) {
        faults.push(format!("exit code {:?}", spoken.code));
    }
    faults.extend(faults_of_words(&spoken));
    let line = spoken
        .stderr
        .lines()
        .find(|line| line.starts_with("ERROR: "))
        .unwrap_or_default();
    if !line.contains(&case.value) {
        faults.push(format!(
            "the line does not name {:?}: {}",
            case.value, spoken.stderr
        ));
    }
    faults.extend(witness.differences(install)?);
    Ok(faults
        .into_iter()
        .map(|fault| format!("{}: {fault}", case.name))
        .collect())
}

/// Demands that every case is refused as it should be, and tells all faults of all cases.
///
/// # Panics
/// When there is a fault.
pub fn assert_all_refused(install: &Install, witness: &Witness, cases: &[Case]) {
    let mut told = Vec::new();
    for case in cases {
        match faults(install, witness, case) {
            Ok(faults) => told.extend(faults),
            Err(error) => told.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(
        told.is_empty(),
        "{} faults:\n{}",
        told.len(),
        told.join("\n")
    );
}
