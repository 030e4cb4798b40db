//! Which version of a module runs at which moment of a hop, as the node would have it.
//!
//! Pure. Beams that the hop brings along are there from the start, where the target lacks the module; a
//! module is the target's once an instruction has loaded it or restarted its application; everything
//! else is what ran before. Moments are the places of instructions: at `n`, those before `n` are done.

use std::collections::{BTreeMap, BTreeSet};

use relup::hop::Instruction;

use super::companions::Companion;
use super::read::Script;
use crate::author::facts::{ModuleFacts, ReleaseFacts};

/// Both releases of a hop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Releases<'a> {
    pub(crate) from: &'a ReleaseFacts,
    pub(crate) to: &'a ReleaseFacts,
}

/// What runs under a module's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// What ran before the hop.
    Base,
    Target,
    /// A beam beside the hop.
    Companion,
    /// Its application was restarted, and no longer has it.
    Gone,
    /// Nothing.
    None,
}

/// A hop with everything that is known of where it is applied.
pub(super) struct World<'a> {
    pub(super) script: &'a Script,
    pub(super) companions: &'a [Companion],
    pub(super) releases: Releases<'a>,
    /// When a module becomes the target's.
    reached: BTreeMap<&'a str, usize>,
    /// When a module goes with the former version of its application.
    gone: BTreeMap<&'a str, usize>,
    /// Where each application is restarted first.
    restarted: BTreeMap<&'a str, usize>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        script: &'a Script,
        companions: &'a [Companion],
        releases: Releases<'a>,
    ) -> World<'a> {
        let mut world = World {
            script,
            companions,
            releases,
            reached: BTreeMap::new(),
            gone: BTreeMap::new(),
            restarted: BTreeMap::new(),
        };
        for (at, change) in script.changes.iter().enumerate() {
            match &change.value {
                Instruction::LoadModule(module) | Instruction::Update { module, .. } => {
                    world.reached.entry(module).or_insert(at);
                }
                Instruction::RestartApplication(app) => world.restart(app, at),
                Instruction::Apply { .. } => {}
            }
        }
        world
    }

    fn restart(&mut self, app: &'a str, at: usize) {
        self.restarted.entry(app).or_insert(at);
        let Releases { from, to } = self.releases;
        let Some(target) = to.apps.get(app) else {
            return;
        };
        for module in target.modules.keys() {
            self.reached.entry(module).or_insert(at);
        }
        // Applications that it needs and that did not run come with it.
        let mut needed: Vec<&str> = target
            .file
            .applications
            .iter()
            .map(String::as_str)
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = needed.pop() {
            let (Some(facts), false) = (to.apps.get(name), from.apps.contains_key(name)) else {
                continue;
            };
            if seen.insert(name) {
                for module in facts.modules.keys() {
                    self.reached.entry(module).or_insert(at);
                }
                needed.extend(facts.file.applications.iter().map(String::as_str));
            }
        }
        for module in from
            .apps
            .get(app)
            .into_iter()
            .flat_map(|facts| facts.modules.keys())
        {
            if to.module(module).is_none() {
                self.gone.entry(module).or_insert(at);
            }
        }
    }

    /// The end of the instructions.
    pub(super) fn end(&self) -> usize {
        self.script.changes.len()
    }

    /// Where the module becomes the target's, if it does.
    pub(super) fn reached(&self, module: &str) -> Option<usize> {
        self.reached.get(module).copied()
    }

    /// Where the application is restarted, if it is.
    pub(super) fn restarted(&self, app: &str) -> Option<usize> {
        self.restarted.get(app).copied()
    }

    pub(super) fn companion(&self, module: &str) -> Option<&Companion> {
        self.companions.iter().find(|known| known.module == module)
    }

    /// What runs under this name before the instruction `at`.
    pub(super) fn version(&self, module: &str, at: usize) -> Version {
        let done = |moment: Option<&usize>| moment.is_some_and(|moment| *moment < at);
        let Releases { from, to } = self.releases;
        if to.module(module).is_some() && done(self.reached.get(module)) {
            Version::Target
        } else if to.module(module).is_none() && self.companion(module).is_some() {
            Version::Companion
        } else if done(self.gone.get(module)) {
            Version::Gone
        } else if from.module(module).is_some() {
            Version::Base
        } else {
            Version::None
        }
    }

    /// Whether a function is there before the instruction `at`.
    pub(super) fn exports(&self, module: &str, function: &str, arity: u8, at: usize) -> bool {
        let Releases { from, to } = self.releases;
        match self.version(module, at) {
            Version::Base => from.exports(module, function, arity),
            Version::Target => to.exports(module, function, arity),
            Version::Companion => self
                .companion(module)
                .is_some_and(|known| known.exports(function, arity)),
            Version::Gone | Version::None => false,
        }
    }

    /// The target's version of a module that both have and whose code differs.
    pub(super) fn changed(&self, module: &str) -> Option<(&'a ModuleFacts, &'a ModuleFacts)> {
        let (_, was) = self.releases.from.module(module)?;
        let (_, is) = self.releases.to.module(module)?;
        (was.identity != is.identity).then_some((was, is))
    }

    /// Two places between which nothing but loads stands are one moment to whoever runs: such loads are
    /// made current together.
    pub(super) fn is_one_batch(&self, one: usize, other: usize) -> bool {
        let range = one.min(other)..=one.max(other);
        self.script.changes[range]
            .iter()
            .all(|change| matches!(change.value, Instruction::LoadModule(_)))
    }

    /// The line of the instruction `at`.
    pub(super) fn line(&self, at: usize) -> Option<usize> {
        self.script.changes.get(at)?.line
    }
}
