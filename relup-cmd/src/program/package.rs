//! `emqx self package-installed`: a package manager has unpacked a release over the base.
//!
//! The marker may still name a release that was hot-upgraded to before, and it decides what boots. Where
//! the package is at least as late as that, the marker is retired, as going back to the base does: one
//! rename, journalled. Nothing in a running node is touched, and trees stay for `prune`.

mod facts;

use relup::journal::{Action, Step};
use relup::layout::BaseRoot;
use relup::marker::Marker;
use serde_json::json;

use self::facts::{Facts, Verdict, marker, object};
use crate::durable;
use crate::error::Error;
use crate::install::Install;
use crate::node::Node;
use crate::output::{Answer, Console};
use crate::recovery;
use crate::release::Identity;
use crate::state::AttemptLog;

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
    let Marker::Current(marked) = marker(base)? else {
        return Err(Error::MarkerDamaged {
            marker: base.marker(),
            reason: "it has just changed".to_owned(),
        });
    };
    let facts = Facts::observe(install, &marked)?;
    // What is to boot has to be whole.
    Identity::original(base)?;
    retire(base, &facts)?;
    drop(taken);
    Ok(facts.retired(base))
}

/// The answer where the marker stays what it is; `None` where it has to be retired.
fn without_change(install: &Install, console: &mut Console<'_>) -> Result<Option<Answer>, Error> {
    let base = &install.base;
    match marker(base)? {
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
