//! The command line of a short-lived VM that evaluates some expressions with the release's code at
//! hand. Interactive mode: it loads what it needs.

use std::ffi::OsString;

use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::release::Release;

/// One process asks and waits: few schedulers and small tables start faster.
const SMALL: &str = "-noshell +Bd +P 65536 +Q 65536 +S 2 +SDcpu 1 +SDio 1 +A 1";

/// What the release's own code logs is no answer.
const LOG_TO_STDERR: &str = "[{handler,default,logger_std_h,#{config=>#{type=>standard_error}}}]";

/// A VM on the release's clean boot file; it leaves no crash dump.
pub fn plan_small_vm(release: &Release, env: &Environment, expressions: &str) -> ExecSpec {
    let mut env = env.clone();
    env.set("ERL_CRASH_DUMP_BYTES", "0");
    let lib = release.tree().lib();
    let mut args: Vec<OsString> = SMALL.split(' ').map(OsString::from).collect();
    args.extend(["-boot".into(), release.rel_dir().join("start_clean").into()]);
    args.extend(["-boot_var".into(), "RELEASE_LIB".into(), lib.clone().into()]);
    args.extend(["-boot_var".into(), "ERTS_LIB_DIR".into(), lib.into()]);
    args.extend(["-kernel", "logger", LOG_TO_STDERR, "-eval", expressions].map(OsString::from));
    ExecSpec {
        program: release.bindir().join("erlexec"),
        args,
        env,
        cwd: release.install.base.path().to_path_buf(),
    }
}
