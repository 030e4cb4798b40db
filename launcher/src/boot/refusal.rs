//! What speaks against a boot before anything is asked or written, and what an operator should
//! hear about although it does not.

use std::path::Path;

use crate::boot::Boot;
use crate::boot::cookie::check_default_cookie;
use crate::command::Command;
use crate::environment::Environment;
use crate::error::Error;
use crate::host::open_files_limit;
use crate::message;
use crate::release::Release;
use crate::running::nodes_of;

/// Warns about what a broker will suffer from later: few open files, a well-known cookie.
///
/// # Errors
/// A well-known cookie under a profile that forbids it.
pub fn warn(release: &Release, boot: &Boot) -> Result<(), Error> {
    if let Some(limit) = open_files_limit().filter(|limit| *limit < 1024) {
        message::warning(&format!(
            "ulimit -n is {limit}; 1024 is the recommended minimum."
        ));
    }
    let profile = boot.env.get("EMQX_SECURITY_PROFILE").unwrap_or("legacy");
    let warnings = check_default_cookie(
        &boot.cookie,
        &release.default_cookie,
        &release.etc_dir,
        profile,
    )?;
    for line in &warnings {
        message::warning(line);
    }
    Ok(())
}

/// Refuses a security profile that does not exist.
///
/// # Errors
/// A value other than `legacy` and `hardened`.
pub fn check_profile(env: &Environment) -> Result<(), Error> {
    match env.get("EMQX_SECURITY_PROFILE") {
        None | Some("legacy" | "hardened") => Ok(()),
        Some(other) => Err(Error::SecurityProfile {
            profile: other.to_owned(),
        }),
    }
}

/// Refuses to boot a node that runs: by its name, and by its data directory, which two nodes would
/// destroy together.
///
/// # Errors
/// A node of that name or with that data directory runs below the base.
pub fn refuse_second(
    release: &Release,
    name: Option<&str>,
    data_dir: Option<&Path>,
    command: Command,
) -> Result<(), Error> {
    if command == Command::CheckConfig {
        return Ok(());
    }
    let nodes = nodes_of(release);
    let same = nodes.into_iter().find(|node| {
        name.is_some_and(|name| node.name == name)
            || data_dir.is_some_and(|dir| node.data_dir.as_deref() == Some(dir))
    });
    match same {
        Some(node) => Err(Error::AlreadyRunning { name: node.name }),
        None => Ok(()),
    }
}
