//! `relup lint`: what is wrong with a hop, found where it is written and not where it is applied.
//!
//! Rules are pure and see values: the hop, the beams beside it, the facts of both releases. Without
//! releases only the form is checked, and that is said. Nothing is written; a node that runs is asked for
//! the value of an expression where no release was named, and for nothing else.
//!
//! | module | what it looks at |
//! |---|---|
//! | `read` | the form, and all that is wrong with it |
//! | `schema` | instructions by themselves |
//! | `modules`, `forgotten` | what the hop names and what it forgets, against both releases |
//! | `calls` | functions at the moment of their call |
//! | `world` | which version of a module runs at which moment |
//! | `companions`, `evaluate` | beams beside the hop; the value of one that is an expression |

mod calls;
mod companions;
mod evaluate;
mod finding;
mod forgotten;
mod modules;
mod read;
pub(super) mod report;
mod schema;
mod world;

use std::path::Path;

use relup::node::HopScript;
use relup::term::{Places, Term};

use super::diff::compare;
use super::error::AuthorError;
use super::read::both;
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::regular;
use companions::Companion;
use evaluate::{NoValue, evaluate};
pub(crate) use finding::{Class, Finding};
use read::{Script, Text, parse_text};
use report::{Extent, Report};
use world::{Releases, World};

/// Longest hop file.
const MAX_HOP: u64 = 16 * 1024 * 1024;

/// Whether only a node can tell what the hop holds: it is an expression, and no release was named.
pub(crate) fn asks_node(args: &cli::Lint) -> bool {
    let is_expression = |bytes: Vec<u8>| matches!(parse_text(&bytes), Text::Expression);
    args.to.is_none() && regular::read(&args.hop, MAX_HOP).is_ok_and(is_expression)
}

/// Checks a hop file.
///
/// # Errors
/// It can't be read, a release can't be read, or there is something wrong with it.
pub(crate) fn run(
    args: &cli::Lint,
    node: Option<&mut dyn Node>,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let file = &args.hop;
    let bytes = regular::read(file, MAX_HOP).map_err(|error| {
        Error::from(AuthorError::UnreadableHop {
            path: file.clone(),
            reason: error.to_string(),
        })
    })?;
    let releases = match (&args.from, &args.to) {
        (Some(from), Some(to)) => {
            console.stage("reading both releases", None);
            Some(both(from, to, interrupt)?)
        }
        _ => None,
    };
    let mut findings = Vec::new();
    let value = match parse_text(&bytes) {
        Text::Value(value) => Some(value),
        Text::Broken(finding) => {
            findings.push(finding);
            None
        }
        Text::Expression => {
            let script = HopScript {
                file: file.to_string_lossy().into_owned(),
                source: bytes.clone(),
            };
            value_of(args, &script, node, console, interrupt, &mut findings)?
        }
    };
    let companions = companions::observe(file, &mut findings);
    let sources = companions::sources(file);
    let extent = match (&value, &releases) {
        (Some(_), Some(_)) => Extent::Whole,
        (Some(_), None) => Extent::Form,
        (None, _) => Extent::Nothing,
    };
    if let Some(value) = value {
        let text = String::from_utf8_lossy(&bytes);
        let releases = releases.as_ref().map(|(from, to)| Releases { from, to });
        check(
            file,
            &text,
            value,
            &companions,
            &sources,
            releases,
            &mut findings,
        );
    }
    findings.sort_by_key(|finding| (finding.line.is_none(), finding.line, finding.class));
    let report = Report {
        file: file.clone(),
        findings,
        extent,
    };
    let counts = args.deny_warnings && report.count(Class::Warning) > 0;
    if counts || report.count(Class::Error) > 0 {
        return Err(AuthorError::Findings(Box::new(report)).into());
    }
    let mut answer = Answer {
        lines: report.lines(),
        ..Answer::default()
    };
    answer.lines.push(report.summary());
    answer.fields.extend(report.fields());
    Ok(answer)
}

/// All rules, over what is known.
fn check(
    file: &Path,
    text: &str,
    value: Term,
    companions: &[Companion],
    sources: &[String],
    releases: Option<Releases<'_>>,
    found: &mut Vec<Finding>,
) {
    let script: Script = read::read(value, &Places::of(text), found);
    let brought: Vec<&str> = companions.iter().map(|one| one.module.as_str()).collect();
    schema::check(&script, file, &brought, found);
    let Some(releases) = releases else { return };
    let diff = compare(releases.from, releases.to);
    let world = World::new(&script, companions, releases);
    forgotten::versions(&world, found);
    modules::check(&world, sources, found);
    forgotten::check(&world, &diff, found);
    // What the form alone makes probable is known now.
    found.retain(|finding| {
        finding.name != "callback_module_not_reloaded" || finding.class == Class::Error
    });
    calls::check(&world, &diff, found);
}

/// The value of an expression, by the VM of one of the releases, or by the running node.
fn value_of(
    args: &cli::Lint,
    script: &HopScript,
    node: Option<&mut dyn Node>,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
    found: &mut Vec<Finding>,
) -> Result<Option<Term>, Error> {
    let value = match (args.to.as_ref().or(args.from.as_ref()), node) {
        (Some(release), _) => {
            console.stage("evaluating the hop with the release's own VM", None);
            evaluate(&args.hop, release, interrupt)?
        }
        (None, Some(node)) => {
            console.stage("evaluating the hop in the running node", None);
            by_node(script, node)
        }
        (None, None) => Err(NoValue::Unknown("no release was named".to_owned())),
    };
    Ok(match value {
        Ok(value) => Some(value),
        Err(NoValue::Unknown(why)) => {
            found.push(
                Finding::warning("not_evaluated", None, "the file")
                    .why(format!("it is an expression, of which only a VM knows the value: {why}"))
                    .remedy("name the release that the hop leads to with --to, on a machine that can run it"),
            );
            None
        }
        Err(NoValue::Wrong(why)) => {
            found.push(
                Finding::error("evaluation_failed", None, "the file")
                    .why(why)
                    .remedy(
                        "the file must evaluate to a map of literals, as `file:script/1` does it",
                    ),
            );
            None
        }
    })
}

fn by_node(script: &HopScript, node: &mut dyn Node) -> Result<Term, NoValue> {
    match node.hop_value(script) {
        Ok(Ok(text)) => evaluate::parse_value(&text),
        Ok(Err(reason)) => Err(NoValue::Wrong(reason)),
        Err(error) => Err(NoValue::Unknown(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
