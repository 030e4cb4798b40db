//! A hop as it will stand in its file: decisions in their order, and what is called afterwards.
//!
//! Pure. Who is called comes before who calls, by the import tables of the target, so that no new
//! code calls what is not there yet; what calls one another stays together. The version is told
//! last, and restarts that nothing waits for come after that, so that what they start finds all of
//! the new code.

use std::collections::{BTreeMap, BTreeSet};

use relup::hop::Instruction;

use super::decide::{Decision, Decisions, Options, RELEASE, atom, decide};
use super::diff::{Change, ReleaseDiff};
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::order::callees_first;

/// The module that callbacks are in.
const POST_UPGRADE: &str = "emqx_post_upgrade";
/// How many callers a comment names.
const CALLERS: usize = 3;

/// A hop with its reasons.
#[derive(Debug)]
pub(crate) struct HopPlan {
    pub(crate) steps: Vec<Decision>,
    /// Callbacks with what the file says about each.
    pub(crate) callbacks: Vec<(String, String)>,
    /// What the hop does not do.
    pub(crate) notes: Vec<String>,
    /// What the author has to look at.
    pub(crate) warnings: Vec<String>,
}

/// Makes the hop between two releases that were compared.
pub(crate) fn plan(
    diff: &ReleaseDiff<'_>,
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    options: &Options<'_>,
) -> Result<HopPlan, AuthorError> {
    let mut decisions = decide(diff, (from, to), options)?;
    let (callbacks, module) = if options.is_reverse {
        // What an upgrade to the older version has called, that version has called long ago.
        (Vec::new(), String::new())
    } else {
        callbacks(from, to, &mut decisions)
    };
    let last: Vec<Decision> = [RELEASE, &module]
        .into_iter()
        .filter(|name| *name == RELEASE || !callbacks.is_empty())
        .filter_map(|name| decisions.modules.remove(name))
        .collect();
    let Decisions {
        modules,
        restarts,
        notes,
        warnings,
    } = decisions;
    let units = Units::new(modules, restarts, diff, to);
    let (mut steps, tail) = units.ordered();
    steps.extend(last);
    steps.extend(tail);
    Ok(HopPlan {
        steps,
        callbacks,
        notes,
        warnings,
    })
}

/// The callbacks that the target has and the base has not, and the module that they are in.
fn callbacks(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    decisions: &mut Decisions<'_>,
) -> (Vec<(String, String)>, String) {
    let tagged = format!("{POST_UPGRADE}_{}", to.vsn);
    let module = match to.module(&tagged) {
        Some(_) => tagged,
        None => POST_UPGRADE.to_owned(),
    };
    let Some((app, facts)) = to.module(&module) else {
        return (Vec::new(), module);
    };
    let mut new: Vec<(u64, &str, u8)> = facts
        .exports
        .iter()
        .map(|(name, arity)| (to.atoms.text(*name), *arity))
        .filter_map(|(name, arity)| Some((callback_number(name)?, name, arity)))
        .filter(|(_, name, arity)| !from.exports(&module, name, *arity))
        .collect();
    new.sort_unstable();
    let is_loaded =
        decisions.modules.contains_key(module.as_str()) || decisions.restarts.contains_key(app);
    let mut callbacks = Vec::new();
    for (_, name, arity) in new {
        let title = format!("{}:{name}/{arity}", atom(&module));
        match arity {
            1 if is_loaded => callbacks.push((name.to_owned(), format!("{title} is new"))),
            1 => decisions.notes.push(format!(
                "{title} is new and not called, because its module is not loaded."
            )),
            _ => {
                decisions.notes.push(format!(
                    "{title} is new and takes arguments that only its author knows: add {{{}, [...]}} to post_upgrade_callbacks where it is a callback.",
                    atom(name)
                ));
                decisions.warnings.push(format!(
                    "{title} is new and takes arguments: it is not called by this hop"
                ));
            }
        }
    }
    (callbacks, module)
}

/// The number in a name like `pr_12345_do_this`.
fn callback_number(name: &str) -> Option<u64> {
    let (digits, rest) = name.strip_prefix("pr_")?.split_once('_')?;
    (!rest.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    digits.parse().ok()
}

/// What has a place in the order: a module, or an application that is restarted.
struct Units<'a> {
    units: Vec<Unit<'a>>,
    /// Units that each one calls.
    calls: Vec<Vec<usize>>,
}

struct Unit<'a> {
    name: &'a str,
    decision: Decision,
    is_restart: bool,
}

