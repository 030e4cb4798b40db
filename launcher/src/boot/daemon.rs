//! `start`: the broker under `run_erl`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use shims::dist::Target;

use crate::assessment;
use crate::boot::console_log::died;
use crate::boot::keeper::Keeper;
use crate::boot::log_env::Logging;
use crate::boot::refusal::warn;
use crate::boot::vm::boot_file;
use crate::boot::watch::{Outcome, watch};
use crate::boot::{Boot, PREPARED};
use crate::command::Command;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::Host;
use crate::message;
use crate::node::distribution::Distribution;
use crate::node::pipe::in_directory;
use crate::node::stopped::vm_arguments;
use crate::node::target::warn_of_tls;
use crate::patience::{self, Patience};
use crate::release::Release;

/// Starts the daemon and waits for it.
///
/// # Errors
/// Everything that speaks against the boot, and a node that is not ready in time.
pub fn start(host: &Host, release: &Release, console: &InnerConsole) -> Result<(), Error> {
    let boot = Boot::prepare(host, release, Command::Start)?;
    Prepared::of(host, release, boot, console.clone())?.launch(host)
}

/// What the daemon runs: the console, or one with another boot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InnerConsole {
    /// The release's own boot file.
    Own,
    /// The boot file that this word names.
    Booting(OsString),
}

impl InnerConsole {
    /// What `start` or `start_boot` ask for.
    ///
    /// # Errors
    /// `start_boot` names no boot file, or none that exists.
    pub fn of(release: &Release, command: Command, words: &[OsString]) -> Result<Self, Error> {
        match (command, words) {
            (Command::StartBoot, [word]) => {
                boot_file(release, command, words)?;
                Ok(InnerConsole::Booting(word.clone()))
            }
            (Command::StartBoot, _) => Err(Error::Usage(command)),
            _ => Ok(InnerConsole::Own),
        }
    }

    /// The command that the daemon runs, and its words.
    pub fn command(&self) -> (Command, &[OsString]) {
        match self {
            InnerConsole::Own => (Command::Console, &[]),
            InnerConsole::Booting(word) => (Command::ConsoleBoot, std::slice::from_ref(word)),
        }
    }

    /// The words for a shell behind the program's name: those of the daemon's command, and those of
    /// the command that starts such a daemon again.
    fn shell_words(&self) -> (String, String) {
        match self {
            InnerConsole::Own => ("console".to_owned(), "start".to_owned()),
            InnerConsole::Booting(word) => {
                let word = shell_word(Path::new(word));
                (format!("console_boot {word}"), format!("start_boot {word}"))
            }
        }
    }
}

/// A daemon with all its files, which needs only be started.
pub struct Prepared<'a> {
    release: &'a Release,
    boot: Boot,
    time: String,
    target: Target,
    pipe_dir: PathBuf,
    to_start: Patience,
    console: InnerConsole,
}

