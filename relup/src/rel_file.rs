//! `releases/<vsn>/<name>.rel`: which applications, in which versions, make up a release.
//!
//! Applications and versions from here become paths (`lib/<app>-<vsn>`, `erts-<vsn>`), so every one
//! of them must be a plain path component; a file with another one is refused as a whole. Data: the
//! file's text. (Relup contract, section 2; the format is OTP's `rel(4)`.)

use std::collections::BTreeMap;

use crate::layout::is_component;
use crate::term::{Term, TermError, parse_terms};

/// A release as its `.rel` file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelFile {
    /// The release's name, `emqx`; for people only, OTP's own is `Erlang/OTP`.
    pub name: String,
    /// Its version; not yet checked to be a [`crate::vsn::ReleaseVsn`].
    pub vsn: String,
    /// The version of ERTS it runs on.
    pub erts: String,
    /// Applications and their versions, in the file's order.
    pub apps: Vec<(String, String)>,
    /// How those are started that are not started as permanent ones.
    start_types: BTreeMap<String, StartType>,
}

/// How a boot starts an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartType {
    /// The VM ends when it does.
    Permanent,
    /// The VM ends when it ends abnormally.
    Transient,
    /// It may end.
    Temporary,
    /// Its code and its specification are loaded: somebody else starts it.
    Load,
    /// Only its code is loaded.
    None,
}

/// Why a text is no `.rel` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelFileError {
    /// It is no Erlang term.
    #[error(transparent)]
    Term(#[from] TermError),
    /// It has no term, or several.
    #[error("the file holds {0} terms instead of one")]
    Count(usize),
    /// The term is no release.
    #[error("{0} is not {{release,{{Name,Vsn}},{{erts,Vsn}},Applications}}")]
    Shape(String),
    /// An element of the list is no application.
    #[error("{0} is not {{Application,Vsn}}")]
    App(String),
    /// A name or version that can't be part of a path.
    #[error("{0:?} can't be part of a path")]
    Unsafe(String),
}

impl RelFile {
    /// Reads the text of a `.rel` file.
    pub fn parse(text: &str) -> Result<RelFile, RelFileError> {
        let terms = parse_terms(text)?;
        let [term] = terms.as_slice() else {
            return Err(RelFileError::Count(terms.len()));
        };
        let shape = || RelFileError::Shape(term.shortened(80));
        let Term::Tuple(parts) = term else {
            return Err(shape());
        };
        let [
            tag,
            Term::Tuple(release),
            Term::Tuple(erts),
            Term::List(apps),
        ] = parts.as_slice()
        else {
            return Err(shape());
        };
        let ([name, vsn], [erts_tag, erts]) = (release.as_slice(), erts.as_slice()) else {
            return Err(shape());
        };
        if tag.as_atom() != Some("release") || erts_tag.as_atom() != Some("erts") {
            return Err(shape());
        }
        let component = |term: &Term| safe(term.to_text().ok_or_else(shape)?);
        let mut start_types = BTreeMap::new();
        let mut listed = Vec::new();
        for app in apps {
            let ((name, vsn), start) = parse_app(app)?;
            if start != StartType::Permanent {
                start_types.insert(name.clone(), start);
            }
            listed.push((name, vsn));
        }
        Ok(RelFile {
            name: name.to_text().ok_or_else(shape)?,
            vsn: component(vsn)?,
            erts: component(erts)?,
            apps: listed,
            start_types,
        })
    }

    /// How a boot starts the application `name`.
    #[must_use]
    pub fn start_type(&self, name: &str) -> StartType {
        let known = self.start_types.get(name);
        known.copied().unwrap_or(StartType::Permanent)
    }

    /// The version of the application `name`, when the release has it.
    #[must_use]
    pub fn app_vsn(&self, name: &str) -> Option<&str> {
        self.apps
            .iter()
            .find(|(app, _)| app == name)
            .map(|(_, vsn)| vsn.as_str())
    }
}

/// `{App, Vsn}`, to which a type and a list of included applications may be added.
fn parse_app(term: &Term) -> Result<((String, String), StartType), RelFileError> {
    let shape = || RelFileError::App(term.shortened(80));
    let Term::Tuple(parts) = term else {
        return Err(shape());
    };
    let (name, vsn, start) = match parts.as_slice() {
        [name, vsn] => (name, vsn, None),
        [name, vsn, start] | [name, vsn, start, _] => (name, vsn, start.as_atom()),
        _ => return Err(shape()),
    };
    let start = match start {
        Some("transient") => StartType::Transient,
        Some("temporary") => StartType::Temporary,
        Some("load") => StartType::Load,
        Some("none") => StartType::None,
        // Also where the third element is the list of included applications.
        _ => StartType::Permanent,
    };
    let name = name.as_atom().ok_or_else(shape)?;
    let pair = (
        safe(name.to_owned())?,
        safe(vsn.to_text().ok_or_else(shape)?)?,
    );
    Ok((pair, start))
}

