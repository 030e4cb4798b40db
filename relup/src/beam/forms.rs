//! What of a module's source decides about the state of its processes: compared between two versions.
//!
//! The source comes as the abstract code in a module's debug info. Places in the file are left out
//! of every comparison, and so is an integer that is the number of its own line (`?LINE`). Elixir
//! keeps its source in another form, and a stripped module none: then nothing is known, which is
//! told apart from "the same". Source: the chapter on the abstract format in the ERTS documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::term::Term;

/// Names that authors give to the type of a process's state.
const STATE_TYPES: [&str; 2] = ["state", "data"];

/// Something that differs between two versions of a module and has to do with states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateChange {
    /// The definition of a record that both versions use.
    Record(String),
    /// The type of the state, or a type that it is made of.
    Type(String),
    /// `callback_mode/0` of a `gen_statem`.
    CallbackMode,
    /// `code_change`, with its arity.
    CodeChange(u8),
    /// `init/1`.
    Init,
    /// A function that `init/1` calls, with its arity.
    InitHelper(String, u8),
}

impl StateChange {
    /// Whether processes of the former version surely have another state than the new code expects,
    /// as far as types tell. A changed `init/1` may as well only log something else.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Record(_) | Self::Type(_) | Self::CallbackMode => true,
            Self::CodeChange(_) | Self::Init | Self::InitHelper(..) => false,
        }
    }
}

impl fmt::Display for StateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(name) => write!(f, "the record #{}{{}}", Term::Atom(name.clone())),
            Self::Type(name) => write!(f, "the type {}()", Term::Atom(name.clone())),
            Self::CallbackMode => f.write_str("callback_mode/0"),
            Self::CodeChange(arity) => write!(f, "code_change/{arity}"),
            Self::Init => f.write_str("init/1"),
            Self::InitHelper(name, arity) => {
                write!(
                    f,
                    "{}/{arity}, which init/1 calls",
                    Term::Atom(name.clone())
                )
            }
        }
    }
}

