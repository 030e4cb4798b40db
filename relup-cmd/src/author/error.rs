//! What can stop the making or checking of a hop.

use std::path::PathBuf;

/// Why a hop was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorError {
    /// One of the two is no release, or not a whole one.
    #[error("{}: {reason}", path.display())]
    UnusableRelease { path: PathBuf, reason: String },
}

impl AuthorError {
    /// The stable name, for `--json`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            AuthorError::UnusableRelease { .. } => "unusable_release",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            AuthorError::UnusableRelease { .. } => {
                "give the .tar.gz of a release or the directory that it was unpacked to".to_owned()
            }
        }
    }
}
