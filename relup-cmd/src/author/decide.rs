//! What has to be done about each module and each application that differs.
//!
//! Pure, and without an order yet. The rules are those of the text, in this order: an
//! author's own rule; what only a restart of the node can change; what takes a restart of the
//! application; processes whose state changed; code.
//!
//! A restart that is only the safer way is chosen by itself only where no other application of the
//! target stands on the restarted one: it would take down what these serve. Otherwise it is proposed.

mod application;
mod changed;
mod module;
mod verdict;

use std::collections::BTreeMap;

use relup::hop::Instruction;
use relup::term::Term;

use super::diff::{Change, ReleaseDiff};
use super::error::AuthorError;
use super::facts::ReleaseFacts;
use super::rules::{Rules, Wish};
use verdict::Wanted;

/// Applications that the VM can't do without, so that nothing of them is exchanged while it runs.
pub(crate) const UNTOUCHABLE: [&str; 3] = ["compiler", "kernel", "stdlib"];
/// The module that knows the release's version.
pub(crate) const RELEASE: &str = "emqx_release";

/// How an author wants decisions to be taken.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    pub(crate) max_modules: usize,
    pub(crate) rules: &'a Rules,
    /// Leave out what only a restart of the node changes, instead of refusing.
    pub(crate) force: bool,
    /// The hop is a way back.
    pub(crate) is_reverse: bool,
    /// `emqx_release` is loaded in any case.
    pub(crate) needs_version: bool,
}

/// What is to be done about one module or application.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) instruction: Instruction,
    /// The reasons, a sentence each.
    pub(crate) why: Vec<String>,
    /// What could be done instead.
    pub(crate) proposal: Option<Instruction>,
}

/// All decisions, not yet in order.
#[derive(Debug, Default)]
pub(crate) struct Decisions<'a> {
    pub(crate) modules: BTreeMap<&'a str, Decision>,
    pub(crate) restarts: BTreeMap<&'a str, Decision>,
    /// What the hop does not do, a sentence each.
    pub(crate) notes: Vec<String>,
    /// What the author has to look at.
    pub(crate) warnings: Vec<String>,
}

impl Decisions<'_> {
    /// What the author has to look at, said in the file too.
    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }
}

/// Decides everything.
pub(crate) fn decide<'a>(
    diff: &ReleaseDiff<'a>,
    (from, to): (&'a ReleaseFacts, &'a ReleaseFacts),
    options: &Options<'_>,
) -> Result<Decisions<'a>, AuthorError> {
    check_rules(from, to, options)?;
    let mut found = Decisions::default();
    application::untouchable(diff, options, &mut found)?;
    // Reasons to restart an application that its modules have, each with whether it is an author's.
    let mut wanted: BTreeMap<&'a str, Vec<Wanted>> = BTreeMap::new();
    for differing in &diff.modules {
        if is_left_out(differing.app, options) {
            continue;
        }
        let verdict = module::judge(differing, (from, to), options, &mut found)?;
        if let Some(decision) = verdict.decision {
            found.modules.insert(differing.name, decision);
        }
        wanted
            .entry(differing.app)
            .or_default()
            .extend(verdict.restart);
    }
    module::unchanged(diff, to, options, &mut wanted, &mut found)?;
    application::decide(diff, to, &wanted, options, &mut found);
    if options.needs_version {
        release_module(to, &mut found)?;
    }
    Ok(found)
}

/// Applications of which nothing is in the hop, for a reason that is told elsewhere.
fn is_left_out(app: &str, options: &Options<'_>) -> bool {
    let rule = options.rules.applications.get(app);
    UNTOUCHABLE.contains(&app) || rule.is_some_and(|rule| rule.wish == Wish::Skip)
}

/// The version must be true afterwards, and `emqx_release` differs where nothing but the version
/// does: see the agent.
fn release_module<'a>(to: &'a ReleaseFacts, found: &mut Decisions<'a>) -> Result<(), AuthorError> {
    let Some((app, _)) = to.module(RELEASE) else {
        return Err(AuthorError::NoReleaseModule {
            path: to.source.clone(),
        });
    };
    if found.restarts.contains_key(app) {
        return Ok(());
    }
    let why = match found.modules.remove(RELEASE) {
        Some(_) => "changed, and loaded last so that the version is told when it is true",
        None => "always, and last: it tells the version, which its code may not show",
    };
    let decision = Decision {
        instruction: Instruction::LoadModule(RELEASE.to_owned()),
        why: vec![format!("{RELEASE} ({app}): {why}")],
        proposal: None,
    };
    found.modules.insert(RELEASE, decision);
    Ok(())
}

/// Every rule must mean something in one of the two releases.
fn check_rules(
    from: &ReleaseFacts,
    to: &ReleaseFacts,
    options: &Options<'_>,
) -> Result<(), AuthorError> {
    for (name, rule) in &options.rules.modules {
        if from.module(name).is_none() && to.module(name).is_none() {
            let reason = format!("neither release has a module {name:?}");
            return Err(AuthorError::rule(rule.line, reason));
        }
    }
    for (name, rule) in &options.rules.applications {
        if !from.apps.contains_key(name) && !to.apps.contains_key(name) {
            let reason = format!("neither release has an application {name:?}");
            return Err(AuthorError::rule(rule.line, reason));
        }
        if rule.wish == Wish::Restart && UNTOUCHABLE.contains(&name.as_str()) {
            let reason = format!("the application {name} is never restarted while the node runs");
            return Err(AuthorError::rule(rule.line, reason));
        }
    }
    Ok(())
}

/// A name as Erlang writes it.
pub(crate) fn atom(name: &str) -> String {
    Term::Atom(name.to_owned()).to_string()
}

/// The beginning of a list of names, and how many more there are.
pub(crate) fn listed<T: AsRef<str>>(names: &[T], limit: usize) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(limit)
        .map(|name| atom(name.as_ref()))
        .collect();
    match names.len().saturating_sub(limit) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether the target has a module in a form that the node can load.
pub(crate) fn is_loadable(change: Change<'_>) -> bool {
    match change {
        Change::Added(to) | Change::Changed { to, .. } => to.is_listed && !to.is_consolidated,
        Change::Removed => false,
    }
}