/// What differs between two versions, given their debug info; with `helpers` also in functions that
/// `init/1` calls, as a supervisor's child specifications are made by. `None` where one of the two
/// holds no Erlang source.
#[must_use]
pub fn state_changes(old: &Term, new: &Term, helpers: bool) -> Option<Vec<StateChange>> {
    let (old, new) = (Source::of(old)?, Source::of(new)?);
    let mut found = Vec::new();
    for (name, record) in &old.records {
        let used = old.used.contains(name) && new.used.contains(name);
        if used && new.records.get(name).is_some_and(|now| !same(record, now)) {
            found.push(StateChange::Record((*name).to_owned()));
        }
    }
    let types: BTreeSet<&str> = old
        .state_types()
        .union(&new.state_types())
        .copied()
        .collect();
    for name in types {
        match (old.types.get(name), new.types.get(name)) {
            (Some(was), Some(is)) if same(was, is) => {}
            // A state that has no type in one version is not known to have changed.
            (None, _) | (_, None) if STATE_TYPES.contains(&name) => {}
            _ => found.push(StateChange::Type(name.to_owned())),
        }
    }
    let differs =
        |name: &str, arity: u8| match (old.function(name, arity), new.function(name, arity)) {
            (Some(was), Some(is)) => !same(was, is),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
    if differs("callback_mode", 0) {
        found.push(StateChange::CallbackMode);
    }
    found.extend(
        [3, 4]
            .into_iter()
            .filter(|arity| differs("code_change", *arity))
            .map(StateChange::CodeChange),
    );
    if differs("init", 1) {
        found.push(StateChange::Init);
    }
    if helpers {
        let called: BTreeSet<(&str, u8)> = old
            .called_by_init()
            .union(&new.called_by_init())
            .copied()
            .collect();
        found.extend(
            called
                .into_iter()
                .filter(|(name, arity)| differs(name, *arity))
                .map(|(name, arity)| StateChange::InitHelper(name.to_owned(), arity)),
        );
    }
    Some(found)
}

/// A module's source, by name.
#[derive(Default)]
struct Source<'a> {
    records: BTreeMap<&'a str, &'a Term>,
    types: BTreeMap<&'a str, &'a Term>,
    functions: BTreeMap<(&'a str, u8), &'a Term>,
    /// Records that functions work with: headers define many more.
    used: BTreeSet<&'a str>,
}

impl<'a> Source<'a> {
    fn of(debug_info: &'a Term) -> Option<Source<'a>> {
        let Term::Tuple(parts) = debug_info else {
            return None;
        };
        let [_version, backend, Term::Tuple(data)] = parts.as_slice() else {
            return None;
        };
        let (Some("erl_abstract_code"), [Term::List(forms), ..]) =
            (backend.as_atom(), data.as_slice())
        else {
            return None;
        };
        let mut source = Source::default();
        for form in forms {
            source.add(form);
        }
        Some(source)
    }

    fn add(&mut self, form: &'a Term) {
        let Term::Tuple(parts) = form else { return };
        match (parts.first().and_then(Term::as_atom), parts.get(2..)) {
            (Some("function"), Some([name, Term::Int(arity), clauses])) => {
                let (Some(name), Ok(arity)) = (name.as_atom(), arity.parse()) else {
                    return;
                };
                self.functions.insert((name, arity), clauses);
                note_records(clauses, &mut self.used);
            }
            (Some("attribute"), Some([kind, Term::Tuple(value)])) => {
                match (kind.as_atom(), value.as_slice()) {
                    (Some("record"), [Term::Atom(name), fields]) => {
                        self.records.insert(name, fields);
                    }
                    (Some("type" | "opaque" | "nominal"), [Term::Atom(name), definition, _]) => {
                        self.types.insert(name, definition);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn function(&self, name: &str, arity: u8) -> Option<&'a Term> {
        self.functions.get(&(name, arity)).copied()
    }

    /// The type of the state, and those of this module that it is made of.
    fn state_types(&self) -> BTreeSet<&'a str> {
        let own = |name: &str| self.types.get_key_value(name).map(|(name, _)| *name);
        let mut open: Vec<&str> = STATE_TYPES.into_iter().filter_map(own).collect();
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if found.insert(name) {
                visit(self.types[name], &mut |parts| {
                    if let [tag, _, Term::Atom(user), ..] = parts
                        && tag.as_atom() == Some("user_type")
                    {
                        open.extend(own(user));
                    }
                });
            }
        }
        found
    }

    /// Functions of this module that `init/1` leads to, itself left out.
    fn called_by_init(&self) -> BTreeSet<(&'a str, u8)> {
        let start = ("init", 1);
        let mut open = vec![start];
        let mut found = BTreeSet::new();
        while let Some(next) = open.pop() {
            let Some((key, clauses)) = self.functions.get_key_value(&next) else {
                continue;
            };
            if !found.insert(*key) {
                continue;
            }
            visit(clauses, &mut |parts| open.extend(callee(parts)));
        }
        found.remove(&start);
        found
    }
}

/// The function of the same module that a call or a fun names.
fn callee(parts: &[Term]) -> Option<(&str, u8)> {
    match (parts.first()?.as_atom()?, parts.get(2..)?) {
        ("call", [Term::Tuple(function), Term::List(args)]) => {
            let [tag, _, Term::Atom(name)] = function.as_slice() else {
                return None;
            };
            (tag.as_atom() == Some("atom")).then_some(())?;
            Some((name, u8::try_from(args.len()).ok()?))
        }
        ("fun", [Term::Tuple(function)]) => match function.as_slice() {
            [tag, Term::Atom(name), Term::Int(arity)] if tag.as_atom() == Some("function") => {
                Some((name, arity.parse().ok()?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn note_records<'a>(clauses: &'a Term, used: &mut BTreeSet<&'a str>) {
    visit(clauses, &mut |parts| {
        let tag = parts.first().and_then(Term::as_atom);
        if matches!(tag, Some("record" | "record_field" | "record_index")) {
            used.extend(parts.iter().skip(2).take(2).filter_map(Term::as_atom));
        }
    });
}

/// Shows every tuple in a term to `each`.
fn visit<'a>(term: &'a Term, each: &mut dyn FnMut(&'a [Term])) {
    match term {
        Term::Tuple(parts) => {
            each(parts);
            for part in parts {
                visit(part, each);
            }
        }
        Term::List(parts) => {
            for part in parts {
                visit(part, each);
            }
        }
        Term::ImproperList(parts, tail) => {
            for part in parts {
                visit(part, each);
            }
            visit(tail, each);
        }
        Term::Map(pairs) => {
            for (key, value) in pairs {
                visit(key, each);
                visit(value, each);
            }
        }
        Term::Atom(_) | Term::Int(_) | Term::Float(_) | Term::Str(_) | Term::Binary(_) => {}
    }
}

/// Whether two pieces of abstract code are the same but for the places that they stand in.
fn same(old: &Term, new: &Term) -> bool {
    match (old, new) {
        (Term::Tuple(was), Term::Tuple(is)) => {
            if was.len() != is.len() {
                return false;
            }
            if is_node(was) && is_node(is) {
                return was[0] == is[0]
                    && (is_own_line(was) && is_own_line(is)
                        || was[2..].iter().zip(&is[2..]).all(|(was, is)| same(was, is)));
            }
            was.iter().zip(is).all(|(was, is)| same(was, is))
        }
        (Term::List(was), Term::List(is)) => {
            was.len() == is.len() && was.iter().zip(is).all(|(was, is)| same(was, is))
        }
        _ => old == new,
    }
}

/// Whether a tuple has its place in the file as its second element.
fn is_node(parts: &[Term]) -> bool {
    match parts {
        [tag, place] => matches!(tag.as_atom(), Some("nil" | "eof")) && is_place(place),
        [Term::Atom(_), place, _, ..] => is_place(place),
        _ => false,
    }
}

fn is_place(term: &Term) -> bool {
    match term {
        Term::Int(_) => true,
        Term::Tuple(parts) => matches!(parts.as_slice(), [Term::Int(_), Term::Int(_)]),
        Term::List(parts) => parts.iter().all(|part| {
            matches!(part, Term::Tuple(pair)
            if pair.len() == 2
                && matches!(pair[0].as_atom(), Some(
                    "file" | "generated" | "location" | "record" | "text" | "end_location"
                )))
        }),
        _ => false,
    }
}

/// An integer that is the number of the line that it stands in.
fn is_own_line(parts: &[Term]) -> bool {
    let [tag, place, value] = parts else {
        return false;
    };
    let line = match place {
        Term::Tuple(pair) => pair.first(),
        Term::List(pairs) => pairs.iter().find_map(|pair| match pair {
            Term::Tuple(pair) if pair[0].as_atom() == Some("location") => match &pair[1] {
                Term::Tuple(place) => place.first(),
                line => Some(line),
            },
            _ => None,
        }),
        line => Some(line),
    };
    tag.as_atom() == Some("integer") && line == Some(value)
}

#[cfg(test)]
mod tests;
