//! A user of the machine that only one case knows, as a package's installation would make it.
//!
//! The name has the process id of the case in it: users of cases that were killed are found by that
//! and removed by the next one.

use e2e::process::{self, Finished};
use e2e::{Error, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PREFIX: &str = "emqx-ct-";

/// Tells the users of one process apart: several cases may run in it.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A user with a group of its own and one more; both go with the value.
#[derive(Debug)]
pub struct SecondUser {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// The number of the group that it is a further member of.
    pub further_gid: u32,
    further: String,
}

impl SecondUser {
    /// Makes a user with a login shell.
    pub fn make(shell: &str) -> Result<Self> {
        remove_leftovers();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let further = format!("{name}-g");
        patiently("groupadd", &["--system", &further])?;
        let mut user = Self {
            name,
            uid: 0,
            gid: 0,
            further_gid: 0,
            further,
        };
        patiently(
            "useradd",
            &[
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                shell,
                "--groups",
                &user.further,
                &user.name,
            ],
        )?;
        user.uid = field("passwd", &user.name, 2)?;
        user.gid = field("passwd", &user.name, 3)?;
        user.further_gid = field("group", &user.further, 2)?;
        Ok(user)
    }

    /// Makes everything below a path the user's.
    pub fn own(&self, path: &Path) -> Result<()> {
        give(path, &format!("{}:{}", self.uid, self.gid))
    }

    /// A command as this user, in the environment of another command.
    #[must_use]
    pub fn command(&self, like: &Command) -> Command {
        as_ids(like, self.uid, self.gid, Some(&self.name))
    }

    /// Runs a command as this user.
    pub fn run(&self, like: &Command) -> Result<Finished> {
        process::run(&mut self.command(like), process::HANG)
    }
}

impl Drop for SecondUser {
    fn drop(&mut self) {
        // What cannot be removed now, the next case removes.
        // A node of the user may still be about to end.
        let _ = patiently("userdel", &["--force", &self.name]);
        let _ = patiently("groupdel", &[&self.further]);
    }
}

/// Makes everything below a path somebody's: `uid:gid`.
pub fn give(path: &Path, owner: &str) -> Result<()> {
    let mut chown = Command::new("chown");
    process::run(chown.args(["-R", owner]).arg(path), process::HANG)?.success()?;
    Ok(())
}

/// The same command as another user, by numbers; supplementary groups are those of the named user,
/// or none.
#[must_use]
pub fn as_ids(like: &Command, uid: u32, gid: u32, groups_of: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string()]);
    match groups_of {
        Some(_) => command.arg("--init-groups"),
        None => command.arg("--clear-groups"),
    };
    command.arg(like.get_program()).args(like.get_args());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("HOME", "/nonexistent");
    if let Some(name) = groups_of {
        command.env("USER", name).env("LOGNAME", name);
    }
    if let Some(dir) = like.get_current_dir() {
        command.current_dir(dir);
    }
    command
}

/// The tools lock the files of users; another case may be at it.
fn patiently(tool: &str, args: &[&str]) -> Result<()> {
    for _ in 0..50 {
        let finished = process::run(Command::new(tool).args(args), process::HANG)?;
        if !finished.stderr.contains("lock") {
            finished.success()?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(Error::Unexpected(format!(
        "{tool} waits for a lock for ever"
    )))
}

fn field(database: &str, key: &str, place: usize) -> Result<u32> {
    let mut getent = Command::new("getent");
    let finished = process::run(getent.args([database, key]), process::HANG)?.success()?;
    let field = finished.text().split(':').nth(place);
    field
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no number of {key}: {finished}")))
}

fn remove_leftovers() {
    let of_the_dead = |name: &str| {
        let pid = name.strip_prefix(PREFIX)?.split('-').next()?;
        let is_number = pid.chars().all(|c| c.is_ascii_digit());
        (is_number && !Path::new("/proc").join(OsStr::new(pid)).exists()).then(|| name.to_owned())
    };
    for (file, tool) in [("/etc/passwd", "userdel"), ("/etc/group", "groupdel")] {
        let text = fs_err::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let names = text.lines().filter_map(|line| line.split(':').next());
        for name in names.filter_map(of_the_dead) {
            // Another case may have been first.
            let _ = patiently(tool, &[&name]);
        }
    }
}