impl Prepared<'_> {
    /// Generates everything for a boot that is possible.
    ///
    /// # Errors
    /// Everything that still speaks against the boot.
    pub fn of<'a>(
        host: &Host,
        release: &'a Release,
        mut boot: Boot,
        console: InnerConsole,
    ) -> Result<Prepared<'a>, Error> {
        let to_start = Patience::observe(&boot.env, patience::START);
        boot.translate_logging(release, Logging::Daemon);
        warn(release, &boot)?;
        // A node that could not be watched is refused before anything is written.
        check_tls(&target(release, &boot, "")?)?;
        let files = boot.generate(release)?;
        let generated = fs_err::read_to_string(files.vm_args())?;
        let target = target(release, &boot, &generated)?;
        warn_of_tls(&target);
        let pipe_dir = boot.pipe_dir(&host.user_name()).to_path_buf();
        Ok(Prepared {
            release,
            boot,
            time: files.time,
            target,
            pipe_dir,
            to_start,
            console,
        })
    }

    /// Starts the daemon and returns when it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time and has been shut down.
    pub fn launch(self, host: &Host) -> Result<(), Error> {
        fs_err::create_dir_all(&self.pipe_dir)?;
        let keeper = Keeper::expect(&self.pipe_dir, self.release.dialect());
        let spec = run_erl(
            self.release,
            &self.boot,
            &self.pipe_dir,
            &self.time,
            &self.console,
        );
        assessment::count(host, self.release);
        let started = spec.command().and_then(|mut command| command.status());
        let status = started.map_err(|source| Error::Exec {
            program: spec.program.clone(),
            source,
        })?;
        if !status.success() {
            return Err(died(self.release, &self.boot));
        }
        let mut looking = keeper.clone();
        let deadline = self.to_start.deadline();
        let outcome = watch(&self.target, move || looking.look(), deadline)?;
        let name = self.boot.name.to_string();
        match outcome {
            Outcome::Ready => {
                assessment::seen_ready(self.release);
                message::answer(&format!(
                    "{} {} is started successfully!",
                    self.release.description, self.release.vsn
                ));
                Ok(())
            }
            Outcome::Ended => {
                keeper.last_words();
                Err(died(self.release, &self.boot))
            }
            Outcome::Unreachable { reason, remedy } => Err(Error::StartUnreachable {
                remedy,
                host: self.target.host.clone(),
                left: self.give_up(keeper, &name),
                name,
                reason,
            }),
            Outcome::NotReady => Err(Error::StartTimeout {
                left: self.give_up(keeper, &name),
                name,
            }),
        }
    }

    fn give_up(&self, mut keeper: Keeper, name: &str) -> Option<i32> {
        let to_stop = Patience::observe(&self.boot.env, patience::STOP);
        keeper.give_up(name, to_stop)
    }
}

/// Demands TLS options that a node can be watched with, where it speaks TLS.
///
/// # Errors
/// A file or value that cannot be used.
pub fn check_tls(target: &Target) -> Result<(), Error> {
    match &target.tls {
        Some(tls) => tls.check().map_err(Error::TlsOptions),
        None => Ok(()),
    }
}

/// The way to the node, as far as the generated arguments tell already.
///
/// # Errors
/// A name that is none.
pub fn target(release: &Release, boot: &Boot, generated: &str) -> Result<Target, Error> {
    let arguments = vm_arguments(generated);
    Distribution::of_boot(&boot.env, &arguments, &boot.epmd_args, &boot.proto_dist).target(
        release,
        &boot.name.to_string(),
        boot.cookie.expose(),
    )
}

/// The daemon's command: `run_erl` runs the launcher again as its console.
pub fn run_erl(
    release: &Release,
    boot: &Boot,
    pipe_dir: &Path,
    time: &str,
    console: &InnerConsole,
) -> ExecSpec {
    let mut env = boot.env.clone();
    let (inner, again) = console.shell_words();
    let launcher = shell_word(&release.launcher);
    env.set("EMQX_BOOT_CONFIGS", boot.configs.text());
    env.set(PREPARED, time);
    env.set("HEART_COMMAND", format!("{launcher} {again}"));
    env.set_default("RUN_ERL_LOG_GENERATIONS", "5");
    env.set_default("RUN_ERL_LOG_MAXSIZE", "10485760");
    let pipes = in_directory(pipe_dir);
    ExecSpec {
        program: release.bindir().join("run_erl"),
        args: vec![
            "-daemon".into(),
            pipes,
            (&release.log_dir).into(),
            format!("exec {launcher} {inner}").into(),
        ],
        env,
        cwd: release.install.base.path().to_path_buf(),
    }
}

/// A path as one word of a shell command, quoted only where it has to be.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_a_shell_would_split_are_quoted() {
        let check = |path: &str, expected: &str| assert_eq!(shell_word(Path::new(path)), expected);
        check("/usr/lib/emqx/bin/emqx", "/usr/lib/emqx/bin/emqx");
        check("/opt/e mqx/bin/emqx", "'/opt/e mqx/bin/emqx'");
        check("/opt/it's/emqx", "'/opt/it'\\''s/emqx'");
        check("/opt/$HOME/emqx", "'/opt/$HOME/emqx'");
    }
}
