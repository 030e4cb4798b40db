//! One compiled module as facts.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use relup::beam::{BeamError, Module, is_packed};
use relup::layout::is_component;

use super::pool::{Pool, Side};
use crate::author::facts::ModuleFacts;

/// Longest module once it is inflated.
const MAX_INFLATED: u64 = 256 * 1024 * 1024;

/// The facts of the module that a file called `name` must hold. The error is a reason.
pub(super) fn facts(
    name: &str,
    bytes: &[u8],
    side: Side,
    pool: &Pool,
) -> Result<ModuleFacts, String> {
    let bytes = inflated(bytes)?;
    let told = |error: BeamError| error.to_string();
    let module = Module::parse(&bytes).map_err(told)?;
    let found = module.name().map_err(told)?;
    if found != name || !is_component(found) {
        return Err(format!("holds the module {found:?}"));
    }
    let mut behaviours = Vec::new();
    for (key, values) in module.attributes().map_err(told)? {
        if matches!(key.as_str(), "behaviour" | "behavior") {
            let names = values.iter().filter_map(|value| value.as_atom());
            behaviours.extend(names.map(str::to_owned));
        }
    }
    pool.module(side, name, &module, &behaviours).map_err(told)
}

/// Modules may be compressed as a whole.
pub(in crate::author) fn inflated(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
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
