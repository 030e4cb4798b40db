//! `emqx self package-installed`: a package manager has unpacked a release over the base.
//!
//! The marker may still name a release that was hot-upgraded to before, and it decides what boots. Where
//! the package is at least as late as that, the marker is retired, as going back to the base does: one
//! rename, journalled. Nothing in a running node is touched, and trees stay for `prune`.

use std::cmp::Ordering;

use relup::journal::{Action, Step};
use relup::layout::BaseRoot;
use relup::marker::Marker;
use relup::precedence;
use relup::vsn::ReleaseVsn;
use serde_json::json;

use crate::durable;
use crate::error::Error;
use crate::install::Install;
use crate::manifest_file::read_header;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::recovery;
use crate::release::Identity;
use crate::rollback;
use crate::state::{self, AttemptLog};

/// What the marker and the package say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    /// What the package has installed.
    package: ReleaseVsn,
    /// What the marker names.
    marked: ReleaseVsn,
    /// What comes of it: a marker inside of the deployed tree may lead on.
    boots: ReleaseVsn,
    /// The base that the marked tree was deployed beside, where its manifest tells.
    beside: Option<ReleaseVsn>,
}

/// What becomes of the marker, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Retire,
    Keep(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The same version was installed again: somebody has chosen the other tree beside it.
    SameBase,
    /// The hot-upgraded release is later.
    Earlier,
    /// Versions that have no order.
    Unknown,
}

/// Looks at the marker after a package was installed.
pub(super) fn run(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let base = &install.base;
    // Looking comes first: taking the lock would create `relup/` for nothing.
    if !recovery::is_open(base)
        && let Some(answer) = without_change(install, console)?
    {
        return Ok(answer);
    }
    let taken = recovery::take_lock(install, node, console)?;
    if let Some(answer) = without_change(install, console)? {
        return Ok(answer);
    }
    let Marker::Current(marked) = state::read_marker(base) else {
        return Err(Error::MarkerDamaged {
            marker: base.marker(),
            reason: "it has just changed".to_owned(),
        });
    };
    let facts = Facts::observe(install, &marked)?;
    // What is to boot has to be whole.
    rollback::original(base)?;
    retire(base, &facts)?;
    drop(taken);
    Ok(facts.retired(base))
}

/// The answer where the marker stays what it is; `None` where it has to be retired.
fn without_change(install: &Install, console: &mut Console<'_>) -> Result<Option<Answer>, Error> {
    let base = &install.base;
    match state::read_marker(base) {
        Marker::Absent => {
            let vsn = Identity::read(&base.tree(), base)?.vsn;
            let line = format!("no marker: the next start boots the package's {vsn}");
            Ok(Some(
                object(line, "none", &vsn, None, &vsn).field("why", "there is no marker"),
            ))
        }
        // It stops every boot by itself, and says how to mend it.
        Marker::Damaged(reason) => {
            let vsn = Identity::read(&base.tree(), base)?.vsn;
            console.warn(format!(
                "{} is damaged: {reason}; it stays, and nothing boots: `emqx relup rollback` returns to {vsn}",
                base.marker().display()
            ));
            let line = "kept: no start follows the damaged marker".to_owned();
            Ok(Some(
                Answer::line(line)
                    .field("marker", "kept")
                    .field("package", vsn.as_str())
                    .field("marked", json!(null))
                    .field("boots", json!(null))
                    .field("why", "the marker is damaged"),
            ))
        }
        Marker::Current(marked) => {
            let facts = Facts::observe(install, &marked)?;
            match facts.verdict() {
                Verdict::Retire => Ok(None),
                Verdict::Keep(why) => Ok(Some(facts.kept(why, console))),
            }
        }
    }
}

impl Facts {
    fn observe(install: &Install, marked: &ReleaseVsn) -> Result<Facts, Error> {
        let base = &install.base;
        let is_followed = install.booted.path() != base.path();
        Ok(Facts {
            package: Identity::read(&base.tree(), base)?.vsn,
            boots: if is_followed {
                install.booted_vsn.clone()
            } else {
                marked.clone()
            },
            beside: read_header(&base.manifest(marked))
                .ok()
                .and_then(|header| header.base),
            marked: marked.clone(),
        })
    }

    fn verdict(&self) -> Verdict {
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

    fn kept(&self, why: Why, console: &mut Console<'_>) -> Answer {
        let Facts { package, boots, .. } = self;
        let why = match why {
            Why::SameBase => format!("it was deployed beside {package}, which was installed again"),
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

    fn retired(&self, base: &BaseRoot) -> Answer {
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

    fn reason(&self) -> String {
        let Facts { package, boots, .. } = self;
        if package == boots {
            format!("a package of the same {package} was installed")
        } else {
            format!("a package of {package} was installed, which is later than {boots}")
        }
    }
}

fn object(
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

/// Gives the marker its other name, and records that; what can't be recorded was not done.
fn retire(base: &BaseRoot, facts: &Facts) -> Result<(), Error> {
    let (marker, retired) = (base.marker(), base.retired_marker());
    let (from, to) = (facts.boots.as_str(), facts.package.as_str());
    let log = AttemptLog::new(base, Action::Package, from, to).with_detail(facts.reason());
    log.step(Step::Started)?;
    let Err(error) = durable::rename(&marker, &retired).and_then(|()| log.switched()) else {
        return Ok(());
    };
    if marker.symlink_metadata().is_ok() {
        // The refusal counts; that it could not be recorded either adds nothing.
        let _ = log.failed(&error);
        return Err(error);
    }
    match durable::rename(&retired, &marker) {
        Ok(()) => {
            let _ = log.failed(&error);
            Err(error)
        }
        Err(second) => Err(Error::MarkerNotPutBack {
            marker,
            reason: error.to_string(),
            second: second.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
