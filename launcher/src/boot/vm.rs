//! The VM's command line, as one value.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::release::Release;
use crate::release::dialect::Dialect;

/// What the VM's command line is made of.
#[derive(Debug, Clone)]
pub struct VmFacts<'a> {
    /// The release to run.
    pub release: &'a Release,
    /// `foreground`, `console`, `console_clean` or `console_boot`.
    pub command: Command,
    /// The boot file, without its suffix.
    pub boot: PathBuf,
    /// The Elixir shell to run instead of an Erlang one.
    pub iex: Option<PathBuf>,
    /// The words after the program's name, the command's own among them: after `--` the VM shows
    /// them in the process list.
    pub words: &'a [OsString],
    /// The whole environment.
    pub env: Environment,
    /// `embedded` or `interactive`.
    pub mode: String,
    /// `app.<time>.config`.
    pub config: PathBuf,
    /// `vm.<time>.args`.
    pub args_file: PathBuf,
    /// How nodes find each other.
    pub epmd_args: Vec<String>,
    /// The distribution's transport.
    pub proto_dist: String,
    /// The data directory.
    pub data_dir: &'a Path,
    /// True for `DEBUG=2`: init tells every step.
    pub debug_init: bool,
}

/// The command that becomes the VM.
pub fn plan_vm(facts: VmFacts<'_>) -> ExecSpec {
    let release = facts.release;
    let (program, mut args) = match &facts.iex {
        Some(iex) => (iex.clone(), iex_args(&facts)),
        None => (release.bindir().join("erlexec"), erl_args(&facts)),
    };
    args.push("--".into());
    args.extend(facts.words.iter().cloned());
    args.extend(["-ekka_proto_dist".into(), facts.proto_dist.into()]);
    // The data directory stays last: a path with blanks can then be read off the process list.
    args.extend(["-emqx_data_dir".into(), facts.data_dir.into()]);
    let mut env = facts.env;
    env.set("PROGNAME", &release.launcher);
    ExecSpec {
        program,
        args,
        env,
        cwd: release.install.base.path().to_path_buf(),
    }
}

fn erl_args(facts: &VmFacts<'_>) -> Vec<OsString> {
    let release = facts.release;
    let lib = release.tree().lib();
    let dialect = release.dialect();
    let mut args: Vec<OsString> = Vec::new();
    if dialect == Dialect::Hocon {
        args.extend(["-enable-feature", "maybe_expr"].map(OsString::from));
    }
    if facts.command == Command::Foreground {
        args.extend(["-noinput", "-noshell", "+Bd"].map(OsString::from));
    }
    args.extend(["-boot".into(), facts.boot.clone().into()]);
    if dialect == Dialect::Hocon {
        args.extend(["-boot_var".into(), "RELEASE_LIB".into(), lib.clone().into()]);
    }
    args.extend(["-boot_var".into(), "ERTS_LIB_DIR".into(), lib.into()]);
    args.extend(["-mode".into(), facts.mode.as_str().into()]);
    args.extend(["-config".into(), facts.config.clone().into()]);
    args.extend(["-args_file".into(), facts.args_file.clone().into()]);
    if dialect == Dialect::Cuttlefish {
        // A VM does not tell its programs of its `-args_file`: upgrades ask for this one.
        args.extend(["-vm_args".into(), facts.args_file.clone().into()]);
    }
    if facts.debug_init {
        args.push("-init_debug".into());
    }
    args.extend(facts.epmd_args.iter().map(OsString::from));
    args
}

/// The same for an Elixir shell, which takes options of the VM behind `--erl`.
fn iex_args(facts: &VmFacts<'_>) -> Vec<OsString> {
    let release = facts.release;
    let mut args: Vec<OsString> = Vec::new();
    args.extend(["--boot".into(), facts.boot.clone().into()]);
    args.extend([
        "--boot-var".into(),
        "RELEASE_LIB".into(),
        release.tree().lib().into(),
    ]);
    args.extend(["--erl-config".into(), facts.config.clone().into()]);
    args.extend(["--vm-args".into(), facts.args_file.clone().into()]);
    for option in [
        "-enable-feature maybe_expr".to_owned(),
        format!("-mode {}", facts.mode),
        facts.epmd_args.join(" "),
    ] {
        args.extend(["--erl".into(), option.into()]);
    }
    if facts.debug_init {
        args.extend(["--erl".into(), "-init_debug".into()]);
    }
    args
}

/// The boot file without its suffix. `console_boot` and `start_boot` name one: a file of the release,
/// or a path, relative to where the VM works.
///
/// # Errors
/// They name none, or one that does not exist.
pub fn boot_file(
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<PathBuf, Error> {
    let dir = release.rel_dir();
    let file_of = |path: &Path| {
        let mut file = path.as_os_str().to_owned();
        file.push(".boot");
        PathBuf::from(file)
    };
    match (command, words) {
        (Command::ConsoleBoot | Command::StartBoot, [word]) => {
            let path = Path::new(word);
            let is_name = path.components().count() == 1 && !path.is_absolute();
            let path = match dir.join(path) {
                own if is_name && file_of(&own).is_file() => own,
                _ => release.install.base.path().join(path),
            };
            if file_of(&path).is_file() {
                Ok(path)
            } else {
                Err(Error::NoBootFile {
                    file: file_of(&path),
                })
            }
        }
        (Command::ConsoleBoot | Command::StartBoot, _) => Err(Error::Usage(command)),
        (Command::ConsoleClean, _) => Ok(dir.join("start_clean")),
        _ if file_of(&dir.join(&release.name)).is_file() => Ok(dir.join(&release.name)),
        _ => Ok(dir.join("start")),
    }
}
