//! `relup upgrade`: the stages in the contract's order.
//!
//! Each stage takes what only the stage before can make: a [`Tarball`](crate::tarball::Tarball) becomes
//! a [`VerifiedTarball`](crate::tarball::VerifiedTarball), that a
//! [`StagedTree`](crate::stage::StagedTree), that a
//! [`DeployedTree`](crate::deploy::DeployedTree), that an [`AppliedHop`]. Nothing is journalled
//! before stage 10, and a refusal before that leaves `relup/` as it was.

use std::path::Path;

use relup::journal::{Action, Step};
use relup::layout::Tree;
use relup::node::{ApplyEvent, ApplyRequest};
use serde_json::json;

use crate::apply::{AppliedHop, Watch};
use crate::around::Around;
use crate::assessment;
use crate::cli::Upgrade;
use crate::error::Error;
use crate::hops::{self, FoundHop, Sources};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::{Answer, Console, counted};
use crate::prepare::Prepared;
use crate::recovery::take_lock;
use crate::running::Running;
use crate::state::AttemptLog;

/// How long one process may take to be suspended.
const SUSPEND_TIMEOUT_MS: u64 = 5_000;

/// Upgrades the running node.
pub(crate) fn run(
    args: &Upgrade,
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let lock = take_lock(install, node, console)?.lock;
    let running = Running::ask_whole(node)?;
    let prepared = Prepared::of(args, install, &lock, running, node, console, interrupt)?;
    let mut hop = find_hop(args, install, &prepared, node, console)?;
    let (staged, tree) = (
        prepared.staged.tree(),
        install.base.deployed(&prepared.identity.vsn),
    );
    hop.move_along(staged.path(), tree.path());
    interrupt.check()?;
    let around = Around::of(args, install, &prepared, interrupt);
    around.run(console, |console| {
        let change = Change {
            install,
            lock,
            node,
            console,
            interrupt,
        };
        change.perform(args, prepared, hop)
    })
}

