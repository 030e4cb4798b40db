//! What speaks against a boot before anything is asked or written, and what an operator should
//! hear about although it does not.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess, geteuid};

use crate::boot::Boot;
use crate::boot::cookie::check_default_cookie;
use crate::command::Command;
use crate::error::Error;
use crate::host::environment::Environment;
use crate::host::open_files_limit;
use crate::message;
use crate::node::running::nodes_of;
use crate::release::Release;
use crate::sourced::{Origin, Sourced};

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
        boot.cookie.expose(),
        release.default_cookie.expose(),
        &release.etc_dir,
        profile,
    )?;
    for line in &warnings {
        message::warning(line);
    }
    Ok(())
}

/// The security profile in force.
pub fn security_profile(caller: &Environment) -> Sourced<String> {
    caller
        .sourced("EMQX_SECURITY_PROFILE")
        .unwrap_or_else(|| Sourced::new("legacy".to_owned(), Origin::Default))
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

/// Makes a directory that a boot needs.
///
/// # Errors
/// It cannot be made: tells which directory is in the way, and whose it is.
pub fn make_dir(dir: &Path) -> Result<(), Error> {
    demand_writable(dir)?;
    Ok(fs_err::create_dir_all(dir)?)
}

/// Refuses to boot where the user may not write what a boot or the node must write: often somebody
/// has started it as root before, and what root has made stays root's.
///
/// # Errors
/// The first path that is in the way.
pub fn check_writable(release: &Release, boot: &Boot) -> Result<(), Error> {
    let database = boot.data_dir.join("mnesia").join(boot.name.to_string());
    for dir in [&boot.configs_dir(), &database, &release.log_dir] {
        demand_writable(dir)?;
    }
    // run_erl says nothing at all when it may not write its log.
    let is_console_log = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("erlang.log."))
    };
    let logs = entries(&release.log_dir).into_iter().filter(is_console_log);
    entries(&database)
        .into_iter()
        .chain(logs)
        .try_for_each(|file| demand_writable(&file))
}

/// Demands that a path can be written, or made where it does not exist yet.
fn demand_writable(path: &Path) -> Result<(), Error> {
    let Some((existing, metadata)) = path
        .ancestors()
        .find_map(|dir| Some((dir, fs_err::metadata(dir).ok()?)))
    else {
        return Ok(());
    };
    let mut wanted = AccessFlags::W_OK;
    if metadata.is_dir() {
        wanted |= AccessFlags::X_OK;
    } else if existing != path {
        return Err(Error::NotWritable {
            dir: existing.to_path_buf(),
            reason: "it is no directory".into(),
        });
    }
    eaccess(existing, wanted).map_err(|errno| {
        let error = io::Error::from(errno);
        Error::NotWritable {
            dir: existing.to_path_buf(),
            reason: format!(
                "{} (this is uid {}, it belongs to uid {})",
                error.kind(),
                geteuid(),
                metadata.uid()
            ),
        }
    })
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(dir).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// Refuses to boot a node that runs, where the command boots one.
///
/// # Errors
/// A node of that name or with that data directory runs below the base.
pub fn refuse_second(
    release: &Release,
    name: Option<&str>,
    data_dir: Option<&Path>,
    command: Command,
) -> Result<(), Error> {
    // What a restart stops is known to it alone: it asks for itself.
    if matches!(command, Command::CheckConfig | Command::Restart) {
        return Ok(());
    }
    refuse_besides(release, name, data_dir, None)
}

/// Refuses to boot a node that runs in any process but one: by its name, and by its data directory,
/// which two nodes would destroy together.
///
/// # Errors
/// A node of that name or with that data directory runs below the base.
pub fn refuse_besides(
    release: &Release,
    name: Option<&str>,
    data_dir: Option<&Path>,
    stopped: Option<i32>,
) -> Result<(), Error> {
    let nodes = nodes_of(release);
    let mut others = nodes.into_iter().filter(|node| Some(node.pid) != stopped);
    let same = others.find(|node| {
        name.is_some_and(|name| node.name == name)
            || data_dir.is_some_and(|dir| node.data_dir.as_deref() == Some(dir))
    });
    match same {
        Some(node) => Err(Error::AlreadyRunning { name: node.name }),
        None => Ok(()),
    }
}