fn safe(text: String) -> Result<String, RelFileError> {
    if is_component(&text) {
        Ok(text)
    } else {
        Err(RelFileError::Unsafe(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the release in words, or a part of the message.
    fn check(text: &str, expected: Result<&str, &str>) {
        match (RelFile::parse(text), expected) {
            (Ok(rel), Ok(words)) => {
                let apps: Vec<_> = rel
                    .apps
                    .iter()
                    .map(|(app, vsn)| format!("{app}-{vsn}"))
                    .collect();
                let actual = format!(
                    "{} {} on {}: {}",
                    rel.name,
                    rel.vsn,
                    rel.erts,
                    apps.join(" ")
                );
                assert_eq!(actual, words);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (actual, _) => panic!("{text}: {actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_release_is_read_with_every_form_of_application() {
        check(
            "%% coding: utf-8\n{release,{\"emqx\",\"5.10.5\"},{erts,\"14.2.5\"},\n\
             [{kernel,\"9.2\"},\n {emqx,\"5.10.5\",load},\n {snmp,\"1\",[a]},\n \
             {mnesia,\"4.21\",none,[x]}]}.\n",
            Ok("emqx 5.10.5 on 14.2.5: kernel-9.2 emqx-5.10.5 snmp-1 mnesia-4.21"),
        );
        check("{release,{\"e\",\"1\"},{erts,\"2\"},[]}.", Ok("e 1 on 2: "));
        check(
            "{release,{\"Erlang/OTP\",\"25\"},{erts,\"13.1\"},[]}.",
            Ok("Erlang/OTP 25 on 13.1: "),
        );
    }

    #[test]
    fn how_an_application_is_started_is_told() {
        let text = "{release,{\"e\",\"1\"},{erts,\"2\"},[{a,\"1\"},{b,\"1\",load},{c,\"1\",[x]},\
             {d,\"1\",none,[x]},{e,\"1\",temporary},{f,\"1\",transient}]}.";
        let rel = RelFile::parse(text).expect("a release");
        let types: Vec<_> = rel
            .apps
            .iter()
            .map(|(app, _)| rel.start_type(app))
            .collect();
        assert_eq!(
            types,
            [
                StartType::Permanent,
                StartType::Load,
                StartType::Permanent,
                StartType::None,
                StartType::Temporary,
                StartType::Transient
            ]
        );
    }

    #[test]
    fn an_application_is_found_by_its_name() {
        let text = "{release,{\"e\",\"1\"},{erts,\"2\"},[{kernel,\"9.2\"}]}.";
        let rel = RelFile::parse(text).expect("a release");
        assert_eq!(rel.app_vsn("kernel"), Some("9.2"));
        assert_eq!(rel.app_vsn("stdlib"), None);
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "0 terms"),
            ("a. b.", "2 terms"),
            ("{release", "never closed"),
            ("release.", "release is not {release,"),
            ("{release,{\"e\",\"1\"},{erts,\"2\"}}.", "is not {release,"),
            (
                "{relase,{\"e\",\"1\"},{erts,\"2\"},[]}.",
                "is not {release,",
            ),
            (
                "{release,{\"e\",\"1\"},{ert,\"2\"},[]}.",
                "is not {release,",
            ),
            ("{release,{\"e\"},{erts,\"2\"},[]}.", "is not {release,"),
            ("{release,{e,\"1\"},{erts,\"2\"},[]}.", "is not {release,"),
            (
                "{release,{\"e\",\"1\"},{erts,\"2\"},[kernel]}.",
                "kernel is not {Application",
            ),
            (
                "{release,{\"e\",\"1\"},{erts,\"2\"},[{k}]}.",
                "{k} is not {Application",
            ),
            (
                "{release,{\"e\",\"1\"},{erts,\"2\"},[{\"k\",\"1\"}]}.",
                "is not {Application",
            ),
            (
                "{release,{\"e\",\"1\"},{erts,\"../2\"},[]}.",
                "\"../2\" can't be",
            ),
            (
                "{release,{\"e\",\"1/2\"},{erts,\"2\"},[]}.",
                "\"1/2\" can't be",
            ),
            ("{release,{\"e\",\"\"},{erts,\"2\"},[]}.", "\"\" can't be"),
            (
                "{release,{\"e\",\"1\"},{erts,\"2\"},[{'../k',\"1\"}]}.",
                "\"../k\" can't be",
            ),
            (
                "{release,{\"e\",\"1\"},{erts,\"2\"},[{k,\"1/../..\"}]}.",
                "can't be",
            ),
        ] {
            check(text, Err(part));
        }
    }

    #[test]
    fn a_message_shows_only_the_beginning_of_a_long_term() {
        let text = format!("[{}0].", "kernel,".repeat(500));
        let message = RelFile::parse(&text).expect_err("no release").to_string();
        assert!(message.contains("...") && message.len() < 200, "{message}");
    }
}
