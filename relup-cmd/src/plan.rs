//! `relup plan` and `--dry-run`: everything that an upgrade does up to its first change, told and then
//! taken away again.
//!
//! The tarball is verified and extracted where an upgrade would do it, every check is made, and the
//! node proves the hop against the staged tree. `relup/` is afterwards as it was, byte for byte: no
//! journal, and what others have left over stays too.

use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::node::{ApplyRequest, Proof, ProvenStep};
use serde_json::{Value, json};

use crate::apply::Watch;
use crate::cli::Upgrade;
use crate::debris;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::{Answer, Console, counted};
use crate::prepare::Prepared;
use crate::running::{Running, refuse_while_applying};
use crate::upgrade::{find_hop, request};

/// Tells what an upgrade would do.
pub(crate) fn run(
    args: &Upgrade,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let lock = RelupLock::acquire(&install.base)?;
    refuse_while_applying(node)?;
    let running = if args.cold {
        Running::ask_or_look(install, node)?
    } else {
        Running::ask_whole(node)?
    };
    let prepared = Prepared::of(args, install, &lock, running, node, console, interrupt)?;
    interrupt.check()?;
    if args.cold {
        return Ok(cold(install, &prepared));
    }
    let mut hop = find_hop(args, install, &prepared, node, console)?;
    let staged = prepared.staged.tree().clone();
    // Nothing is recorded under this name.
    let attempt = format!("plan-{}", crate::stage::random());
    let file = hop.path.clone();
    let shown = hop_shown(&file, staged.path(), prepared.staged.tarball().path());
    hop.script.file.clone_from(&shown);
    let request = request(args, install, &prepared, hop, &attempt, &staged);
    console.stage("proving the plan in the running node", None);
    let leave = leave(prepared.staged.places(), lock.dir(), console.is_json());
    let proof = prove(&request, &lock, node, interrupt, &leave)
        .map_err(|error| error.shown_below(staged.path(), prepared.staged.tarball().path()))?;
    Ok(answer(&request, &shown, &proof, console))
}

/// A hop that came in the tarball is named by that: the staged tree is gone when people read this.
fn hop_shown(hop: &Path, staged: &Path, tarball: &Path) -> String {
    let shown = match hop.strip_prefix(staged) {
        Ok(rest) => tarball.join(rest),
        Err(_) => hop.to_owned(),
    };
    shown.to_string_lossy().into_owned()
}

fn prove(
    request: &ApplyRequest,
    lock: &RelupLock,
    node: &mut dyn Node,
    interrupt: &Interrupt,
    leave: &(dyn Fn() + Sync),
) -> Result<Proof, Error> {
    interrupt.check()?;
    let mut watch = Watch {
        interrupt,
        progress: &mut |_| {},
        leave,
    };
    let proven = watch.during(lock.path(), |_| node.prove(request));
    interrupt.check()?;
    proven?.map_err(Error::ApplyFailed)
}

/// What ends the process on Ctrl-C while the node still proves, which changes nothing there.
fn leave(staged: Vec<PathBuf>, relup: &Path, json: bool) -> impl Fn() + Sync {
    let relup = relup.to_owned();
    move || {
        let error = Error::Interrupted;
        // What could not be removed is removed by the next command.
        let _ = staged.iter().try_for_each(|path| debris::remove(path));
        // Only if this command has made it.
        let _ = fs::remove_dir(&relup);
        let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
        Console::new(&mut out, &mut err, json).error(&error);
        std::process::exit(error.exit_code().into());
    }
}

/// Without the VM: what the next start would boot.
fn cold(install: &Install, prepared: &Prepared) -> Answer {
    let (from, to) = (&prepared.running.vsn, &prepared.identity.vsn);
    let tree = install.base.deployed(to);
    Answer {
        lines: vec![
            format!("{from} -> {to}, at the next start"),
            format!(
                "would deploy {} and make it boot next",
                tree.path().display()
            ),
            "nothing was changed".to_owned(),
        ],
        ..Answer::default()
    }
    .field("dry_run", true)
    .field("cold", true)
    .field("from", from.as_str())
    .field("to", to.as_str())
    .field("tree", tree.path().to_string_lossy())
}

