//! One compiled module as facts.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use relup::beam::{Module, is_packed};
use relup::layout::is_component;

use crate::author::atoms::Atoms;
use crate::author::facts::ModuleFacts;

/// Longest module once it is inflated.
const MAX_INFLATED: u64 = 256 * 1024 * 1024;

/// The facts of the module that a file called `name` must hold. The error is a reason.
pub(super) fn facts(
    name: &str,
    is_consolidated: bool,
    bytes: &[u8],
    atoms: &mut Atoms,
) -> Result<ModuleFacts, String> {
    let bytes = inflated(bytes)?;
    let module = Module::parse(&bytes).map_err(|error| error.to_string())?;
    let mut read = || {
        let found = module.name()?;
        if found != name || !is_component(found) {
            return Ok(Err(format!("holds the module {found:?}")));
        }
        let mut behaviours = Vec::new();
        for (key, values) in module.attributes()? {
            if matches!(key.as_str(), "behaviour" | "behavior") {
                let names = values.iter().filter_map(|value| value.as_atom());
                behaviours.extend(names.map(|name| atoms.intern(name)));
            }
        }
        let exports: Box<[_]> = module
            .exports()?
            .into_iter()
            .map(|function| (atoms.intern(function.name), function.arity))
            .collect();
        let imports: Box<[_]> = module
            .imports()?
            .into_iter()
            .map(|call| {
                let (module, name) = (atoms.intern(call.module), atoms.intern(call.name));
                (module, name, call.arity)
            })
            .collect();
        // Processes whose states are compared have a behaviour, or speak the system messages.
        let special = atoms
            .get("system_code_change")
            .is_some_and(|name| exports.contains(&(name, 4)));
        let kept = !behaviours.is_empty() || special;
        Ok(Ok(ModuleFacts {
            identity: module.identity(),
            exports,
            imports,
            behaviours: behaviours.into(),
            is_listed: false,
            is_consolidated,
            debug_info: module.debug_info().filter(|_| kept).map(Into::into),
        }))
    };
    let outcome: Result<_, relup::beam::BeamError> = read();
    outcome.map_err(|error| error.to_string())?
}

/// Modules may be compressed as a whole.
fn inflated(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !is_packed(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut module = Vec::new();
    GzDecoder::new(bytes)
        .take(MAX_INFLATED)
        .read_to_end(&mut module)
        .map_err(|error| format!("a compressed module that is damaged: {error}"))?;
    Ok(Cow::Owned(module))
}
