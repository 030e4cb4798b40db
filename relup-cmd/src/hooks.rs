//! Hooks: programs of the operator's that are run before and after a change, to drain a load balancer
//! or to take a snapshot of a disk.
//!
//! They are files of fixed names in `<etc>/relup.d/`. What goes on is told to them as one JSON object on
//! standard input; what they print goes to standard error. A `pre-` hook that fails, or that could not
//! be run as it is, refuses the command: an operator who has put it there relies on it. A `post-` hook
//! that fails is a warning, because what it comes after has happened.

use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use relup::vsn::ReleaseVsn;
use serde_json::{Map, Value, json};

use crate::cli::HookOptions;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::output::Console;

/// Where hooks are, in the configuration directory.
const DIR: &str = "relup.d";

/// How often a hook that runs is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long a hook that is told to end may take for that.
const GRACE: Duration = Duration::from_secs(5);

/// What hooks are run before and after.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Upgrade,
    Rollback,
}

/// The hooks of a command.
pub(crate) struct Hooks<'a> {
    change: Change,
    dir: PathBuf,
    cwd: &'a Path,
    limit: Duration,
    interrupt: &'a Interrupt,
}

impl<'a> Hooks<'a> {
    /// Those of an installation; each may run for a limited time.
    pub(crate) fn of(
        change: Change,
        install: &'a Install,
        options: HookOptions,
        interrupt: &'a Interrupt,
    ) -> Hooks<'a> {
        Hooks {
            change,
            dir: install.etc_dir.join(DIR),
            cwd: install.base.path(),
            limit: Duration::from_secs(options.hook_timeout),
            interrupt,
        }
    }

    /// Runs the `pre-` hook, if there is one.
    ///
    /// # Errors
    /// It refuses, it fails, or it cannot be run.
    pub(crate) fn before(
        &self,
        facts: &Map<String, Value>,
        console: &mut Console<'_>,
    ) -> Result<(), Error> {
        self.run("pre", facts, console).map(drop)
    }

    /// Runs the `post-` hook, if there is one, and tells it what came of the change.
    pub(crate) fn after(
        &self,
        mut facts: Map<String, Value>,
        result: Result<(), &Error>,
        console: &mut Console<'_>,
    ) {
        let result = match result {
            Ok(()) => json!({ "ok": true, "exit_code": 0 }),
            Err(error) => json!({
                "ok": false,
                "error": error.name(),
                "message": error.to_string(),
                "exit_code": error.exit_code(),
            }),
        };
        facts.insert("result".to_owned(), result);
        if let Err(error) = self.run("post", &facts, console) {
            console.warn(error.to_string());
        }
    }

    fn run(
        &self,
        when: &str,
        facts: &Map<String, Value>,
        console: &mut Console<'_>,
    ) -> Result<(), Error> {
        let name = match self.change {
            Change::Upgrade => format!("{when}-upgrade"),
            Change::Rollback => format!("{when}-rollback"),
        };
        let hook = self.dir.join(&name);
        let failed = |reason: String| Error::HookFailed {
            hook: hook.clone(),
            reason,
        };
        match fs_err::metadata(&hook) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error.kind().to_string())),
            Ok(metadata) => may_run(&metadata).map_err(|reason| failed(reason.to_owned()))?,
        }
        console.note(&format!("running the hook {}", hook.display()));
        let mut facts = facts.clone();
        facts.insert("hook".to_owned(), Value::from(name));
        let text = Value::Object(facts).to_string();
        let mut child = self
            .spawn(&hook)
            .map_err(|error| failed(format!("it cannot be run: {error}")))?;
        if let Some(mut input) = child.stdin.take() {
            // A hook need not read it. What is written fits into the pipe of one that does not.
            let _ = writeln!(input, "{text}");
        }
        let status = self.wait(&mut child).map_err(|error| match error {
            Ended::Late => failed(format!(
                "it did not end within {} s, and was ended",
                self.limit.as_secs()
            )),
            Ended::Interrupted => Error::Interrupted,
            Ended::Unknown(error) => failed(error.to_string()),
        })?;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(failed(format!("it ended with exit code {code}"))),
            (None, signal) => Err(failed(format!(
                "it was ended by signal {}",
                signal.unwrap_or_default()
            ))),
        }
    }

    /// In a group of processes of its own, so that all of it can be ended.
    fn spawn(&self, hook: &Path) -> std::io::Result<Child> {
        let mut command = Command::new(hook);
        command
            .current_dir(self.cwd)
            .stdin(Stdio::piped())
            .stdout(std::io::stderr().as_fd().try_clone_to_owned()?)
            .process_group(0)
            .spawn()
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, Ended> {
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(Ended::Unknown)? {
                return Ok(status);
            }
            let why = if self.interrupt.raised() {
                Ended::Interrupted
            } else if begun.elapsed() >= self.limit {
                Ended::Late
            } else {
                sleep(LOOK);
                continue;
            };
            end(child);
            return Err(why);
        }
    }
}

