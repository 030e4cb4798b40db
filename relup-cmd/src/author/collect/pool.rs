//! What two releases have in common, kept once.
//!
//! Most modules are the same in both: their tables are shared, and their debug info, which is only
//! there to be compared, is dropped as soon as the second of the two is met. Both releases are read
//! at the same time, so a lock is around it all; it is held for one module's names at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use relup::beam::{BeamError, Module};

use crate::author::atoms::{Atom, Atoms};
use crate::author::facts::ModuleFacts;

/// Which of the two releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    From,
    To,
}

/// Debug info of modules that are not known to be the same in both.
pub(crate) type DebugInfos = HashMap<(Side, Box<str>), Box<[u8]>>;

/// Names and tables of both releases.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    atoms: Atoms,
    known: HashMap<Box<str>, Known>,
    debug_infos: DebugInfos,
}

/// The last module of a name that was met.
#[derive(Debug)]
struct Known {
    side: Side,
    identity: [u8; 16],
    exports: Arc<[(Atom, u8)]>,
    imports: Arc<[(Atom, Atom, u8)]>,
    behaviours: Arc<[Atom]>,
}

impl Pool {
    /// The facts of a module of one of the two.
    pub(super) fn module(
        &self,
        side: Side,
        name: &str,
        module: &Module<'_>,
        behaviours: &[String],
    ) -> Result<ModuleFacts, BeamError> {
        let identity = module.identity();
        let (exports, imports) = (module.exports()?, module.imports()?);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            atoms,
            known,
            debug_infos,
        } = &mut *inner;
        if let Some(known) = known.get(name)
            && known.identity == identity
            && known.side != side
        {
            debug_infos.remove(&(known.side, Box::from(name)));
            return Ok(known.facts());
        }
        let found = Known {
            side,
            identity,
            exports: exports
                .iter()
                .map(|function| (atoms.intern(function.name), function.arity))
                .collect(),
            imports: imports
                .iter()
                .map(|call| {
                    let (module, name) = (atoms.intern(call.module), atoms.intern(call.name));
                    (module, name, call.arity)
                })
                .collect(),
            behaviours: behaviours.iter().map(|name| atoms.intern(name)).collect(),
        };
        // Processes whose states are compared have a behaviour, or speak the system messages.
        let mut exports = exports.iter();
        let is_special = exports.any(|own| own.name == "system_code_change" && own.arity == 4);
        if (is_special || !behaviours.is_empty())
            && let Some(debug_info) = module.debug_info()
        {
            debug_infos.insert((side, name.into()), debug_info.into());
        }
        let facts = found.facts();
        known.insert(name.into(), found);
        Ok(facts)
    }

    /// All names, and the debug info that is left, once both releases have been read.
    pub(crate) fn finish(self) -> (Arc<Atoms>, DebugInfos) {
        let inner = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (Arc::new(inner.atoms), inner.debug_infos)
    }
}

impl Known {
    fn facts(&self) -> ModuleFacts {
        ModuleFacts {
            identity: self.identity,
            exports: Arc::clone(&self.exports),
            imports: Arc::clone(&self.imports),
            behaviours: Arc::clone(&self.behaviours),
            is_listed: false,
            is_consolidated: false,
            debug_info: None,
        }
    }
}
