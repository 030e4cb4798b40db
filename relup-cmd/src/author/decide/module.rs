//! One module: exchanged, exchanged with the states of its processes, or left as it is.

use std::collections::BTreeMap;

use super::verdict::{Verdict, Wanted, load, update};
use super::{Decisions, Options, atom, changed, is_left_out, is_loadable};
use crate::author::diff::{Change, ModuleDiff, ReleaseDiff};
use crate::author::error::AuthorError;
use crate::author::facts::{ModuleFacts, ReleaseFacts};
use crate::author::kind::Kind;
use crate::author::rules::{Rule, Wish};

/// The decision about a module that differs.
pub(super) fn judge(
    differing: &ModuleDiff<'_>,
    (from, to): (&ReleaseFacts, &ReleaseFacts),
    options: &Options<'_>,
    found: &mut Decisions<'_>,
) -> Result<Verdict, AuthorError> {
    let ModuleDiff { name, app, change } = differing;
    let rule = options.rules.modules.get(*name);
    let title = format!("{} ({app})", atom(name));
    let Change::Removed = change else {
        if !is_loadable(*change) {
            left_out(&title, *change, found);
            return Ok(Verdict::default());
        }
        if let Some(rule) = rule {
            let module = match change {
                Change::Added(module) | Change::Changed { to: module, .. } => module,
                Change::Removed => return Ok(Verdict::default()),
            };
            return by_rule(name, &title, rule, module, to, found);
        }
        let Change::Changed { from: was, to: is } = change else {
            return Ok(load(name, format!("{title}: new")));
        };
        return Ok(changed::judge(name, &title, (was, from), (is, to), found));
    };
    if to.apps.contains_key(*app) {
        found.notes.push(format!(
            "{title} is gone from the target. Its code stays in the VM until the next restart."
        ));
    }
    Ok(Verdict::default())
}

fn left_out(title: &str, change: Change<'_>, found: &mut Decisions<'_>) {
    let is_consolidated = match change {
        Change::Added(to) | Change::Changed { to, .. } => to.is_consolidated,
        Change::Removed => false,
    };
    let text = if is_consolidated {
        format!("{title} is a consolidated protocol, which only a restart of the node exchanges")
    } else {
        format!("{title} is not in the `modules` of its application, so that no boot loads it")
    };
    found.notes.push(format!("{text}: left as it is."));
    found.warn(format!("{text}: left out"));
}

fn by_rule(
    name: &str,
    title: &str,
    rule: &Rule,
    module: &ModuleFacts,
    to: &ReleaseFacts,
    found: &mut Decisions<'_>,
) -> Result<Verdict, AuthorError> {
    let why = format!("{title}: by the rules, line {}", rule.line);
    Ok(match &rule.wish {
        Wish::Update(extra) => {
            check_update(name, rule, module, to)?;
            update(name, extra.clone(), why)
        }
        Wish::Load => load(name, why),
        Wish::Restart => Verdict {
            decision: None,
            restart: Some(Wanted {
                module: name.to_owned(),
                why,
                is_rule: true,
            }),
        },
        Wish::Skip => {
            let line = rule.line;
            found.notes.push(format!(
                "{title} differs and is left as it is, by the rules, line {line}."
            ));
            Verdict::default()
        }
    })
}

/// An update calls `code_change` in every process that it finds; supervisors have their own.
fn check_update(
    name: &str,
    rule: &Rule,
    module: &ModuleFacts,
    to: &ReleaseFacts,
) -> Result<(), AuthorError> {
    let (function, arity) = match Kind::of(module, to) {
        Kind::Supervisor => return Ok(()),
        Kind::Process { code_change, .. } => code_change,
        Kind::Plain | Kind::Custom(_) => ("code_change", 3),
    };
    if to.has_export(module, function, arity) {
        return Ok(());
    }
    let reason = format!(
        "{} of {} exports no {function}/{arity}, so that an update of its processes would fail",
        atom(name),
        to.vsn
    );
    Err(AuthorError::rule(rule.line, reason))
}

/// Rules for modules that are the same in both releases.
pub(super) fn unchanged<'a>(
    diff: &ReleaseDiff<'a>,
    to: &'a ReleaseFacts,
    options: &Options<'_>,
    wanted: &mut BTreeMap<&'a str, Vec<Wanted>>,
    found: &mut Decisions<'a>,
) -> Result<(), AuthorError> {
    for (name, rule) in &options.rules.modules {
        if diff.modules.iter().any(|module| module.name == name) {
            continue;
        }
        let Some((name, app)) = to.owners.get_key_value(name) else {
            continue;
        };
        let Some((_, module)) = to.module(name) else {
            continue;
        };
        if is_left_out(app, options) {
            continue;
        }
        let why = format!(
            "{} ({app}): its code is the same, by the rules, line {}",
            atom(name),
            rule.line
        );
        match &rule.wish {
            Wish::Update(extra) => {
                check_update(name, rule, module, to)?;
                if let Some(decision) = update(name, extra.clone(), why).decision {
                    found.modules.insert(name, decision);
                }
            }
            Wish::Restart => wanted.entry(app).or_default().push(Wanted {
                module: name.clone(),
                why,
                is_rule: true,
            }),
            Wish::Load | Wish::Skip => found.warn(format!(
                "the rule in line {} has no effect: {} is the same in both releases",
                rule.line,
                atom(name)
            )),
        }
    }
    Ok(())
}
