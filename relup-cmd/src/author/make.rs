//! `relup make`: the hop file that leads from one release to another.
//!
//! Reads both, refuses what no hop can do, and writes one file or prints it. It never looks at the
//! installation that the program may be in.

use std::io::Write;
use std::path::Path;

use fs_err as fs;
use relup::compat::{CompatFacts, check_compat};
use serde_json::{Value, json};

use super::decide::Options;
use super::diff::compare;
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::plan::{HopPlan, plan};
use super::rules::Rules;
use super::{read, text};
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console};
use crate::quantity::counted;
use crate::regular;

/// Longest rules file.
const MAX_RULES: u64 = 1024 * 1024;

/// Reads both releases and writes the hop between them.
pub(crate) fn run(
    args: &cli::Make,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let rules = read_rules(&args.choices)?;
    let (from, to) = if args.reverse {
        read::both(&args.to, &args.from, interrupt)?
    } else {
        read::both(&args.from, &args.to, interrupt)?
    };
    check(&from, &to, args.force)?;
    let options = Options {
        max_modules: args.choices.max_modules,
        rules: &rules,
        force: args.force,
        is_reverse: args.reverse,
        needs_version: true,
    };
    let diff = compare(&from, &to);
    let mut hop =
        plan(&diff, &from, &to, &options).map_err(|error| about_rules(error, &args.choices))?;
    let about = about(&from, &to, args.reverse, &mut hop);
    let text = text::render(&hop, &from.vsn, &to.vsn, &about)?;
    for warning in &hop.warnings {
        console.warn(warning.clone());
    }
    let mut answer = answer(&hop, &from, &to);
    if let Some(path) = &args.output {
        write(path, &text)?;
        let steps = counted(hop.steps.len() as u64, "instruction", "instructions");
        let callbacks = counted(hop.callbacks.len() as u64, "callback", "callbacks");
        answer.lines.push(format!(
            "{}: {} -> {}, {steps}, {callbacks}",
            path.display(),
            from.vsn,
            to.vsn
        ));
        answer = answer.field("file", path.to_string_lossy());
    } else {
        answer.lines.push(text.trim_end().to_owned());
    }
    Ok(answer.field("hop", text))
}

/// What the contract refuses for every hop is refused here, in its words.
fn check(from: &ReleaseFacts, to: &ReleaseFacts, force: bool) -> Result<(), Error> {
    for release in [from, to] {
        if release.vsn.as_str().starts_with("4.") {
            let vsn = release.vsn.to_string();
            return Err(Error::Author(AuthorError::IsHandled { vsn }));
        }
    }
    if from.vsn == to.vsn {
        let vsn = from.vsn.to_string();
        return Err(Error::Author(AuthorError::SameVersion { vsn }));
    }
    let build_info = |release: &ReleaseFacts| {
        let missing = || Error::CannotReadBuildInfo {
            path: release.source.clone(),
            reason: format!("releases/{}/BUILD_INFO: no such file", release.vsn),
        };
        release.build_info.clone().ok_or_else(missing)
    };
    let has_hook = |release: &ReleaseFacts| release.module("mnesia_hook").is_some();
    check_compat(&CompatFacts {
        running: build_info(from)?,
        target: build_info(to)?,
        running_mnesia_hook: has_hook(from),
        target_has_mnesia: to.apps.contains_key("mnesia"),
        target_mnesia_hook: has_hook(to),
        from: from.vsn.clone(),
        to: to.vsn.clone(),
        force,
    })?;
    Ok(())
}

/// The head of the file.
fn about(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    is_reverse: bool,
    hop: &mut HopPlan,
) -> Vec<String> {
    let name = |release: &ReleaseFacts| {
        let name = release.source.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut about = vec![format!(
        "Hop {} -> {}, made by `emqx relup make` from {} and {}.",
        from.vsn,
        to.vsn,
        name(from),
        name(to)
    )];
    if is_reverse {
        about.push("This is a way back: code_change of the older version must know the state of the newer one.".to_owned());
    }
    if from.erts != to.erts {
        about.push(format!(
            "The VM goes on with ERTS {}; the next restart brings {}.",
            from.erts, to.erts
        ));
        hop.warnings.push(format!(
            "the releases have different runtimes: the VM goes on with ERTS {} and the next restart brings {}",
            from.erts, to.erts
        ));
    }
    about
}

fn answer(hop: &HopPlan, from: &ReleaseFacts, to: &ReleaseFacts) -> Answer {
    let steps: Vec<Value> = hop
        .steps
        .iter()
        .map(|step| {
            json!({
                "instruction": text::written(&step.instruction),
                "why": step.why,
                "proposal": step.proposal.as_ref().map(text::written),
            })
        })
        .collect();
    let callbacks: Vec<&String> = hop.callbacks.iter().map(|(name, _)| name).collect();
    Answer::default()
        .field("from", from.vsn.as_str())
        .field("to", to.vsn.as_str())
        .field("code_changes", steps)
        .field("post_upgrade_callbacks", json!(callbacks))
        .field("notes", json!(hop.notes))
}

/// A refused rule, with the file that it stands in.
pub(super) fn about_rules(error: AuthorError, choices: &cli::Choices) -> AuthorError {
    match (error, &choices.rules) {
        (AuthorError::InvalidRules { error, .. }, Some(path)) => AuthorError::InvalidRules {
            path: path.clone(),
            error,
        },
        (error, _) => error,
    }
}

/// Reads a rules file; without one there are no rules.
pub(super) fn read_rules(choices: &cli::Choices) -> Result<Rules, AuthorError> {
    let Some(path) = &choices.rules else {
        return Ok(Rules::default());
    };
    let text =
        regular::read_text(path, MAX_RULES).map_err(|error| AuthorError::CannotReadRules {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    Rules::parse(&text).map_err(|error| AuthorError::InvalidRules {
        path: path.to_owned(),
        error,
    })
}

/// The whole file or none, with the permissions of any new file.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error| Error::io(path, "write", error);
    // What a link points to is meant, and a terminal or a pipe is no file to be replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.metadata().is_ok_and(|found| !found.is_file()) {
        return fs::write(&target, text).map_err(failed);
    }
    let dir = match target.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".hop-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}
