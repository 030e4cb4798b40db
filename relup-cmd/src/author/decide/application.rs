//! One application: restarted as a whole, or its modules one by one.

use std::collections::BTreeMap;

use relup::hop::Instruction;
use relup::rel_file::StartType;

use super::verdict::Wanted;
use super::{Decision, Decisions, Options, UNTOUCHABLE, atom, is_left_out, listed};
use crate::author::diff::{AppDiff, ReleaseDiff, SpecChange};
use crate::author::error::AuthorError;
use crate::author::facts::{AppFacts, ReleaseFacts};
use crate::author::rules::Wish;

/// How many names a comment shows.
const SHOWN: usize = 8;

/// Refuses what only a restart of the node changes, or leaves it out where the author insists.
pub(super) fn untouchable(
    diff: &ReleaseDiff<'_>,
    options: &Options<'_>,
    found: &mut Decisions<'_>,
) -> Result<(), AuthorError> {
    for app in UNTOUCHABLE {
        let modules: Vec<_> = diff.modules_of(app).map(|module| module.name).collect();
        if modules.is_empty() {
            continue;
        }
        let modules = listed(&modules, SHOWN);
        if !options.force {
            let app = app.to_owned();
            return Err(AuthorError::NeedsRestart { app, modules });
        }
        found.notes.push(format!(
            "{app} differs ({modules}) and is left as it is: the VM can't do without it. The next restart of the node brings it."
        ));
        found.warn(format!(
            "{app} differs ({modules}): left out, because only a restart of the node changes it"
        ));
    }
    Ok(())
}

/// Decides about all applications. Modules of those that are restarted need no decision of their own.
pub(super) fn decide<'a>(
    diff: &ReleaseDiff<'a>,
    to: &'a ReleaseFacts,
    wanted: &BTreeMap<&'a str, Vec<Wanted>>,
    options: &Options<'_>,
    found: &mut Decisions<'a>,
) {
    for app in &diff.removed {
        found.notes.push(format!(
            "The application {} is not part of the target. It runs on until the next restart; {{apply, application, stop, [{}]}} would stop it.",
            atom(app), atom(app)
        ));
        found.warn(format!(
            "the application {app} is not part of the target and runs on until the next restart"
        ));
    }
    for app in &diff.added {
        added(app, to, options, found);
    }
    for app in &diff.changed {
        changed(app, diff, to, wanted, options, found);
    }
    for (app, rule) in &options.rules.applications {
        let differs = diff.changed.iter().any(|changed| changed.name == app)
            || diff.added.iter().any(|added| added == app);
        if differs {
            continue;
        }
        let Some((app, _)) = to.apps.get_key_value(app) else {
            continue;
        };
        if rule.wish == Wish::Restart {
            restart(
                app,
                vec![format!("by the rules, line {}", rule.line)],
                to,
                found,
            );
        } else {
            found.warn(format!("the rule in line {} has no effect: the application {app} is the same in both releases", rule.line));
        }
    }
    // Rules may ask for the restart of an application of which nothing differs.
    for (app, reasons) in wanted {
        let asked: Vec<_> = reasons
            .iter()
            .filter(|reason| reason.is_rule)
            .map(|reason| reason.why.clone())
            .collect();
        if !asked.is_empty() && !found.restarts.contains_key(app) && !is_left_out(app, options) {
            restart(app, asked, to, found);
        }
    }
}

/// An application that only the target has. Restarting it is starting it: its modules are loaded
/// and what it needs and was never loaded comes along.
fn added<'a>(app: &'a str, to: &'a ReleaseFacts, options: &Options<'_>, found: &mut Decisions<'a>) {
    let wish = options.rules.applications.get(app).map(|rule| &rule.wish);
    let start = to
        .apps
        .get(app)
        .map_or(StartType::None, |facts| facts.start);
    let title = format!("The application {} is new", atom(app));
    match (wish, start) {
        (Some(Wish::Skip), _) => {
            found.notes.push(format!(
                "{title} and is left out, by the rules. The next restart brings it."
            ));
        }
        (Some(Wish::Load), _) => {
            found.notes.push(format!(
                "{title}. Its modules are loaded and it is not started, by the rules."
            ));
        }
        (None, StartType::None) => {
            found.notes.push(format!(
                "{title} and of the start type none: its modules are loaded, nothing is started."
            ));
        }
        _ => {
            let mut why = vec![format!(
                "{title}: its modules and its specification are loaded, and it is started"
            )];
            if start == StartType::Load {
                why.push("The boot leaves its start to others, as to the list of applications of emqx_machine: see that it is to run. A rule with load_module loads it only".to_owned());
            }
            put(app, why, found, to);
        }
    }
}

