//! The record of whether a deployed tree ever booted: read, written, and acted upon by going back to
//! the base.
//!
//! The launcher calls this on its way to a VM, so nothing here may stand in a boot's way: a record
//! that can't be read counts as none, and whatever fails comes back as a reason to be shown. No lock
//! is taken to count: two boots at one time miscount one attempt at worst. Going back is the
//! exception, because it changes what boots. What the record means is `relup::assessment`'s business.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fs_err as fs;
use jiff::Timestamp;
use relup::assessment::{Assessment, Booting, Deployment, times};
use relup::journal::{Action, Step};
use relup::layout::{BaseRoot, Tree};
use relup::vsn::ReleaseVsn;

use crate::durable;
use crate::error::Error;
use crate::lock::RelupLock;
use crate::regular::{self, ReadError};
use crate::release::Identity;
use crate::stage;
use crate::state::{AttemptLog, timestamp};

/// Far more than any record.
const MAX_LEN: u64 = 64 * 1024;

/// Why something could not be recorded or changed; it can only be shown.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Refusal(#[from] Error);

/// A deployed tree that a marker of this base leads to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The installation.
    pub base: &'a BaseRoot,
    /// The tree.
    pub tree: &'a Tree,
    /// Its version.
    pub vsn: &'a ReleaseVsn,
}

/// What is known of a tree, and what is wrong with the file that should tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The record of this deployment; an empty one where there is none.
    pub assessment: Assessment,
    /// Why the file can't be read, with its path.
    pub fault: Option<String>,
}

/// What going back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FallBack {
    /// The next tree that is observed is the base.
    Done {
        /// The version of the base.
        to: ReleaseVsn,
        /// What the marker is called now.
        retired: PathBuf,
        /// What could not be recorded of it.
        fault: Option<String>,
    },
    /// Somebody else has changed the marker meanwhile: what is in force has to be observed again.
    Overtaken,
}

impl Subject<'_> {
    /// What is recorded of this deployment.
    ///
    /// # Errors
    /// The marker that names the tree is gone.
    pub fn observe(&self) -> Result<Known, Refusal> {
        let deployment = self.deployment()?;
        let (recorded, fault) = match read(self.base) {
            Ok(recorded) => (recorded, None),
            Err(fault) => (None, Some(fault)),
        };
        Ok(Known {
            assessment: Assessment::of(recorded, deployment),
            fault,
        })
    }

    /// Counts one more attempt, durable before it returns; nothing is written for a good tree.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn count(&self, known: &Known, booting: Option<Booting>) -> Result<Assessment, Refusal> {
        let old = known.assessment.clone();
        self.update(
            known,
            old.with_attempt(timestamp(Timestamp::now()), booting),
        )
    }

    /// Records that the node was seen ready; nothing is written for a tree that is good already.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn mark_good(&self, known: &Known) -> Result<Assessment, Refusal> {
        let old = known.assessment.clone();
        self.update(known, old.with_ready(timestamp(Timestamp::now())))
    }

    /// Whether this process may write a record.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(self.base.relup_dir(), access).is_ok()
    }

    /// Makes the base boot again: the outermost marker gets another name, so that no marker inside a
    /// deployed tree is followed either. Journalled; the tree stays as it is.
    ///
    /// # Errors
    /// Another command is at work, the base is incomplete, or something can't be written.
    pub fn fall_back(&self, known: &Known) -> Result<FallBack, Refusal> {
        let lock = RelupLock::acquire(self.base)?;
        if self.observe().ok().as_ref() != Some(known) {
            return Ok(FallBack::Overtaken);
        }
        let assessment = &known.assessment;
        let to = Identity::original(self.base)?.vsn;
        let retired = self.base.retired_marker();
        let log = AttemptLog::new(self.base, Action::Fallback, self.vsn.as_str(), to.as_str())
            .with_detail(format!(
                "booted {} and never seen ready",
                times(assessment.attempts)
            ));
        log.step(Step::Started)?;
        if let Err(error) = durable::rename(&self.base.marker(), &retired) {
            // The refusal counts; that it could not be recorded either adds nothing.
            let _ = log.failed(&error);
            return Err(error.into());
        }
        // The rename was the switch: what fails from here on changes nothing about it.
        let given_up = assessment
            .clone()
            .with_given_up(timestamp(Timestamp::now()));
        let recorded = write(self.base, &given_up).and_then(|()| log.switched());
        drop(lock);
        Ok(FallBack::Done {
            to,
            retired,
            fault: recorded.err().map(|error| error.to_string()),
        })
    }

    fn update(&self, known: &Known, new: Assessment) -> Result<Assessment, Refusal> {
        if known.fault.is_some() || new != known.assessment {
            write(self.base, &new)?;
        }
        Ok(new)
    }

    fn deployment(&self) -> Result<Deployment, Error> {
        let marker = self.tree.naming_marker();
        let failed = |error| Error::io(&marker, "look at", error);
        let modified = fs::metadata(&marker)
            .and_then(|found| found.modified())
            .map_err(failed)?;
        let marked_at =
            Timestamp::try_from(modified).map_err(|error| failed(std::io::Error::other(error)))?;
        let path = self.tree.path();
        Ok(Deployment {
            version: self.vsn.clone(),
            tree: path
                .strip_prefix(self.base.path())
                .unwrap_or(path)
                .to_string_lossy()
                .into_owned(),
            marked_at: marked_at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string(),
        })
    }
}

/// The record as it is on disk, of whatever deployment; `None` where there is none.
pub(crate) fn read(base: &BaseRoot) -> Result<Option<Assessment>, String> {
    let path = base.assessment();
    let wrong = |reason: String| format!("{}: {reason}", path.display());
    match regular::read(&path, MAX_LEN) {
        Ok(bytes) => Assessment::parse(&bytes)
            .map(Some)
            .map_err(|error| wrong(error.to_string())),
        Err(ReadError::Missing) => Ok(None),
        Err(ReadError::Other(reason)) => Err(wrong(format!("it can't be read: {reason}"))),
    }
}

/// Forgets everything, for a command that has chosen another tree. What is left behind would count
/// for nothing: this only keeps the directory tidy.
pub(crate) fn clear(base: &BaseRoot) -> Result<(), Error> {
    for path in [base.assessment(), base.retired_marker()] {
        if path.symlink_metadata().is_ok() {
            // Not flushed: where a power cut brings it back, it still counts for nothing.
            fs::remove_file(&path).map_err(|error| Error::io(&path, "remove", error))?;
        }
    }
    Ok(())
}

fn write(base: &BaseRoot, assessment: &Assessment) -> Result<(), Error> {
    let path = base.assessment();
    let temp = base.assessment_temp(&stage::random());
    durable::replace(&path, &temp, assessment.render().as_bytes())?;
    // Whatever the umask of this user says, the next one has to be able to read it. It may be
    // replaced in this very moment, by one that does the same.
    let _ = fs::set_permissions(&path, PermissionsExt::from_mode(0o644));
    Ok(())
}

#[cfg(test)]
mod tests;
