//! What a verification has found, for people and for programs.

use serde_json::{Value, json};

use crate::quantity::human;

/// Trees of which at least one is not what it was.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(super) trees: Vec<Verified>,
}

/// One tree.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) vsn: String,
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
/// What was found in one.
pub(super) enum Outcome {
    /// Everything was compared.
    Compared {
        files: u64,
        bytes: u64,
        faults: Vec<Fault>,
    },
    /// There is nothing to compare it with.
    NoManifest(String),
    /// The manifest itself can't be read.
    Failed(String),
}

/// Something that is not as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    /// Relative to the tree.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) what: String,
    /// Whether that was seen; otherwise it could not be looked at.
    pub(crate) is_seen: bool,
}

impl Verified {
    pub(super) fn is_bad(&self) -> bool {
        match &self.outcome {
            Outcome::Compared { faults, .. } => !faults.is_empty(),
            Outcome::NoManifest(_) | Outcome::Failed(_) => true,
        }
    }

    fn lines(&self) -> Vec<String> {
        let vsn = &self.vsn;
        match &self.outcome {
            Outcome::Compared {
                files,
                bytes,
                faults,
            } if faults.is_empty() => {
                vec![format!("{vsn}: verified, {files} files, {}", human(*bytes))]
            }
            Outcome::Compared { faults, .. } => faults
                .iter()
                .map(|fault| format!("{vsn}: {}: {}", fault.path, fault.what))
                .collect(),
            Outcome::NoManifest(reason) | Outcome::Failed(reason) => {
                vec![format!("{vsn}: not verified: {reason}")]
            }
        }
    }

    fn to_json(&self) -> Value {
        let vsn = &self.vsn;
        match &self.outcome {
            Outcome::Compared {
                files,
                bytes,
                faults,
            } => {
                let list: Vec<Value> = faults
                    .iter()
                    .map(|fault| json!({ "path": fault.path, "fault": fault.what, "seen": fault.is_seen }))
                    .collect();
                json!({
                    "version": vsn, "verified": faults.is_empty(), "files": files,
                    "bytes": bytes, "differences": list, "reason": null,
                })
            }
            Outcome::NoManifest(reason) | Outcome::Failed(reason) => json!({
                "version": vsn, "verified": false, "files": null, "bytes": null,
                "differences": [], "reason": reason,
            }),
        }
    }
}

impl Verification {
    /// One line for each tree that is right, and for each fault.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.trees.iter().flat_map(Verified::lines).collect()
    }

    /// The same as a list of objects.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        self.trees.iter().map(Verified::to_json).collect()
    }

    /// What is wrong in one line.
    pub(crate) fn summary(&self) -> String {
        let bad: Vec<&str> = self
            .trees
            .iter()
            .filter(|tree| tree.is_bad())
            .map(|tree| tree.vsn.as_str())
            .collect();
        let bad = bad.join(", ");
        match self.differences() {
            0 => format!("{bad} could not be verified"),
            1 => format!("1 difference in {bad}"),
            many => format!("{many} differences in {bad}"),
        }
    }

    /// Whether something differs, or only could not be looked at.
    pub(crate) fn error_name(&self) -> &'static str {
        if self.differences() > 0 {
            return "tree_damaged";
        }
        let lacks = |tree: &Verified| matches!(tree.outcome, Outcome::NoManifest(_));
        if self.trees.iter().any(lacks) {
            "no_manifest"
        } else {
            "cannot_verify"
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self.error_name() {
            "tree_damaged" => {
                "`emqx relup rollback` makes another release boot; an upgrade with the same tarball then deploys this one anew, once no node uses it"
            }
            "no_manifest" => {
                "a release that was not deployed by `emqx relup upgrade` has nothing to be compared with"
            }
            _ => "run the command as the user that owns the installation",
        }
    }

    /// How much was seen to differ.
    fn differences(&self) -> usize {
        self.trees
            .iter()
            .map(|tree| match &tree.outcome {
                Outcome::Compared { faults, .. } => {
                    faults.iter().filter(|fault| fault.is_seen).count()
                }
                Outcome::NoManifest(_) | Outcome::Failed(_) => 0,
            })
            .sum()
    }
}
