//! From what is asked for to who does it.

use std::ffi::OsString;

use relup::layout::BaseRoot;
use relup::vsn::ReleaseVsn;

use crate::assessment;
use crate::boot::daemon::{self, InnerConsole};
use crate::boot::refusal::make_dir;
use crate::boot::{self, Boot};
use crate::command::{Command, command_usage, usage};
use crate::completions;
use crate::error::Error;
use crate::exec::exec;
use crate::handover;
use crate::handover::candidate::Candidate;
use crate::host::environment::Environment;
use crate::host::first_process;
use crate::host::syslog;
use crate::host::user::become_runner;
use crate::host::{Host, called_as};
use crate::invocation::{Invocation, parse};
use crate::manual;
use crate::message;
use crate::node::running::nodes_of;
use crate::node::target::Contact;
use crate::plan;
use crate::readiness::{self, Announcer};
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::release::install::Install;
use crate::relup_node::RelupNode;
use crate::restart::restart;
use crate::runtime;
use crate::service::supervised;
use crate::shell;
use crate::sourced::{Origin, Sourced};
use crate::stop;
use crate::version;
use relup_cmd::program::Program;
use relup_cmd::recovery::{self, Interrupted};
use relup_cmd::replaced;

/// What the hot-upgrade commands call themselves.
const RELUP: &str = "emqx relup";

/// Does what the caller asks for and gives the exit code.
///
/// # Errors
/// Whatever stopped it.
pub fn run(host: Host) -> Result<u8, Error> {
    let program = "emqx";
    match parse(
        called_as(&host.args),
        host.args.get(1..).unwrap_or_default(),
    ) {
        Invocation::Usage { asked } => {
            message::answer(&usage(program));
            Ok(u8::from(!asked))
        }
        Invocation::CommandHelp(command) => {
            message::answer(&command_usage(program, command));
            Ok(0)
        }
        Invocation::Announce(words) => readiness::run(host, &words),
        Invocation::Unknown(name) => {
            message::answer(&usage(program));
            message::error(&format!("'{name}' is no command"));
            Ok(1)
        }
        Invocation::Run(command, words) if command.is_about_program() => {
            about_program(&host, command, &words).map(|()| 0)
        }
        Invocation::Run(command, words) => run_command(host, command, words),
    }
}

/// Commands that tell about the program itself, with or without a release around it.
fn about_program(host: &Host, command: Command, words: &[OsString]) -> Result<(), Error> {
    let answer = match command {
        Command::Completions => completions::script(words)?,
        Command::Man => manual::show(words)?,
        _ => version::report(host),
    };
    message::answer(answer.trim_end());
    Ok(())
}

fn run_command(mut host: Host, command: Command, mut words: Vec<OsString>) -> Result<u8, Error> {
    if command == Command::Relup
        && let Some(code) = relup_cmd::run_alone(&words, RELUP)
    {
        return Ok(code);
    }
    if command == Command::Itself
        && let Some(code) = relup_cmd::program::run_alone(&words, &itself(&host))
    {
        return Ok(code);
    }
    if command.manages_releases()
        && let Some(code) = relup_cmd::handler::explain(command.explanation().names[0], &words)
    {
        return Ok(code);
    }
    let caller = host.env.clone();
    let show_plan = plan::take_flag(command, &mut words);
    if show_plan {
        message::keep_answer_alone();
    }
    host.env.rename("EMQX_NODE_NAME", "EMQX_NODE__NAME");
    host.env.rename("EMQX_NODE_COOKIE", "EMQX_NODE__COOKIE");
    let observed = if needs_tree(command) {
        Install::observe(&host).and_then(|install| Release::observe(&host, install))
    } else {
        observe_for_talk(&host, command)
    };
    let mut release = match observed {
        Ok(release) => release,
        Err(error) if command == Command::Relup => {
            return relup_cmd::run_without_installation(&words, RELUP).ok_or(error);
        }
        Err(error) => return Err(error),
    };
    if command.is_of_cuttlefish() && release.dialect() != Dialect::Cuttlefish {
        let vsn = release.vsn.to_string();
        return Err(Error::NotInDialect { command, vsn });
    }
    release.dialect().adopt(&mut host.env);
    match command {
        Command::RootDir if !show_plan => {
            message::answer(&release.tree().path().to_string_lossy());
            return Ok(0);
        }
        Command::Ertspath if !show_plan => {
            message::answer(&release.erts_dir().to_string_lossy());
            return Ok(0);
        }
        _ => {}
    }
    // Whoever calls may have a say over services, the runner user has not.
    if !show_plan && let Some(code) = supervised::run(&host, &release, command)? {
        return Ok(code);
    }
    if let Some(runner) = &release.runner_user {
        become_runner(runner, &mut host)?;
    }
    if show_plan {
        handover::hand_over(&host, &release, command, &plan::with_flag(&words));
        drop(Announcer::take(&mut host));
        return plan::show(&host, caller, &release, command, &words).map(|()| 0);
    }
    let is_prepared = host.env.get(boot::PREPARED).is_some();
    if assessment::concerns(command) && !is_prepared {
        release = assessment::settle(&host, release)?;
    }
    handover::hand_over(&host, &release, command, &words);
    if command.boots() {
        let announcer = Announcer::take(&mut host);
        let announcer = announcer.filter(|_| command == Command::Foreground);
        let refused = match boot_command(&host, &release, command, &words, announcer.as_ref()) {
            Err(refused) => refused,
            done => return done,
        };
        if let Some(announcer) = announcer {
            announcer.refused(&refused.to_string());
        }
        Err(refused)
    } else {
        talk(&host, &release, command, &words)
    }
}

