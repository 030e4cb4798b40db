//! One module: exchanged, exchanged with the states of its processes, or left as it is.

use std::collections::BTreeMap;

use relup::beam::{StateChange, state_changes};
use relup::hop::Instruction;
use relup::term::Term;

use super::{Decision, Decisions, Options, atom, is_left_out, is_loadable};
use crate::author::diff::{Change, ModuleDiff, ReleaseDiff};
use crate::author::error::AuthorError;
use crate::author::facts::{ModuleFacts, ReleaseFacts};
use crate::author::kind::Kind;
use crate::author::rules::{Rule, Wish};

/// What loading a supervisor does not do.
const CHILDREN: &str = "Loading it neither starts new children nor changes those that run; a \
                        restart of the application does";

/// A reason to restart a module's application.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) module: String,
    pub(crate) why: String,
    /// Whether the author asks for it; else it is the safer way.
    pub(crate) is_rule: bool,
}

/// What came out about one module.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) decision: Option<Decision>,
    pub(crate) restart: Option<Wanted>,
}

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
        return Ok(changed(name, &title, (was, from), (is, to), found));
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

/// A module that both releases have, without a rule.
fn changed(
    name: &str,
    title: &str,
    (was, from): (&ModuleFacts, &ReleaseFacts),
    (is, to): (&ModuleFacts, &ReleaseFacts),
    found: &mut Decisions<'_>,
) -> Verdict {
    let kind = Kind::of(is, to);
    let former = Kind::of(was, from);
    let compare = |helpers| {
        let (was, is) = (was.debug_term()?, is.debug_term()?);
        state_changes(&was, &is, helpers)
    };
    match kind {
        Kind::Plain => load(name, format!("{title}: its code changed")),
        Kind::Custom(behaviours) => {
            let certain = compare(false).unwrap_or_default();
            let certain: Vec<_> = certain
                .into_iter()
                .filter(StateChange::is_certain)
                .collect();
            let named = super::listed(&behaviours, 3);
            if certain.is_empty() {
                return load(name, format!("{title}, {named}: its code changed"));
            }
            let what = told(&certain);
            found.warn(format!(
                "{title}: {what} changed; whether its processes keep that as their state is known to the behaviour {named} only"
            ));
            load(
                name,
                format!(
                    "{title}, {named}: {what} changed. Whether its processes keep that as their state only the behaviour's author knows; a rule may ask for update"
                ),
            )
        }
        Kind::Supervisor => match compare(true) {
            None => restart_or_load(
                name,
                format!(
                    "{title}, supervisor: its code changed, and without debug info nobody can \
                     tell whether its children did. {CHILDREN}"
                ),
            ),
            Some(changes) => {
                let changes: Vec<_> = changes
                    .into_iter()
                    .filter(|change| {
                        matches!(change, StateChange::Init | StateChange::InitHelper(..))
                    })
                    .collect();
                if changes.is_empty() {
                    return load(
                        name,
                        format!("{title}, supervisor: its code changed, its children did not"),
                    );
                }
                let what = told(&changes);
                let why = format!("{title}, supervisor: {what} changed. {CHILDREN}");
                restart_or_load(name, why)
            }
        },
        Kind::Process {
            name: behaviour,
            code_change: (function, arity),
        } => {
            let title = format!("{title}, {behaviour}");
            let has_conversion = to.has_export(is, function, arity);
            if former
                != (Kind::Process {
                    name: behaviour,
                    code_change: (function, arity),
                })
            {
                return restart_or_load(
                    name,
                    format!(
                        "{title}: it was none before, so that its processes can't go on with the new code"
                    ),
                );
            }
            let update = |why| update(name, Term::List(Vec::new()), why);
            match compare(false) {
                None if has_conversion => update(format!(
                    "{title}: its code changed. Without debug info nobody can tell whether its state did; {function}/{arity} is asked"
                )),
                None => {
                    found.warn(format!("{title}: its code changed, there is no debug info to tell whether its state did, and no {function}/{arity}"));
                    load(
                        name,
                        format!(
                            "{title}: its code changed. Without debug info nobody can tell whether its state did, and it has no {function}/{arity}"
                        ),
                    )
                }
                Some(changes) if changes.is_empty() => load(
                    name,
                    format!("{title}: its code changed, its state did not"),
                ),
                Some(changes) => {
                    let what = told(&changes);
                    let is_certain = changes.iter().any(StateChange::is_certain);
                    if has_conversion {
                        let converts = changes
                            .iter()
                            .any(|change| matches!(change, StateChange::CodeChange(_)));
                        if is_certain && !converts {
                            found.warn(format!("{title}: {what} changed and {function}/{arity} did not: see that it converts the state"));
                        }
                        update(format!("{title}: {what} changed"))
                    } else if is_certain {
                        restart_or_load(
                            name,
                            format!(
                                "{title}: {what} changed, and it has no {function}/{arity} to convert the state of its processes"
                            ),
                        )
                    } else {
                        load(
                            name,
                            format!(
                                "{title}: {what} changed, the state's records and types did not"
                            ),
                        )
                    }
                }
            }
        }
    }
}

fn told(changes: &[StateChange]) -> String {
    let texts: Vec<_> = changes.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        texts => texts.concat(),
    }
}

fn load(name: &str, why: String) -> Verdict {
    let decision = Decision {
        instruction: Instruction::LoadModule(name.to_owned()),
        why: vec![why],
        proposal: None,
    };
    Verdict {
        decision: Some(decision),
        restart: None,
    }
}

fn update(name: &str, extra: Term, why: String) -> Verdict {
    let decision = Decision {
        instruction: Instruction::Update {
            module: name.to_owned(),
            extra,
        },
        why: vec![why],
        proposal: None,
    };
    Verdict {
        decision: Some(decision),
        restart: None,
    }
}

/// Loading is what is left where the application is not restarted.
fn restart_or_load(name: &str, why: String) -> Verdict {
    Verdict {
        restart: Some(Wanted {
            module: name.to_owned(),
            why: why.clone(),
            is_rule: false,
        }),
        ..load(name, why)
    }
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
