//! An installation of a release in a throw-away directory, with the launcher put in.
//!
//! It is laid out as a user would have it: the tarball unpacked, the binary copied over `bin/emqx`,
//! `bin/emqx_ctl` a link to it, the hops in `relup/catalog`. Node name and MQTT port come from the
//! environment, as in a container, so that installations can run side by side. Whatever was started
//! below the directory is ended when the value is dropped, by the ids of exactly those processes.

use crate::error::{Error, Result};
use crate::ports::Slot;
use crate::process::{self, Finished, Running};
use crate::sample::{self, Sample};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long processes may take to vanish after they were killed.
const VANISH: Duration = Duration::from_secs(20);

/// The beginnings of the variables that the product, the VM or a library in it obeys; `CI` makes
/// colours out of a terminal that has none.
const SAYS_SOMETHING: &[&str] = &[
    "BASE_RUNNER_",
    "CI",
    "CLICOLOR",
    "DEBUG",
    "EMQX_",
    "ERL_",
    "NO_COLOR",
    "RUNNER_",
];

/// What to install.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The release.
    pub tarball: PathBuf,
    /// Directory whose content becomes `relup/catalog`.
    pub catalog: Option<PathBuf>,
    /// The binary that becomes `bin/emqx`.
    pub launcher: PathBuf,
    /// Beginning of the name of the throw-away directory.
    pub prefix: String,
}

impl Recipe {
    /// The sample release of a version with the launcher under test.
    pub fn sample(vsn: &str) -> Result<Self> {
        let sample = Sample::find()?;
        Ok(Self {
            tarball: sample.tarball(vsn)?,
            catalog: Some(sample.catalog()),
            launcher: sample::launcher()?,
            prefix: "emqx-e2e-".to_owned(),
        })
    }
}

/// A process that belongs to an installation.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The program that it runs.
    pub exe: PathBuf,
    /// Its argument vector.
    pub args: Vec<OsString>,
}

/// An unpacked release.
#[derive(Debug)]
pub struct Install {
    root: PathBuf,
    slot: Slot,
    env: BTreeMap<OsString, OsString>,
    borrowed: bool,
    // Last, so that the directory goes after everything that lives in it.
    scratch: TempDir,
}

impl Install {
    /// The sample release of a version, on a node number of its own.
    pub fn sample(vsn: &str) -> Result<Self> {
        Self::unpack(&Recipe::sample(vsn)?, Slot::claim()?)
    }

