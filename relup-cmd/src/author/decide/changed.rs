//! A module that both releases have: whether its processes can go on with their states.
//!
//! What is compared is in `relup::beam::state_changes`. Without debug info nothing is known, and what
//! is not known is told.

use relup::beam::{StateChange, state_changes};
use relup::term::Term;

use super::verdict::{Verdict, load, restart_or_load, update};
use super::{Decisions, listed};
use crate::author::facts::{ModuleFacts, ReleaseFacts};
use crate::author::kind::Kind;

/// What loading a supervisor does not do.
const CHILDREN: &str = "Loading it neither starts new children nor changes those that run; a \
                        restart of the application does";
const UNKNOWN: &str = "its code changed. Without debug info nobody can tell whether its state did";

/// The decision about a module whose code changed; `title` names it for people.
pub(super) fn judge(
    name: &str,
    title: &str,
    (was, from): (&ModuleFacts, &ReleaseFacts),
    (is, to): (&ModuleFacts, &ReleaseFacts),
    found: &mut Decisions<'_>,
) -> Verdict {
    let compare = |helpers| {
        let (was, is) = (was.debug_term()?, is.debug_term()?);
        state_changes(&was, &is, helpers)
    };
    let kind = Kind::of(is, to);
    match &kind {
        Kind::Plain => load(name, format!("{title}: its code changed")),
        Kind::Custom(behaviours) => custom(name, title, behaviours, compare(false), found),
        Kind::Supervisor => supervisor(name, title, compare(true)),
        Kind::Process {
            name: behaviour,
            code_change: (function, arity),
        } => {
            let title = format!("{title}, {behaviour}");
            if Kind::of(was, from) != kind {
                return restart_or_load(
                    name,
                    format!(
                        "{title}: it was none before, so that its processes can't go on with the \
                         new code"
                    ),
                );
            }
            let converts = to.has_export(is, function, *arity);
            let conversion = format!("{function}/{arity}");
            process(name, &title, (&conversion, converts), compare(false), found)
        }
    }
}

/// Processes of a behaviour that only its author knows.
fn custom(
    name: &str,
    title: &str,
    behaviours: &[String],
    changes: Option<Vec<StateChange>>,
    found: &mut Decisions<'_>,
) -> Verdict {
    let behaviours = listed(behaviours, 3);
    let changes = changes.unwrap_or_default().into_iter();
    let certain: Vec<_> = changes.filter(StateChange::is_certain).collect();
    if certain.is_empty() {
        return load(name, format!("{title}, {behaviours}: its code changed"));
    }
    let what = told(&certain);
    found.warn(format!(
        "{title}: {what} changed; whether its processes keep that as their state is known to the \
         behaviour {behaviours} only"
    ));
    load(
        name,
        format!(
            "{title}, {behaviours}: {what} changed. Whether its processes keep that as their state \
             only the behaviour's author knows; a rule may ask for update"
        ),
    )
}

fn supervisor(name: &str, title: &str, changes: Option<Vec<StateChange>>) -> Verdict {
    let title = format!("{title}, supervisor");
    let Some(changes) = changes else {
        return restart_or_load(
            name,
            format!(
                "{title}: its code changed, and without debug info nobody can tell whether its \
                 children did. {CHILDREN}"
            ),
        );
    };
    let is_of_init =
        |change: &StateChange| matches!(change, StateChange::Init | StateChange::InitHelper(..));
    let changes: Vec<_> = changes.into_iter().filter(is_of_init).collect();
    if changes.is_empty() {
        return load(
            name,
            format!("{title}: its code changed, its children did not"),
        );
    }
    let what = told(&changes);
    restart_or_load(name, format!("{title}: {what} changed. {CHILDREN}"))
}

/// Processes whose state `conversion` converts, if the target has it.
fn process(
    name: &str,
    title: &str,
    (conversion, converts): (&str, bool),
    changes: Option<Vec<StateChange>>,
    found: &mut Decisions<'_>,
) -> Verdict {
    let update = |why| update(name, Term::List(Vec::new()), why);
    let Some(changes) = changes else {
        if converts {
            return update(format!("{title}: {UNKNOWN}; {conversion} is asked"));
        }
        found.warn(format!(
            "{title}: its code changed, there is no debug info to tell whether its state did, and \
             no {conversion}"
        ));
        return load(
            name,
            format!("{title}: {UNKNOWN}, and it has no {conversion}"),
        );
    };
    if changes.is_empty() {
        return load(
            name,
            format!("{title}: its code changed, its state did not"),
        );
    }
    let what = told(&changes);
    let is_certain = changes.iter().any(StateChange::is_certain);
    if converts {
        let is_conversion = |change: &StateChange| matches!(change, StateChange::CodeChange(_));
        if is_certain && !changes.iter().any(is_conversion) {
            found.warn(format!(
                "{title}: {what} changed and {conversion} did not: see that it converts the state"
            ));
        }
        return update(format!("{title}: {what} changed"));
    }
    if is_certain {
        return restart_or_load(
            name,
            format!(
                "{title}: {what} changed, and it has no {conversion} to convert the state of its \
                 processes"
            ),
        );
    }
    load(
        name,
        format!("{title}: {what} changed, the records and types of its state did not"),
    )
}

fn told(changes: &[StateChange]) -> String {
    let texts: Vec<_> = changes.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        texts => texts.concat(),
    }
}
