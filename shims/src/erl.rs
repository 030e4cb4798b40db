//! The Erlang modules that are carried as source and compiled in the VM that runs them, so that one
//! binary serves every OTP release from 25 to 28. They are plain files in `shims/erl/`.

macro_rules! modules {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../erl/", $name, ".erl")))),+]
    };
}

/// The hot-apply agent: names and sources of its modules. `emqx_hot_apply` is the one to call.
pub const HOT_APPLY: &[(&str, &str)] = modules![
    "emqx_hot_apply",
    "emqx_hot_apply_app",
    "emqx_hot_apply_calls",
    "emqx_hot_apply_code",
    "emqx_hot_apply_exec",
    "emqx_hot_apply_guardian",
    "emqx_hot_apply_helper",
    "emqx_hot_apply_hop",
    "emqx_hot_apply_memory",
    "emqx_hot_apply_outcome",
    "emqx_hot_apply_outline",
    "emqx_hot_apply_plan",
    "emqx_hot_apply_procs",
    "emqx_hot_apply_purge",
    "emqx_hot_apply_record",
    "emqx_hot_apply_report",
    "emqx_hot_apply_state",
    "emqx_hot_apply_sys",
    "emqx_hot_apply_tree",
    "emqx_hot_apply_undo",
    "emqx_hot_apply_update",
    "emqx_hot_apply_verify",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_agent_is_carried() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/erl");
        let mut found: Vec<String> = fs_err::read_dir(folder)
            .expect("the folder is part of the crate")
            .filter_map(|entry| {
                entry
                    .expect("it can be read")
                    .file_name()
                    .into_string()
                    .ok()
            })
            .filter_map(|name| name.strip_suffix(".erl").map(str::to_owned))
            .filter(|name| name.starts_with("emqx_hot_apply"))
            .collect();
        found.sort();
        let carried: Vec<&str> = HOT_APPLY.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, found);
        for (name, source) in HOT_APPLY {
            assert!(source.contains(&format!("-module({name}).")), "{name}");
        }
    }
}
