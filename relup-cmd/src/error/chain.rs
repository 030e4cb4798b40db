//! What can stop an upgrade over releases in between, and the search for the way.

use std::path::PathBuf;

use relup::hop::HopPath;

use super::Error;
use crate::hops::chain;

/// Why there is no way, or why it ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    /// No hops lead there.
    #[error("no chain of hops {from} -> {to}; {}", supported_text(supported))]
    NoRelupPath {
        from: String,
        to: String,
        supported: Vec<String>,
    },
    /// Hops lead there over versions whose tarballs were not given.
    #[error("the hops lead {}, and no tarball of {} is at hand", chain::words(way), missing.join(", "))]
    MissingTarball {
        way: Vec<HopPath>,
        missing: Vec<String>,
    },
    /// More than one tarball may be meant.
    #[error("{}: more than one tarball of {vsn}", list(files))]
    AmbiguousTarball { vsn: String, files: Vec<PathBuf> },
    /// A tarball in a directory is not what its name says.
    #[error("{}: holds {holds}, its name says {named}", path.display())]
    OtherVersion {
        path: PathBuf,
        named: String,
        holds: String,
    },
    /// What runs is not what the hop before has left.
    #[error("the node runs {running}, the next hop starts from {expected}")]
    RunsOther { expected: String, running: String },
    /// A hop failed, or was refused.
    #[error("{}", .0.told())]
    Stopped(Box<Stopped>),
}

/// Where on its way an upgrade has stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) error: Error,
    /// All hops of the way.
    pub(crate) way: Vec<HopPath>,
    /// The place of the one that failed.
    pub(crate) at: usize,
    /// How many of them are done.
    pub(crate) done: usize,
    /// The command that goes on from there.
    pub(crate) go_on: String,
}

impl ChainError {
    pub(super) fn name(&self) -> &str {
        match self {
            ChainError::NoRelupPath { .. } => "no_relup_path",
            ChainError::MissingTarball { .. } => "missing_chain_tarball",
            ChainError::AmbiguousTarball { .. } => "ambiguous_tarball",
            ChainError::OtherVersion { .. } => "tarball_of_other_version",
            ChainError::RunsOther { .. } => "running_version_changed",
            ChainError::Stopped(stopped) => stopped.error.name(),
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            ChainError::Stopped(stopped) => stopped.error.exit_code(),
            ChainError::NoRelupPath { .. }
            | ChainError::MissingTarball { .. }
            | ChainError::AmbiguousTarball { .. }
            | ChainError::OtherVersion { .. }
            | ChainError::RunsOther { .. } => 1,
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        let text = match self {
            ChainError::NoRelupPath { .. } => {
                "copy the missing hop files into relup/catalog/ of the installation, or upgrade by a restart with --cold"
            }
            ChainError::MissingTarball { .. } => {
                "name them, or the directory that they are in, with --via"
            }
            ChainError::AmbiguousTarball { .. } => "name the right one with --via",
            ChainError::OtherVersion { .. } => {
                "give the file its right name, or name the right file with --via"
            }
            ChainError::RunsOther { .. } => {
                "`emqx relup status` tells what runs; run the command again to go on from there"
            }
            ChainError::Stopped(stopped) => return stopped.hint(),
        };
        Some(text.to_owned())
    }
}

impl Stopped {
    fn told(&self) -> String {
        let Stopped { way, at, .. } = self;
        let hop = format!("hop {} of {}, {}", at + 1, way.len(), way[*at]);
        let error = match &self.error {
            // What was done before stays.
            Error::Interrupted if self.done > 0 => {
                "interrupted; this hop has changed nothing".into()
            }
            Error::InterruptedApply if at + 1 < way.len() => {
                "interrupted; the node goes on with this hop by itself, and no further".into()
            }
            error => error.to_string(),
        };
        let before = match self.done.checked_sub(1).map(|last| &way[last]) {
            Some(hop) => format!("; {} was reached before and stays", hop.to),
            None => String::new(),
        };
        format!("{error} ({hop}){before}")
    }

    fn hint(&self) -> Option<String> {
        let remedy = self.error.hint();
        let goes_on_alone = matches!(self.error, Error::InterruptedApply | Error::NodeLost(_));
        if self.done == 0 && goes_on_alone {
            let again = "then run the command again, which goes on from what was reached";
            return remedy.map(|remedy| format!("{remedy}; {again}"));
        }
        if self.done == 0 {
            return remedy;
        }
        let go_on = format!("to go on from there: `{}`", self.go_on);
        Some(match remedy {
            Some(remedy) => format!("{remedy}; {go_on}"),
            None => go_on,
        })
    }
}

/// The hops that there are, for a refusal for want of one.
pub(super) fn supported_text(supported: &[String]) -> String {
    if supported.is_empty() {
        "no supported paths are known".to_owned()
    } else {
        format!("supported: {}", supported.join(", "))
    }
}

fn list(files: &[PathBuf]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    files.join(", ")
}
