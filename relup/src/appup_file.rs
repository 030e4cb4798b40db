//! `lib/<app>-<vsn>/ebin/<app>.appup`: from and to which versions an application leads by itself.
//!
//! Only what names versions is understood here; the instructions are passed on as they are. Data: the
//! file's text. (The format is OTP's `appup(4)`.)

use crate::term::{Term, TermError, parse_terms};

/// An application's own appup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppupFile {
    /// The version that it belongs to.
    pub vsn: String,
    /// How that version is reached from others, in the file's order: the first that fits counts.
    pub up: Vec<Entry>,
    /// How others are reached from it.
    pub down: Vec<Entry>,
}

/// The instructions for one version, or for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which other version it is for.
    pub vsn: Vsn,
    /// The entry as it stands in the file, its version included.
    pub term: Term,
}

/// The version that an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vsn {
    /// `"1.2"`: this one.
    Exact(String),
    /// `<<"1\\.[0-9]+">>`: those that the regular expression matches as a whole.
    Pattern(Vec<u8>),
}

/// Why a text is no appup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppupFileError {
    /// It is no Erlang term.
    #[error(transparent)]
    Term(#[from] TermError),
    /// It is another term.
    #[error("{0} is not {{Vsn,[{{UpFromVsn,Instructions}}],[{{DownToVsn,Instructions}}]}}")]
    Shape(String),
}

impl AppupFile {
    /// Reads the text of an `.appup` file.
    ///
    /// # Errors
    /// It is not one term of that form.
    pub fn parse(text: &str) -> Result<AppupFile, AppupFileError> {
        let mut terms = parse_terms(text)?;
        let (Some(term), true) = (terms.pop(), terms.is_empty()) else {
            let what = terms.first().map(|term| term.shortened(80));
            let what = what.unwrap_or_else(|| "nothing".to_owned());
            return Err(AppupFileError::Shape(what));
        };
        let shape = || AppupFileError::Shape(term.shortened(80));
        let Term::Tuple(parts) = &term else {
            return Err(shape());
        };
        let [vsn, up, down] = parts.as_slice() else {
            return Err(shape());
        };
        Ok(AppupFile {
            vsn: vsn.to_text().ok_or_else(shape)?,
            up: entries(up).ok_or_else(shape)?,
            down: entries(down).ok_or_else(shape)?,
        })
    }
}

fn entries(list: &Term) -> Option<Vec<Entry>> {
    let list = match list {
        Term::List(list) => list.as_slice(),
        Term::Str(text) if text.is_empty() => &[],
        _ => return None,
    };
    list.iter().map(entry).collect()
}

fn entry(term: &Term) -> Option<Entry> {
    let Term::Tuple(pair) = term else { return None };
    let [vsn, _] = pair.as_slice() else {
        return None;
    };
    let vsn = match vsn {
        Term::Binary(pattern) => Vsn::Pattern(pattern.clone()),
        other => Vsn::Exact(other.to_text()?),
    };
    Some(Entry {
        vsn,
        term: term.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_patterns_are_told_apart() {
        let text = r#"%% a comment
            {"4.2", [{"4.1", [{load_module, a}]}, {<<"^4\\.0(\\.[0-9]+)*$">>, [restart_new_emulator]}],
                    []}."#;
        let appup = AppupFile::parse(text).expect("an appup");
        assert_eq!((appup.vsn.as_str(), appup.down.len()), ("4.2", 0));
        let [exact, pattern] = appup.up.as_slice() else {
            panic!("{appup:?}");
        };
        assert_eq!(exact.vsn, Vsn::Exact("4.1".into()));
        assert_eq!(pattern.vsn, Vsn::Pattern(br"^4\.0(\.[0-9]+)*$".to_vec()));
        assert_eq!(
            pattern.term.to_string(),
            r#"{<<"^4\\.0(\\.[0-9]+)*$">>,[restart_new_emulator]}"#
        );
    }

    #[test]
    fn anything_else_is_refused_with_the_value() {
        for (text, part) in [
            ("", "nothing is not"),
            ("a. b.", "a is not"),
            ("{\"1\", []}.", "{\"1\",[]} is not"),
            ("{1, [], []}.", "{1,[],[]} is not"),
            ("{\"1\", [a], []}.", "{\"1\",[a],[]} is not"),
            ("{\"1\", [], [{a, []}]}.", "is not {Vsn"),
            ("{\"1\", [], [", "never closed"),
        ] {
            let error = AppupFile::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
