//! The functions that a hop calls, and that its modules call of one another, at the moment of the call.
//!
//! Pure. The trap that these rules are for: a function that the target has is not there before the hop
//! has loaded the module, and a function of the base is not there afterwards.

use std::collections::HashSet;

use relup::hop::Instruction;

use super::finding::Finding;
use super::modules::is_preloaded;
use super::read::callback_parts;
use super::world::{Version, World};
use crate::author::diff::{Change, ReleaseDiff};
use crate::author::facts::{ModuleFacts, ReleaseFacts};

/// Finds calls of what is not there.
pub(super) fn check(world: &World<'_>, diff: &ReleaseDiff<'_>, found: &mut Vec<Finding>) {
    for (at, change) in world.script.changes.iter().enumerate() {
        if let Instruction::Apply {
            module,
            function,
            args,
        } = &change.value
        {
            let arity = u8::try_from(args.len()).unwrap_or(u8::MAX);
            apply(world, at, (module, function, arity), found);
        }
    }
    callbacks(world, found);
    between(world, diff, found);
}

fn apply(
    world: &World<'_>,
    at: usize,
    (module, function, arity): (&str, &str, u8),
    found: &mut Vec<Finding>,
) {
    if is_preloaded(module) || world.exports(module, function, arity, at) {
        return;
    }
    let shown = format!("{module}:{function}/{arity}");
    let line = world.line(at);
    let (from, to) = (world.releases.from, world.releases.to);
    if to.exports(module, function, arity) {
        let finding = Finding::error("apply_before_load", line, shown);
        found.push(
            match world.reached(module).filter(|reached| *reached > at) {
                Some(later) => finding
                    .why(format!(
                        "only the target's {module} has it, which is loaded later{}",
                        by(world.line(later))
                    ))
                    .remedy("put the apply behind that"),
                None => finding
                    .why(format!(
                        "only the target's {module} has it, and the hop does not load that"
                    ))
                    .remedy(format!("add {{load_module, {module}}} before it")),
            },
        );
        return;
    }
    let known = from.module(module).is_some()
        || to.module(module).is_some()
        || world.companion(module).is_some();
    found.push(if known {
        Finding::error("apply_not_exported", line, shown)
            .why(format!(
                "the {module} that runs then exports no {function}/{arity}"
            ))
            .remedy("correct the function or the number of its arguments, or export it")
    } else {
        Finding::error("apply_module_not_found", line, shown)
            .why("neither release has this module, and it is not beside the hop")
            .remedy(
                "correct its name, or put its beam into the directory that is called like the hop",
            )
    });
}

fn callbacks(world: &World<'_>, found: &mut Vec<Finding>) {
    let Some(to_vsn) = &world.script.to else {
        return;
    };
    let own = format!("emqx_post_upgrade_{to_vsn}");
    let end = world.end();
    let is_own = !matches!(world.version(&own, end), Version::None | Version::Gone);
    let module = if is_own {
        own.as_str()
    } else {
        "emqx_post_upgrade"
    };
    let (from, to) = (world.releases.from, world.releases.to);
    for callback in &world.script.callbacks {
        let (function, arity) = callback_parts(&callback.value);
        let arity = u8::try_from(arity).unwrap_or(u8::MAX);
        if world.exports(module, function, arity, end) {
            continue;
        }
        let shown = format!("{module}:{function}/{arity}");
        found.push(if to.exports(module, function, arity) {
            Finding::error("callback_module_not_reloaded", callback.line, shown)
                .why(format!("only the target's {module} has it, and the hop does not load that"))
                .remedy(format!("add {{load_module, {module}}}, last among the loads"))
        } else {
            Finding::error("callback_not_exported", callback.line, shown)
                .why(format!("the {module} that runs then exports no such function; the version that is left is its first argument"))
                .remedy("export it with one argument more than the hop gives, or take the callback out")
        });
    }
    if is_own {
        return;
    }
    for name in new_callbacks(from, to) {
        let listed = world
            .script
            .callbacks
            .iter()
            .any(|callback| callback_parts(&callback.value).0 == name);
        if !listed {
            found.push(
                Finding::warning(
                    "forgotten_callback",
                    None,
                    format!("emqx_post_upgrade:{name}"),
                )
                .why("the target has added it, and the hop does not call it")
                .remedy(format!("add {name} to post_upgrade_callbacks")),
            );
        }
    }
}

