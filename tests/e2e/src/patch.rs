//! Other code in place of a module of an installed release: boots that fail, hang or take long.
//!
//! The code waits for files beside the release, so that a test says when it goes on.

use crate::error::{Error, Result};
use crate::install::Install;
use crate::process;
use std::path::{Path, PathBuf};

/// Compiles a module and puts it in the place of the release's own.
pub fn replace_module(install: &Install, source: &str) -> Result<()> {
    let module = source
        .split_once("-module(")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(module, _)| module)
        .ok_or_else(|| Error::Unexpected(format!("no module: {source}")))?;
    let file = install.scratch().join(format!("{module}.erl"));
    fs_err::write(&file, source)?;
    let ebin = ebin_of(&install.path("lib"), module)?;
    let mut erlc = install.command("erlc");
    process::run(erlc.arg("-o").arg(ebin).arg(&file), process::HANG)?.success()?;
    Ok(())
}

/// The directory of compiled code that has a module.
fn ebin_of(lib: &Path, module: &str) -> Result<PathBuf> {
    for application in fs_err::read_dir(lib)? {
        let ebin = application?.path().join("ebin");
        if ebin.join(format!("{module}.beam")).is_file() {
            return Ok(ebin);
        }
    }
    Err(Error::Unexpected(format!("the release has no {module}")))
}

/// The last application of the boot sequence, with something done before it is up and before it is
/// down. It starts when `emqx:is_running()` is true already and `emqx_machine:is_ready()` is not.
pub fn last_application(install: &Install, before_start: &str, before_end: &str) -> Result<()> {
    let source = format!(
        "-module(emqx_dashboard_app).
         -export([init/1, start/2, stop/1]).
         start(_, _) ->
             {before_start},
             supervisor:start_link({{local, emqx_dashboard_sup}}, ?MODULE, []).
         stop(_) ->
             {before_end}.
         init([]) ->
             {{ok, {{#{{}}, [#{{id => m, start => {{emqx_dashboard_monitor, start_link, []}}}}]}}}}.
        "
    );
    replace_module(install, &source)
}

/// An expression that waits until the test has made a file of this name: [`open_gate`].
#[must_use]
pub fn gate(install: &Install, name: &str) -> String {
    let file = install.scratch().join(name);
    format!(
        "(fun Gate() -> case filelib:is_regular(\"{}\") of \
         true -> ok; false -> timer:sleep(20), Gate() end end)()",
        file.display()
    )
}

/// Lets what waits at a gate go on.
pub fn open_gate(install: &Install, name: &str) -> Result<()> {
    fs_err::write(install.scratch().join(name), "")?;
    Ok(())
}

/// The broker's face (module `emqx`) with a node in its cluster that does not run.
pub const FACE_OF_A_CLUSTER: &str = "-module(emqx).
    -export([data_dir/0, is_running/0, publish/2, cluster_nodes/1]).
    is_running() -> is_pid(whereis(emqx_sup)).
    data_dir() -> application:get_env(emqx, data_dir, \"data\").
    publish(Topic, Payload) ->
        emqx_broker:publish(#{topic => Topic, payload => Payload, qos => 1, retain => false}).
    cluster_nodes(running) -> [node() | nodes()];
    cluster_nodes(stopped) -> ['gone@127.0.0.1'].";