fn changed<'a>(
    differing: &AppDiff<'a>,
    diff: &ReleaseDiff<'a>,
    to: &'a ReleaseFacts,
    wanted: &BTreeMap<&'a str, Vec<Wanted>>,
    options: &Options<'_>,
    found: &mut Decisions<'a>,
) {
    let app = differing.name;
    if UNTOUCHABLE.contains(&app) {
        return;
    }
    let none = Vec::new();
    let asked = wanted.get(app).unwrap_or(&none);
    let rule = options.rules.applications.get(app);
    let is_kept = match rule.map(|rule| (&rule.wish, rule.line)) {
        Some((Wish::Skip, line)) => {
            found.notes.push(format!(
                "The application {} differs and is left as it is, by the rules, line {line}.",
                atom(app)
            ));
            return;
        }
        Some((Wish::Restart, line)) => {
            return restart(app, vec![format!("by the rules, line {line}")], to, found);
        }
        Some((Wish::Load | Wish::Update(_), _)) => true,
        None => false,
    };
    let mut reasons: Vec<String> = asked
        .iter()
        .filter(|wanted| wanted.is_rule)
        .map(|wanted| wanted.why.clone())
        .collect();
    if !is_kept {
        reasons.extend(hard_reasons(differing, diff, to, options));
    }
    let soft: Vec<&Wanted> = asked.iter().filter(|wanted| !wanted.is_rule).collect();
    let dependents = to.dependents(app);
    if !is_kept && dependents.is_empty() {
        reasons.extend(soft.iter().map(|wanted| wanted.why.clone()));
    }
    if !reasons.is_empty() {
        return restart(app, reasons, to, found);
    }
    for Wanted { module, why, .. } in soft {
        let Some(decision) = found.modules.get_mut(module.as_str()) else {
            continue;
        };
        let others = match dependents.as_slice() {
            [] => "it is not, by the rules".to_owned(),
            names => format!("it is not, because {} need it", listed(names, 3)),
        };
        decision
            .why
            .push(format!("Proposed instead, and not chosen ({others})"));
        decision.proposal = Some(Instruction::RestartApplication(app.to_owned()));
        found
            .warnings
            .push(format!("{why}; a restart of {app} is safer, but {others}"));
    }
    for change in &differing.spec {
        if let SpecChange::NewEnv(_) | SpecChange::StartType(..) = change {
            continue;
        }
        found.notes.push(format!(
            "Of the application {}, {change} changed, which takes a restart of it.",
            atom(app)
        ));
    }
}

/// What can't be changed but by a restart of the application.
fn hard_reasons(
    differing: &AppDiff<'_>,
    diff: &ReleaseDiff<'_>,
    to: &ReleaseFacts,
    options: &Options<'_>,
) -> Vec<String> {
    let AppDiff {
        name, to: facts, ..
    } = differing;
    let mut reasons = Vec::new();
    let spec: Vec<_> = differing
        .spec
        .iter()
        .filter(|change| match change {
            SpecChange::Callback | SpecChange::StartPhases | SpecChange::Env(_) => true,
            // New ones are put into the running application.
            SpecChange::NewEnv(_) | SpecChange::StartType(..) => false,
        })
        .map(ToString::to_string)
        .collect();
    if !spec.is_empty() {
        reasons.push(format!("in its specification {} changed", spec.join(", ")));
    }
    let modules = diff.modules_of(name).count();
    if differing.has_new_libraries {
        reasons.push("its native libraries changed".to_owned());
    } else if modules > 0 && has_nifs(facts, to) {
        reasons.push(
            "it has native code, and native code can't be exchanged while it runs".to_owned(),
        );
    }
    if modules > options.max_modules {
        reasons.push(format!(
            "{modules} of its modules differ, which is more than {}",
            options.max_modules
        ));
    }
    reasons
}

fn has_nifs(facts: &AppFacts, to: &ReleaseFacts) -> bool {
    let mut modules = facts.modules.values();
    modules.any(|module| to.loads_nif(module))
}

fn restart<'a>(
    app: &'a str,
    reasons: Vec<String>,
    to: &'a ReleaseFacts,
    found: &mut Decisions<'a>,
) {
    let dependents = to.dependents(app);
    if !dependents.is_empty() {
        let names = listed(&dependents, SHOWN);
        found.warn(format!("the restart of {app} takes away for a moment what {names} need, and what it serves: connections to it are cut"));
    }
    put(app, reasons, found, to);
}

/// The modules of a restarted application come with it.
fn put<'a>(app: &'a str, reasons: Vec<String>, found: &mut Decisions<'a>, to: &ReleaseFacts) {
    let is_own = |name: &&str| to.module(name).is_some_and(|(owner, _)| owner == app);
    let own: Vec<&str> = found.modules.keys().copied().filter(is_own).collect();
    found.modules.retain(|name, _| !own.contains(name));
    let mut why: Vec<String> = reasons
        .into_iter()
        .enumerate()
        .map(|(index, reason)| match index {
            0 if !reason.starts_with("The application") => {
                format!("The application {}: {reason}", atom(app))
            }
            _ => reason,
        })
        .collect();
    if !own.is_empty() {
        why.push(format!(
            "It brings its modules along: {}",
            listed(&own, SHOWN)
        ));
    }
    let decision = Decision {
        instruction: Instruction::RestartApplication(app.to_owned()),
        why,
        proposal: None,
    };
    found.restarts.insert(app, decision);
}
