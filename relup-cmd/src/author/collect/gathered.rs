//! A release of which everything has been read: what counts of it, and what it then is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use relup::build_info::BuildInfo;
use relup::rel_file::{RelFile, StartType};

use super::pool::{DebugInfos, Side};
use super::{Dir, Files, unusable};
use crate::author::atoms::Atoms;
use crate::author::facts::{AppFacts, ModuleFacts, ReleaseFacts};
use crate::error::Error;
use crate::release::Identity;

/// A release of which everything has been read.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(super) side: Side,
    pub(super) source: PathBuf,
    pub(super) identity: Identity,
    pub(super) rel: RelFile,
    pub(super) files: Files,
}

impl Gathered {
    /// The facts of the release, with what the pool has of it.
    pub(crate) fn finish(
        mut self,
        atoms: &Arc<Atoms>,
        debug_infos: &mut DebugInfos,
    ) -> Result<ReleaseFacts, Error> {
        let mut apps = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (app, vsn) in &self.rel.apps {
            let dir = self.files.dirs.remove(&format!("{app}-{vsn}"));
            let start = self.rel.start_type(app);
            let dir = dir.unwrap_or_default();
            let facts = dir.facts(app, vsn, start, &mut self.files.protocols);
            let mut facts = facts.map_err(|reason| unusable(&self.source, reason))?;
            for (module, about) in &mut facts.modules {
                about.debug_info = debug_infos.remove(&(self.side, module.as_str().into()));
                // Who lists a module owns it; a beam that lies about elsewhere is not booted.
                if about.is_listed || !owners.contains_key(module) {
                    owners.insert(module.clone(), app.clone());
                }
            }
            apps.insert(app.clone(), facts);
        }
        let vsn = self.identity.vsn;
        let build_info = self.files.build_infos.get(vsn.as_str());
        Ok(ReleaseFacts {
            source: self.source,
            build_info: build_info.map(|text| BuildInfo::parse(text)),
            vsn,
            erts: self.rel.erts,
            apps,
            owners,
            atoms: Arc::clone(atoms),
        })
    }
}

impl Dir {
    /// The error is a reason that names the file.
    fn facts(
        mut self,
        app: &str,
        vsn: &str,
        start: StartType,
        protocols: &mut BTreeMap<String, ModuleFacts>,
    ) -> Result<AppFacts, String> {
        let Some(file) = self.app else {
            return Err(format!("lib/{app}-{vsn}/ebin/{app}.app: no such file"));
        };
        if file.name != app || file.vsn != vsn {
            return Err(format!(
                "lib/{app}-{vsn}/ebin/{app}.app is of {} {}",
                file.name, file.vsn
            ));
        }
        for name in &file.modules {
            if let Some(module) = self.modules.get_mut(name) {
                module.is_listed = true;
            }
            // What runs is the consolidated one.
            if let Some(protocol) = protocols.remove(name).or(self.protocols.remove(name)) {
                let is_listed = true;
                self.modules.insert(
                    name.clone(),
                    ModuleFacts {
                        is_listed,
                        ..protocol
                    },
                );
            }
        }
        Ok(AppFacts {
            file,
            appup: self.appup,
            start,
            modules: self.modules,
            libraries: self.libraries,
        })
    }
}
