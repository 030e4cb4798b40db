//! Settings of a boot that more than one place can have: which one counts, and where it came from.

use shims::node_name::NodeName;

use crate::boot::config::BootConfigs;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::sourced::{Origin, Sourced};

/// The node's name: the environment's, the configuration's, or EMQX's own.
///
/// # Errors
/// A name that is none.
pub fn node_name(env: &Environment, configs: &BootConfigs) -> Result<Sourced<NodeName>, Error> {
    env.sourced("EMQX_NODE__NAME")
        .or_else(|| configs.sourced(env, "node.name"))
        .unwrap_or_else(|| Sourced::new("emqx".to_owned(), Origin::Default))
        .try_map(|name, origin| {
            NodeName::parse(&name).map_err(|_| Error::NodeName {
                name: name.clone(),
                origin: Some(origin.clone()),
            })
        })
}

/// When the VM loads code: `ESSENTIAL` features start sooner when code is loaded as it is needed.
pub fn code_loading_mode(env: &mut Environment) -> Sourced<String> {
    const NAME: &str = "CODE_LOADING_MODE";
    if let Some(mode) = env.sourced(NAME) {
        return mode;
    }
    if env.get("EMQX_FEATURES") == Some("ESSENTIAL") {
        env.set(NAME, "interactive");
        let origin = Origin::Variable("EMQX_FEATURES".into());
        return Sourced::new("interactive".into(), origin);
    }
    Sourced::new("embedded".into(), Origin::Default)
}