/// Stage 9.
pub(crate) fn find_hop(
    args: &Upgrade,
    install: &Install,
    prepared: &Prepared,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<FoundHop, Error> {
    let (staged, target) = (&prepared.staged, &prepared.identity.vsn);
    let sources = Sources {
        install,
        given: args.relup.as_deref(),
        tarball: Some(staged.tarball().path()),
        staged: Some((staged.tree(), target)),
    };
    let mut warn = |text| console.warn(text);
    hops::find(&sources, &prepared.running.vsn, target, node, &mut warn)
        .map_err(|error| error.shown_below(staged.tree().path(), staged.tarball().path()))
}

/// What the node is asked to do, with the target in `tree`.
pub(crate) fn request(
    args: &Upgrade,
    install: &Install,
    prepared: &Prepared,
    hop: FoundHop,
    attempt: &str,
    tree: &Tree,
) -> ApplyRequest {
    let base = &install.base;
    ApplyRequest {
        attempt: attempt.to_owned(),
        from: prepared.running.vsn.to_string(),
        to: prepared.identity.vsn.to_string(),
        base_root: base.path().to_owned(),
        tree: tree.path().to_owned(),
        rel_name: prepared.identity.rel_name.clone(),
        hop: hop.script,
        beams: hop.beams,
        patches_dir: prepared.patches.clone(),
        marker: base.marker(),
        journal: base.journal(),
        brutal_purge: args.brutal_purge,
        undo_on_callback_failure: args.undo_on_callback_failure,
        suspend_timeout_ms: SUSPEND_TIMEOUT_MS,
    }
}

/// Stages 10 to 14, journalled from their beginning to their end.
struct Change<'a, 'c> {
    install: &'a Install,
    lock: RelupLock,
    node: &'a mut dyn Node,
    console: &'a mut Console<'c>,
    interrupt: &'a Interrupt,
}

impl Change<'_, '_> {
    fn perform(self, args: &Upgrade, prepared: Prepared, hop: FoundHop) -> Result<Answer, Error> {
        let base = &self.install.base;
        let (from, to) = (
            prepared.running.vsn.to_string(),
            prepared.identity.vsn.to_string(),
        );
        let log = AttemptLog::new(base, Action::Upgrade, from.as_str(), to.as_str());
        let tree = base.deployed(&prepared.identity.vsn);
        let request = request(args, self.install, &prepared, hop, log.id(), &tree);
        self.console.stage(&format!("deploying {to}"), None);
        let Prepared {
            staged, identity, ..
        } = prepared;
        let mut in_use = || Ok(self.node.trees_in_use()?);
        let deployed = log
            .staged()
            .and_then(|()| staged.deploy(identity, &mut in_use, base, &self.lock, self.interrupt))
            .and_then(|deployed| log.step(Step::Deployed).map(|()| deployed));
        let deployed = match deployed {
            Ok(deployed) => deployed,
            Err(error) => {
                // The refusal counts; that it could not be recorded either adds nothing.
                let _ = log.failed(&error);
                return Err(error);
            }
        };
        let (tree, reused) = (deployed.tree().path().to_owned(), deployed.reused());
        self.console.stage(
            &format!("applying {from} -> {to} in the running node"),
            None,
        );
        let console = self.console;
        let leave = leave(console.is_json());
        let mut progress = |event| console.step(&step_line(&event));
        let mut watch = Watch {
            interrupt: self.interrupt,
            progress: &mut progress,
            leave: &leave,
        };
        let applied = deployed.apply(
            self.install,
            &self.lock,
            &request,
            &log,
            self.node,
            &mut watch,
        )?;
        // What is recorded of the tree before it counts for nothing any more.
        if let Err(error) = assessment::clear(base) {
            console.warn(error.to_string());
        }
        Ok(answer(&applied, &request, &tree, reused, console))
    }
}

/// One line for a step; the node's words often begin with the step's own name.
fn step_line(ApplyEvent::Step { step, detail }: &ApplyEvent) -> String {
    let step = step.replace('_', " ");
    if detail.starts_with(&step) {
        format!("  {detail}")
    } else {
        format!("  {step} {detail}").trim_end().to_owned()
    }
}

/// What ends the process on Ctrl-C while the node goes on.
fn leave(json: bool) -> impl Fn() + Sync {
    move || {
        let error = Error::InterruptedApply;
        let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
        Console::new(&mut out, &mut err, json).error(&error);
        std::process::exit(error.exit_code().into());
    }
}

fn answer(
    applied: &AppliedHop,
    request: &ApplyRequest,
    tree: &Path,
    reused: bool,
    console: &mut Console<'_>,
) -> Answer {
    let done = applied.done();
    for warning in &done.warnings {
        console.warn(warning.clone());
    }
    let restarted = match done.restarted.as_slice() {
        [] => "no application restarted".to_owned(),
        names => format!("restarted {}", names.join(", ")),
    };
    let summary = format!(
        "{} loaded, {} unchanged, {} updated, {restarted}, {} run",
        counted(done.loaded, "module", "modules"),
        done.skipped,
        counted(done.updated_processes, "process", "processes"),
        counted(done.callbacks, "callback", "callbacks"),
    );
    let times: serde_json::Map<_, _> = done
        .stages_us
        .iter()
        .map(|(stage, micros)| (stage.clone(), json!(micros)))
        .collect();
    Answer {
        lines: vec![
            summary,
            format!(
                "the node runs {}; the next start boots {}",
                done.version,
                tree.display()
            ),
            "upgrade complete".to_owned(),
        ],
        ..Answer::default()
    }
    .field("attempt", request.attempt.as_str())
    .field("from", request.from.as_str())
    .field("to", request.to.as_str())
    .field("tree", tree.to_string_lossy())
    .field("tree_reused", reused)
    .field("hop", request.hop.file.as_str())
    .field("modules_loaded", done.loaded)
    .field("modules_unchanged", done.skipped)
    .field("processes_updated", done.updated_processes)
    .field("applications_restarted", done.restarted.clone())
    .field("callbacks", done.callbacks)
    .field("stages_us", times)
}

#[cfg(test)]
mod tests;
