//! Commands that become another program of the release: remote shells, the console's terminal,
//! escripts, Elixir. Each is a plan; the caller executes it.

use std::ffi::OsString;
use std::path::Path;

use crate::command::Command;
use crate::elixir::{elixir_program, wants_iex};
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::environment::Environment;
use crate::node::pipe::{self, Daemon};
use crate::node::target::{Contact, data_dir_hint};
use crate::release::Release;

/// The seconds between a node's ticks where its command line does not tell.
const DEFAULT_TICKTIME: &str = "120";

/// A hidden node with a shell on the running one. `unique` tells concurrent shells apart.
///
/// # Errors
/// `--iex` where the release has no Elixir; words that mean nothing.
pub fn plan_remote(
    release: &Release,
    env: &Environment,
    contact: &Contact,
    words: &[OsString],
    unique: u32,
) -> Result<ExecSpec, Error> {
    let iex = wants_iex(env, Command::Remote, words)?;
    let process = contact.process.as_ref();
    let ticktime = process
        .and_then(|node| node.net_ticktime.as_deref())
        .unwrap_or(DEFAULT_TICKTIME);
    let way = contact.distribution.vm_args();
    let name_flag = name_flag(contact);
    let id = format!("remsh{unique}-{}", contact.name);
    let cookie = contact.target.cookie.expose();
    let lib = release.tree().lib();
    let boot = release.rel_dir().join("start_clean");
    let mut env = release.child_environment(env);
    contact.distribution.set_env(&mut env);
    let mut args: Vec<OsString> = Vec::new();
    let program = if iex {
        args.extend(["--remsh".into(), contact.name.as_str().into()]);
        args.extend(["--boot-var".into(), "RELEASE_LIB".into(), lib.into()]);
        args.extend(["--cookie".into(), cookie.into(), "--hidden".into()]);
        for option in [
            format!("-kernel net_ticktime {ticktime}"),
            way.join(" "),
            format!("{name_flag} {id}"),
            "+P 65536 +Q 65536 +S 2".into(),
        ] {
            args.extend(["--erl".into(), option.into()]);
        }
        args.extend(["--boot".into(), boot.into()]);
        elixir_program(release, "iex")?
    } else {
        args.extend([name_flag.into(), id.into()]);
        args.extend(["-remsh".into(), contact.name.as_str().into()]);
        args.extend(["-boot".into(), boot.into()]);
        args.extend([
            "-boot_var".into(),
            "ERTS_LIB_DIR".into(),
            lib.clone().into(),
        ]);
        args.extend(["-boot_var".into(), "RELEASE_LIB".into(), lib.into()]);
        args.extend(["-setcookie".into(), cookie.into(), "-hidden".into()]);
        args.extend(["-kernel", "net_ticktime", ticktime].map(OsString::from));
        args.extend(["+P", "65536", "+Q", "65536", "+S", "2"].map(OsString::from));
        args.extend(way.into_iter().map(OsString::from));
        release.bindir().join("erl")
    };
    Ok(ExecSpec {
        program,
        args,
        env,
        cwd: release.install.base.path().to_path_buf(),
    })
}

/// What kind of name another VM needs to speak to the node. One with a long name speaks only to
/// hosts with a dot or to addresses; the node itself may have any host.
fn name_flag(contact: &Contact) -> &'static str {
    match contact.target.name.host() {
        Some(host) if host.contains(['.', ':']) => "-name",
        Some(_) | None => "-sname",
    }
}

/// The console's terminal of a daemon, whoever started it.
///
/// # Errors
/// When the node was not started as a daemon.
pub fn plan_attach(
    release: &Release,
    env: &Environment,
    contact: &Contact,
    user: &str,
) -> Result<ExecSpec, Error> {
    let pipes = match &contact.process {
        Some(node) => Daemon::of_vm(node.pid)
            .map(|daemon| daemon.to_erl_name())
            .ok_or_else(|| Error::NoConsole {
                name: contact.name.to_string(),
                reason: format!("process {} is not the child of a run_erl", node.pid),
            }),
        // It may run where its process cannot be seen.
        None => {
            let data_dir = data_dir_hint(release, env);
            let dir = pipe::sourced_dir(env, &data_dir, user, &contact.name);
            if dir.is_dir() {
                Ok(pipe::in_directory(&dir))
            } else {
                Err(Error::NoConsole {
                    name: contact.name.to_string(),
                    reason: format!("{} does not exist", dir.display()),
                })
            }
        }
    }?;
    Ok(ExecSpec {
        program: release.bindir().join("to_erl"),
        args: vec![pipes],
        env: release.child_environment(env),
        cwd: release.install.base.path().to_path_buf(),
    })
}

/// An escript of the release, or one named by an absolute path.
///
/// # Errors
/// When no path is given.
pub fn plan_escript(
    release: &Release,
    env: &Environment,
    words: &[OsString],
) -> Result<ExecSpec, Error> {
    let Some((path, rest)) = words.split_first() else {
        return Err(Error::Usage(Command::Escript));
    };
    let mut args = vec![OsString::from(release.tree().path().join(Path::new(path)))];
    args.extend(rest.iter().cloned());
    Ok(ExecSpec {
        program: release.bindir().join("escript"),
        args,
        env: release.child_environment(env),
        cwd: release.install.base.path().to_path_buf(),
    })
}

/// An Elixir expression, evaluated by a short-lived Elixir VM of the release.
///
/// # Errors
/// When the release has no Elixir.
pub fn plan_eval_ex(
    release: &Release,
    env: &Environment,
    contact: &Contact,
    words: &[OsString],
    unique: u32,
) -> Result<ExecSpec, Error> {
    let program = elixir_program(release, "elixir")?;
    let rel_dir = release.rel_dir();
    let mut args: Vec<OsString> = vec!["--hidden".into()];
    args.extend([
        format!("-{}", name_flag(contact)).into(),
        format!("remsh{unique}-{}", contact.name).into(),
    ]);
    args.extend(["--cookie".into(), contact.target.cookie.expose().into()]);
    args.extend(["--boot".into(), rel_dir.join("start_clean").into()]);
    args.extend([
        "--boot-var".into(),
        "RELEASE_LIB".into(),
        release.tree().lib().into(),
    ]);
    args.extend(["--vm-args".into(), rel_dir.join("remote.vm.args").into()]);
    for option in [
        contact.distribution.vm_args().join(" "),
        "+P 65536 +Q 65536 +S 2".into(),
    ] {
        args.extend(["--erl".into(), option.into()]);
    }
    args.extend(["--rpc-eval".into(), contact.name.as_str().into()]);
    args.extend(words.iter().cloned());
    let mut env = release.child_environment(env);
    contact.distribution.set_env(&mut env);
    Ok(ExecSpec {
        program,
        args,
        env,
        cwd: release.install.base.path().to_path_buf(),
    })
}
