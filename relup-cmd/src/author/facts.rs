//! What a release is made of, as far as a hop to or from it is concerned.
//!
//! Values only: they come from `read`, and everything that compares, lints or writes hops works on
//! them. Only applications that the `.rel` file names are here, because only they are booted.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use relup::app_file::AppFile;
use relup::build_info::BuildInfo;
use relup::rel_file::StartType;
use relup::term::Term;
use relup::term::external::{deflated, parse_external, parse_inflated};
use relup::vsn::ReleaseVsn;

use super::atoms::{Atom, Atoms};

/// Longest debug info that is looked at, inflated: that of the largest modules there are is shorter.
const MAX_DEBUG_INFO: usize = 32 * 1024 * 1024;

/// A release.
#[derive(Debug)]
pub(crate) struct ReleaseFacts {
    /// The tarball or directory it was read from, as it was given.
    pub(crate) source: PathBuf,
    /// Its version.
    pub(crate) vsn: ReleaseVsn,
    /// The version of ERTS it runs on.
    pub(crate) erts: String,
    /// What it was built on; `None` where the file is missing.
    pub(crate) build_info: Option<BuildInfo>,
    /// Its applications by name.
    pub(crate) apps: BTreeMap<String, AppFacts>,
    /// Which application has a module: the one that lists it, if any does.
    pub(crate) owners: BTreeMap<String, String>,
    /// The names that modules' tables consist of; those of both releases, where two were read.
    pub(crate) atoms: Arc<Atoms>,
}

/// An application of a release.
#[derive(Debug)]
pub(crate) struct AppFacts {
    /// Its specification.
    pub(crate) file: AppFile,
    /// The text of its own appup, if it has one.
    pub(crate) appup: Option<String>,
    /// How a boot starts it.
    pub(crate) start: StartType,
    /// The modules that it has, listed or not, by name.
    pub(crate) modules: BTreeMap<String, ModuleFacts>,
    /// Shared libraries below `priv`, with the digest of each.
    pub(crate) libraries: BTreeMap<String, [u8; 16]>,
}

/// A compiled module.
#[derive(Debug)]
pub(crate) struct ModuleFacts {
    /// The digest of its code: see [`relup::beam::Module::identity`].
    pub(crate) identity: [u8; 16],
    /// Functions that it exports.
    pub(crate) exports: Arc<[(Atom, u8)]>,
    /// Functions of other modules that it calls by name.
    pub(crate) imports: Arc<[(Atom, Atom, u8)]>,
    /// The behaviours that it says it has.
    pub(crate) behaviours: Arc<[Atom]>,
    /// Whether its application's specification lists it; one that is not listed is not booted.
    pub(crate) is_listed: bool,
    /// Whether it is a protocol of Elixir with its implementations compiled in.
    pub(crate) is_consolidated: bool,
    /// Its debug info as it is in the file, kept for modules with a behaviour whose code is not the
    /// same in both releases.
    pub(crate) debug_info: Option<Box<[u8]>>,
}

impl ReleaseFacts {
    /// A module, with the name of its application.
    pub(crate) fn module(&self, name: &str) -> Option<(&str, &ModuleFacts)> {
        let app = self.owners.get(name)?;
        Some((app, self.apps.get(app)?.modules.get(name)?))
    }

    /// Whether a module exports a function; false also for a module that is not there.
    pub(crate) fn exports(&self, module: &str, function: &str, arity: u8) -> bool {
        self.module(module)
            .is_some_and(|(_, facts)| self.has_export(facts, function, arity))
    }

    /// Whether a module of this release exports a function.
    pub(crate) fn has_export(&self, facts: &ModuleFacts, function: &str, arity: u8) -> bool {
        let name = self.atoms.get(function);
        name.is_some_and(|name| facts.exports.contains(&(name, arity)))
    }

    /// Whether a module of this release calls a function of another one by name.
    pub(crate) fn has_import(&self, facts: &ModuleFacts, call: (&str, &str, u8)) -> bool {
        let (module, function) = (self.atoms.get(call.0), self.atoms.get(call.1));
        let (Some(module), Some(function)) = (module, function) else {
            return false;
        };
        facts.imports.contains(&(module, function, call.2))
    }

    /// Whether a module says it has a behaviour.
    pub(crate) fn has_behaviour(&self, facts: &ModuleFacts, behaviour: &str) -> bool {
        let name = self.atoms.get(behaviour);
        name.is_some_and(|name| facts.behaviours.contains(&name))
    }

    /// Whether loading a module loads a library into the VM.
    pub(crate) fn loads_nif(&self, facts: &ModuleFacts) -> bool {
        self.has_import(facts, ("erlang", "load_nif", 2))
    }

    /// Applications of this release that need another one to run, by their specifications.
    pub(crate) fn dependents(&self, app: &str) -> Vec<&str> {
        let needs = |file: &AppFile| {
            let mut needed = file.applications.iter().chain(&file.included);
            needed.any(|name| name == app)
        };
        self.apps
            .iter()
            .filter(|(_, facts)| needs(&facts.file))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl ModuleFacts {
    /// The debug info as a term; `None` where there is none, or none that can be read.
    pub(crate) fn debug_term(&self) -> Option<Term> {
        let bytes = self.debug_info.as_deref()?;
        let Some((len, stream)) = deflated(bytes) else {
            return parse_external(bytes).ok();
        };
        if len > MAX_DEBUG_INFO {
            return None;
        }
        let mut inflated = Vec::new();
        let limit = len as u64;
        ZlibDecoder::new(stream)
            .take(limit)
            .read_to_end(&mut inflated)
            .ok()?;
        parse_inflated(&inflated).ok()
    }
}
