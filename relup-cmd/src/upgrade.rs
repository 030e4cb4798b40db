//! `relup upgrade`: the stages in the contract's order.
//!
//! Each stage takes what only the stage before can make: a [`Tarball`] becomes a
//! [`VerifiedTarball`](crate::tarball::VerifiedTarball), that a [`StagedTree`], that a
//! [`DeployedTree`](crate::deploy::DeployedTree), that an [`AppliedHop`]. Nothing is journalled
//! before stage 10, and a refusal before that leaves `relup/` as it was.

use std::path::{Path, PathBuf};

use relup::journal::{Action, Step};
use relup::marker::Marker;
use relup::node::{ApplyEvent, ApplyRequest, NodeFacts};
use relup::vsn::ReleaseVsn;
use serde_json::json;

use crate::apply::{AppliedHop, Watch};
use crate::assessment;
use crate::backup;
use crate::cli::Upgrade;
use crate::compat;
use crate::debris;
use crate::error::Error;
use crate::hooks::{self, Hooks};
use crate::hops::{self, FoundHop, Sources};
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::{Node, NodeError};
use crate::output::{Answer, Console};
use crate::patches::{check_patches, patches_dir};
use crate::permission;
use crate::release::Identity;
use crate::stage::{self, Limits, StagedTree};
use crate::state::{self, AttemptLog};
use crate::tarball::Tarball;

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
    let lock = take_lock(install, node)?;
    let running = Running::ask(node)?;
    let patches = patches_dir(install, &running.facts);
    check_patches(patches.as_deref(), args.force)?;
    let staged = verify_and_stage(&args.tarball, install, &lock, console, interrupt)?;
    let approved = Approved::check(args, install, running, patches, &staged, node, console)
        .map_err(|error| error.shown_below(staged.tree().path(), staged.tarball().path()))?;
    interrupt.check()?;
    let mut facts = hooks::facts(
        "upgrade",
        install,
        approved.running.vsn.as_str(),
        &approved.identity.vsn,
    );
    facts.insert(
        "tarball".to_owned(),
        json!(staged.tarball().path().to_string_lossy()),
    );
    let hooks = Hooks::of(hooks::Change::Upgrade, install, args.hooks, interrupt);
    hooks.before(&facts, console)?;
    let data_dir = approved.running.facts.data_dir.clone();
    let result = backup::back_up(
        args.backup.as_deref(),
        install,
        data_dir,
        console,
        interrupt,
    )
    .and_then(|backup| {
        let change = Change {
            install,
            lock,
            node,
            console: &mut *console,
            interrupt,
        };
        let answer = change.perform(staged, approved)?;
        Ok(match backup {
            Some(path) => answer.field("backup", path.to_string_lossy()),
            None => answer,
        })
    });
    // Also after a failure: what the first hook has prepared has to be taken back.
    hooks.after(facts, result.as_ref().map(|_| ()), console);
    result
}

/// Stage 1, for every command that changes something: the lock, the node's own work, left-overs.
pub(crate) fn take_lock(install: &Install, node: &mut dyn Node) -> Result<RelupLock, Error> {
    let lock = RelupLock::acquire(&install.base)?;
    if refuse_while_applying(node)? {
        debris::sweep(&install.base, &lock)?;
    }
    Ok(lock)
}

/// Refuses while the node applies an attempt. True when it is known not to: a node that can't be
/// asked may be applying, so its files stay; stage 2 reports it.
pub(crate) fn refuse_while_applying(node: &mut dyn Node) -> Result<bool, Error> {
    match node.running_attempt() {
        Ok(Some(attempt)) => Err(Error::Locked {
            by: format!("the node is applying attempt {attempt}"),
        }),
        Ok(None) | Err(NodeError::NotRunning(_)) => Ok(true),
        Err(_) => Ok(false),
    }
}

/// Stage 2: what runs.
struct Running {
    facts: NodeFacts,
    vsn: ReleaseVsn,
}

impl Running {
    fn ask(node: &mut dyn Node) -> Result<Running, Error> {
        let facts = node.facts()?;
        let vsn = facts.running_vsn.parse().map_err(|error| {
            Error::NodeRpc(format!("the node's version is no release version: {error}"))
        })?;
        Ok(Running { facts, vsn })
    }
}