/// Callbacks of the target that the base did not have.
fn new_callbacks<'a>(from: &ReleaseFacts, to: &'a ReleaseFacts) -> Vec<&'a str> {
    let Some((_, facts)) = to.module("emqx_post_upgrade") else {
        return Vec::new();
    };
    let names = facts
        .exports
        .iter()
        .map(|(name, arity)| (to.atoms.text(*name), *arity));
    let mut new: Vec<&str> = names
        .filter(|(name, arity)| {
            name.starts_with("pr_") && !from.exports("emqx_post_upgrade", name, *arity)
        })
        .map(|(name, _)| name)
        .collect();
    new.sort_unstable();
    new.dedup();
    new
}

/// Calls between modules that come from different releases, at the end and on the way.
fn between(world: &World<'_>, diff: &ReleaseDiff<'_>, found: &mut Vec<Finding>) {
    let differs: HashSet<&str> = diff.modules.iter().map(|module| module.name).collect();
    let end = world.end();
    for module in &diff.modules {
        let version = world.version(module.name, end);
        let (release, facts) = match (module.change, version) {
            (Change::Added(is) | Change::Changed { to: is, .. }, Version::Target) => {
                (world.releases.to, is)
            }
            // What is left of the base goes on calling what it called.
            (Change::Changed { from: was, .. }, Version::Base) => (world.releases.from, was),
            _ => continue,
        };
        for (callee, function, arity) in calls(release, facts) {
            if callee == module.name || !differs.contains(callee) {
                continue;
            }
            let there = release.exports(callee, function, arity);
            if !there {
                // Wrong in the release itself, or a function of the runtime.
                continue;
            }
            let call = format!("{callee}:{function}/{arity}");
            if !world.exports(callee, function, arity, end) {
                let (why, remedy) = if version == Version::Target {
                    (
                        format!(
                            "it calls {call}, which only the target has, and the hop does not load {callee}"
                        ),
                        format!("add {{load_module, {callee}}} before it"),
                    )
                } else {
                    (
                        format!(
                            "it calls {call}, which the target no longer has, and the hop leaves it as it is"
                        ),
                        format!("add {{load_module, {}}}", module.name),
                    )
                };
                let at = world.reached(module.name);
                found.push(
                    Finding::error(
                        "undefined_call",
                        at.and_then(|at| world.line(at)),
                        module.name,
                    )
                    .why(why)
                    .remedy(remedy),
                );
                break;
            }
            if version == Version::Target
                && too_early(world, module.name, (callee, function, arity), found)
            {
                break;
            }
        }
    }
}

/// A module that is loaded before what it calls, with something in between.
fn too_early(
    world: &World<'_>,
    module: &str,
    (callee, function, arity): (&str, &str, u8),
    found: &mut Vec<Finding>,
) -> bool {
    let (Some(at), Some(later)) = (world.reached(module), world.reached(callee)) else {
        return false;
    };
    // Nobody calls it before all is done.
    if module.starts_with("emqx_post_upgrade") {
        return false;
    }
    if later <= at
        || world.is_one_batch(at, later)
        || world.exports(callee, function, arity, at + 1)
    {
        return false;
    }
    found.push(
        Finding::warning("load_order", world.line(at), module)
            .why(format!(
                "it calls {callee}:{function}/{arity}, which is there only after {callee} is loaded{}; other instructions run in between",
                by(world.line(later))
            ))
            .remedy(format!("put the load of {callee} before that of {module}")),
    );
    true
}

fn calls<'a>(
    release: &'a ReleaseFacts,
    facts: &'a ModuleFacts,
) -> impl Iterator<Item = (&'a str, &'a str, u8)> {
    facts.imports.iter().map(|(module, function, arity)| {
        let text = |atom| release.atoms.text(atom);
        (text(*module), text(*function), *arity)
    })
}

/// The name of an instruction's line, for a sentence.
fn by(line: Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(" in line {line}"))
}
