//! Reads a hop for its checks: everything that is wrong with its form is found, not only the first.
//!
//! Pure. An upgrade stops at the first thing that it can't understand; whoever writes hops wants to know
//! all. What can't be understood is a finding and left out of what the other rules look at.

use relup::hop::{Callback, Instruction};
use relup::term::{Parsed, Places, Term, TermError, parse_expression};
use relup::vsn::ReleaseVsn;

use super::finding::Finding;

/// How many characters of a refused term a finding shows.
const SHOWN: usize = 120;

/// The keys of a hop, and whether the node insists on them.
const KEYS: [(&str, bool); 4] = [
    ("from_version", true),
    ("target_version", true),
    ("code_changes", true),
    ("post_upgrade_callbacks", false),
];

/// A hop as far as it can be understood.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) from: Option<ReleaseVsn>,
    pub(crate) to: Option<ReleaseVsn>,
    pub(crate) changes: Vec<Placed<Instruction>>,
    pub(crate) callbacks: Vec<Placed<Callback>>,
}

/// Something in the file, and its line where that is known.
#[derive(Debug)]
pub(crate) struct Placed<T> {
    pub(crate) line: Option<usize>,
    pub(crate) value: T,
}

/// What a text turned out to be.
pub(crate) enum Text {
    /// A literal, with its value.
    Value(Term),
    /// Only a VM knows.
    Expression,
    /// No Erlang.
    Broken(Finding),
}

/// Looks at the text of a hop file.
pub(crate) fn parse_text(bytes: &[u8]) -> Text {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let finding = Finding::error("not_utf8", None, "the file")
            .why("it is not UTF-8, which Erlang takes a source file for")
            .remedy("save it as UTF-8");
        return Text::Broken(finding);
    };
    match parse_expression(text) {
        Ok(Parsed::Literal(term)) => Text::Value(term),
        Ok(Parsed::Expression) => Text::Expression,
        Err(TermError { line, reason, .. }) => {
            let finding = Finding::error("syntax_error", Some(line), "the file")
                .why(reason)
                .remedy("write one Erlang map, ended by a dot");
            Text::Broken(finding)
        }
    }
}

/// Takes the value of a hop file apart.
pub(crate) fn read(value: Term, places: &Places<'_>, found: &mut Vec<Finding>) -> Script {
    let pairs = match value {
        Term::Map(pairs) => pairs,
        other => {
            found.push(
                Finding::error("not_a_map", None, other.shortened(SHOWN))
                    .why("the value of a hop file is a map")
                    .remedy("write #{from_version => ..., target_version => ..., code_changes => [...]}."),
            );
            return Script::default();
        }
    };
    let mut script = Script::default();
    for (key, is_needed) in KEYS {
        let value = pairs.iter().find(|(known, _)| known.as_atom() == Some(key));
        let line = places.atom(key);
        match value.map(|(_, value)| value.clone()) {
            None if is_needed => found.push(
                Finding::error("missing_key", None, key)
                    .why("the node refuses a hop without it")
                    .remedy(format!("add {key} => ...")),
            ),
            None => {}
            Some(value) => match key {
                "from_version" => script.from = version(key, &value, line, found),
                "target_version" => script.to = version(key, &value, line, found),
                "code_changes" => {
                    script.changes = elements(key, value, places, found, &|term| {
                        let instruction = Instruction::from_term(term)?;
                        let name = instruction_name(&instruction).to_owned();
                        Some((instruction, name))
                    });
                }
                _ => {
                    script.callbacks = elements(key, value, places, found, &|term| {
                        let callback = Callback::from_term(term)?;
                        let name = callback_parts(&callback).0.to_owned();
                        Some((callback, name))
                    });
                }
            },
        }
    }
    for (key, _) in &pairs {
        if KEYS.iter().all(|(known, _)| key.as_atom() != Some(known)) {
            let line = key.as_atom().and_then(|name| places.atom(name));
            found.push(
                Finding::warning("unknown_key", line, key.shortened(SHOWN))
                    .why("no hop has such a key; it has no effect")
                    .remedy("take it out, or correct its spelling"),
            );
        }
    }
    check_versions(&script, places, found);
    script
}