/// Commands that boot or show the tree in force refuse a damaged marker; commands that talk to the
/// running node or mend the marker must not depend on it.
fn needs_tree(command: Command) -> bool {
    command.boots()
        || matches!(
            command,
            Command::RootDir
                | Command::Ertspath
                | Command::Escript
                | Command::Remote
                | Command::EvalEx
        )
}

fn observe_for_talk(host: &Host, command: Command) -> Result<Release, Error> {
    match Install::observe(host).and_then(|install| Release::observe(host, install)) {
        Err(Error::Marker { marker, reason }) => {
            if !matches!(command, Command::Relup | Command::Itself) {
                message::warning_aside(&format!("{}: {reason}", marker.display()));
            }
            Release::observe(host, Install::original(host)?)
        }
        result => result,
    }
}

fn boot_command(
    host: &Host,
    release: &Release,
    command: Command,
    words: &[OsString],
    announcer: Option<&Announcer>,
) -> Result<u8, Error> {
    if let Some(announcer) = announcer {
        announcer.preparing(release);
    }
    if let Some(hot) = &release.install.hot {
        message::info(&format!(
            "Loading emqx from hot-upgrade dir: {}",
            release.install.home.relup_dir().display()
        ));
        for marker in &hot.nested {
            message::warning(&format!(
                "{} is a marker inside a deployed tree, left by another tool; it is followed",
                marker.display()
            ));
        }
    }
    // The console of a daemon belongs to its `start`, which has said it.
    if assessment::concerns(command) && host.env.get(boot::PREPARED).is_none() {
        tell_interrupted(release);
        let hot = release.install.hot.as_ref();
        let replaced = hot.and_then(|hot| replaced::observe(&release.install.home, &hot.vsn));
        if let Some(replaced) = replaced {
            message::warning(&replaced.to_string());
        }
    }
    first_process::obey_signals(host)?;
    make_dir(&release.log_dir)?;
    match command {
        Command::Start | Command::StartBoot => {
            let console = InnerConsole::of(release, command, words)?;
            daemon::start(host, release, &console).map(|()| 0)
        }
        Command::Restart => restart(host, release).map(|()| 0),
        Command::CheckConfig => {
            let mut boot = Boot::prepare(host, release, command)?;
            boot.check_config()?;
            if release.dialect() == Dialect::Cuttlefish {
                let conf = release.etc_dir.join("emqx.conf");
                message::answer(&format!("{} is ok", conf.display()));
            }
            Ok(0)
        }
        _ => {
            let mut spec = boot::plan_foreground(host, release, command, words)?;
            first_process::before_vm(host, release, command, &mut spec);
            syslog::log(&release.name, host.pid, &format!("EXEC: {}", spec.line()));
            // The console of a daemon was counted by its `start`.
            if assessment::concerns(command) && host.env.get(boot::PREPARED).is_none() {
                assessment::count(host, release);
            }
            if let Some(announcer) = announcer {
                announcer.leave_helper(host, release);
            }
            match exec(&spec)? {}
        }
    }
}

