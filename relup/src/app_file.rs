//! `lib/<app>-<vsn>/ebin/<app>.app`: what an application is made of and how it is started.
//!
//! The list of modules decides which module belongs to which application: a boot loads by it, and so
//! does an upgrade. Keys that are not known here are passed over. Data: the file's text. (The format
//! is OTP's `app(4)`.)

use crate::layout::is_component;
use crate::term::{Term, TermError, parse_terms};

/// An application as its specification describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFile {
    /// Its name.
    pub name: String,
    /// Its version.
    pub vsn: String,
    /// Its modules, in the file's order.
    pub modules: Vec<String>,
    /// Applications that have to run before it.
    pub applications: Vec<String>,
    /// Applications that it starts itself.
    pub included: Vec<String>,
    /// `mod`: its callback module and argument; a library has none.
    pub callback: Option<Term>,
    /// `start_phases`.
    pub start_phases: Option<Term>,
    /// `env`: parameters and their defaults.
    pub env: Vec<(Term, Term)>,
}

/// Why a text is no application's specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppFileError {
    /// It is no Erlang term.
    #[error(transparent)]
    Term(#[from] TermError),
    /// It is another term.
    #[error("{0} is not {{application,Name,Keys}}")]
    Shape(String),
    /// A key whose value is of another kind.
    #[error("{key} is {value}")]
    Key {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

impl AppFile {
    /// Reads the text of an `.app` file.
    pub fn parse(text: &str) -> Result<AppFile, AppFileError> {
        let mut terms = parse_terms(text)?;
        let shape = |term: Option<&Term>| {
            AppFileError::Shape(
                term.map_or_else(|| "nothing".to_owned(), |term| term.shortened(80)),
            )
        };
        let (Some(term), true) = (terms.pop(), terms.is_empty()) else {
            return Err(shape(terms.first()));
        };
        let Term::Tuple(parts) = &term else {
            return Err(shape(Some(&term)));
        };
        let [Term::Atom(tag), Term::Atom(name), Term::List(keys)] = parts.as_slice() else {
            return Err(shape(Some(&term)));
        };
        if tag != "application" || !is_component(name) {
            return Err(shape(Some(&term)));
        }
        let get = |wanted: &str| {
            keys.iter().find_map(|key| match key {
                Term::Tuple(pair) => match pair.as_slice() {
                    [key, value] if key.as_atom() == Some(wanted) => Some(value),
                    _ => None,
                },
                _ => None,
            })
        };
        let vsn = get("vsn")
            .and_then(Term::to_text)
            .filter(|vsn| is_component(vsn));
        Ok(AppFile {
            name: name.clone(),
            vsn: vsn.ok_or_else(|| wrong("vsn", get("vsn")))?,
            modules: atoms("modules", get("modules"))?,
            applications: atoms("applications", get("applications"))?,
            included: atoms("included_applications", get("included_applications"))?,
            callback: get("mod").filter(|value| !is_nothing(value)).cloned(),
            start_phases: get("start_phases")
                .filter(|value| !is_nothing(value))
                .cloned(),
            env: pairs("env", get("env"))?,
        })
    }
}

/// `[]` and `undefined` stand for a key that is not there.
fn is_nothing(value: &Term) -> bool {
    value.as_atom() == Some("undefined") || matches!(value, Term::List(list) if list.is_empty())
}

fn wrong(key: &'static str, value: Option<&Term>) -> AppFileError {
    let value = value.map_or_else(|| "missing".to_owned(), |value| value.shortened(80));
    AppFileError::Key { key, value }
}

fn elements<'t>(key: &'static str, value: Option<&'t Term>) -> Result<&'t [Term], AppFileError> {
    match value {
        None => Ok(&[]),
        Some(Term::List(list)) => Ok(list),
        Some(Term::Str(text)) if text.is_empty() => Ok(&[]),
        other => Err(wrong(key, other)),
    }
}

fn atoms(key: &'static str, value: Option<&Term>) -> Result<Vec<String>, AppFileError> {
    elements(key, value)?
        .iter()
        .map(|element| match element {
            Term::Atom(name) if is_component(name) => Ok(name.clone()),
            other => Err(wrong(key, Some(other))),
        })
        .collect()
}

fn pairs(key: &'static str, value: Option<&Term>) -> Result<Vec<(Term, Term)>, AppFileError> {
    elements(key, value)?
        .iter()
        .map(|element| match element {
            Term::Tuple(pair) => match pair.as_slice() {
                [name, value] => Ok((name.clone(), value.clone())),
                _ => Err(wrong(key, Some(element))),
            },
            other => Err(wrong(key, Some(other))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_matters_is_read() {
        let text = "{application, emqx, [{description, \"x\"}, {vsn, \"5.10.4\"}, {modules, [a, 'B']},
            {registered, []}, {mod, {emqx_app, []}}, {applications, [kernel, stdlib]},
            {included_applications, []}, {start_phases, [{go, []}]}, {env, [{k, 1}]}, {other, odd}]}.";
        let app = AppFile::parse(text).expect("a specification");
        assert_eq!((app.name.as_str(), app.vsn.as_str()), ("emqx", "5.10.4"));
        assert_eq!(app.modules, ["a", "B"]);
        assert_eq!(app.applications, ["kernel", "stdlib"]);
        assert_eq!(
            app.callback.map(|term| term.to_string()).as_deref(),
            Some("{emqx_app,[]}")
        );
        assert!(app.start_phases.is_some() && app.included.is_empty());
        assert_eq!(app.env.len(), 1);
    }

    #[test]
    fn a_library_has_neither_callback_nor_phases() {
        for keys in ["", ", {mod, []}, {start_phases, undefined}"] {
            let app = AppFile::parse(&format!("{{application, x, [{{vsn, \"1\"}}{keys}]}}."));
            let app = app.expect("a specification");
            assert_eq!(
                (app.callback, app.start_phases, app.modules.len()),
                (None, None, 0)
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_value() {
        for (text, part) in [
            ("", "nothing is not"),
            ("a. b.", "a is not"),
            ("{application, x}.", "is not {application"),
            ("{application, '../x', []}.", "is not {application"),
            ("{application, x, []}.", "vsn is missing"),
            ("{application, x, [{vsn, \"1/2\"}]}.", "vsn is \"1/2\""),
            (
                "{application, x, [{vsn, \"1\"}, {modules, [\"a\"]}]}.",
                "modules is \"a\"",
            ),
            (
                "{application, x, [{vsn, \"1\"}, {modules, ['a/b']}]}.",
                "modules is 'a/b'",
            ),
            ("{application, x, [{vsn, \"1\"}, {env, [k]}]}.", "env is k"),
        ] {
            let error = AppFile::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