/// Stages 4 and 5.
pub(crate) fn verify_and_stage(
    tarball: &Path,
    install: &Install,
    lock: &RelupLock,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<StagedTree, Error> {
    let tarball = Tarball::open(tarball)?;
    let sidecar = tarball.sidecar()?;
    if let Some(other) = &sidecar.names_other {
        console.warn(format!("the digest is that of a file named {other:?}"));
    }
    let len = tarball.len();
    console.stage("verifying the tarball", Some(len));
    let verified = tarball.verify(&sidecar, interrupt, &mut |done| console.progress(done))?;
    console.stage("extracting", Some(len));
    let mut progress = |done| console.progress(done);
    stage::stage(
        verified,
        &install.base,
        lock,
        Limits::DEFAULT,
        interrupt,
        &mut progress,
    )
}

/// Everything that stages 6 to 9 found out about a target that may be deployed.
struct Approved {
    running: Running,
    identity: Identity,
    hop: FoundHop,
    patches: Option<PathBuf>,
    brutal_purge: bool,
    undo_on_callback_failure: bool,
}

impl Approved {
    fn check(
        args: &Upgrade,
        install: &Install,
        running: Running,
        patches: Option<PathBuf>,
        staged: &StagedTree,
        node: &mut dyn Node,
        console: &mut Console<'_>,
    ) -> Result<Approved, Error> {
        console.stage("checking the release", None);
        let (base, tree, facts) = (&install.base, staged.tree(), &running.facts);
        let identity = Identity::read_package(tree, base)?;
        check_versions(install, &running, &identity.vsn, console)?;
        identity.check_complete(tree)?;
        compat::check(base, facts, &running.vsn, tree, &identity, args.force)?;
        permission::check(base, node.uid())?;
        let sources = Sources {
            install,
            given: args.relup.as_deref(),
            tarball: Some(staged.tarball().path()),
            staged: Some((tree, &identity.vsn)),
        };
        let mut warn = |text| console.warn(text);
        let mut hop = hops::find(&sources, &running.vsn, &identity.vsn, node, &mut warn)?;
        hop.move_along(tree.path(), base.deployed(&identity.vsn).path());
        Ok(Approved {
            running,
            identity,
            hop,
            patches,
            brutal_purge: args.brutal_purge,
            undo_on_callback_failure: args.undo_on_callback_failure,
        })
    }

    fn into_request(self, install: &Install, attempt: &str) -> ApplyRequest {
        let (base, identity) = (&install.base, self.identity);
        ApplyRequest {
            attempt: attempt.to_owned(),
            from: self.running.vsn.to_string(),
            to: identity.vsn.to_string(),
            base_root: base.path().to_owned(),
            tree: base.deployed(&identity.vsn).path().to_owned(),
            rel_name: identity.rel_name,
            hop: self.hop.script,
            beams: self.hop.beams,
            patches_dir: self.patches,
            marker: base.marker(),
            journal: base.journal(),
            brutal_purge: self.brutal_purge,
            undo_on_callback_failure: self.undo_on_callback_failure,
            suspend_timeout_ms: SUSPEND_TIMEOUT_MS,
        }
    }
}

/// The second half of stage 6: the target against what runs and what is pending.
fn check_versions(
    install: &Install,
    running: &Running,
    target: &ReleaseVsn,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    if *target == running.vsn {
        return Err(Error::AlreadyUpgraded {
            vsn: target.to_string(),
        });
    }
    let marker = install.base.marker();
    match state::read_marker(&install.base) {
        Marker::Current(pending) if pending == *target => {
            return Err(Error::DuplicatePendingTarget {
                vsn: target.to_string(),
                marker,
            });
        }
        Marker::Damaged(reason) => console.warn(format!(
            "{} is damaged ({reason}); the upgrade replaces it",
            marker.display()
        )),
        Marker::Absent | Marker::Current(_) => {}
    }
    Ok(())
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
    fn perform(self, staged: StagedTree, approved: Approved) -> Result<Answer, Error> {
        let base = &self.install.base;
        let (from, to) = (
            approved.running.vsn.to_string(),
            approved.identity.vsn.to_string(),
        );
        let log = AttemptLog::new(base, Action::Upgrade, from.as_str(), to.as_str());
        log.step(Step::Started)?;
        log.step(Step::Staged)?;
        self.console.stage(&format!("deploying {to}"), None);
        let booted = approved.running.facts.root_dir.clone();
        let deployed = staged
            .deploy(approved.identity.clone(), &booted, base, &self.lock)
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
        let request = approved.into_request(self.install, log.id());
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
        "{} modules loaded, {} unchanged, {} processes updated, {restarted}, {} callbacks run",
        done.loaded, done.skipped, done.updated_processes, done.callbacks
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
