//! `relup appup`: OTP's own upgrade files, one for each application whose version changed.
//!
//! The decisions and their order are those of a hop; what differs is the form, that the way back
//! stands in the same file, and that a supervisor takes over its new child specifications. What
//! is new or gone as a whole application is no business of an appup: `systools` adds and removes
//! it by the `.rel` files. (The format is OTP's `appup(4)`.)

use std::collections::BTreeSet;

use relup::hop::Instruction;
use relup::term::{Term, parse_terms};
use serde_json::{Map, Value, json};

use super::decide::{Decision, Options, UNTOUCHABLE};
use super::diff::{Change, ReleaseDiff, compare};
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::kind::Kind;
use super::make::{about_rules, read_rules, write};
use super::plan::{HopPlan, plan};
use super::{read, text};
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console, counted};

/// Reads both releases and writes an appup for each application whose version changed.
pub(crate) fn run(
    args: &cli::Appup,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let rules = read_rules(args.rules.as_deref())?;
    let (from, to) = read::both(&args.from, &args.to, interrupt)?;
    let options = Options {
        max_modules: args.max_modules,
        rules: &rules,
        // OTP's own applications have appups of their own.
        force: true,
        is_reverse: true,
        needs_version: false,
    };
    let (up, down) = (compare(&from, &to), compare(&to, &from));
    let rules_file = args.rules.as_deref();
    let plan_of = |diff: &ReleaseDiff<'_>, from: &ReleaseFacts, to: &ReleaseFacts| {
        plan(diff, from, to, &options).map_err(|error| about_rules(error, rules_file))
    };
    let ways = Ways {
        up_plan: plan_of(&up, &from, &to)?,
        down_plan: plan_of(&down, &to, &from)?,
        up,
        down,
        from: &from,
        to: &to,
    };
    let mut answer = Answer::default();
    let mut texts = Map::new();
    for app in &ways.up.changed {
        let name = app.name;
        let (Some(was), Some(is)) = (from.apps.get(name), to.apps.get(name)) else {
            continue;
        };
        if UNTOUCHABLE.contains(&name) {
            continue;
        }
        let (was, is) = (&was.file.vsn, &is.file.vsn);
        if was == is {
            let differs = ways.up.modules_of(name).next().is_some();
            if differs {
                console.warn(format!("{name} differs and is of version {is} in both releases: no appup can lead from one to the other"));
            }
            continue;
        }
        let text = ways.render(name, was, is)?;
        match &args.output {
            Some(dir) => {
                let path = dir.join(format!("{name}.appup"));
                write(&path, &text)?;
                answer
                    .lines
                    .push(format!("{}: {was} <-> {is}", path.display()));
            }
            None => answer.lines.push(text.clone()),
        }
        texts.insert(name.to_owned(), Value::String(text));
    }
    let both = ways.up_plan.warnings.iter().chain(&ways.down_plan.warnings);
    let once: BTreeSet<&String> = both.collect();
    for warning in once {
        console.warn(warning.clone());
    }
    if texts.is_empty() {
        let none = counted(0, "application has", "applications have");
        answer
            .lines
            .push(format!("{none} another version in {}", to.vsn));
    }
    Ok(answer
        .field("from", from.vsn.as_str())
        .field("to", to.vsn.as_str())
        .field("appups", json!(texts)))
}

/// Both directions between two releases.
struct Ways<'a> {
    up: ReleaseDiff<'a>,
    down: ReleaseDiff<'a>,
    up_plan: HopPlan,
    down_plan: HopPlan,
    from: &'a ReleaseFacts,
    to: &'a ReleaseFacts,
}

impl Ways<'_> {
    /// The text of one appup.
    fn render(&self, app: &str, was: &str, is: &str) -> Result<String, AuthorError> {
        let string = |text: &str| Term::Str(text.to_owned()).to_string();
        let mut lines = Vec::new();
        let head = format!("{app} {was} <-> {is}, made by `emqx relup appup`.");
        text::comment(&mut lines, "", &head);
        lines.push(format!("{{{},", string(is)));
        for (diff, plan, target, end) in [
            (&self.up, &self.up_plan, self.to, ","),
            (&self.down, &self.down_plan, self.from, "\n}.\n"),
        ] {
            lines.push(format!("    [{{{}, [", string(was)));
            let steps = steps(app, diff, plan, target);
            let last = steps.len().saturating_sub(1);
            for (index, (instruction, why)) in steps.iter().enumerate() {
                for reason in why {
                    text::comment(&mut lines, "        ", &text::sentence(reason));
                }
                let comma = if index == last { "" } else { "," };
                lines.push(format!("        {instruction}{comma}"));
            }
            lines.push(format!("    ]}}]{end}"));
        }
        let text = lines.join("\n");
        match parse_terms(&text) {
            Ok(terms) if terms.len() == 1 => Ok(text),
            Ok(_) => Err(AuthorError::NotReadBack("it is not one term".to_owned())),
            Err(error) => Err(AuthorError::NotReadBack(error.to_string())),
        }
    }
}

/// The instructions for one application in one direction, with their reasons.
fn steps(
    app: &str,
    diff: &ReleaseDiff<'_>,
    plan: &HopPlan,
    target: &ReleaseFacts,
) -> Vec<(String, Vec<String>)> {
    let mut steps = Vec::new();
    let change = |name: &str| diff.modules.iter().find(|module| module.name == name);
    for Decision {
        instruction, why, ..
    } in &plan.steps
    {
        let text = match instruction {
            Instruction::RestartApplication(name) if name == app => text::written(instruction),
            Instruction::LoadModule(name) => {
                let Some(module) = change(name).filter(|module| module.app == app) else {
                    continue;
                };
                let is_supervisor = target
                    .module(name)
                    .is_some_and(|(_, facts)| Kind::of(facts, target) == Kind::Supervisor);
                let name = Term::Atom(name.clone());
                match module.change {
                    Change::Added(_) => format!("{{add_module, {name}}}"),
                    Change::Changed { .. } if is_supervisor => {
                        format!("{{update, {name}, supervisor}}")
                    }
                    Change::Changed { .. } | Change::Removed => format!("{{load_module, {name}}}"),
                }
            }
            Instruction::Update { module, .. } => {
                let owner = target.module(module).map(|(owner, _)| owner);
                if owner != Some(app) {
                    continue;
                }
                text::written(instruction)
            }
            Instruction::RestartApplication(_) | Instruction::Apply { .. } => continue,
        };
        steps.push((text, why.clone()));
    }
    let is_restarted = plan.steps.iter().any(
        |step| matches!(&step.instruction, Instruction::RestartApplication(name) if name == app),
    );
    if !is_restarted {
        for module in diff.modules_of(app) {
            if let Change::Removed = module.change {
                let name = Term::Atom(module.name.to_owned());
                steps.push((format!("{{delete_module, {name}}}"), Vec::new()));
            }
        }
    }
    steps
}
