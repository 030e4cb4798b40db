//! What the marker and the package say, and what follows.

use std::cmp::Ordering;

use relup::journal::{Action, Attempt, AttemptResult};
use relup::layout::BaseRoot;
use relup::marker::Marker;
use relup::precedence;
use relup::vsn::ReleaseVsn;
use serde_json::json;

use crate::error::Error;
use crate::install::Install;
use crate::manifest_file::read_header;
use crate::output::{Answer, Console};
use crate::program::site::observe;
use crate::release::Identity;
use crate::state;

/// What the marker and the package say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// What the package has installed.
    pub(super) package: ReleaseVsn,
    /// What the marker names.
    marked: ReleaseVsn,
    /// What comes of it: a marker inside of the deployed tree may lead on.
    pub(super) boots: ReleaseVsn,
    /// The base that the marked tree was chosen beside: the one that it was deployed beside, as its
    /// manifest tells, or the package that a rollback left for it.
    beside: Option<ReleaseVsn>,
}

/// What becomes of the marker, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Retire,
    Keep(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The same version was installed again: somebody has chosen the other tree beside it.
    SameBase,
    /// The hot-upgraded release is later.
    Earlier,
    /// Versions that have no order.
    Unknown,
}

/// What the marker says. A file that can't be read now may be whole all the same, and would lead the
/// next start.
pub(super) fn marker(base: &BaseRoot) -> Result<Marker, Error> {
    if observe(&base.marker())?.is_some_and(|found| found.is_file()) {
        return Ok(Marker::parse(state::marker_bytes(base)?.as_deref()));
    }
    Ok(state::read_marker(base))
}

/// The package that a rollback to that tree has left, where these were the last two changes: the
/// package came and retired the marker, and somebody put it back. A rollback alone says nothing, as it
/// may have left a deployed tree of that version, which the package is to take the place of.
fn left_for(base: &BaseRoot, vsn: &ReleaseVsn) -> Result<Option<ReleaseVsn>, Error> {
    let is_change = |attempt: &&Attempt| {
        attempt.result == Some(AttemptResult::Success)
            && !matches!(attempt.action, Action::Prune | Action::LogsClear)
    };
    let attempts = state::read_attempts(base)?;
    let mut latest = attempts.iter().rev().filter(is_change);
    let (Some(back), Some(arrival)) = (latest.next(), latest.next()) else {
        return Ok(None);
    };
    let is_left = (&back.action, &arrival.action) == (&Action::Rollback, &Action::Package)
        && back.to.as_deref() == Some(vsn.as_str())
        && back.from == arrival.to;
    let package = back.from.as_deref().filter(|_| is_left);
    Ok(package.and_then(|package| package.parse().ok()))
}

/// The base that a tree was deployed beside; `None` where no manifest tells.
fn deployed_beside(base: &BaseRoot, vsn: &ReleaseVsn) -> Result<Option<ReleaseVsn>, Error> {
    let manifest = base.manifest(vsn);
    if observe(&manifest)?.is_none() {
        return Ok(None);
    }
    match read_header(&manifest) {
        Ok(header) => Ok(header.base),
        Err(Error::TreeDamaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Facts {
    pub(super) fn observe(install: &Install, marked: &ReleaseVsn) -> Result<Facts, Error> {
        let base = &install.base;
        let is_followed = install.booted.path() != base.path();
        Ok(Facts {
            package: Identity::read(&base.tree(), base)?.vsn,
            boots: if is_followed {
                install.booted_vsn.clone()
            } else {
                marked.clone()
            },
            beside: match left_for(base, marked)? {
                Some(left) => Some(left),
                None => deployed_beside(base, marked)?,
            },
            marked: marked.clone(),
        })
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.beside.as_ref() == Some(&self.package) {
            return Verdict::Keep(Why::SameBase);
        }
        match precedence::compare(&self.package, &self.boots) {
            // The same version: booted from where the package manager keeps it.
            Some(Ordering::Greater | Ordering::Equal) => Verdict::Retire,
            Some(Ordering::Less) => Verdict::Keep(Why::Earlier),
            None => Verdict::Keep(Why::Unknown),
        }
    }

    pub(super) fn kept(&self, why: Why, console: &mut Console<'_>) -> Answer {
        let Facts { package, boots, .. } = self;
        let why = match why {
            Why::SameBase => format!("it was chosen beside {package}, which was installed again"),
            Why::Earlier => format!("it is later than the package's {package}"),
            Why::Unknown => {
                console.warn(format!(
                    "whether the package's {package} is later than {boots} can't be told; the next start boots \
                     {boots}: `emqx relup rollback` changes to {package}"
                ));
                format!("whether the package's {package} is later can't be told")
            }
        };
        let line = format!("kept: the next start boots {boots}; {why}");
        object(line, "kept", package, Some(&self.marked), boots).field("why", why)
    }

    pub(super) fn retired(&self, base: &BaseRoot) -> Answer {
        let Facts { package, boots, .. } = self;
        let line = format!(
            "retired: {boots} -> {package}; the next start boots the package's {package}, \
             `emqx relup rollback --to {}` would boot {boots} again",
            self.marked
        );
        object(line, "retired", package, Some(&self.marked), package)
            .field("why", self.reason())
            .field("retired", base.retired_marker().to_string_lossy())
    }

    pub(super) fn reason(&self) -> String {
        let Facts { package, boots, .. } = self;
        if package == boots {
            format!("a package of the same {package} was installed")
        } else {
            format!("a package of {package} was installed, which is later than {boots}")
        }
    }
}

/// The answer as data.
pub(super) fn object(
    line: String,
    marker: &str,
    package: &ReleaseVsn,
    marked: Option<&ReleaseVsn>,
    boots: &ReleaseVsn,
) -> Answer {
    Answer::line(line)
        .field("marker", marker)
        .field("package", package.as_str())
        .field("marked", json!(marked.map(ReleaseVsn::as_str)))
        .field("boots", boots.as_str())
}
