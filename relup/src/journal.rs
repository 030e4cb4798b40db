//! `relup/journal.jsonl`: what was attempted on this installation, one JSON object a line.
//!
//! Both the command and the apply agent inside the VM append to it, each record as one whole line,
//! so reading must get along with a line torn by a power cut, with lines of a later version and
//! with attempts that never finished. It never decides anything about an upgrade: the marker does.
//! Times and ids come in as text; there is no clock here. (Relup contract, section 6.)

use serde::{Deserialize, Serialize};

use crate::jsonl;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The attempt's id, `<yyyymmddThhmmss>-<6 hex digits>`.
    pub attempt: String,
    /// What is attempted.
    pub action: Action,
    /// How far it has come.
    pub step: Step,
    /// Who writes this record.
    pub by: By,
    /// The version the attempt starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How it ended; only with [`Step::Finished`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<AttemptResult>,
    /// More words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What an attempt is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A hop to another version.
    Upgrade,
    /// A release deployed and marked, for the next start to boot.
    ColdUpgrade,
    /// A switch of the marker back.
    Rollback,
    /// The launcher went back to the base because the tree did not boot.
    Fallback,
    /// A package was installed over the base that is later than the tree that the marker named.
    Package,
    /// A deployed tree was removed.
    Prune,
    /// The journal was emptied.
    LogsClear,
    /// An action of a later version of this program, kept as it was written.
    #[serde(untagged)]
    Other(String),
}

/// How far an attempt has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The lock is held and the attempt begins.
    Started,
    /// The tarball is extracted into the staging directory.
    Staged,
    /// The tree is at its final place.
    Deployed,
    /// The whole plan is proven in the VM; nothing is changed yet.
    Planned,
    /// All instructions are applied.
    CodeChanged,
    /// All post-upgrade callbacks have run.
    CallbacksDone,
    /// The marker names the target.
    MarkerWritten,
    /// The tree has a name from which nothing boots.
    Retired,
    /// The attempt is over.
    Finished,
    /// A step of a later version of this program, kept as it was written.
    #[serde(untagged)]
    Other(String),
}

/// Who wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The command.
    Command,
    /// The apply agent inside the VM.
    Node,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawResult", into = "RawResult")]
pub enum AttemptResult {
    /// It did what was asked.
    Success,
    /// It did not.
    Error {
        /// The error's name in the relup contract.
        name: String,
        /// The values, for people; may be empty.
        detail: String,
    },
}

/// Whether an attempt has a `finished` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptStatus {
    /// No `finished` record: it still runs, or whoever ran it was killed.
    InProgress,
    /// It ended, well or badly.
    Finished,
}

/// All records of one attempt, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The attempt's id.
    pub id: String,
    /// What was attempted.
    pub action: Action,
    /// The version it started from.
    pub from: Option<String>,
    /// The version it led to.
    pub to: Option<String>,
    /// When its first record was written.
    pub started_at: String,
    /// When it finished.
    pub finished_at: Option<String>,
    /// Whether it finished.
    pub status: AttemptStatus,
    /// How it ended; `None` while it is in progress.
    pub result: Option<AttemptResult>,
    /// The name of the last step, e.g. `code_changed`.
    pub last_step: String,
}

impl Record {
    /// The record as one line, newline included, to be appended in one write. Whoever appends to a
    /// journal whose last byte is no newline writes one first, or a torn line swallows this one.
    #[must_use]
    pub fn to_line(&self) -> String {
        jsonl::to_line(self)
    }
}

impl Step {
    /// The step's name as the journal has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Started => "started",
            Self::Staged => "staged",
            Self::Deployed => "deployed",
            Self::Planned => "planned",
            Self::CodeChanged => "code_changed",
            Self::CallbacksDone => "callbacks_done",
            Self::MarkerWritten => "marker_written",
            Self::Retired => "retired",
            Self::Finished => "finished",
            Self::Other(name) => name,
        }
    }
}

impl Action {
    /// The action's name as the journal has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Upgrade => "upgrade",
            Self::ColdUpgrade => "cold-upgrade",
            Self::Rollback => "rollback",
            Self::Fallback => "fallback",
            Self::Package => "package",
            Self::Prune => "prune",
            Self::LogsClear => "logs-clear",
            Self::Other(name) => name,
        }
    }
}

/// The records of a journal, in order. A line that is torn, foreign or no text is skipped: the
/// journal informs, and one bad line must not hide the others.
#[must_use]
pub fn parse_journal(bytes: &[u8]) -> Vec<Record> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

/// Folds records into attempts, oldest first, by the place of each attempt's first record; records
/// of several attempts may be mixed. The node knows best how an apply ended: its `finished` record
/// overrules one that the command wrote, otherwise the first one counts.
#[must_use]
pub fn attempts(records: &[Record]) -> Vec<Attempt> {
    let mut folded: Vec<(Attempt, Option<By>)> = Vec::new();
    for record in records {
        let known = folded
            .iter_mut()
            .rev()
            .find(|(attempt, _)| attempt.id == record.attempt);
        if let Some((attempt, ended_by)) = known {
            fold(attempt, ended_by, record);
        } else {
            let mut attempt = begin(record);
            let mut ended_by = None;
            fold(&mut attempt, &mut ended_by, record);
            folded.push((attempt, ended_by));
        }
    }
    folded.into_iter().map(|(attempt, _)| attempt).collect()
}

fn begin(record: &Record) -> Attempt {
    Attempt {
        id: record.attempt.clone(),
        action: record.action.clone(),
        from: None,
        to: None,
        started_at: record.at.clone(),
        finished_at: None,
        status: AttemptStatus::InProgress,
        result: None,
        last_step: String::new(),
    }
}

fn fold(attempt: &mut Attempt, ended_by: &mut Option<By>, record: &Record) {
    if attempt.from.is_none() {
        attempt.from.clone_from(&record.from);
    }
    if attempt.to.is_none() {
        attempt.to.clone_from(&record.to);
    }
    let finished = record.step == Step::Finished;
    if !finished && ended_by.is_some() {
        return;
    }
    record.step.as_str().clone_into(&mut attempt.last_step);
    let overruled = matches!(
        (*ended_by, record.by),
        (None, _) | (Some(By::Command), By::Node)
    );
    if finished && overruled {
        attempt.finished_at = Some(record.at.clone());
        attempt.status = AttemptStatus::Finished;
        attempt.result.clone_from(&record.result);
        *ended_by = Some(record.by);
    }
}

/// The shape of a result on disk: `"success"` or an object.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawResult {
    Word(String),
    Error {
        error: String,
        #[serde(default)]
        detail: String,
    },
}

/// A word of a later version is kept as the name of an error: it is not the success known here,
/// and dropping the record would leave its attempt in progress for ever.
impl From<RawResult> for AttemptResult {
    fn from(raw: RawResult) -> Self {
        match raw {
            RawResult::Word(word) if word == "success" => Self::Success,
            RawResult::Word(name) => Self::Error {
                name,
                detail: String::new(),
            },
            RawResult::Error { error, detail } => Self::Error {
                name: error,
                detail,
            },
        }
    }
}

impl From<AttemptResult> for RawResult {
    fn from(result: AttemptResult) -> Self {
        match result {
            AttemptResult::Success => Self::Word("success".to_owned()),
            AttemptResult::Error { name, detail } => Self::Error {
                error: name,
                detail,
            },
        }
    }
}

#[cfg(test)]
mod tests;
