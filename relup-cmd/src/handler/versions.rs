//! `versions`: the releases that the running release handler knows.

use serde_json::{Value, json};

use crate::handler::failure::Failure;
use crate::handler::node::{Installed, ReleaseHandler};
use crate::handler::records;
use crate::install::Install;
use crate::output::{Answer, Console, Told};

/// Lists them, and warns when the records on disk would not survive a restart.
pub(crate) fn run(
    install: &Install,
    node: &mut dyn ReleaseHandler,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let installed = node.releases()?;
    if let Err(failure) = records::read(&install.base.tree()) {
        let hint = failure.hint().unwrap_or_default();
        console.warn(format!("{failure}; {hint}"));
    }
    Ok(Answer {
        lines: table(&installed),
        ..Answer::default()
    }
    .field("versions", to_json(&installed)))
}

/// The table as the documents show it.
pub(crate) fn table(installed: &[Installed]) -> Vec<String> {
    let rows = installed
        .iter()
        .map(|known| format!("* {}\t{}", known.vsn, known.status));
    ["Installed versions:".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

/// The same for programs.
pub(crate) fn to_json(installed: &[Installed]) -> Value {
    installed
        .iter()
        .map(|known| json!({ "version": known.vsn, "status": known.status.as_str() }))
        .collect()
}
