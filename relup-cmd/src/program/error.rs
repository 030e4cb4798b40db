//! Why this program can't be put into an installation or taken out.

use std::path::PathBuf;

/// What stands against it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// What was named is no place for this program.
    #[error("{} is no EMQX installation: {reason}", root.display())]
    NoInstallation { root: PathBuf, reason: String },
    /// The release's own program was never put aside, so it can't be put back.
    #[error("{} does not exist: there is nothing to put back", kept.display())]
    NoScriptKept { kept: PathBuf },
    /// Another program stands where this one should be taken away.
    #[error("{} is no launcher", path.display())]
    NotInstalled { path: PathBuf, kept: PathBuf },
}

impl ProgramError {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            ProgramError::NoInstallation { .. } => "no_installation",
            ProgramError::NoScriptKept { .. } => "no_script_kept",
            ProgramError::NotInstalled { .. } => "not_installed",
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            ProgramError::NoInstallation { .. } => {
                "give the directory that EMQX was unpacked or installed to, with bin, lib, releases and erts-* in it"
                    .to_owned()
            }
            ProgramError::NoScriptKept { .. } => {
                "take the script from the release's own package, or reinstall that".to_owned()
            }
            ProgramError::NotInstalled { kept, .. } => format!(
                "somebody else has put it there, and it stays; {} is not needed then",
                kept.display()
            ),
        }
    }
}