/// What every hook is told: the action, the versions and where the installation is.
pub(crate) fn facts(
    action: &str,
    install: &Install,
    from: &str,
    to: &ReleaseVsn,
) -> Map<String, Value> {
    Map::from_iter([
        ("action".to_owned(), json!(action)),
        ("from".to_owned(), json!(from)),
        ("to".to_owned(), json!(to.as_str())),
        (
            "base".to_owned(),
            json!(install.base.path().to_string_lossy()),
        ),
    ])
}

/// Why a hook was not waited for.
enum Ended {
    Late,
    Interrupted,
    Unknown(std::io::Error),
}

/// Ends a hook and what it has started.
fn end(child: &mut Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let _ = killpg(group, Signal::SIGTERM);
    let begun = Instant::now();
    while begun.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        sleep(LOOK);
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

/// Only what the operator or root has put there is run: with the rights of this command, anybody
/// else's program would be a way to them.
fn may_run(metadata: &std::fs::Metadata) -> Result<(), &'static str> {
    let (mode, owner) = (metadata.mode(), metadata.uid());
    if !metadata.is_file() {
        return Err("it is no regular file");
    }
    if mode & 0o111 == 0 {
        return Err("it is not executable");
    }
    if mode & 0o002 != 0 {
        return Err("everybody may write to it");
    }
    if owner != 0 && owner != geteuid().as_raw() {
        return Err("it belongs neither to root nor to the user that runs it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Site;
    use std::os::unix::fs::PermissionsExt;

    fn hook(site: &Site, name: &str, script: &str) -> PathBuf {
        let path = site.install.etc_dir.join(DIR).join(name);
        crate::testing::write(&path, &format!("#!/bin/sh\n{script}\n"));
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
        path
    }

    fn before(site: &Site, limit: u64, interrupt: &Interrupt) -> Result<(), Error> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        let facts = Map::from_iter([("to".to_owned(), Value::from("5.10.5"))]);
        Hooks::of(
            Change::Upgrade,
            &site.install,
            HookOptions {
                hook_timeout: limit,
            },
            interrupt,
        )
        .before(&facts, &mut console)
    }

    #[test]
    fn a_hook_is_told_what_goes_on_and_where() {
        let site = Site::new();
        let told = site.outside().join("told");
        let script = format!("(pwd -P; cat) >'{}'", told.display());
        hook(&site, "pre-upgrade", &script);
        before(&site, 60, &Interrupt::deaf()).expect("it agrees");
        let told = fs_err::read_to_string(told).expect("it has run");
        let (cwd, facts) = told.split_once('\n').expect("two lines");
        assert_eq!(Path::new(cwd), site.base().path());
        let facts: Value = serde_json::from_str(facts).expect("JSON");
        assert_eq!(facts["to"], "5.10.5");
        assert_eq!(facts["hook"], "pre-upgrade");
    }

    #[test]
    fn a_hook_that_fails_or_cannot_be_run_refuses() {
        let site = Site::new();
        before(&site, 60, &Interrupt::deaf()).expect("there is none");
        for (script, mode, reason) in [
            ("exit 3", 0o755, "exit code 3"),
            ("kill -9 $$", 0o755, "signal 9"),
            ("exit 0", 0o644, "not executable"),
            ("exit 0", 0o757, "everybody may write"),
            // What it leaves behind is ended with it.
            ("sleep 60 & wait", 0o755, "did not end within 0 s"),
        ] {
            let path = hook(&site, "pre-upgrade", script);
            fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
            let limit = if reason.contains("0 s") { 0 } else { 60 };
            let error = before(&site, limit, &Interrupt::deaf()).expect_err(reason);
            assert_eq!(error.name(), "hook_failed");
            assert!(error.to_string().contains(reason), "{error}");
        }
        let path = site.install.etc_dir.join(DIR).join("pre-upgrade");
        fs_err::write(&path, "#!/no/such/program\n").expect("written");
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
        let error = before(&site, 60, &Interrupt::deaf()).expect_err("no program");
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_the_hook_that_runs() {
        let site = Site::new();
        let (begun, ended) = (site.outside().join("begun"), site.outside().join("ended"));
        let script = format!(
            "trap ': >\"{}\"; exit 0' TERM; : >'{}'; while :; do sleep 0.1; done",
            ended.display(),
            begun.display()
        );
        hook(&site, "pre-upgrade", &script);
        let interrupt = Interrupt::deaf();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| before(&site, 600, &interrupt));
            while !begun.exists() {
                sleep(LOOK);
            }
            interrupt.raise();
            let result = waiting.join().expect("no panic");
            assert!(matches!(result, Err(Error::Interrupted)));
        });
        assert!(ended.exists(), "it was asked to end");
    }
}
