//! `releases/<vsn>/<name>.rel`: which applications, in which versions, make up a release.

use crate::term::TermError;

/// A release as its `.rel` file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelFile {
    /// The release's name, `emqx`.
    pub name: String,
    /// Its version.
    pub vsn: String,
    /// The version of ERTS it runs on.
    pub erts: String,
    /// Applications and their versions, in start order.
    pub apps: Vec<(String, String)>,
}

/// Why a text is no `.rel` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelFileError {
    /// It is no Erlang term.
    #[error(transparent)]
    Term(#[from] TermError),
    /// It is one, of another shape.
    #[error("{0}")]
    Shape(String),
}

impl RelFile {
    /// Reads the text of a `.rel` file.
    pub fn parse(text: &str) -> Result<RelFile, RelFileError> {
        let _terms = crate::term::parse_terms(text)?;
        Err(RelFileError::Shape(
            "the parser is not there yet".to_owned(),
        ))
    }
}
