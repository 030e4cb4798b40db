//! What can be said of a hop by itself, with neither release at hand.
//!
//! Pure. Only what is wrong whatever the releases hold is here; the order of instructions counts as far
//! as the instructions alone tell.

use std::collections::HashSet;
use std::path::Path;

use relup::hop::{HopPath, Instruction};

use super::finding::Finding;
use super::read::{Placed, Script, callback_parts, instruction_name};

/// Applications that a running VM can't do without: the node leaves them as they are.
pub(super) const UNTOUCHABLE: [&str; 3] = ["kernel", "stdlib", "compiler"];

/// Applications whose stop closes the connections of clients, or the cluster's.
const CLIENTS: [&str; 6] = ["emqx", "ekka", "esockd", "mnesia", "mria", "ranch"];

/// Functions that end the node.
const ENDS: [(&str, &str); 5] = [
    ("erlang", "halt"),
    ("init", "stop"),
    ("init", "restart"),
    ("init", "reboot"),
    ("emqx_machine", "brutal_shutdown"),
];

/// Functions that are never done with `ok`, and what they return.
const RESULTS: [(&str, &str, &str); 22] = [
    ("application", "ensure_all_started", "{ok, Started}"),
    ("application", "get_env", "{ok, Value} or undefined"),
    ("code", "add_patha", "true"),
    ("code", "add_pathz", "true"),
    ("code", "delete", "a boolean"),
    ("code", "ensure_loaded", "{module, Module}"),
    ("code", "load_abs", "{module, Module}"),
    ("code", "load_binary", "{module, Module}"),
    ("code", "load_file", "{module, Module}"),
    ("code", "purge", "a boolean"),
    ("code", "soft_purge", "a boolean"),
    ("ets", "delete", "true"),
    ("ets", "insert", "true"),
    ("ets", "new", "a table"),
    ("gen_server", "start", "{ok, Pid}"),
    ("gen_server", "start_link", "{ok, Pid}"),
    ("mnesia", "add_table_index", "{atomic, ok}"),
    ("mnesia", "create_table", "{atomic, ok}"),
    ("mnesia", "transform_table", "{atomic, ok}"),
    ("supervisor", "restart_child", "{ok, Pid}"),
    ("supervisor", "start_child", "{ok, Pid}"),
    ("erlang", "node", "a name"),
];

/// Finds what is wrong with the script alone. `file` is its file, `brought` the modules beside it.
pub(super) fn check(script: &Script, file: &Path, brought: &[&str], found: &mut Vec<Finding>) {
    for (at, change) in script.changes.iter().enumerate() {
        instruction(change, &script.changes[..at], found);
    }
    version_module(script, found);
    callbacks(script, brought, found);
    file_name(script, file, found);
}

fn instruction(
    change: &Placed<Instruction>,
    before: &[Placed<Instruction>],
    found: &mut Vec<Finding>,
) {
    let (line, name) = (change.line, instruction_name(&change.value));
    match &change.value {
        Instruction::LoadModule(_) | Instruction::Update { .. } if is_of_agent(name) => found.push(
            Finding::error("agent_module", line, name)
                .why("it belongs to what carries the upgrade out, which would lose its own code")
                .remedy("take the instruction out"),
        ),
        Instruction::LoadModule(_) | Instruction::Update { .. } => {
            let is_same = |other: &&Placed<Instruction>| {
                let is_code = matches!(
                    other.value,
                    Instruction::LoadModule(_) | Instruction::Update { .. }
                );
                is_code && instruction_name(&other.value) == name
            };
            if let Some(first) = before.iter().find(is_same) {
                repeated(change, first, "the module is the target's by then", found);
            }
        }
        Instruction::RestartApplication(_) if UNTOUCHABLE.contains(&name) => found.push(
            Finding::warning("untouchable_application", line, name)
                .why("the node never restarts it: the instruction has no effect")
                .remedy("take it out; what changed there takes a restart of the node"),
        ),
        Instruction::RestartApplication(_) => {
            if let Some(first) = before.iter().find(|other| other.value == change.value) {
                repeated(
                    change,
                    first,
                    "it would be stopped and started again",
                    found,
                );
            }
            if CLIENTS.contains(&name) {
                found.push(
                    Finding::warning("restart_drops_clients", line, name)
                        .why("while it is stopped, connections of clients or of the cluster are closed")
                        .remedy("load or update its modules instead, where that is enough"),
                );
            }
        }
        Instruction::Apply {
            module, function, ..
        } => call(module, function, line, found),
    }
}

