//! What is under test: a program in a release.

use crate::shared;
use crate::site::{Facts, Site};
use e2e::install::{Install, Recipe};
use e2e::ports::{Slot, is_free};
use e2e::sample::{self, V4};
use e2e::{Error, Result};
use std::path::{Path, PathBuf};

/// The variable that names a `bin/emqx` to compare with.
pub const UNDER_TEST: &str = "EMQX_UNDER_TEST";

/// What throw-away directories are called.
const PREFIX: &str = "emqx-compliance-";

/// Listeners that a full EMQX opens besides MQTT over TCP: their variable and default port.
const OTHER_LISTENERS: [(&str, u16); 4] = [
    ("EMQX_LISTENERS__SSL__DEFAULT__BIND", 8883),
    ("EMQX_LISTENERS__WS__DEFAULT__BIND", 8083),
    ("EMQX_LISTENERS__WSS__DEFAULT__BIND", 8084),
    ("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", 18083),
];

/// Which program is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// This project's launcher.
    Launcher,
    /// The program that the release brings along.
    Script,
}

/// A program in a release.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Which program.
    pub program: Program,
    /// An unpacked release; `None` is the sample release.
    tree: Option<PathBuf>,
}

impl Subject {
    /// This launcher in the sample release.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            program: Program::Launcher,
            tree: None,
        }
    }

    /// A program in the release around a `bin/emqx`.
    pub fn of_release(bin_emqx: &Path, program: Program) -> Result<Self> {
        let real = fs_err::canonicalize(sample::workspace().join(bin_emqx))?;
        let tree = real.ancestors().nth(2).unwrap_or(&real).to_path_buf();
        let facts = Facts::read(&tree)?;
        if !Path::new(&facts.etc_dir).starts_with(&tree) {
            return Err(Error::Missing {
                what: format!(
                    "{} keeps its configuration in {}, outside of its own directory",
                    tree.display(),
                    facts.etc_dir
                ),
                remedy: "name the bin/emqx of an unpacked tarball: the cases run in copies of it, \
                         which must not touch what the original uses"
                    .to_owned(),
            });
        }
        Ok(Self {
            program,
            tree: Some(tree),
        })
    }

    /// Whether the release is this project's own.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.tree.is_none()
    }

    /// An installation of its own, which nothing runs in.
    pub fn fresh(&self) -> Result<Site> {
        self.fresh_at(PREFIX, Slot::claim()?)
    }

    /// The same with another beginning of the directory's name.
    pub fn fresh_named(&self, prefix: &str) -> Result<Site> {
        self.fresh_at(prefix, Slot::claim()?)
    }

    /// The same with claimed ports.
    pub fn fresh_at(&self, prefix: &str, slot: Slot) -> Result<Site> {
        let launcher = sample::launcher()?;
        let mut install = match &self.tree {
            None => {
                let recipe = Recipe {
                    prefix: prefix.to_owned(),
                    ..Recipe::sample(V4)?
                };
                Install::unpack(&recipe, slot)?
            }
            Some(tree) => {
                let launcher = match self.program {
                    Program::Launcher => Some(launcher.as_path()),
                    Program::Script => None,
                };
                Install::copy(tree, launcher, prefix, slot)?
            }
        };
        self.move_listeners(&mut install);
        let site = Site::new(install)?;
        // No command may ever fall back on a name that somebody else's node has.
        site.append_conf(&format!("node.name = {:?}", site.node_name()))?;
        Ok(site)
    }

    /// An installation of its own whose node runs.
    pub fn running(&self) -> Result<Site> {
        let site = self.fresh()?;
        site.start()?;
        Ok(site)
    }

    /// The running node that all cases share which only look.
    pub fn shared(&self) -> Result<Site> {
        let (root, slot) = shared::join("compliance", self)?;
        let mut install = Install::borrow(&root, slot)?;
        self.move_listeners(&mut install);
        Site::new(install)
    }

    /// What tells this subject from another, in one word for a keeper's arguments.
    #[must_use]
    pub fn to_words(&self) -> [String; 2] {
        let program = match self.program {
            Program::Launcher => "launcher",
            Program::Script => "script",
        };
        let tree = self.tree.as_deref().unwrap_or(Path::new(""));
        [program.to_owned(), tree.to_string_lossy().into_owned()]
    }

    /// The reverse of [`Self::to_words`].
    #[must_use]
    pub fn of_words(program: &str, tree: &str) -> Self {
        Self {
            program: match program {
                "script" => Program::Script,
                _ => Program::Launcher,
            },
            tree: Some(PathBuf::from(tree)).filter(|tree| tree != Path::new("")),
        }
    }

    /// Only what is in the way is moved: a release may not know every listener.
    fn move_listeners(&self, install: &mut Install) {
        if self.is_sample() {
            return;
        }
        for (nth, (variable, port)) in (1..).zip(OTHER_LISTENERS) {
            if !is_free(port) {
                install.set_env(variable, format!("127.0.0.1:{}", install.slot().port(nth)));
            }
        }
    }
}
