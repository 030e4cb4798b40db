//! The release's own `bin/nodetool`, for releases whose hocon lacks a function that the helper VM
//! needs: one short-lived VM for each question, as the shell script did it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::boot::generated::Generated;
use crate::boot::hocon::refusal::Refusal;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::host::local_time_stamp;
use crate::message;
use crate::release::Release;

/// Limits that keep a helper VM small.
const SMALL_VM: &str = "+P 65536 +Q 65536 +S 2";

/// The values of some keys, as lines `key=<term>`.
///
/// # Errors
/// What hocon says against the configuration.
pub fn multi_get(
    release: &Release,
    schema_mod: &str,
    env: &Environment,
    file: &Path,
    keys: &[&str],
) -> Result<String, Error> {
    let mut args = words(&["hocon", "-s", schema_mod, "-c"]);
    args.push(file.into());
    args.push("multi_get".into());
    args.extend(keys.iter().map(OsString::from));
    let output = run(release, env, args)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = text(&output.stdout) + &text(&output.stderr);
    Err(Error::Hocon(Refusal {
        command: "multi_get",
        lines: said.lines().map(str::to_owned).collect(),
    }))
}

/// Generates the applications' configuration and the VM's arguments. `nodetool` writes them into
/// files: into a directory below `scratch` that is gone afterwards.
///
/// # Errors
/// What hocon says against the configuration; it has been printed.
pub fn generate(
    release: &Release,
    schema_mod: &str,
    env: &Environment,
    files: &[PathBuf],
    scratch: &Path,
) -> Result<(Vec<u8>, String), Error> {
    let refused = |source: std::io::Error| Error::NotWritable {
        dir: scratch.to_path_buf(),
        reason: source.kind().to_string(),
    };
    let dir = tempfile::tempdir_in(scratch).map_err(refused)?;
    let generated = Generated::at(dir.path().to_path_buf(), &local_time_stamp());
    let mut args = words(&["hocon", "-v", "-t", &generated.time]);
    args.extend(sources(schema_mod, files));
    args.extend(["-d".into(), dir.path().into(), "generate".into()]);
    told(&run(release, env, args)?, "generate")?;
    let app_config = fs_err::read(generated.app_config())?;
    Ok((app_config, fs_err::read_to_string(generated.vm_args())?))
}

/// Checks the configuration without writing anything.
///
/// # Errors
/// What hocon says against it; it has been printed.
pub fn check_schema(
    release: &Release,
    schema_mod: &str,
    env: &Environment,
    files: &[PathBuf],
) -> Result<(), Error> {
    let mut args = words(&["hocon"]);
    args.extend(sources(schema_mod, files));
    args.push("check_schema".into());
    told(&run(release, env, args)?, "check_schema")
}

/// Checks the licence's key.
///
/// # Errors
/// It is refused; why has been printed.
pub fn check_license(release: &Release, env: &Environment, key: &str) -> Result<(), Error> {
    let output = run(release, env, words(&["check_license_key", key]))?;
    relay(&output);
    if output.status.success() {
        Ok(())
    } else {
        let reason = "nodetool check_license_key refused the key".to_owned();
        Err(Error::License { reason })
    }
}

/// Hocon's commands say what is wrong on either stream, with time and level in front.
fn told(output: &Output, command: &'static str) -> Result<(), Error> {
    relay(output);
    if output.status.success() {
        return Ok(());
    }
    let lines = Vec::new();
    Err(Error::Hocon(Refusal { command, lines }))
}

fn relay(output: &Output) {
    message::relay(
        &String::from_utf8_lossy(&output.stdout),
        &String::from_utf8_lossy(&output.stderr),
    );
}

/// The schema and the files, in the order in which later ones override earlier ones.
fn sources(schema_mod: &str, files: &[PathBuf]) -> Vec<OsString> {
    let mut args = words(&["-s", schema_mod]);
    for file in files {
        args.extend(["-c".into(), file.into()]);
    }
    args
}

/// `escript bin/nodetool ARGS`, in the environment that the release's scripts expect.
fn run(release: &Release, env: &Environment, args: Vec<OsString>) -> Result<Output, Error> {
    let mut env = env.clone();
    let flags = env.get("ERL_FLAGS").unwrap_or_default();
    env.set("ERL_FLAGS", format!("{flags} {SMALL_VM}").trim_start());
    env.set("ERL_CRASH_DUMP_BYTES", "0");
    let mut words = vec![OsString::from(release.tree().nodetool())];
    words.extend(args);
    let spec = ExecSpec {
        program: release.bindir().join("escript"),
        args: words,
        env,
        cwd: release.install.base.path().to_path_buf(),
    };
    let output = spec
        .command()
        .and_then(|mut command| command.stdin(Stdio::null()).output());
    output.map_err(|source| Error::Exec {
        program: spec.program.clone(),
        source,
    })
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