/// A boot says in one line what was left half-way, and which version comes of it. It reads the end of
/// one file, and leaves everything to the next `relup` command. A node that runs may be applying the
/// attempt by itself.
fn tell_interrupted(release: &Release) {
    let what = match recovery::observe(&release.install.home) {
        None => return,
        Some(Interrupted::Attempt {
            what,
            started,
            last_step,
        }) => format!("relup {what} of {started} was interrupted after '{last_step}'"),
        Some(Interrupted::Leftovers(names)) => format!(
            "a relup command was interrupted before it had changed anything, {} is left of it (the next one removes it)",
            names.join(", ")
        ),
    };
    if !nodes_of(release).is_empty() {
        return;
    }
    message::warning(&format!(
        "{what}; booting {} from {}",
        release.vsn,
        release.tree().path().display()
    ));
}

fn talk(host: &Host, release: &Release, command: Command, words: &[OsString]) -> Result<u8, Error> {
    let env = &host.env;
    if command == Command::Relup {
        if words.first().is_some_and(|word| word == "status") {
            assessment::look_for(release, env);
        }
        return Ok(relup_command(release, env, words));
    }
    if command == Command::Itself {
        let install = relup_install(release, env);
        return Ok(relup_cmd::program::run(
            words,
            &install,
            &mut RelupNode::new(release, env),
        ));
    }
    if command.manages_releases() {
        let name = command.explanation().names[0];
        let install = relup_install(release, env);
        let mut node = RelupNode::new(release, env);
        return Ok(relup_cmd::handler::run(name, words, &install, &mut node));
    }
    if command == Command::Escript {
        match exec(&shell::plan_escript(release, env, words)?)? {}
    }
    if command == Command::Stop {
        return stop::run(host, release).map(|()| 0);
    }
    let contact = Contact::find(release, env)?;
    // Commands that become another program have to look first.
    if matches!(command, Command::Attach | Command::Remote | Command::EvalEx) {
        assessment::look_at(release, &contact, command);
    }
    match command {
        Command::Attach => {
            match exec(&shell::plan_attach(
                release,
                env,
                &contact,
                &host.user_name(),
            )?)? {}
        }
        Command::Remote => {
            drop(contact.connect()?);
            let unique = fastrand::u32(..);
            match exec(&shell::plan_remote(release, env, &contact, words, unique)?)? {}
        }
        Command::EvalEx => {
            drop(contact.connect()?);
            let unique = fastrand::u32(..);
            match exec(&shell::plan_eval_ex(release, env, &contact, words, unique)?)? {}
        }
        other => {
            let code = runtime::run(&contact, other, words)?;
            assessment::look_at(release, &contact, command);
            Ok(code)
        }
    }
}

/// This program, as the commands that install it have to know it.
fn itself(host: &Host) -> Program<'_> {
    Program {
        path: &host.exe,
        version: version::VERSION,
        version_of: &|path| Ok(Candidate::observe(path)?.map(|found| found.version.to_string())),
    }
}

fn relup_command(release: &Release, env: &Environment, words: &[OsString]) -> u8 {
    let mut node = RelupNode::new(release, env);
    relup_cmd::run(words, &relup_install(release, env), &mut node)
}

/// The installation as the commands that change it see it.
fn relup_install(release: &Release, env: &Environment) -> relup_cmd::Install {
    relup_cmd::Install {
        base: release.install.home.clone(),
        booted: release.tree().clone(),
        booted_vsn: ReleaseVsn::clone(&release.vsn),
        rel_name: release.name.clone(),
        plugins_dir: plugins_dir(&release.install.base, env),
        etc_dir: release.etc_dir.to_path_buf(),
        log_dir: release.log_dir.to_path_buf(),
        data_dir: Some(crate::node::target::data_dir_hint(release, env)),
        pubkey: env.get_os("EMQX_RELUP_PUBKEY").map(Into::into),
        is_handled: release.dialect() == Dialect::Cuttlefish,
        invocation: RELUP.into(),
    }
}

/// Where plugins are installed, unless the configuration says otherwise by its environment name.
fn plugins_dir(base: &BaseRoot, env: &Environment) -> std::path::PathBuf {
    const NAME: &str = "EMQX_PLUGINS__INSTALL_DIR";
    let dir = match env.get_os(NAME) {
        Some(dir) => Sourced::new(base.path().join(dir), Origin::Variable(NAME.into())),
        None => Sourced::new(base.default_plugins(), Origin::Default),
    };
    dir.decided("plugins directory").into_value()
}
