//! `relup/assessment.json`: whether the deployed tree that the marker names has ever booted.
//!
//! Boot counting as boot loaders have it: an attempt is counted before the VM starts, and the first
//! time that the node is seen ready makes the tree good for ever. It exists so that a tree that does
//! not boot can be told from one that does, and never decides what boots: the marker does. What is
//! recorded counts for one deployment only; whatever else boots has no record. Data: the file's
//! bytes; times and process ids come in as values.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::vsn::ReleaseVsn;

/// The format's version, the value of `schema`.
pub const SCHEMA: u32 = 1;

/// What tells one deployment from the next. Every way of choosing a tree writes its marker anew, so
/// the marker's time is the deployment's: also where the plugin of old or an operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The version of the tree.
    pub version: ReleaseVsn,
    /// Where the tree is, relative to the base: `relup/5.10.5`, longer below nested markers.
    pub tree: String,
    /// When the marker that names the tree was written, RFC 3339 with nanoseconds.
    pub marked_at: String,
}

/// A process that boots the tree: the VM itself, or the command that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booting {
    /// Its id.
    pub pid: i32,
    /// When it started, in the clock ticks of `/proc/<pid>/stat`: ids come again.
    pub started: u64,
}

/// All that is recorded of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// Of which one.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// How many boots were begun while it was not known to be good.
    #[serde(default)]
    pub attempts: u32,
    /// When the last of them began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<String>,
    /// Who made the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booting: Option<Booting>,
    /// When the node was first seen ready, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_since: Option<String>,
    /// When the launcher went back to the base, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

/// What the record says, in one word and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs, perhaps, but no boot of it was begun.
    NotBooted,
    /// Boots were begun, and nobody has seen the node ready.
    Tried {
        /// How many.
        attempts: u32,
        /// When the last one began.
        last: Option<String>,
    },
    /// The node was ready once.
    Good {
        /// When it was first seen ready.
        since: String,
    },
    /// The launcher went back to the base.
    GivenUp {
        /// When.
        at: String,
        /// After how many attempts.
        attempts: u32,
    },
}

/// Why a file is no record. The caller says so and goes on with an empty one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssessmentError {
    /// Nothing in it, as a power cut may leave it.
    #[error("it is empty")]
    Empty,
    /// Not the JSON that is expected.
    #[error("{0}")]
    Json(String),
    /// Written by another version of this program.
    #[error("it has schema {0}, this program knows schema {SCHEMA}")]
    Schema(u32),
}

/// How many attempts a tree has: `EMQX_RELUP_BOOT_ATTEMPTS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimit(NonZeroU32);

/// A text that is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a whole number from 1 on is expected")]
pub struct NoLimit;

impl Assessment {
    /// Nothing is known of this deployment yet.
    #[must_use]
    pub fn fresh(deployment: Deployment) -> Assessment {
        Assessment {
            deployment,
            attempts: 0,
            last_attempt: None,
            booting: None,
            good_since: None,
            given_up: None,
        }
    }

    /// What is recorded counts if it is of this deployment. One that was given up and stands again
    /// was put back by the operator, who wants it tried anew.
    #[must_use]
    pub fn of(recorded: Option<Assessment>, deployment: Deployment) -> Assessment {
        match recorded {
            Some(recorded) if recorded.deployment == deployment && recorded.given_up.is_none() => {
                recorded
            }
            Some(_) | None => Assessment::fresh(deployment),
        }
    }

    /// Reads the file.
    pub fn parse(bytes: &[u8]) -> Result<Assessment, AssessmentError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(AssessmentError::Empty);
        }
        let json = |error: serde_json::Error| AssessmentError::Json(error.to_string());
        let Schema { schema } = serde_json::from_slice(bytes).map_err(json)?;
        if schema != SCHEMA {
            return Err(AssessmentError::Schema(schema));
        }
        serde_json::from_slice(bytes).map_err(json)
    }

    /// The file's content: one line.
    #[must_use]
    pub fn render(&self) -> String {
        crate::jsonl::to_line(&Versioned {
            schema: SCHEMA,
            assessment: self,
        })
    }

    /// The same with one more attempt. A good tree is not counted any more.
    #[must_use]
    pub fn with_attempt(self, at: String, booting: Option<Booting>) -> Assessment {
        if self.is_good() {
            return self;
        }
        Assessment {
            attempts: self.attempts.saturating_add(1),
            last_attempt: Some(at),
            booting,
            ..self
        }
    }

    /// The same after the node was seen ready; the first time counts.
    #[must_use]
    pub fn with_ready(self, at: String) -> Assessment {
        Assessment {
            booting: None,
            good_since: self.good_since.or(Some(at)),
            ..self
        }
    }

    /// The same after the launcher went back to the base.
    #[must_use]
    pub fn with_given_up(self, at: String) -> Assessment {
        Assessment {
            booting: None,
            given_up: Some(at),
            ..self
        }
    }

    /// Whether the node was ready once.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.good_since.is_some()
    }

    /// Whether it has used up its attempts. A good tree never has.
    #[must_use]
    pub fn is_exhausted(&self, limit: AttemptLimit) -> bool {
        !self.is_good() && self.attempts >= limit.get()
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let attempts = self.attempts;
        match (&self.given_up, &self.good_since) {
            (Some(at), _) => Verdict::GivenUp {
                at: at.clone(),
                attempts,
            },
            (None, Some(since)) => Verdict::Good {
                since: since.clone(),
            },
            (None, None) if attempts > 0 => Verdict::Tried {
                attempts,
                last: self.last_attempt.clone(),
            },
            (None, None) => Verdict::NotBooted,
        }
    }
}

impl Verdict {
    /// Its name in `--json`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotBooted => "not_booted",
            Self::Tried { .. } => "tried",
            Self::Good { .. } => "good",
            Self::GivenUp { .. } => "given_up",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBooted => write!(f, "not booted yet"),
            Self::Tried { attempts, last } => {
                write!(f, "tried {}, not ready yet", times(*attempts))?;
                match last {
                    Some(last) => write!(f, " (last at {last})"),
                    None => Ok(()),
                }
            }
            Self::Good { since } => write!(f, "good since {since}"),
            Self::GivenUp { at, attempts } => {
                write!(f, "given up at {at}, tried {}", times(*attempts))
            }
        }
    }
}

/// A number of times, in words that fit it.
#[must_use]
pub fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

impl AttemptLimit {
    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for AttemptLimit {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let text = text.trim();
        // `parse` alone would take a sign.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoLimit);
        }
        text.parse().map(Self).map_err(|_| NoLimit)
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[derive(Serialize)]
struct Versioned<'a> {
    schema: u32,
    #[serde(flatten)]
    assessment: &'a Assessment,
}

#[cfg(test)]
mod tests;
