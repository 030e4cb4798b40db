//! `relup appup`: OTP's own upgrade files, one for each application whose version changed.
//!
//! The decisions and their order are those of a hop; what differs is the form, that the way back
//! stands in the same file, and that a supervisor takes over its new child specifications. What
//! is new or gone as a whole application is no business of an appup: `systools` adds and removes
//! it by the `.rel` files. An application's own appup counts for what it says of the other version.
//! (The format is OTP's `appup(4)`.)

pub(super) mod own;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use relup::appup_file::Entry;
use relup::term::{Term, parse_terms};
use serde_json::{Map, Value, json};

use super::decide::{Options, UNTOUCHABLE};
use super::diff::{ReleaseDiff, compare};
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::make::{about_rules, read_rules, write};
use super::plan::{HopPlan, plan};
use super::rules::Rules;
use super::{read, text};
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console};
use crate::quantity::counted;
use own::Own;
use steps::steps;

/// Reads both releases and writes an appup for each application whose version changed.
pub(crate) fn run(
    args: &cli::Appup,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let rules = read_rules(&args.choices)?;
    let (from, to) = read::both(&args.from, &args.to, interrupt)?;
    let own = if args.ignore_own {
        BTreeMap::new()
    } else {
        own::of(&from, &to, None, &mut |text| console.warn(text), interrupt)?
    };
    let appups = make(&from, &to, &own, &rules, &args.choices)?;
    for warning in &appups.warnings {
        console.warn(warning.clone());
    }
    let mut answer = Answer::default();
    let mut texts = Map::new();
    let own: Vec<&String> = own
        .iter()
        .filter(|(_, own)| own.leads_both_ways())
        .map(|(name, _)| name)
        .collect();
    for name in &own {
        // Where appups are printed, everything is Erlang.
        let start = if args.output.is_some() { "" } else { "%% " };
        answer
            .lines
            .push(format!("{start}{name}: its own appup leads there and back"));
    }
    for (name, Appup { was, is, text }) in appups.made {
        match &args.output {
            Some(dir) => {
                let path = dir.join(format!("{name}.appup"));
                write(&path, &text)?;
                let path = path.display();
                answer.lines.push(format!("{path}: {was} <-> {is}"));
            }
            None => answer.lines.push(text.clone()),
        }
        texts.insert(name, Value::String(text));
    }
    if texts.is_empty() && own.is_empty() {
        let none = counted(0, "application has", "applications have");
        answer
            .lines
            .push(format!("{none} another version in {}", to.vsn));
    }
    Ok(answer
        .field("from", from.vsn.as_str())
        .field("to", to.vsn.as_str())
        .field("own", json!(own))
        .field("appups", json!(texts)))
}

/// The appups between two releases.
#[derive(Debug, Default)]
pub(super) struct Appups {
    /// Those that were made, by the names of the applications.
    pub(super) made: BTreeMap<String, Appup>,
    pub(super) warnings: BTreeSet<String>,
}

/// An appup that was made.
#[derive(Debug)]
pub(super) struct Appup {
    was: String,
    is: String,
    pub(super) text: String,
}

/// Makes the appups between two releases, except for what applications have of their own.
pub(super) fn make(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    own: &BTreeMap<String, Own>,
    rules: &Rules,
    choices: &cli::Choices,
) -> Result<Appups, Error> {
    let options = Options {
        max_modules: choices.max_modules,
        rules,
        // OTP's own applications have appups of their own.
        force: true,
        is_reverse: true,
        needs_version: false,
    };
    let plan_of = |diff: &ReleaseDiff<'_>, from: &ReleaseFacts, to: &ReleaseFacts| {
        plan(diff, from, to, &options).map_err(|error| about_rules(error, choices))
    };
    let (mut up, mut down) = (compare(from, to), compare(to, from));
    let leads = |app: &str| own.get(app).is_some_and(Own::leads_both_ways);
    up.leave_out(leads);
    down.leave_out(leads);
    let ways = Ways {
        up_plan: plan_of(&up, from, to)?,
        down_plan: plan_of(&down, to, from)?,
        up,
        down,
        from,
        to,
    };
    let mut appups = Appups::default();
    for app in &ways.up.changed {
        let name = app.name;
        let (Some(was), Some(is)) = (from.apps.get(name), to.apps.get(name)) else {
            continue;
        };
        if UNTOUCHABLE.contains(&name) {
            continue;
        }
        let (was, is) = (was.file.vsn.clone(), is.file.vsn.clone());
        if was == is {
            let differs = ways.up.modules_of(name).next().is_some();
            if differs {
                appups.warnings.insert(format!("{name} differs and is of version {is} in both releases: no appup can lead from one to the other"));
            }
            continue;
        }
        let text = ways.render(name, &was, &is, own.get(name))?;
        appups.made.insert(name.to_owned(), Appup { was, is, text });
    }
    let both = ways.up_plan.warnings.iter().chain(&ways.down_plan.warnings);
    appups.warnings.extend(both.cloned());
    Ok(appups)
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
    /// The text of one appup. A direction in which the application's own appup leads stays as it is
    /// there, and what that one says of other versions stays too.
    fn render(
        &self,
        app: &str,
        was: &str,
        is: &str,
        own: Option<&Own>,
    ) -> Result<String, AuthorError> {
        let string = |text: &str| Term::Str(text.to_owned()).to_string();
        let mut lines = Vec::new();
        let head = format!("{app} {was} <-> {is}, made by `emqx relup appup`.");
        text::comment(&mut lines, "", &head);
        lines.push(format!("{{{},", string(is)));
        for (diff, plan, target, own, end) in [
            (&self.up, &self.up_plan, self.to, own.map(Own::up), ","),
            (
                &self.down,
                &self.down_plan,
                self.from,
                own.map(Own::down),
                "\n}.\n",
            ),
        ] {
            let (leads, others): (bool, &[Entry]) = own.unwrap_or((false, &[]));
            let mut entries = Vec::new();
            if !leads {
                let mut entry = Vec::new();
                entry.push(format!("{{{}, [", string(was)));
                let steps = steps(app, diff, plan, target);
                let last = steps.len().saturating_sub(1);
                for (index, (instruction, why)) in steps.iter().enumerate() {
                    for reason in why {
                        text::comment(&mut entry, "        ", &text::sentence(reason));
                    }
                    let comma = if index == last { "" } else { "," };
                    entry.push(format!("        {instruction}{comma}"));
                }
                entry.push("    ]}".to_owned());
                entries.push(entry.join("\n"));
            }
            entries.extend(others.iter().map(|entry| entry.term.to_string()));
            lines.push(format!("    [{}]{end}", entries.join(",\n     ")));
        }
        let text = lines.join("\n");
        match parse_terms(&text) {
            Ok(terms) if terms.len() == 1 => Ok(text),
            Ok(_) => Err(AuthorError::NotReadBack("it is not one term".to_owned())),
            Err(error) => Err(AuthorError::NotReadBack(error.to_string())),
        }
    }
}
