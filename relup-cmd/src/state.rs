//! The two files that say what happened and what boots next: the marker and the journal.
//!
//! Reading never creates anything. The marker is replaced or removed in one step that is durable
//! before it returns; the journal only ever grows by whole lines.

use std::io::{Read, Seek, SeekFrom};

use fs_err as fs;
use jiff::Timestamp;
use relup::journal::{Action, Attempt, AttemptResult, By, Record, Step, attempts, parse_journal};
use relup::layout::BaseRoot;
use relup::marker::Marker;

use crate::durable;
use crate::error::Error;
use crate::lock::RelupLock;
use crate::regular::{self, ReadError};
use crate::stage;

/// Longest marker that is read; `Marker::parse` refuses far shorter ones.
const MAX_MARKER: u64 = 64 * 1024;
/// Longest journal that is read; it grows by some ten lines an upgrade.
const MAX_JOURNAL: u64 = 256 * 1024 * 1024;

/// Reads the marker.
pub(crate) fn read_marker(base: &BaseRoot) -> Marker {
    match regular::read(&base.marker(), MAX_MARKER) {
        Ok(bytes) => Marker::parse(Some(&bytes)),
        Err(ReadError::Missing) => Marker::parse(None),
        Err(ReadError::Other(reason)) => Marker::Damaged(format!("it can't be read: {reason}")),
    }
}

/// The marker's bytes, whatever they are; `None` where there is none.
pub(crate) fn marker_bytes(base: &BaseRoot) -> Result<Option<Vec<u8>>, Error> {
    let path = base.marker();
    match regular::read(&path, MAX_MARKER) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Missing) => Ok(None),
        Err(ReadError::Other(reason)) => {
            Err(Error::io(&path, "read", std::io::Error::other(reason)))
        }
    }
}

/// Makes these bytes the marker, or removes it.
pub(crate) fn write_marker(base: &BaseRoot, bytes: Option<&[u8]>) -> Result<(), Error> {
    let marker = base.marker();
    match bytes {
        Some(bytes) => durable::replace(&marker, &base.marker_temp(&stage::random()), bytes),
        None if marker.symlink_metadata().is_err() => Ok(()),
        None => durable::remove(&marker),
    }
}

/// All attempts of the journal, oldest first; none when there is no journal.
pub(crate) fn read_attempts(base: &BaseRoot) -> Result<Vec<Attempt>, Error> {
    Ok(attempts(&read_records(base)?))
}

/// All records of the journal.
pub(crate) fn read_records(base: &BaseRoot) -> Result<Vec<Record>, Error> {
    let path = base.journal();
    match regular::read(&path, MAX_JOURNAL) {
        Ok(bytes) => Ok(parse_journal(&bytes)),
        Err(ReadError::Missing) => Ok(Vec::new()),
        Err(ReadError::Other(reason)) => {
            Err(Error::io(&path, "read", std::io::Error::other(reason)))
        }
    }
}

/// Whether the node has ended the upgrade that the holder of the lock began, who has not ended himself:
/// stopped, or busy with what comes after. An attempt from before he took the lock is not his.
pub(crate) fn node_has_ended(base: &BaseRoot) -> bool {
    let Some(since) = RelupLock::held_since(base).and_then(|at| Timestamp::try_from(at).ok())
    else {
        return false;
    };
    let records = read_records(base).unwrap_or_default();
    let Some(last) = records.last().map(|record| record.attempt.clone()) else {
        return false;
    };
    let mut own = records.iter().filter(|record| record.attempt == last);
    let is_later = |at: &str| {
        at.parse::<Timestamp>()
            .is_ok_and(|at| at.as_millisecond() >= since.as_millisecond())
    };
    own.clone().next().is_some_and(|first| is_later(&first.at))
        && own.any(|record| record.step == Step::Finished && record.by == By::Node)
}

/// Replaces the journal by an empty one, if there is one.
pub(crate) fn clear_journal(base: &BaseRoot) -> Result<(), Error> {
    let path = base.journal();
    if !path.exists() {
        return Ok(());
    }
    durable::replace(&path, &base.journal_temp(&stage::random()), b"")
}

