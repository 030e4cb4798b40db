//! The modules and applications that a hop names, against both releases.
//!
//! Pure.

use relup::beam::state_changes;
use relup::hop::Instruction;

use super::finding::Finding;
use super::read::Placed;
use super::schema::UNTOUCHABLE;
use super::world::World;
use crate::author::facts::ModuleFacts;

/// Modules that are in the runtime itself, which no application of a release has.
const PRELOADED: [&str; 12] = [
    "atomics",
    "counters",
    "erl_init",
    "erl_prim_loader",
    "erl_tracer",
    "erlang",
    "erts_code_purger",
    "erts_internal",
    "init",
    "persistent_term",
    "prim_file",
    "zlib",
];

/// Behaviours whose processes take a change of their state.
const STATEFUL: [&str; 5] = [
    "gen_server",
    "gen_statem",
    "gen_event",
    "gen_fsm",
    "supervisor",
];

/// Whether a module is in the runtime itself.
pub(super) fn is_preloaded(module: &str) -> bool {
    PRELOADED.contains(&module) || module.starts_with("prim_")
}

/// Finds what is wrong with the modules. `sources` are modules that are beside the hop as source only.
pub(super) fn check(world: &World<'_>, sources: &[String], found: &mut Vec<Finding>) {
    for (at, change) in world.script.changes.iter().enumerate() {
        match &change.value {
            Instruction::LoadModule(module) => {
                code(world, at, change, module, sources, found);
            }
            Instruction::Update { module, .. } => {
                if code(world, at, change, module, sources, found) {
                    update(world, change.line, module, found);
                }
            }
            Instruction::RestartApplication(app) => application(world, change.line, app, found),
            Instruction::Apply { .. } => {}
        }
    }
    for companion in world.companions {
        if world.releases.to.module(&companion.module).is_some() {
            found.push(
                Finding::warning("companion_ignored", None, &companion.module)
                    .why("the target has a module of this name: what boots next must be what runs now, so the beam beside the hop is not loaded")
                    .remedy("take the beam away, or give the module another name"),
            );
        }
    }
}

/// A module that is to be loaded. True where the target has it.
fn code(
    world: &World<'_>,
    at: usize,
    change: &Placed<Instruction>,
    module: &str,
    sources: &[String],
    found: &mut Vec<Finding>,
) -> bool {
    let (line, to) = (change.line, world.releases.to);
    let Some((app, facts)) = to.module(module) else {
        if world.companion(module).is_none() {
            found.push(missing(world, line, module, sources));
        }
        return false;
    };
    if UNTOUCHABLE.contains(&app) {
        found.push(
            Finding::error("runtime_module", line, module)
                .why(format!(
                    "it belongs to {app}, which a running VM does not exchange"
                ))
                .remedy("take it out; such a change takes a restart of the node"),
        );
        return false;
    }
    if !facts.is_listed {
        found.push(
            Finding::error("module_not_listed", line, module)
                .why(format!(
                    "{app}.app of the target does not list it: the next start would not boot it"
                ))
                .remedy("build the target with the module in its list"),
        );
    }
    let is_update = matches!(change.value, Instruction::Update { .. });
    if let Some(restart) = world.restarted(app).filter(|restart| *restart < at) {
        let why = format!(
            "{app} was restarted{} and has it already",
            by(world.line(restart))
        );
        found.push(if is_update {
            Finding::error("update_after_restart", line, module)
                .why(format!("{why}: its processes have the new state, and code_change gets it for an old one"))
                .remedy("take the update out, or put it before the restart")
        } else {
            Finding::warning("load_after_restart", line, module)
                .why(why)
                .remedy("take it out")
        });
        return true;
    }
    // The version of a release is not in the digest of this module's code.
    let is_known = world.releases.from.module(module).is_some();
    if is_known && world.changed(module).is_none() && module != "emqx_release" {
        let (why, remedy) = if is_update {
            (
                "its code is the same in both releases: processes would be suspended for nothing",
                "take it out, unless code_change is to be run all the same",
            )
        } else {
            ("its code is the same in both releases", "take it out")
        };
        found.push(
            Finding::warning("unchanged_module", line, module)
                .why(why)
                .remedy(remedy),
        );
    }
    if !is_update {
        loaded(world, line, module, found);
    }
    true
}