    /// Unpacks a release and puts the launcher in.
    pub fn unpack(recipe: &Recipe, slot: Slot) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix(&recipe.prefix).tempdir()?;
        // The directory stays private unless a test lets other users in.
        let root = fs_err::canonicalize(scratch.path())?.join("emqx");
        extract(&recipe.tarball, &root)?;
        put_launcher(&recipe.launcher, &root)?;
        if let Some(catalog) = recipe.catalog.as_ref().filter(|catalog| catalog.is_dir()) {
            copy_tree(catalog, &root.join("relup/catalog"))?;
        }
        Ok(Self::at(root, slot, scratch))
    }

    /// A copy of an unpacked release without what its nodes have written, with its own program or
    /// with a launcher put in.
    pub fn copy(tree: &Path, launcher: Option<&Path>, prefix: &str, slot: Slot) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix(prefix).tempdir()?;
        let root = fs_err::canonicalize(scratch.path())?.join("emqx");
        fs_err::create_dir_all(&root)?;
        for entry in fs_err::read_dir(tree)? {
            let entry = entry?;
            let to = root.join(entry.file_name());
            match entry.file_name().to_str() {
                Some("data" | "log" | "relup") => fs_err::create_dir(to)?,
                _ if entry.file_type()?.is_dir() => copy_tree(&entry.path(), &to)?,
                _ => drop(fs_err::copy(entry.path(), to)?),
            }
        }
        if let Some(launcher) = launcher {
            put_launcher(launcher, &root)?;
        }
        Ok(Self::at(root, slot, scratch))
    }

    /// An installation that somebody else made and will end: its processes are left alone.
    pub fn borrow(root: &Path, slot: Slot) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("emqx-borrow-").tempdir()?;
        let mut install = Self::at(root.to_path_buf(), slot, scratch);
        install.borrowed = true;
        Ok(install)
    }

    fn at(root: PathBuf, slot: Slot, scratch: TempDir) -> Self {
        let mut install = Self {
            root,
            slot,
            env: BTreeMap::new(),
            borrowed: false,
            scratch,
        };
        if !install.slot.is_default() {
            install.set_env("EMQX_NODE__NAME", install.node_name());
            let bind = format!("127.0.0.1:{}", install.mqtt_port());
            install.set_env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
        }
        install
    }

    /// The directory of the release, the launcher's `Root`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A directory beside the release for files of the test; it goes with the installation.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The claimed names and ports.
    #[must_use]
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Name of its node.
    #[must_use]
    pub fn node_name(&self) -> String {
        self.slot.node_name(0)
    }

    /// Port of its MQTT listener.
    #[must_use]
    pub fn mqtt_port(&self) -> u16 {
        self.slot.port(0)
    }

    /// Sets a variable in the environment of every command from now on.
    pub fn set_env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.env
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
    }

    /// The variables that every command of this installation gets, for programs that run them elsewhere.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let text = |value: &OsString| value.to_string_lossy().into_owned();
        let variables = self.env.iter();
        variables
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// Takes a variable out of the environment of every command from now on.
    pub fn remove_env(&mut self, name: &str) {
        self.env.remove(OsStr::new(name));
    }

    /// A command on any program, in the environment of this installation: nothing that the caller's
    /// own environment says about EMQX, or about colours, gets through.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if SAYS_SOMETHING.iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command.envs(&self.env).current_dir(self.scratch.path());
        command
    }

    /// The command `bin/emqx ARGS`, not yet run.
    #[must_use]
    pub fn emqx_command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = self.command(self.path("bin/emqx"));
        command.args(args);
        command
    }

    /// Runs `bin/emqx ARGS` to its end.
    pub fn emqx<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<Finished> {
        process::run(&mut self.emqx_command(args), process::HANG)
    }

    /// Starts `bin/emqx ARGS` and leaves it running.
    pub fn spawn<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<Running> {
        Running::spawn(self.emqx_command(args).stdin(std::process::Stdio::null()))
    }

    /// `emqx start`, demanded to succeed.
    pub fn start(&self) -> Result<Finished> {
        self.emqx(&["start"])?
            .success()
            .map_err(|error| self.with_log(error))
    }

    /// `emqx stop`, demanded to succeed.
    pub fn stop(&self) -> Result<Finished> {
        self.emqx(&["stop"])?.success()
    }

    /// All processes that run a program of this installation or name it in their arguments.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let Ok(entries) = fs_err::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id())
            .filter_map(Process::observe)
            .filter(|process| process.belongs_to(&self.root))
            .collect()
    }

    /// The VMs of this installation: neither remote shells nor helpers, which are short-lived.
    #[must_use]
    pub fn vms(&self) -> Vec<Process> {
        let mut vms = self.processes();
        vms.retain(|process| {
            process
                .exe
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("beam"))
                && process.args.iter().any(|arg| arg == "-emqx_data_dir")
        });
        vms
    }

    /// Kills every process of this installation and waits until they are gone.
    pub fn kill_all(&self) -> Result<()> {
        process::wait_until(
            "the processes of the installation to vanish",
            VANISH,
            || {
                let processes = self.processes();
                for process in &processes {
                    let pid = i32::try_from(process.pid).unwrap_or(i32::MAX);
                    // It may have ended by itself since it was seen.
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                Ok(processes.is_empty())
            },
        )
    }

    /// The end of the newest log of the daemon, for the message of a start that failed.
    fn with_log(&self, error: Error) -> Error {
        let Error::Command { why, mut finished } = error else {
            return error;
        };
        for name in ["erlang.log.1", "emqx.log.1"] {
            let bytes = fs_err::read(self.path("log").join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().collect::<Vec<_>>();
            for line in &lines[lines.len().saturating_sub(30)..] {
                // Writing to a string cannot fail.
                let _ = write!(finished.stderr, "\n{name}| {line}");
            }
        }
        Error::Command { why, finished }
    }
}

impl Drop for Install {
    fn drop(&mut self) {
        if !self.borrowed {
            // Nothing better can be done here with a process that survives SIGKILL.
            let _ = self.kill_all();
        }
    }
}

impl Process {
    fn observe(pid: u32) -> Option<Self> {
        let exe = fs_err::read_link(format!("/proc/{pid}/exe")).ok()?;
        let cmdline = fs_err::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = cmdline.split(|byte| *byte == 0);
        let args = words
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        Some(Self { pid, exe, args })
    }

    fn belongs_to(&self, root: &Path) -> bool {
        self.exe.starts_with(root) || self.args.iter().any(|arg| Path::new(arg).starts_with(root))
    }
}

/// Unpacks a tarball, with or without the leading `emqx/` that both forms of a release have.
pub fn extract(tarball: &Path, into: &Path) -> Result<()> {
    fs_err::create_dir_all(into)?;
    let mut command = Command::new("tar");
    command
        .arg("-xzf")
        .arg(tarball)
        .arg("-C")
        .arg(into)
        .arg("--no-same-owner");
    process::run(&mut command, process::HANG)?.success()?;
    let nested = into.join("emqx");
    if nested.join("releases").is_dir() {
        for entry in fs_err::read_dir(&nested)? {
            let entry = entry?;
            fs_err::rename(entry.path(), into.join(entry.file_name()))?;
        }
        fs_err::remove_dir(nested)?;
    }
    Ok(())
}

/// Makes a launcher the program of a release, under both its names.
fn put_launcher(launcher: &Path, root: &Path) -> Result<()> {
    let program = root.join("bin/emqx");
    if program.exists() {
        fs_err::remove_file(&program)?;
    }
    fs_err::create_dir_all(root.join("bin"))?;
    fs_err::copy(launcher, &program)?;
    fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    let second_name = root.join("bin/emqx_ctl");
    if second_name.symlink_metadata().is_ok() {
        fs_err::remove_file(&second_name)?;
    }
    Ok(symlink("emqx", second_name)?)
}

/// Copies files and directories, as `cp -R` does.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs_err::read_link(entry.path())?, target)?;
        } else {
            fs_err::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
