//! Becoming the runner user: in place, with the environment kept, and never back.

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setgid, setgroups, setuid};

use crate::error::Error;
use crate::host::Host;
use crate::host::accounts::Account;
use crate::sourced::Sourced;

/// Makes this process the runner user's; the environment then has `HOME USER LOGNAME SHELL` of that
/// user. Nothing changes when the caller is that user.
///
/// # Errors
/// A caller who is neither root nor that user; an unknown user; a switch that did not hold.
pub fn become_runner(runner: &Sourced<String>, host: &mut Host) -> Result<(), Error> {
    let account = Account::by_name(runner);
    if account
        .as_ref()
        .is_some_and(|account| account.uid == host.uid.as_raw())
    {
        return Ok(());
    }
    if !host.uid.is_root() {
        return Err(Error::NotRunnerUser {
            user: runner.clone(),
        });
    }
    let failed = |reason: &str| Error::SwitchUser {
        user: runner.to_string(),
        reason: reason.into(),
    };
    let account = account.ok_or_else(|| failed("there is no such user"))?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let groups: Vec<Gid> = account.groups().into_iter().map(Gid::from_raw).collect();
    setgroups(&groups).map_err(|errno| failed(errno.desc()))?;
    setgid(gid).map_err(|errno| failed(errno.desc()))?;
    setuid(uid).map_err(|errno| failed(errno.desc()))?;
    // Trust nothing: the ids must be the user's, and root must be out of reach.
    let regained = !uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
    let held = getgroups().is_ok_and(|now| now.iter().all(|gid| groups.contains(gid)));
    if geteuid() != uid || getegid() != gid || !held || regained {
        return Err(failed("the system did not hold to the switch"));
    }
    host.uid = uid;
    host.env.set("HOME", account.home);
    host.env.set("USER", &account.name);
    host.env.set("LOGNAME", &account.name);
    host.env.set("SHELL", account.shell);
    Ok(())
}
