//! The plan of a command that talks to the running node, or starts a program that does.

use std::ffi::OsString;
use std::path::Path;

use shims::dist::{Port, Target};

use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::node::target::{CONNECT_TIMEOUT, Contact};
use crate::node::underway;
use crate::patience::{self, Patience};
use crate::plan::{Plan, Step};
use crate::redact::shown_words;
use crate::release::Release;
use crate::release::dialect::Dialect;
use crate::shell;

/// Adds what the command would do.
///
/// # Errors
/// Everything that would speak against it before the node is asked.
pub fn plan(
    plan: &mut Plan,
    host: &Host,
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<(), Error> {
    let env = &host.env;
    match command {
        Command::RootDir => {
            prints(plan, release.tree().path());
            return Ok(());
        }
        Command::Ertspath => {
            prints(plan, &release.erts_dir());
            return Ok(());
        }
        Command::Escript => {
            let spec = shell::plan_escript(release, env, words)?;
            plan.step(Step::Become("become the escript", spec));
            return Ok(());
        }
        _ => {}
    }
    let contact = Contact::find(release, env)?;
    running_node(plan, &contact);
    match command {
        Command::Stop => {
            if contact.process.is_none() {
                // What has no VM yet is ended before it gets one.
                let preparing = underway::observe(release, env.get("EMQX_NODE__NAME"));
                for process in preparing {
                    let pid = process.pid();
                    let what = format!("end process {pid}, which is about to boot the node");
                    plan.step(Step::Other(what));
                }
            }
            stop_steps(plan, host, &contact);
        }
        Command::Attach => {
            let spec = shell::plan_attach(release, env, &contact, &host.user_name())?;
            plan.step(Step::Become("attach to the console", spec));
        }
        Command::Remote => {
            connects(plan, &contact);
            let spec = shell::plan_remote(release, env, &contact, words, 0)?;
            plan.step(Step::Become("become a remote shell", spec));
        }
        Command::EvalEx => {
            connects(plan, &contact);
            let spec = shell::plan_eval_ex(release, env, &contact, words, 0)?;
            plan.step(Step::Become("become an Elixir VM", spec));
        }
        other => {
            connects(plan, &contact);
            plan.step(Step::Other(call(other, words)));
        }
    }
    Ok(())
}

fn prints(plan: &mut Plan, path: &Path) {
    plan.step(Step::Other(format!("print {}", path.display())));
}

fn connects(plan: &mut Plan, contact: &Contact) {
    plan.step(Step::Other(format!(
        "connect to {}{}, within {} s",
        address(&contact.target),
        if contact.target.tls.is_some() {
            " with TLS"
        } else {
            ""
        },
        CONNECT_TIMEOUT.as_secs()
    )));
}

/// What the node would be asked, by the names of its own functions.
fn call(command: Command, words: &[OsString]) -> String {
    let shown = shown_words(words);
    let rest = |from: usize| shown.get(from..).unwrap_or_default().join(" ");
    let mfa = || {
        let mut names = shown.iter().take(2).cloned();
        let module = names.next().unwrap_or_default();
        format!("{module}:{}", names.next().unwrap_or_default())
    };
    match command {
        Command::Ctl => format!("call emqx_ctl:run_command with the words [{}]", rest(0)),
        Command::Eval => format!("have evaluated: {}", rest(0)),
        Command::Rpc => format!("call {} with a list of strings: [{}]", mfa(), rest(2)),
        Command::Rpcterms if words.len() <= 2 => format!("call {} without a term", mfa()),
        Command::Rpcterms => format!("call {} with the terms {}", mfa(), rest(2)),
        Command::Pid => "ask for the process id".to_owned(),
        _ => "print pong".to_owned(),
    }
}

/// The node that is meant.
pub fn running_node(plan: &mut Plan, contact: &Contact) {
    plan.decided("name of the running node", &contact.name);
    plan.decided("cookie of the running node", &contact.cookie);
    plan.fact("address of the running node", &address(&contact.target));
    let process = contact.process.as_ref().map(|process| process.pid);
    let process = process.map_or_else(|| "none is in sight".into(), |pid| pid.to_string());
    plan.fact("process of the running node", &process);
}

/// How a node is stopped.
pub fn stop_steps(plan: &mut Plan, host: &Host, contact: &Contact) {
    let patience = Patience::sourced(&host.env, patience::STOP);
    plan.decided("time to stop", &patience);
    connects(plan, contact);
    let function = match contact.dialect {
        Dialect::Hocon => "emqx_machine:graceful_shutdown/0",
        Dialect::Cuttlefish => "init:stop/0",
    };
    plan.step(Step::Other(format!(
        "call {function}; where that is not possible, use the console, then SIGTERM"
    )));
    let seconds = patience.seconds();
    plan.step(Step::Other(match &contact.process {
        Some(process) => format!(
            "wait until process {} is gone, {seconds} s at most",
            process.pid
        ),
        None => format!("wait until the node is gone, {seconds} s at most"),
    }));
}

/// Where a node listens for other nodes.
pub fn address(target: &Target) -> String {
    match &target.port {
        Port::Fixed(port) => format!("{}:{port}", target.host),
        Port::Epmd { host, port } => {
            format!(
                "{}, at the port that epmd at {host}:{port} tells",
                target.host
            )
        }
    }
}
