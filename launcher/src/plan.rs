//! `--show-plan`: what a command would do, as text, without doing it. Nothing is booted, stopped,
//! asked of a running node or written. What the plan of a boot has to know from the configuration
//! is asked of the release's own code in a helper VM, which writes nothing either.
//!
//! The text is for people and for tests: one thing a line, always in the same order, and no secret.

mod boot;
mod step;
mod talk;

use std::ffi::OsString;
use std::fmt::Write;

use crate::assessment;
use crate::command::Command;
use crate::error::Error;
use crate::host::Host;
use crate::host::environment::Environment;
use crate::message;
use crate::release::Release;
use crate::service::supervised;
use crate::sourced::{Origin, Shown, Sourced};

pub use step::Step;

/// The word that asks for a plan.
const FLAG: &str = "--show-plan";

/// Takes the flag out of a command's words. Where words go to others as they are, only the first
/// one can be the flag.
pub fn take_flag(command: Command, words: &mut Vec<OsString>) -> bool {
    let place = if command.passes_words_on() {
        words.first().filter(|word| *word == FLAG).map(|_| 0)
    } else {
        words.iter().position(|word| word == FLAG)
    };
    if let Some(place) = place {
        words.remove(place);
    }
    place.is_some()
}

/// The words with the flag in front again, for a launcher that the command is handed over to.
pub fn with_flag(words: &[OsString]) -> Vec<OsString> {
    std::iter::once(FLAG.into())
        .chain(words.iter().cloned())
        .collect()
}

/// What a command would do: what was decided, and then step by step.
pub struct Plan {
    /// The environment that the caller gave: steps tell what is different in theirs.
    caller: Environment,
    facts: String,
    steps: Vec<Step>,
}

impl Plan {
    /// A plan with nothing in it.
    pub fn new(command: Command, caller: Environment) -> Plan {
        Plan {
            caller,
            facts: format!("plan of emqx {}\n", command.explanation().names[0]),
            steps: Vec::new(),
        }
    }

    /// Adds a decision.
    pub fn decided<T: Shown>(&mut self, name: &str, value: &Sourced<T>) {
        self.fact(name, &value.told());
    }

    /// Adds what follows from decisions.
    pub fn fact(&mut self, name: &str, value: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.facts, "{name} = {value}");
    }

    /// Adds a step.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Adds several.
    pub fn steps(&mut self, steps: Vec<Step>) {
        self.steps.extend(steps);
    }

    /// The whole plan: first what was decided, then the steps.
    fn text(&self) -> String {
        let mut text = self.facts.clone();
        for (number, step) in (1..).zip(&self.steps) {
            let _ = writeln!(text, "step {number}: {}", step.title());
            for line in step.lines(&self.caller) {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }
}

/// Prints what the command would do. What could be found out before an error is printed as well.
///
/// # Errors
/// Whatever would stop the command before it does anything.
pub fn show(
    host: &Host,
    caller: Environment,
    release: &Release,
    command: Command,
    words: &[OsString],
) -> Result<(), Error> {
    let mut plan = Plan::new(command, caller);
    let fallen_back = assessment::leads_back(host, release, command)
        .then(|| back_to_base(&mut plan, host, release))
        .transpose()?;
    let release = fallen_back.as_ref().unwrap_or(release);
    of_release(&mut plan, host, release);
    let by_systemd = supervised::foresee(host, release, command);
    let result = if let Some(steps) = by_systemd {
        for step in steps {
            plan.step(Step::Other(step));
        }
        Ok(())
    } else if command.boots() {
        boot::plan(&mut plan, host, release, command, words)
    } else {
        talk::plan(&mut plan, host, release, command, words)
    };
    message::answer(plan.text().trim_end());
    result
}

/// Attempts are used up: what the command would do first, and the release that it would then boot.
fn back_to_base(plan: &mut Plan, host: &Host, release: &Release) -> Result<Release, Error> {
    plan.step(Step::Other(format!(
        "go back to the original release, because {} was never seen ready: retire {}",
        release.vsn,
        release.install.home.marker().display()
    )));
    Release::observe(host, release.install.clone().into_original())
}

fn of_release(plan: &mut Plan, host: &Host, release: &Release) {
    plan.decided("base", &release.install.base);
    plan.decided("tree", &release.install.tree);
    plan.decided("version", &release.vsn);
    plan.decided("ERTS version", &release.erts_vsn);
    let vars = Origin::Recognised(release.tree().emqx_vars());
    plan.decided("dialect", &Sourced::new(release.dialect(), vars));
    plan.decided("configuration directory", &release.etc_dir);
    plan.decided("log directory", &release.log_dir);
    let caller = || Sourced::new(host.user_name(), Origin::Caller);
    let user = release.runner_user.clone().unwrap_or_else(caller);
    plan.fact("user", &format!("{}, uid {}", user.told(), host.uid));
}
