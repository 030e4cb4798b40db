//! The release's own helper programs, run in a short-lived VM of the release: `nodetool hocon`,
//! the licence check, the check of the runtime itself. They leave no crash dump behind.

use std::ffi::OsString;
use std::process::Stdio;

use crate::environment::Environment;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::release::Release;

/// Limits that keep a helper VM small.
const SMALL_VM: &str = "+P 65536 +Q 65536 +S 2";

/// What a helper printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Its exit code; 1 where a signal ended it.
    pub code: u8,
}

/// `escript bin/nodetool ARGS`, in the environment that the release's scripts expect.
pub fn nodetool<I, A>(release: &Release, env: &Environment, args: I) -> ExecSpec
where
    I: IntoIterator<Item = A>,
    A: Into<OsString>,
{
    let mut env = env.clone();
    let flags = env.get("ERL_FLAGS").unwrap_or_default();
    env.set("ERL_FLAGS", format!("{flags} {SMALL_VM}").trim_start());
    env.set("ERL_CRASH_DUMP_BYTES", "0");
    let mut words = vec![OsString::from(release.tree().nodetool())];
    words.extend(args.into_iter().map(Into::into));
    ExecSpec {
        program: release.bindir().join("escript"),
        args: words,
        env,
        cwd: release.install.base.path().to_path_buf(),
    }
}

/// `erl -noshell -eval CODE` on the release's clean boot file.
pub fn eval(release: &Release, env: &Environment, code: &str) -> ExecSpec {
    let mut env = env.clone();
    env.set("ERL_CRASH_DUMP_BYTES", "0");
    let mut args: Vec<OsString> = vec!["-noshell".into()];
    args.extend(SMALL_VM.split(' ').map(OsString::from));
    args.extend(["-boot".into(), release.rel_dir().join("start_clean").into()]);
    args.extend([
        "-boot_var".into(),
        "RELEASE_LIB".into(),
        release.tree().lib().into(),
    ]);
    args.extend([
        "-boot_var".into(),
        "ERTS_LIB_DIR".into(),
        release.tree().lib().into(),
    ]);
    args.extend(["-eval".into(), code.into()]);
    ExecSpec {
        program: release.bindir().join("erl"),
        args,
        env,
        cwd: release.install.base.path().to_path_buf(),
    }
}

/// Runs a helper and keeps what it printed.
///
/// # Errors
/// When it cannot be started.
pub fn capture(spec: &ExecSpec) -> Result<Output, Error> {
    let output = spec
        .command()
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Exec {
            program: spec.program.clone(),
            source,
        })?;
    Ok(Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: code_of(output.status),
    })
}

/// Runs a helper whose words go to the caller's own streams, and gives its exit code.
///
/// # Errors
/// When it cannot be started.
pub fn pass_through(spec: &ExecSpec) -> Result<u8, Error> {
    let status = spec
        .command()
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Exec {
            program: spec.program.clone(),
            source,
        })?;
    Ok(code_of(status))
}

fn code_of(status: std::process::ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}
