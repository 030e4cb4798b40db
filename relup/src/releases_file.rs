//! `releases/RELEASES` and `releases/start_erl.data`: what OTP's release handler keeps on disk.
//!
//! The release handler rewrites both in place, so a crash can cut either; whoever reads them has to
//! be ready for that. Versions from here become paths, so every one must be a plain path component.
//! Data: the files' texts. (The record is `#release{}` of OTP's `release_handler`; relup contract,
//! section 7.)

use std::fmt;

use crate::layout::is_component;
use crate::term::{Term, TermError, parse_terms};

/// What the release handler thinks of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseStatus {
    /// The next start boots it.
    Permanent,
    /// It runs, but the next start boots another one. Never on disk.
    Current,
    /// It ran once.
    Old,
    /// It never ran, or not since the last start.
    Unpacked,
}

impl ReleaseStatus {
    /// The release handler's own word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ReleaseStatus::Permanent => "permanent",
            ReleaseStatus::Current => "current",
            ReleaseStatus::Old => "old",
            ReleaseStatus::Unpacked => "unpacked",
        }
    }

    /// The status of that name. `tmp_current`, which is on disk while an emulator is exchanged,
    /// becomes `unpacked` at the next start; so it does here.
    #[must_use]
    pub fn by_name(name: &str) -> Option<ReleaseStatus> {
        match name {
            "permanent" => Some(ReleaseStatus::Permanent),
            "current" => Some(ReleaseStatus::Current),
            "old" => Some(ReleaseStatus::Old),
            "unpacked" | "tmp_current" => Some(ReleaseStatus::Unpacked),
            _ => None,
        }
    }
}

impl fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One release of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRelease {
    /// The release's name, `emqx`.
    pub name: String,
    /// Its version.
    pub vsn: String,
    /// The version of ERTS it runs on.
    pub erts: String,
    /// Its applications: name, version, directory. The directory is absolute, or relative to the
    /// root of the installation.
    pub libs: Vec<(String, String, String)>,
    /// What the release handler thinks of it.
    pub status: ReleaseStatus,
}

/// Why a text is no `RELEASES` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleasesError {
    /// It is cut or otherwise no Erlang term.
    #[error(transparent)]
    Term(#[from] TermError),
    /// It has no term, or several.
    #[error("the file holds {0} terms instead of one")]
    Count(usize),
    /// The term is no list of releases.
    #[error("{0} is no list of {{release,Name,Vsn,ErtsVsn,Libs,Status}}")]
    Shape(String),
    /// A version that can't be part of a path.
    #[error("{0:?} can't be part of a path")]
    Unsafe(String),
    /// Without a permanent release nothing could be booted.
    #[error("{0} of the releases are permanent instead of one")]
    Permanent(usize),
}

/// Reads the text of `RELEASES`: the releases, in the file's order.
pub fn parse_releases(text: &str) -> Result<Vec<KnownRelease>, ReleasesError> {
    let mut terms = parse_terms(text)?;
    let count = terms.len();
    let (Some(term), 1) = (terms.pop(), count) else {
        return Err(ReleasesError::Count(count));
    };
    let shown = term.shortened(80);
    let list = term
        .into_list()
        .map_err(|_| ReleasesError::Shape(shown.clone()))?;
    let releases = list.iter().map(release).collect::<Result<Vec<_>, _>>()?;
    let permanent = |release: &&KnownRelease| release.status == ReleaseStatus::Permanent;
    match releases.iter().filter(permanent).count() {
        1 => Ok(releases),
        other => Err(ReleasesError::Permanent(other)),
    }
}

fn release(term: &Term) -> Result<KnownRelease, ReleasesError> {
    let shape = || ReleasesError::Shape(term.shortened(80));
    let Term::Tuple(parts) = term else {
        return Err(shape());
    };
    let [tag, name, vsn, erts, libs, status] = parts.as_slice() else {
        return Err(shape());
    };
    if tag.as_atom() != Some("release") {
        return Err(shape());
    }
    let component = |term: &Term| safe(term.to_text().ok_or_else(shape)?);
    let libs = libs.clone().into_list().map_err(|_| shape())?;
    let status = status.as_atom().and_then(ReleaseStatus::by_name);
    Ok(KnownRelease {
        name: name.to_text().ok_or_else(shape)?,
        vsn: component(vsn)?,
        erts: component(erts)?,
        libs: libs
            .iter()
            .map(|lib| match lib {
                Term::Tuple(parts) => match parts.as_slice() {
                    [Term::Atom(app), vsn, dir] => Ok((
                        safe(app.clone())?,
                        component(vsn)?,
                        dir.to_text().ok_or_else(shape)?,
                    )),
                    _ => Err(shape()),
                },
                _ => Err(shape()),
            })
            .collect::<Result<_, _>>()?,
        status: status.ok_or_else(shape)?,
    })
}

/// The text of a `RELEASES` file with these releases, as the release handler writes and reads it.
#[must_use]
pub fn render_releases(releases: &[KnownRelease]) -> String {
    let text = |text: &str| Term::Str(text.to_owned());
    let list = releases.iter().map(|release| {
        let libs = release.libs.iter().map(|(app, vsn, dir)| {
            Term::Tuple(vec![Term::Atom(app.clone()), text(vsn), text(dir)])
        });
        Term::Tuple(vec![
            Term::Atom("release".to_owned()),
            text(&release.name),
            text(&release.vsn),
            text(&release.erts),
            Term::List(libs.collect()),
            Term::Atom(release.status.as_str().to_owned()),
        ])
    });
    format!("%% coding: utf-8\n{}.\n", Term::List(list.collect()))
}

/// What `start_erl.data` names: the release that the next start boots, and its ERTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartErl {
    /// The version of ERTS.
    pub erts: String,
    /// The version of the release.
    pub vsn: String,
}

impl StartErl {
    /// Reads the text of `start_erl.data`: two words, ERTS first. `None` for anything else, such as
    /// a file that was cut.
    #[must_use]
    pub fn parse(text: &str) -> Option<StartErl> {
        let mut words = text.split_ascii_whitespace();
        let (erts, vsn) = (words.next()?, words.next()?);
        let whole = words.next().is_none() && is_component(erts) && is_component(vsn);
        whole.then(|| StartErl {
            erts: erts.to_owned(),
            vsn: vsn.to_owned(),
        })
    }

    /// The file's text, as the release handler writes it.
    #[must_use]
    pub fn render(&self) -> String {
        format!("{} {}", self.erts, self.vsn)
    }
}

fn safe(text: String) -> Result<String, ReleasesError> {
    if is_component(&text) {
        Ok(text)
    } else {
        Err(ReleasesError::Unsafe(text))
    }
}

#[cfg(test)]
mod tests;