impl<'a> Units<'a> {
    fn new(
        modules: BTreeMap<&'a str, Decision>,
        restarts: BTreeMap<&'a str, Decision>,
        diff: &ReleaseDiff<'a>,
        to: &ReleaseFacts,
    ) -> Units<'a> {
        // Where nothing else decides, new modules come first, because others call them.
        let is_new = |name: &str| {
            let mut modules = diff.modules.iter();
            modules.any(|module| module.name == name && matches!(module.change, Change::Added(_)))
        };
        let mut units: Vec<Unit<'a>> = Vec::new();
        let (new, changed): (Vec<_>, Vec<_>) =
            modules.into_iter().partition(|(name, _)| is_new(name));
        for (name, decision) in new.into_iter().chain(changed) {
            let is_restart = false;
            units.push(Unit {
                name,
                decision,
                is_restart,
            });
        }
        for (name, decision) in restarts {
            let is_restart = true;
            units.push(Unit {
                name,
                decision,
                is_restart,
            });
        }
        // Who comes with which unit: of a restarted application what is new or changed.
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut apps: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, unit) in units.iter().enumerate() {
            if unit.is_restart {
                apps.insert(unit.name, place);
                let own = diff.modules_of(unit.name);
                places.extend(own.map(|module| (module.name, place)));
            } else {
                places.insert(unit.name, place);
            }
        }
        let calls = units
            .iter()
            .enumerate()
            .map(|(place, unit)| {
                let mut called = BTreeSet::new();
                let mut add = |module: &str| {
                    let Some((_, facts)) = to.module(module) else {
                        return;
                    };
                    let names = facts
                        .imports
                        .iter()
                        .map(|(module, _, _)| to.atoms.text(*module));
                    called.extend(names.filter_map(|name| places.get(name)).copied());
                };
                if unit.is_restart
                    && let Some(facts) = to.apps.get(unit.name)
                {
                    facts.modules.keys().for_each(|module| add(module));
                    let needed = facts.file.applications.iter().chain(&facts.file.included);
                    called.extend(needed.filter_map(|app| apps.get(app.as_str())).copied());
                } else {
                    add(unit.name);
                }
                called.remove(&place);
                called.into_iter().collect()
            })
            .collect();
        Units { units, calls }
    }

    /// All steps in order, and the restarts at their end that no other step waits for.
    fn ordered(self) -> (Vec<Decision>, Vec<Decision>) {
        let Units { mut units, calls } = self;
        let mut callers: Vec<Vec<&str>> = vec![Vec::new(); units.len()];
        for (caller, called) in calls.iter().enumerate() {
            for callee in called {
                callers[*callee].push(units[caller].name);
            }
        }
        let order = callees_first(&calls);
        let mut is_late = vec![false; units.len()];
        // From the end: a restart waits for all only if every caller of it does so too.
        for group in order.iter().rev() {
            for place in group {
                let mut waits = calls
                    .iter()
                    .enumerate()
                    .filter(|(_, called)| called.contains(place));
                is_late[*place] =
                    units[*place].is_restart && waits.all(|(caller, _)| is_late[caller]);
            }
        }
        let comments: Vec<Option<String>> = order
            .iter()
            .flat_map(|group| {
                let circle = circle(group, &units);
                group.iter().map(move |place| (*place, circle.clone()))
            })
            .map(|(place, circle)| circle.or_else(|| before(&callers[place])))
            .collect();
        let mut slots: Vec<Option<Decision>> = Vec::new();
        for unit in &mut units {
            slots.push(Some(unit.decision.clone()));
        }
        let (mut steps, mut tail) = (Vec::new(), Vec::new());
        for (place, comment) in order.concat().into_iter().zip(comments) {
            let Some(mut decision) = slots[place].take() else {
                continue;
            };
            if is_late[place] {
                tail.push(decision);
            } else {
                decision.why.extend(comment);
                steps.push(decision);
            }
        }
        (steps, tail)
    }
}

fn circle(group: &[usize], units: &[Unit<'_>]) -> Option<String> {
    let names: Vec<_> = group.iter().map(|place| units[*place].name).collect();
    (group.len() > 1).then(|| {
        let names = super::decide::listed(&names, CALLERS + 1);
        format!("{names} call one another and stay together")
    })
}

fn before(callers: &[&str]) -> Option<String> {
    if callers.is_empty() {
        return None;
    }
    let verb = if callers.len() == 1 { "calls" } else { "call" };
    let names = super::decide::listed(callers, CALLERS);
    Some(format!("Before {names}, which {verb} it"))
}

impl HopPlan {
    /// The instructions alone.
    pub(crate) fn instructions(&self) -> Vec<Instruction> {
        let steps = self.steps.iter();
        steps.map(|step| step.instruction.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
