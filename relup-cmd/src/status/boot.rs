//! The line of `status` that tells whether the tree of the next start has ever booted.

use relup::assessment::{Assessment, Verdict};
use relup::marker::Marker;
use serde_json::{Value, json};

use crate::assessment::{self, Subject};
use crate::install::Install;

/// What is known of the tree that the next start boots.
pub(super) enum Boot {
    /// The original release, which is not assessed. With the tree that was given up for it.
    Base(Option<Assessment>),
    /// A deployed tree.
    Deployed(Verdict),
    /// No start would follow the marker.
    Refused,
    /// The record can't be read.
    Unknown(String),
}

impl Boot {
    pub(super) fn of(install: &Install, marker: &Marker) -> Boot {
        let hot = install.booted.path() != install.base.path();
        match marker {
            Marker::Absent => match assessment::read(&install.base) {
                Ok(recorded) => Boot::Base(recorded.filter(|found| found.given_up.is_some())),
                Err(reason) => Boot::Unknown(reason),
            },
            Marker::Current(_) if hot => {
                let subject = Subject {
                    base: &install.base,
                    tree: &install.booted,
                    vsn: &install.booted_vsn,
                };
                match subject.observe() {
                    Ok(known) => match known.fault {
                        Some(reason) => Boot::Unknown(reason),
                        None => Boot::Deployed(known.assessment.verdict()),
                    },
                    Err(error) => Boot::Unknown(error.to_string()),
                }
            }
            // The launcher has told the base because it would follow neither of these.
            Marker::Current(_) | Marker::Damaged(_) => Boot::Refused,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Boot::Base(None) => "the original release, which is not assessed".to_owned(),
            Boot::Base(Some(given_up)) => {
                let vsn = &given_up.deployment.version;
                let verdict = given_up.verdict();
                format!("{vsn} {verdict} (`emqx relup rollback --to {vsn}` boots it again)")
            }
            Boot::Deployed(verdict) => verdict.to_string(),
            Boot::Refused => "-".to_owned(),
            Boot::Unknown(reason) => format!("unknown: {reason}"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Boot::Base(None) => json!({ "state": "base" }),
            Boot::Base(Some(given_up)) => {
                let mut object = verdict_json(&given_up.verdict());
                object["version"] = json!(given_up.deployment.version.as_str());
                object
            }
            Boot::Deployed(verdict) => verdict_json(verdict),
            Boot::Refused => json!({ "state": "refused" }),
            Boot::Unknown(reason) => json!({ "state": "unknown", "reason": reason }),
        }
    }
}

fn verdict_json(verdict: &Verdict) -> Value {
    let state = verdict.name();
    match verdict {
        Verdict::NotBooted => json!({ "state": state }),
        Verdict::Tried { attempts, last } => {
            json!({ "state": state, "attempts": attempts, "last_attempt": last })
        }
        Verdict::Good { since } => json!({ "state": state, "since": since }),
        Verdict::GivenUp { at, attempts } => {
            json!({ "state": state, "at": at, "attempts": attempts })
        }
    }
}
