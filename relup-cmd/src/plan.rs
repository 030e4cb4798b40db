//! `relup plan` and `--dry-run`: everything that an upgrade does up to its first change, told and then
//! taken away again.
//!
//! The tarball is verified and extracted where an upgrade would do it, every check is made, and the
//! node proves the hop against the staged tree. `relup/` is afterwards as it was, byte for byte: no
//! journal, and what others have left over stays too.

mod chain;

use relup::node::{ApplyRequest, Proof, ProvenStep};
use serde_json::{Value, json};

use crate::cli::Upgrade;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::prepare::{Prepared, Tools};
use crate::prove::{leave, prove};
use crate::quantity::counted;
use crate::running::{Running, refuse_while_applying};
use crate::via::{self, AtHand, Leg, Progress};

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
    let mut tools = Tools {
        args,
        install,
        lock: &lock,
        node,
        console,
        interrupt,
    };
    let at_hand = AtHand::of(&args.via)?;
    let prepared = Prepared::of(running, &mut tools)?;
    interrupt.check()?;
    if args.cold {
        return Ok(cold(install, &prepared));
    }
    let (mut legs, last) = via::legs(prepared, &at_hand, &mut tools)?;
    legs.push(last);
    match legs.as_slice() {
        [leg] => first(leg, &Progress::new(args, install, &legs), &mut tools),
        legs => chain::run(legs, &mut tools),
    }
}

/// The hop that would be applied to what runs.
fn first(leg: &Leg, progress: &Progress, tools: &mut Tools<'_, '_>) -> Result<Answer, Error> {
    let prepared = &leg.prepared;
    let staged = prepared.staged.tree();
    // Nothing is recorded under this name.
    let attempt = format!("plan-{}", crate::stage::random());
    let shown = hop_shown(leg);
    let mut hop = leg.hop.clone();
    hop.script.file.clone_from(&shown);
    let request = prepared.request(tools.args, tools.install, hop, &attempt, staged);
    tools
        .console
        .stage("proving the plan in the running node", None);
    let json = tools.console.is_json();
    let leave = leave(prepared.staged.places(), tools.lock.dir(), json);
    let proof = prove(&request, tools.lock, tools.node, tools.interrupt, &leave)
        .map_err(|error| error.shown_below(staged.path(), prepared.staged.tarball().path()))
        .map_err(|error| progress.stopped(error))?;
    Ok(answer(&request, &shown, &proof, tools.console))
}

/// A hop that came in the tarball is named by that: the staged tree is gone when people read this.
fn hop_shown(leg: &Leg) -> String {
    let (staged, hop) = (&leg.prepared.staged, &leg.hop.path);
    let shown = match hop.strip_prefix(staged.tree().path()) {
        Ok(rest) => staged.tarball().path().join(rest),
        Err(_) => hop.to_owned(),
    };
    shown.to_string_lossy().into_owned()
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
    lines.push(totals.line(proof.skipped));
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
    fn line(&self, skipped: u64) -> String {
        format!(
            "{} to load, {skipped} unchanged, {} to suspend, {} to restart, {} to run",
            counted(self.modules, "module", "modules"),
            counted(self.processes, "process", "processes"),
            counted(self.restarted.len() as u64, "application", "applications"),
            counted(self.callbacks, "callback", "callbacks"),
        )
    }

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
