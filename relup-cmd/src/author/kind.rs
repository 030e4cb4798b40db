//! What a module is to an upgrade: code alone, or code with processes that keep a state for it.

use super::facts::{ModuleFacts, ReleaseFacts};

/// What runs a module's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whoever calls it.
    Plain,
    /// A supervisor: its state are child specifications.
    Supervisor,
    /// Processes with a state that `code_change` of this arity converts.
    Process {
        /// The behaviour, or what stands in its place, for people.
        name: &'static str,
        /// The function and its arity.
        code_change: (&'static str, u8),
    },
    /// Processes of behaviours that only their authors know.
    Custom(Vec<String>),
}

/// OTP's behaviours whose processes keep a state, and what converts it.
const PROCESSES: [(&str, (&str, u8)); 4] = [
    ("gen_server", ("code_change", 3)),
    ("gen_statem", ("code_change", 4)),
    ("gen_event", ("code_change", 3)),
    ("gen_fsm", ("code_change", 4)),
];
/// Behaviours of code that is called, and keeps nothing.
const STATELESS: [&str; 3] = ["application", "logger_handler", "logger_formatter"];

impl Kind {
    /// What the module is in its release.
    pub(crate) fn of(module: &ModuleFacts, release: &ReleaseFacts) -> Kind {
        let has = |behaviour: &str| release.has_behaviour(module, behaviour);
        if has("supervisor") {
            return Kind::Supervisor;
        }
        if let Some((name, code_change)) = PROCESSES.into_iter().find(|(name, _)| has(name)) {
            return Kind::Process { name, code_change };
        }
        if release.has_export(module, "system_code_change", 4) {
            let (name, code_change) = ("special process", ("system_code_change", 4));
            return Kind::Process { name, code_change };
        }
        let names = module
            .behaviours
            .iter()
            .map(|name| release.atoms.text(*name));
        let names: Vec<_> = names
            .filter(|name| !STATELESS.contains(name))
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            Kind::Plain
        } else {
            Kind::Custom(names)
        }
    }
}