/// One attempt, as it goes into the journal.
#[derive(Debug)]
pub(crate) struct AttemptLog<'a> {
    base: &'a BaseRoot,
    id: String,
    action: Action,
    from: String,
    to: String,
    detail: Option<String>,
}

impl<'a> AttemptLog<'a> {
    /// A new attempt; nothing is written yet.
    pub(crate) fn new(
        base: &'a BaseRoot,
        action: Action,
        from: impl Into<String>,
        to: impl Into<String>,
    ) -> Self {
        let now = Timestamp::now();
        let id = format!(
            "{}-{:06x}",
            now.strftime("%Y%m%dT%H%M%S"),
            fastrand::u32(..1 << 24)
        );
        AttemptLog {
            base,
            id,
            action,
            from: from.into(),
            to: to.into(),
            detail: None,
        }
    }

    /// An attempt of the journal that somebody else began.
    pub(crate) fn of(base: &'a BaseRoot, attempt: &Attempt) -> Self {
        let text = |vsn: &Option<String>| vsn.clone().unwrap_or_else(|| "?".to_owned());
        AttemptLog {
            base,
            id: attempt.id.clone(),
            action: attempt.action.clone(),
            from: text(&attempt.from),
            to: text(&attempt.to),
            detail: None,
        }
    }

    /// The same with words for people in every record.
    pub(crate) fn with_detail(self, detail: String) -> Self {
        AttemptLog {
            detail: Some(detail),
            ..self
        }
    }

    /// The attempt's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Records a step that has been reached.
    pub(crate) fn step(&self, step: Step) -> Result<(), Error> {
        self.record(step, None)
    }

    /// Records the end.
    pub(crate) fn finished(&self, result: AttemptResult) -> Result<(), Error> {
        self.record(Step::Finished, Some(result))
    }

    /// Records the end with an error.
    pub(crate) fn failed(&self, error: &Error) -> Result<(), Error> {
        self.finished(AttemptResult::Error {
            name: error.name().to_owned(),
            detail: error.to_string(),
        })
    }

    /// Whether anybody recorded the end of this attempt.
    pub(crate) fn is_finished(&self) -> Result<bool, Error> {
        let records = read_records(self.base)?;
        Ok(records
            .iter()
            .any(|record| record.attempt == self.id && record.step == Step::Finished))
    }

    /// Whether the node has recorded anything of this attempt, that is, has begun with it.
    pub(crate) fn node_has_begun(&self) -> Result<bool, Error> {
        let records = read_records(self.base)?;
        Ok(records
            .iter()
            .any(|record| record.attempt == self.id && record.by == By::Node))
    }

    /// Records that the tree is extracted and that its deployment begins, in one line after the other
    /// and one flush: nothing happens between the two.
    pub(crate) fn staged(&self) -> Result<(), Error> {
        self.append(&[
            self.line(Step::Started, None),
            self.line(Step::Staged, None),
        ])
    }

    /// Records that the marker is swapped, and with it the end.
    pub(crate) fn switched(&self) -> Result<(), Error> {
        let end = self.line(Step::Finished, Some(AttemptResult::Success));
        self.append(&[self.line(Step::MarkerWritten, None), end])
    }

    fn record(&self, step: Step, result: Option<AttemptResult>) -> Result<(), Error> {
        self.append(&[self.line(step, result)])
    }

    fn append(&self, lines: &[String]) -> Result<(), Error> {
        let path = self.base.journal();
        let torn = if ends_torn(&path) { "\n" } else { "" };
        durable::append(&path, format!("{torn}{}", lines.concat()).as_bytes())
    }

    fn line(&self, step: Step, result: Option<AttemptResult>) -> String {
        let record = Record {
            at: timestamp(Timestamp::now()),
            attempt: self.id.clone(),
            action: self.action.clone(),
            step,
            by: By::Command,
            from: Some(self.from.clone()),
            to: Some(self.to.clone()),
            result,
            detail: self.detail.clone(),
        };
        record.to_line()
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Whether the last line was cut off by a power cut and would swallow the next one.
fn ends_torn(path: &std::path::Path) -> bool {
    let Ok(mut file) = fs::File::open(path) else {
        return false;
    };
    let mut last = [b'\n'];
    file.seek(SeekFrom::End(-1)).is_ok() && file.read_exact(&mut last).is_ok() && last != [b'\n']
}
