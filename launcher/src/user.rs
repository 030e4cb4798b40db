//! Becoming the runner user: in place, with the environment kept, and never back.

use std::ffi::CString;

use nix::unistd::{Uid, User, getegid, geteuid, initgroups, setgid, setuid};

use crate::environment::Environment;
use crate::error::Error;

/// Makes this process the runner user's where the release names one, and returns the environment
/// with `HOME USER LOGNAME SHELL` of that user. Nothing changes when the caller is that user.
///
/// # Errors
/// A caller who is neither root nor that user; an unknown user; a switch that did not hold.
pub fn become_runner(
    runner: Option<&str>,
    caller: &str,
    uid: Uid,
    mut env: Environment,
) -> Result<Environment, Error> {
    let Some(runner) = runner.filter(|runner| *runner != caller) else {
        return Ok(env);
    };
    let failed = |reason: &str| Error::SwitchUser {
        user: runner.into(),
        reason: reason.into(),
    };
    if !uid.is_root() {
        return Err(Error::NotRunnerUser {
            user: runner.to_owned(),
        });
    }
    let user = User::from_name(runner)
        .map_err(|errno| failed(errno.desc()))?
        .ok_or_else(|| failed("there is no such user"))?;
    let name = CString::new(runner).map_err(|_| failed("its name holds a NUL"))?;
    initgroups(&name, user.gid).map_err(|errno| failed(errno.desc()))?;
    setgid(user.gid).map_err(|errno| failed(errno.desc()))?;
    setuid(user.uid).map_err(|errno| failed(errno.desc()))?;
    // Trust nothing: the ids must be the user's, and root must be out of reach.
    let regained = !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
    if geteuid() != user.uid || getegid() != user.gid || regained {
        return Err(failed("the system did not hold to the switch"));
    }
    env.set("HOME", user.dir);
    env.set("USER", runner);
    env.set("LOGNAME", runner);
    env.set("SHELL", user.shell);
    Ok(env)
}