fn repeated(
    change: &Placed<Instruction>,
    first: &Placed<Instruction>,
    why: &str,
    found: &mut Vec<Finding>,
) {
    let at = first
        .line
        .map_or(String::new(), |line| format!(" in line {line}"));
    found.push(
        Finding::warning(
            "repeated_instruction",
            change.line,
            instruction_name(&change.value),
        )
        .why(format!("there is an instruction for it{at} already; {why}"))
        .remedy("take one of the two out"),
    );
}

fn call(module: &str, function: &str, line: Option<usize>, found: &mut Vec<Finding>) {
    let shown = format!("{module}:{function}");
    if ENDS.contains(&(module, function)) {
        found.push(
            Finding::error("apply_ends_node", line, shown)
                .why("it ends the VM in the middle of the upgrade")
                .remedy("take it out"),
        );
        return;
    }
    let known = RESULTS
        .iter()
        .find(|(m, f, _)| (*m, *f) == (module, function));
    if let Some((_, _, result)) = known {
        found.push(
            Finding::error("apply_result", line, shown)
                .why(format!("it returns {result}; an apply that does not return ok fails the upgrade"))
                .remedy("call a function of your own that does it and returns ok, in a module beside the hop"),
        );
    }
}

/// The version that the node tells afterwards is in this module's code.
fn version_module(script: &Script, found: &mut Vec<Finding>) {
    let covers = |change: &Placed<Instruction>| match &change.value {
        Instruction::LoadModule(module) | Instruction::Update { module, .. } => {
            module == "emqx_release"
        }
        Instruction::RestartApplication(app) => app == "emqx",
        Instruction::Apply { .. } => false,
    };
    if script.to.is_some() && !script.changes.iter().any(covers) {
        found.push(
            Finding::error("missing_emqx_release", None, "code_changes")
                .why("the node would go on saying that it is the old version")
                .remedy("add {load_module, emqx_release}"),
        );
    }
}

fn callbacks(script: &Script, brought: &[&str], found: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    for callback in &script.callbacks {
        let (function, _) = callback_parts(&callback.value);
        if !seen.insert(function) {
            found.push(
                Finding::warning("repeated_callback", callback.line, function)
                    .why("it would be called twice")
                    .remedy("take one of the two out"),
            );
        }
    }
    let (Some(first), Some(to)) = (script.callbacks.first(), &script.to) else {
        return;
    };
    let own = format!("emqx_post_upgrade_{to}");
    let is_module = |name: &str| name == "emqx_post_upgrade" || name == own;
    let loads = script.changes.iter().any(|change| match &change.value {
        Instruction::LoadModule(name) | Instruction::Update { module: name, .. } => is_module(name),
        Instruction::RestartApplication(app) => app == "emqx",
        Instruction::Apply { .. } => false,
    });
    if !loads && !brought.contains(&own.as_str()) {
        found.push(
            Finding::warning(
                "callback_module_not_reloaded",
                first.line,
                callback_parts(&first.value).0,
            )
            .why("the callbacks are called in the emqx_post_upgrade that runs, and the hop does not load the target's")
            .remedy("add {load_module, emqx_post_upgrade}, last among the loads"),
        );
    }
}

/// People choose a file by its name.
fn file_name(script: &Script, file: &Path, found: &mut Vec<Finding>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let Some(stem) = name.strip_suffix(".relup") else {
        found.push(
            Finding::warning("file_name", None, name)
                .why("only files *.relup are found in a catalog")
                .remedy("give it a name that ends in .relup"),
        );
        return;
    };
    let (Some(from), Some(to)) = (&script.from, &script.to) else {
        return;
    };
    // The tarball's name, for a hop beside it.
    let Some((first, second)) = stem.split_once("-to-") else {
        return;
    };
    if (first, second) != (from.as_str(), to.as_str()) {
        let path = HopPath {
            from: from.to_string(),
            to: to.to_string(),
        };
        found.push(
            Finding::warning("file_name", None, name)
                .why(format!("the hop leads {path}"))
                .remedy(format!(
                    "call it {from}-to-{to}.relup, or correct its versions"
                )),
        );
    }
}

fn is_of_agent(module: &str) -> bool {
    module.starts_with("emqx_hot_apply")
}
