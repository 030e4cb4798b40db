//! The beams that a hop brings along, as its checks see them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::beam::Module;

use super::finding::Finding;
use crate::author::collect::inflated;
use crate::hops::Companions;
use crate::regular;

/// Longest beam that is read.
const MAX_BEAM: u64 = 16 * 1024 * 1024;

/// A module beside a hop.
#[derive(Debug, Clone)]
pub(crate) struct Companion {
    pub(crate) module: String,
    pub(crate) exports: BTreeSet<(String, u8)>,
}

impl Companion {
    pub(super) fn exports(&self, function: &str, arity: u8) -> bool {
        self.exports.contains(&(function.to_owned(), arity))
    }
}

/// Reads the beams beside a hop file: in the directory that is called like it, or in the plugin's `ebin`
/// for a file in `priv/relup`. Those that are no modules are findings.
pub(super) fn observe(hop: &Path, found: &mut Vec<Finding>) -> Vec<Companion> {
    let mut paths = Companions::Beside.beams(hop);
    if let Some(app) = plugin_of(hop) {
        paths.extend(Companions::Ebin(app.join("ebin")).beams(hop));
    }
    let mut companions = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(companion) => companions.push(companion),
            Err((name, why)) => found.push(
                Finding::error(name, None, path.display().to_string())
                    .why(why)
                    .remedy("compile it again, into a file that is called like its module"),
            ),
        }
    }
    companions
}

/// Modules that are beside the hop as source only.
pub(super) fn sources(hop: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(hop.with_extension("")) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| path.extension().is_some_and(|found| found == "erl"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect()
}

/// The plugin's application directory, for a hop in its `priv/relup`.
fn plugin_of(hop: &Path) -> Option<PathBuf> {
    let hop = fs::canonicalize(hop).ok()?;
    let dir = hop.parent()?;
    dir.ends_with("priv/relup")
        .then(|| dir.ancestors().nth(2).map(Path::to_owned))?
}

fn read(path: &Path) -> Result<Companion, (&'static str, String)> {
    let damaged = |why: String| ("companion_damaged", why);
    let bytes = regular::read(path, MAX_BEAM).map_err(|error| damaged(error.to_string()))?;
    let bytes = inflated(&bytes).map_err(damaged)?;
    let module = Module::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
    let name = module.name().map_err(|error| damaged(error.to_string()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if *name != *stem {
        let why = format!("holds the module {name}, its name says {stem}");
        return Err(("companion_named_otherwise", why));
    }
    let exports = module
        .exports()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Companion {
        module: name.to_owned(),
        exports: exports
            .into_iter()
            .map(|function| (function.name.to_owned(), function.arity))
            .collect(),
    })
}