fn answer(request: &ApplyRequest, hop: &str, proof: &Proof, console: &mut Console<'_>) -> Answer {
    for warning in &proof.warnings {
        console.warn(warning.clone());
    }
    let totals = Totals::of(proof);
    let mut lines = vec![format!("{} -> {} by {hop}", request.from, request.to)];
    lines.extend(proof.steps.iter().map(line));
    lines.push(format!(
        "{} to load, {} unchanged, {} to suspend, {} to restart, {} to run",
        counted(totals.modules, "module", "modules"),
        proof.skipped,
        counted(totals.processes, "process", "processes"),
        counted(totals.restarted.len() as u64, "application", "applications"),
        counted(totals.callbacks, "callback", "callbacks"),
    ));
    lines.push("nothing was changed".to_owned());
    Answer {
        lines,
        ..Answer::default()
    }
    .field("dry_run", true)
    .field("cold", false)
    .field("from", request.from.as_str())
    .field("to", request.to.as_str())
    .field("hop", hop)
    .field("steps", proof.steps.iter().map(step).collect::<Vec<_>>())
    .field("modules_to_load", totals.modules)
    .field("modules_unchanged", proof.skipped)
    .field("processes_to_suspend", totals.processes)
    .field("applications_to_restart", totals.restarted)
    .field("callbacks", totals.callbacks)
}

/// What all steps come to.
#[derive(Default)]
struct Totals {
    modules: u64,
    processes: u64,
    restarted: Vec<String>,
    callbacks: u64,
}

impl Totals {
    fn of(proof: &Proof) -> Totals {
        let mut totals = Totals::default();
        for step in &proof.steps {
            match step {
                ProvenStep::Load { modules } => totals.modules += modules.len() as u64,
                ProvenStep::Update {
                    processes, loads, ..
                } => {
                    totals.processes += processes;
                    totals.modules += u64::from(*loads);
                }
                ProvenStep::Restart {
                    application,
                    modules,
                    ..
                } => {
                    totals.modules += modules.len() as u64;
                    totals.restarted.push(application.clone());
                }
                ProvenStep::Apply { .. } => {}
                ProvenStep::Callback { .. } => totals.callbacks += 1,
            }
        }
        totals
    }
}

/// A step for people.
fn line(step: &ProvenStep) -> String {
    match step {
        ProvenStep::Load { modules } => format!("  load {}", modules.join(", ")),
        ProvenStep::Update {
            module,
            processes,
            loads,
        } => {
            let code = if *loads { "load it" } else { "the same code" };
            let processes = counted(*processes, "process", "processes");
            format!("  update {module}: suspend {processes}, {code}, change their state")
        }
        ProvenStep::Restart {
            application,
            version,
            modules,
            removed,
        } => {
            let version = version
                .as_ref()
                .map_or_else(String::new, |vsn| format!(" as {vsn}"));
            let mut text = format!("  restart {application}{version}: {}", modules.join(", "));
            if !removed.is_empty() {
                text.push_str("; removed: ");
                text.push_str(&removed.join(", "));
            }
            text
        }
        ProvenStep::Apply { call } => format!("  apply {call}"),
        ProvenStep::Callback { call } => format!("  call {call}"),
    }
}

/// A step for programs.
fn step(step: &ProvenStep) -> Value {
    match step {
        ProvenStep::Load { modules } => json!({ "step": "load", "modules": modules }),
        ProvenStep::Update {
            module,
            processes,
            loads,
        } => json!({
            "step": "update", "module": module, "processes": processes, "loads_code": loads,
        }),
        ProvenStep::Restart {
            application,
            version,
            modules,
            removed,
        } => json!({
            "step": "restart", "application": application, "version": version,
            "modules": modules, "removed_modules": removed,
        }),
        ProvenStep::Apply { call } => json!({ "step": "apply", "call": call }),
        ProvenStep::Callback { call } => json!({ "step": "callback", "call": call }),
    }
}

#[cfg(test)]
mod tests;
