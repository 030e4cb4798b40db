//! The VM's command line, as one value.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::release::Release;

/// What the VM's command line is made of.
#[derive(Debug, Clone)]
pub struct VmFacts<'a> {
    /// The release to run.
    pub release: &'a Release,
    /// `foreground`, `console` or `console_clean`.
    pub command: Command,
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
    let mut args: Vec<OsString> = vec!["-enable-feature".into(), "maybe_expr".into()];
    if facts.command == Command::Foreground {
        args.extend(["-noinput", "-noshell", "+Bd"].map(OsString::from));
    }
    args.extend(["-boot".into(), boot_file(release, facts.command).into()]);
    args.extend(["-boot_var".into(), "RELEASE_LIB".into(), lib.clone().into()]);
    args.extend(["-boot_var".into(), "ERTS_LIB_DIR".into(), lib.into()]);
    args.extend(["-mode".into(), facts.mode.as_str().into()]);
    args.extend(["-config".into(), facts.config.clone().into()]);
    args.extend(["-args_file".into(), facts.args_file.clone().into()]);
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
    args.extend(["--boot".into(), boot_file(release, facts.command).into()]);
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

/// The boot file without its suffix.
fn boot_file(release: &Release, command: Command) -> PathBuf {
    let dir = release.rel_dir();
    if command == Command::ConsoleClean {
        return dir.join("start_clean");
    }
    let named = dir.join(&release.name);
    if dir.join(format!("{}.boot", release.name)).is_file() {
        named
    } else {
        dir.join("start")
    }
}