fn missing(world: &World<'_>, line: Option<usize>, module: &str, sources: &[String]) -> Finding {
    if is_preloaded(module) {
        return Finding::error("runtime_module", line, module)
            .why("it is part of the runtime, which a running VM does not exchange")
            .remedy("take it out");
    }
    let finding = Finding::error("module_not_found", line, module);
    if sources.iter().any(|source| source == module) {
        return finding
            .why("it is beside the hop as source only")
            .remedy(format!(
                "compile it: {module}.beam has to be beside {module}.erl"
            ));
    }
    match world.releases.from.module(module) {
        Some((app, _)) => finding
            .why(format!("the target has it no more; {app} had it"))
            .remedy("take it out: what runs of it is there until the next start"),
        None => finding
            .why("neither the target nor the directory beside the hop has it")
            .remedy(
                "correct its name, or put its beam into the directory that is called like the hop",
            ),
    }
}

/// A module that is exchanged below the processes that use it.
fn loaded(world: &World<'_>, line: Option<usize>, module: &str, found: &mut Vec<Finding>) {
    let Some((was, is)) = world.changed(module) else {
        return;
    };
    let to = world.releases.to;
    if to.loads_nif(is) {
        found.push(
            Finding::warning("nif_module", line, module)
                .why("it loads a shared library; a library that has no upgrade function refuses a second version")
                .remedy("restart its application instead, or prove the hop on a node"),
        );
    }
    if to.has_behaviour(is, "supervisor") {
        return;
    }
    let wanted = || {
        format!("use {{update, {module}, {{advanced, []}}}} and convert the state in code_change")
    };
    match certain_changes(was, is) {
        Some(changes) if changes.is_empty() => {}
        Some(changes) => found.push(
            Finding::warning("state_changed_without_update", line, module)
                .why(format!(
                    "{} differs, and processes keep the state that they have",
                    changes.join(", ")
                ))
                .remedy(wanted()),
        ),
        None if STATEFUL.iter().any(|name| to.has_behaviour(is, name))
            && (3..=4).any(|arity| to.has_export(is, "code_change", arity)) =>
        {
            found.push(
                Finding::warning("state_not_known", line, module)
                    .why("its processes can convert their state, and without debug info in both releases nobody can tell whether they have to")
                    .remedy(format!("where it differs, {}", wanted())),
            );
        }
        None => {}
    }
}

/// What surely changes the state of a module's processes; `None` where that can't be known.
fn certain_changes(was: &ModuleFacts, is: &ModuleFacts) -> Option<Vec<String>> {
    let changes = state_changes(&was.debug_term()?, &is.debug_term()?, false)?;
    let certain = changes.iter().filter(|change| change.is_certain());
    Some(certain.map(ToString::to_string).collect())
}

fn update(world: &World<'_>, line: Option<usize>, module: &str, found: &mut Vec<Finding>) {
    let to = world.releases.to;
    let Some((_, facts)) = to.module(module) else {
        return;
    };
    let is_special = to.has_export(facts, "system_code_change", 4);
    if facts.behaviours.is_empty() && !is_special {
        found.push(
            Finding::warning("update_of_plain_module", line, module)
                .why("no process has it as its callback module, as far as its behaviours tell")
                .remedy(format!("use {{load_module, {module}}}")),
        );
        return;
    }
    let arity = if to.has_behaviour(facts, "gen_statem") {
        4
    } else {
        3
    };
    let is_known = STATEFUL.iter().any(|name| to.has_behaviour(facts, name));
    let is_supervisor = to.has_behaviour(facts, "supervisor");
    if is_known && !is_supervisor && !is_special && !to.has_export(facts, "code_change", arity) {
        found.push(
            Finding::error("no_code_change", line, module)
                .why(format!("the version that is loaded exports no code_change/{arity}, which every process of it is sent through"))
                .remedy(format!("export it, or use {{load_module, {module}}} where states stay as they are")),
        );
    }
}

fn application(world: &World<'_>, line: Option<usize>, app: &str, found: &mut Vec<Finding>) {
    if UNTOUCHABLE.contains(&app) {
        return;
    }
    let (from, to) = (world.releases.from, world.releases.to);
    match (from.apps.contains_key(app), to.apps.contains_key(app)) {
        (_, true) => {}
        (true, false) => found.push(
            Finding::warning("application_removed", line, app)
                .why("the target does not have it: it would be restarted on the code that it has")
                .remedy("take it out, or stop it with {apply, application, stop, [...]}"),
        ),
        (false, false) => found.push(
            Finding::error("application_not_found", line, app)
                .why("neither release has it")
                .remedy("correct its name; the instruction takes an application, not a module"),
        ),
    }
}

fn by(line: Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(" in line {line}"))
}
