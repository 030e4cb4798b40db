//! What differs between two releases, told by application and by module.
//!
//! Pure: facts in, differences out. A module is the same when its code is, so a release that was
//! only built again differs in nothing. A module that has moved to another application is compared
//! with what it was there.

use std::collections::BTreeSet;
use std::fmt;

use relup::rel_file::StartType;
use relup::term::Term;

use super::facts::{AppFacts, ModuleFacts, ReleaseFacts};

/// All differences, each list in the order of names.
#[derive(Debug)]
pub(crate) struct ReleaseDiff<'a> {
    /// Applications that only the target has.
    pub(crate) added: Vec<&'a str>,
    /// Applications that only the base has.
    pub(crate) removed: Vec<&'a str>,
    /// Applications that both have and that differ, be it in the version alone.
    pub(crate) changed: Vec<AppDiff<'a>>,
    /// Modules of all applications.
    pub(crate) modules: Vec<ModuleDiff<'a>>,
}

/// An application that both releases have.
#[derive(Debug)]
pub(crate) struct AppDiff<'a> {
    pub(crate) name: &'a str,
    pub(crate) to: &'a AppFacts,
    /// What differs in its specification and how it is started, beyond version and modules.
    pub(crate) spec: Vec<SpecChange>,
    /// Whether a shared library below `priv` was added, removed or changed.
    pub(crate) has_new_libraries: bool,
}

/// A key of an application's specification that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpecChange {
    /// `mod`.
    Callback,
    /// `start_phases`.
    StartPhases,
    /// A parameter whose default is another, or gone.
    Env(String),
    /// A parameter that the target introduces.
    NewEnv(String),
    /// The start type in the `.rel` file.
    StartType(StartType, StartType),
}

/// A module that differs.
#[derive(Debug)]
pub(crate) struct ModuleDiff<'a> {
    pub(crate) name: &'a str,
    /// The application that has it in the target; in the base, for a module that is gone.
    pub(crate) app: &'a str,
    pub(crate) change: Change<'a>,
}

/// How a module differs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    Added(&'a ModuleFacts),
    Removed,
    Changed {
        from: &'a ModuleFacts,
        to: &'a ModuleFacts,
    },
}

impl fmt::Display for SpecChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callback => f.write_str("its callback module (mod)"),
            Self::StartPhases => f.write_str("its start phases"),
            Self::Env(key) => write!(f, "the default of its parameter {key}"),
            Self::NewEnv(key) => write!(f, "its new parameter {key}"),
            Self::StartType(from, to) => {
                write!(f, "its start type ({} to {})", word(*from), word(*to))
            }
        }
    }
}

fn word(start: StartType) -> &'static str {
    match start {
        StartType::Permanent => "permanent",
        StartType::Transient => "transient",
        StartType::Temporary => "temporary",
        StartType::Load => "load",
        StartType::None => "none",
    }
}

/// Compares two releases.
pub(crate) fn compare<'a>(from: &'a ReleaseFacts, to: &'a ReleaseFacts) -> ReleaseDiff<'a> {
    let only = |one: &'a ReleaseFacts, other: &ReleaseFacts| -> Vec<&'a str> {
        let names = one.apps.keys();
        names
            .filter(|name| !other.apps.contains_key(*name))
            .map(String::as_str)
            .collect()
    };
    let modules: BTreeSet<&str> = from
        .owners
        .keys()
        .chain(to.owners.keys())
        .map(String::as_str)
        .collect();
    ReleaseDiff {
        added: only(to, from),
        removed: only(from, to),
        changed: to
            .apps
            .iter()
            .filter_map(|(name, now)| application(name, from.apps.get(name)?, now))
            .collect(),
        modules: modules
            .into_iter()
            .filter_map(|name| module(name, from, to))
            .collect(),
    }
}

impl<'a> ReleaseDiff<'a> {
    /// The modules of one application that differ.
    pub(crate) fn modules_of(&self, app: &str) -> impl Iterator<Item = &ModuleDiff<'a>> {
        self.modules.iter().filter(move |module| module.app == app)
    }

    /// Takes applications that both have out of the comparison.
    pub(crate) fn leave_out(&mut self, is_left_out: impl Fn(&str) -> bool) {
        self.changed.retain(|app| !is_left_out(app.name));
        self.modules.retain(|module| !is_left_out(module.app));
    }
}

fn application<'a>(name: &'a str, from: &'a AppFacts, to: &'a AppFacts) -> Option<AppDiff<'a>> {
    let mut spec = Vec::new();
    if from.file.callback != to.file.callback {
        spec.push(SpecChange::Callback);
    }
    if from.file.start_phases != to.file.start_phases {
        spec.push(SpecChange::StartPhases);
    }
    let value = |env: &'a [(Term, Term)], key: &Term| {
        env.iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value)
    };
    for (key, was) in &from.file.env {
        if value(&to.file.env, key) != Some(was) {
            spec.push(SpecChange::Env(key.to_string()));
        }
    }
    for (key, _) in &to.file.env {
        if value(&from.file.env, key).is_none() {
            spec.push(SpecChange::NewEnv(key.to_string()));
        }
    }
    if from.start != to.start {
        spec.push(SpecChange::StartType(from.start, to.start));
    }
    let has_new_libraries = from.libraries != to.libraries;
    let modules = |facts: &'a AppFacts| {
        let modules = facts.modules.iter();
        modules.map(|(name, module)| (name, module.identity))
    };
    let same = spec.is_empty()
        && !has_new_libraries
        && from.file.vsn == to.file.vsn
        && modules(from).eq(modules(to));
    (!same).then_some(AppDiff {
        name,
        to,
        spec,
        has_new_libraries,
    })
}

fn module<'a>(
    name: &'a str,
    from: &'a ReleaseFacts,
    to: &'a ReleaseFacts,
) -> Option<ModuleDiff<'a>> {
    let (app, change) = match (from.module(name), to.module(name)) {
        (Some((_, was)), Some((app, is))) => {
            let changed = was.identity != is.identity;
            (
                app,
                changed.then_some(Change::Changed { from: was, to: is })?,
            )
        }
        (None, Some((app, is))) => (app, Change::Added(is)),
        (Some((app, _)), None) => (app, Change::Removed),
        (None, None) => return None,
    };
    Some(ModuleDiff { name, app, change })
}
