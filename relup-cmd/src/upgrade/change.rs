//! Stages 10 to 14 of an upgrade, for each hop of the way: deployed, applied, and what is said of it.
//!
//! Everything that can be checked beforehand has been, and from here on the journal tells. A hop that
//! is done stays, whatever comes of the next.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use relup::journal::{Action, Step};
use relup::node::{ApplyEvent, ApplyRequest};
use serde_json::json;

use crate::apply::{AppliedHop, Watch};
use crate::assessment;
use crate::cli::Upgrade;
use crate::debris;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::prepare::{Prepared, Tools};
use crate::quantity::counted;
use crate::state::AttemptLog;
use crate::via::{Leg, Progress};

/// Stages 10 to 14, journalled from their beginning to their end, for each hop.
pub(super) struct Change<'a, 'c> {
    pub(super) args: &'a Upgrade,
    pub(super) install: &'a Install,
    pub(super) lock: RelupLock,
    pub(super) node: &'a mut dyn Node,
    pub(super) console: &'a mut Console<'c>,
    pub(super) interrupt: &'a Interrupt,
}

impl Change<'_, '_> {
    /// One hop after the other; the lock is free when the last is done.
    pub(super) fn walk(mut self, legs: Vec<Leg>, mut progress: Progress) -> Result<Answer, Error> {
        let mut legs = VecDeque::from(legs);
        let mut answers = Vec::new();
        while let Some(leg) = legs.pop_front() {
            if let Some(before) = answers.last() {
                self.say_done(before);
            }
            if progress.is_chain() {
                self.console.note(&progress.title());
            }
            let waiting = legs.iter().flat_map(|leg| leg.prepared.staged.places());
            let leave = leave(self.console.is_json(), waiting.collect(), progress.clone());
            let answer = self
                .check_again(&leg, !answers.is_empty())
                .and_then(|()| self.perform(leg, &leave))
                .map_err(|error| progress.stopped(error))?;
            answers.push(answer);
            progress.hop_done();
        }
        Ok(summed_up(answers, &progress))
    }

    /// All but the last line, which is for the end of the way.
    fn say_done(&mut self, answer: &Answer) {
        let lines = answer.lines.split_last().map(|(_, lines)| lines);
        for line in lines.unwrap_or_default() {
            self.console.say(line);
        }
    }

    /// Before the second hop and those after it: much can have happened since they were checked.
    fn check_again(&mut self, leg: &Leg, is_later: bool) -> Result<(), Error> {
        if !is_later {
            return Ok(());
        }
        self.interrupt.check()?;
        leg.check_again(&mut Tools {
            args: self.args,
            install: self.install,
            lock: &self.lock,
            node: self.node,
            console: self.console,
            interrupt: self.interrupt,
        })
    }

    fn perform(&mut self, leg: Leg, leave: &(dyn Fn() + Sync)) -> Result<Answer, Error> {
        let Leg { prepared, mut hop } = leg;
        let base = &self.install.base;
        let (from, to) = (
            prepared.running.vsn.to_string(),
            prepared.identity.vsn.to_string(),
        );
        let log = AttemptLog::new(base, Action::Upgrade, from.as_str(), to.as_str());
        let tree = base.deployed(&prepared.identity.vsn);
        hop.move_along(prepared.staged.tree().path(), tree.path());
        let request = prepared.request(self.args, self.install, hop, log.id(), &tree);
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
        let console = &mut *self.console;
        let mut progress = |event| console.step(&step_line(&event));
        let mut watch = Watch {
            interrupt: self.interrupt,
            progress: &mut progress,
            leave,
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
pub(super) fn step_line(ApplyEvent::Step { step, detail }: &ApplyEvent) -> String {
    let step = step.replace('_', " ");
    if detail.starts_with(&step) {
        format!("  {detail}")
    } else {
        format!("  {step} {detail}").trim_end().to_owned()
    }
}

/// What ends the process on Ctrl-C while the node goes on, with the hop that it is at and no further.
fn leave(json: bool, waiting: Vec<PathBuf>, progress: Progress) -> impl Fn() + Sync {
    move || {
        // What could not be removed is removed by the next command.
        let _ = waiting.iter().try_for_each(|path| debris::remove(path));
        let error = progress.stopped(Error::InterruptedApply);
        let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
        Console::new(&mut out, &mut err, json).error(&error);
        std::process::exit(error.exit_code().into());
    }
}

/// The answer of the last hop, and with several hops what each has done.
fn summed_up(mut answers: Vec<Answer>, progress: &Progress) -> Answer {
    let Some(mut last) = answers.pop() else {
        return Answer::default();
    };
    let [first, _, ..] = progress.way() else {
        return last;
    };
    let mut hops: Vec<_> = answers.into_iter().map(|answer| answer.fields).collect();
    hops.push(last.fields.clone());
    let number = hops.len();
    last.lines.insert(
        1,
        format!("{} -> {} by {number} hops", first.from, progress.target()),
    );
    Answer {
        lines: last.lines,
        ..Answer::default()
    }
    .field("from", first.from.as_str())
    .field("to", progress.target())
    .field("tree", last.fields.remove("tree").unwrap_or_default())
    .field("hops", json!(hops))
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
