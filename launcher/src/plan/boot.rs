//! The plan of a command that boots: what `boot` decides, the files that it would write, the VM that
//! it would become.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use shims::boot_helper::Dialogue;

use crate::assessment;
use crate::boot::Boot;
use crate::boot::cookie::Reading;
use crate::boot::cuttlefish::Cuttlefish;
use crate::boot::daemon::{InnerConsole, check_tls, run_erl, target};
use crate::boot::generated::Generated;
use crate::boot::log_env::Logging;
use crate::boot::refusal::{check_writable, refuse_besides, security_profile, warn};
use crate::boot::siz::siz_files;
use crate::command::Command;
use crate::elixir::{elixir_program, wants_iex};
use crate::error::Error;
use crate::exec::ExecSpec;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::node::target::Contact;
use crate::patience::{self, Patience};
use crate::plan::{Plan, Step, talk};
use crate::redact::shown_args_file;
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::small_vm::plan_small_vm;

/// Stands in names of files for the time of the boot.
const TIME: &str = "<time>";

/// Adds what the command would do.
///
/// # Errors
/// Everything that would speak against it.
pub fn plan(
    plan: &mut Plan,
    host: &Host,
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<(), Error> {
    let iex = match command {
        Command::Console | Command::ConsoleClean => iex(&host.env, release, command, words)?,
        _ => None,
    };
    let console = InnerConsole::of(release, command, words)?;
    let running = match command {
        Command::Restart => in_sight(release, &host.env)?,
        _ => None,
    };
    let (env, mode) = Boot::environment(host, release)?;
    plan.decided("code loading mode", &mode);
    if release.dialect() == Dialect::Hocon {
        plan.decided("security profile", &security_profile(&host.env));
    }
    let helpers = helpers(release, &env)?;
    let mut boot = match Boot::prepare_reading(host, release, command, Reading::FilesOnly) {
        Ok(boot) => boot,
        Err(error) => {
            plan.steps(helpers);
            return Err(error);
        }
    };
    decided(plan, &boot);
    if command == Command::CheckConfig {
        plan.steps(helpers);
        plan.step(Step::Other(match release.dialect() {
            Dialect::Hocon => {
                "check base.hocon, cluster.hocon and emqx.conf in the helper VM".into()
            }
            Dialect::Cuttlefish => "remove what cuttlefish has made".into(),
        }));
        return Ok(());
    }
    let stopped = running
        .as_ref()
        .and_then(|contact| contact.process.as_ref());
    let stopped = stopped.map(|process| process.pid);
    refuse_besides(
        release,
        Some(&boot.name.to_string()),
        Some(&boot.data_dir),
        stopped,
    )?;
    let is_daemon = command.makes_daemon();
    boot.translate_logging(release, Logging::of(command));
    warn(release, &boot)?;
    check_writable(release, &boot)?;
    let contents = boot.contents(release, &tempfile::env::temp_dir())?;
    let target = target(release, &boot, &contents.vm_args)?;
    let address = talk::address(&target);
    plan.fact("address", &address);
    if is_daemon {
        check_tls(&target)?;
        plan.decided("console pipes", &boot.pipe_dir(&host.user_name()));
        let patience = Patience::sourced(&boot.env, patience::START);
        plan.decided("time to start", &patience);
    }
    plan.steps(helpers);
    let files = Generated::at(boot.configs_dir(), TIME);
    for step in file_steps(release, &files, &contents.vm_args) {
        plan.step(step);
    }
    if assessment::counts(release, command) {
        plan.step(Step::Other(format!("count this boot of {}", release.vsn)));
    }
    if let Some(contact) = &running {
        talk::running_node(plan, contact);
        talk::stop_steps(plan, host, contact);
    }
    if is_daemon {
        daemon_steps(plan, host, release, boot, &files, &address, &console)
    } else {
        let shown = shown_words(command, words);
        let spec = boot.plan_vm(release, command, iex, &shown, &files)?;
        plan.step(Step::Become("become the node's VM", spec));
        Ok(())
    }
}

/// What is asked of the release's own code, and how.
fn helpers(release: &Release, env: &Environment) -> Result<Vec<Step>, Error> {
    let helper = plan_small_vm(release, env, &Dialogue::new(0).program());
    Ok(match release.dialect() {
        Dialect::Hocon => vec![Step::Run(
            "ask the release's own code in a helper VM",
            helper,
        )],
        Dialect::Cuttlefish => {
            let cuttlefish = Cuttlefish::open(release)?;
            let dir = tempfile::env::temp_dir().join(".cuttlefish-<random>");
            vec![
                Step::Run("find out whether a VM of the release runs here", helper),
                Step::Run(
                    "have the release's cuttlefish read the configuration",
                    cuttlefish.spec(env, &dir),
                ),
            ]
        }
    })
}

fn iex(
    env: &Environment,
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<Option<PathBuf>, Error> {
    wants_iex(env, command, words)?
        .then(|| elixir_program(release, "iex"))
        .transpose()
}

/// The node that a restart stops, where its process can be seen: nothing is asked of a node here.
fn in_sight(release: &Release, env: &Environment) -> Result<Option<Contact>, Error> {
    match Contact::find(release, env) {
        Ok(contact) => Ok(Some(contact).filter(|contact| contact.process.is_some())),
        Err(Error::NamedNodeNotRunning { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn decided(plan: &mut Plan, boot: &Boot) {
    plan.decided("node name", &boot.name);
    plan.decided("data directory", &boot.data_dir);
    plan.decided("cookie", &boot.cookie);
    plan.decided("transport between nodes", &boot.proto_dist);
    plan.decided("arguments of the distribution", &boot.epmd_args);
}

fn file_steps(release: &Release, files: &Generated, vm_args: &str) -> Vec<Step> {
    let missing = |dir: &Path| (!dir.is_dir()).then(|| Step::MakeDirectory(dir.to_path_buf()));
    let mut steps: Vec<Step> = [missing(&release.log_dir), missing(&files.dir)]
        .into_iter()
        .flatten()
        .collect();
    steps.extend(siz_files(&release.log_dir).into_iter().map(Step::Remove));
    steps.push(Step::Write(files.app_config(), Vec::new()));
    steps.push(Step::Write(files.vm_args(), shown_args_file(vm_args)));
    steps.extend(files.outdated().into_iter().map(Step::Remove));
    steps
}

/// The daemon: `run_erl`, and in it this program again, which becomes the VM.
fn daemon_steps(
    plan: &mut Plan,
    host: &Host,
    release: &Release,
    mut boot: Boot,
    files: &Generated,
    address: &str,
    console: &InnerConsole,
) -> Result<(), Error> {
    let pipe_dir = boot.pipe_dir(&host.user_name());
    if !pipe_dir.is_dir() {
        plan.step(Step::MakeDirectory(pipe_dir.to_path_buf()));
    }
    let daemon = run_erl(release, &boot, &pipe_dir, &files.time, console);
    boot.env = daemon.env.clone();
    plan.step(Step::Run("start the console of the daemon", daemon));
    let (command, words) = console.command();
    let iex = match command {
        Command::Console => iex(&boot.env, release, command, words)?,
        _ => None,
    };
    let shown = shown_words(command, words);
    let vm: ExecSpec = boot.plan_vm(release, command, iex, &shown, files)?;
    plan.step(Step::Run("in it, become the node's VM", vm));
    let patience = Patience::observe(&boot.env, patience::START).seconds();
    plan.step(Step::Other(format!(
        "wait until the node at {address} is ready, {patience} s at most"
    )));
    Ok(())
}

/// What the VM shows of itself in the process list.
fn shown_words(command: Command, words: &[OsString]) -> Vec<OsString> {
    let name = command.explanation().names[0];
    std::iter::once(name.into())
        .chain(words.iter().cloned())
        .collect()
}