/// The module or application that an instruction is about.
pub(super) fn instruction_name(instruction: &Instruction) -> &str {
    match instruction {
        Instruction::LoadModule(name)
        | Instruction::RestartApplication(name)
        | Instruction::Update { module: name, .. }
        | Instruction::Apply { module: name, .. } => name,
    }
}

/// The function that a callback calls, and how many arguments it is given.
pub(super) fn callback_parts(callback: &Callback) -> (&str, usize) {
    match callback {
        Callback::Plain(function) => (function, 1),
        Callback::WithArgs(function, args) => (function, args.len() + 1),
    }
}

fn version(
    key: &str,
    value: &Term,
    line: Option<usize>,
    found: &mut Vec<Finding>,
) -> Option<ReleaseVsn> {
    let shown = || format!("{key} => {}", value.shortened(SHOWN));
    let Some(text) = value.to_text() else {
        found.push(
            Finding::error("version_not_text", line, shown())
                .why("a version is a string")
                .remedy(format!("write {key} => \"5.10.5\", in quotes")),
        );
        return None;
    };
    match text.parse() {
        Ok(vsn) => Some(vsn),
        Err(error) => {
            let error: relup::vsn::VsnError = error;
            found.push(
                Finding::error("invalid_version", line, shown())
                    .why(error.to_string())
                    .remedy("write the version as the release's emqx_vars has it"),
            );
            None
        }
    }
}

fn elements<T>(
    key: &str,
    value: Term,
    places: &Places<'_>,
    found: &mut Vec<Finding>,
    parse: &dyn Fn(&Term) -> Option<(T, String)>,
) -> Vec<Placed<T>> {
    let elements = match value.into_list() {
        Ok(elements) => elements,
        Err(other) => {
            let shown = format!("{key} => {}", other.shortened(SHOWN));
            found.push(
                Finding::error("not_a_list", places.atom(key), shown)
                    .why("it is a list, if of one element")
                    .remedy(format!("write {key} => [...]")),
            );
            return Vec::new();
        }
    };
    let lines = places.elements(key);
    // Where an expression makes elements, only names can be found.
    let is_literal = lines.len() == elements.len();
    let mut placed = Vec::new();
    for (index, term) in elements.iter().enumerate() {
        let line = lines.get(index).copied().filter(|_| is_literal);
        if let Some((value, name)) = parse(term) {
            let line = line.or_else(|| places.atom(&name));
            placed.push(Placed { line, value });
            continue;
        }
        let (name, remedy) = if key == "code_changes" {
            (
                "unknown_instruction",
                "use {load_module, M}, {update, M, {advanced, Extra}}, {restart_application, A} or {apply, M, F, Args}",
            )
        } else {
            (
                "malformed_callback",
                "write Function or {Function, [Argument, ...]}",
            )
        };
        found.push(
            Finding::error(name, line, term.shortened(SHOWN))
                .why(format!(
                    "element {} of {key} is of no known shape",
                    index + 1
                ))
                .remedy(remedy),
        );
    }
    placed
}

fn check_versions(script: &Script, places: &Places<'_>, found: &mut Vec<Finding>) {
    let (Some(from), Some(to)) = (&script.from, &script.to) else {
        return;
    };
    let line = places.atom("target_version");
    if from == to {
        found.push(
            Finding::error("same_version", line, to.as_str())
                .why("the hop leads to where it starts; a node refuses a target that it runs")
                .remedy("correct one of the two versions"),
        );
    } else if !from.is_patch_hop_to(to) {
        found.push(
            Finding::error("not_a_patch_hop", line, format!("{from} -> {to}"))
                .why(
                    "the first two version numbers differ: an upgrade refuses that without --force",
                )
                .remedy("between minor versions, upgrade by a restart"),
        );
    }
}
