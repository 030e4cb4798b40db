//! Questions to a running node, asked through the launcher's own commands.
//!
//! The answers are what `emqx eval` prints, so this module has no idea of Erlang terms beyond the
//! text of simple ones. Nothing here changes the node.

use crate::error::{Error, Result};
use crate::install::Install;
use std::collections::BTreeMap;

/// Everything about a VM that a refused command must leave as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmState {
    /// Process id of the VM.
    pub os_pid: u32,
    /// `emqx_release:version()`.
    pub version: String,
    /// Digest over the names and code digests of all loaded modules.
    pub modules: String,
    /// Digest of the code path.
    pub code_path: String,
    /// Applications that run, with their versions.
    pub applications: String,
}

/// Evaluates an Erlang expression on the node and gives back the printed value.
pub fn eval(install: &Install, expression: &str) -> Result<String> {
    let finished = install.emqx(&["eval", expression])?.success()?;
    Ok(finished.text().to_owned())
}

/// Evaluates an expression whose value is a string or binary of plain characters.
pub fn eval_text(install: &Install, expression: &str) -> Result<String> {
    let printed = eval(install, expression)?;
    let inner = printed
        .trim_start_matches("<<")
        .trim_end_matches(">>")
        .trim_matches('"');
    Ok(inner.to_owned())
}

/// The version that the running code says it is.
pub fn version(install: &Install) -> Result<String> {
    eval_text(install, "emqx_release:version()")
}

/// The release tree that the VM was booted from.
pub fn root_dir(install: &Install) -> Result<String> {
    eval_text(install, "code:root_dir()")
}

/// Where the node keeps its data, as an absolute path.
pub fn data_dir(install: &Install) -> Result<String> {
    eval_text(install, "filename:absname(emqx:data_dir())")
}

/// What `emqx ctl state` of the sample tells: everything that an upgrade touches, by key.
pub fn state(install: &Install) -> Result<BTreeMap<String, String>> {
    let finished = install.emqx(&["ctl", "state"])?.success()?;
    let lines = finished
        .stdout
        .lines()
        .filter_map(|line| line.split_once(": "));
    Ok(lines
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

/// Process id of the VM, as the VM itself sees it.
pub fn os_pid(install: &Install) -> Result<u32> {
    let text = eval_text(install, "os:getpid()")?;
    text.parse()
        .map_err(|_| Error::Unexpected(format!("not a process id: {text:?}")))
}

/// All that a refused command must not change.
pub fn vm_state(install: &Install) -> Result<VmState> {
    let digest = |value: &str| format!("erlang:phash2({value}, 4294967296)");
    let modules = "lists:sort([{M, try M:module_info(md5) catch _:_ -> gone end} \
                   || {M, _} <- code:all_loaded()])";
    Ok(VmState {
        os_pid: os_pid(install)?,
        version: version(install)?,
        modules: eval(install, &digest(modules))?,
        code_path: eval(install, &digest("code:get_path()"))?,
        applications: eval(
            install,
            "lists:sort([{A, V} || {A, _, V} <- application:which_applications()])",
        )?,
    })
}

/// Names of all loaded modules, to tell two states apart when they differ.
pub fn loaded_modules(install: &Install) -> Result<String> {
    eval(install, "lists:sort([M || {M, _} <- code:all_loaded()])")
}
