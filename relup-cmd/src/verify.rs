//! `relup verify`: every file of a deployed tree against what was recorded when it was staged.
//!
//! Content, size, permission bits and link targets are compared, and what the manifest does not know
//! is named too. "Differs" and "could not be compared" are told apart. Nothing is written, and memory
//! does not grow with the files: several threads read, each through one buffer.

mod compare;

use relup::vsn::ReleaseVsn;
use serde_json::{Value, json};

use crate::cli;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::output::{Answer, Console};
use crate::release::Identity;
use crate::trees::{deployed, human};
pub(crate) use compare::{Expected, Fault};

/// Trees of which at least one is not what it was.
#[derive(Debug)]
pub(crate) struct Verification {
    trees: Vec<Verified>,
}

/// One tree.
#[derive(Debug)]
struct Verified {
    vsn: String,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
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

/// Verifies one deployed tree, or all of them.
pub(crate) fn run(
    args: &cli::Verify,
    install: &Install,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let versions = match &args.vsn {
        Some(vsn) => vec![chosen(install, vsn)?],
        None => deployed(install)?,
    };
    if let Some(holder) = RelupLock::holder(&install.base) {
        console.warn(format!(
            "another relup command is at work ({holder}); what it changes now may look like a fault"
        ));
    }
    let mut trees = Vec::new();
    for vsn in versions {
        trees.push(Verified {
            outcome: verify(install, &vsn, console, interrupt)?,
            vsn: vsn.to_string(),
        });
    }
    let found = Verification { trees };
    if found.trees.iter().any(Verified::is_bad) {
        return Err(Error::NotVerified(Box::new(found)));
    }
    let mut lines = found.lines();
    if args.vsn.is_none() {
        lines.push(about_base(install));
    }
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("trees", found.to_json()))
}

/// The deployed tree of that version. What was installed as a package has left no manifest.
fn chosen(install: &Install, vsn: &ReleaseVsn) -> Result<ReleaseVsn, Error> {
    let tree = install.base.deployed(vsn);
    if tree.path().is_dir() {
        return Ok(vsn.clone());
    }
    let base = install.base.tree();
    match Identity::read(&base, &install.base) {
        Ok(identity) if identity.vsn == *vsn => Err(Error::NoManifest {
            vsn: vsn.to_string(),
            tree: base.path().to_owned(),
        }),
        _ => Err(Error::NotDeployed {
            vsn: vsn.to_string(),
            tree: tree.path().to_owned(),
        }),
    }
}

fn about_base(install: &Install) -> String {
    let base = install.base.tree();
    let vsn = Identity::read(&base, &install.base)
        .map_or_else(|_| "?".to_owned(), |identity| identity.vsn.to_string());
    format!(
        "{vsn}: not verified: the original release in {} has no manifest",
        base.path().display()
    )
}

fn verify(
    install: &Install,
    vsn: &ReleaseVsn,
    console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Outcome, Error> {
    let (tree, manifest) = (install.base.deployed(vsn), install.base.manifest(vsn));
    if manifest.symlink_metadata().is_err() {
        return Ok(Outcome::NoManifest(format!(
            "there is no {}",
            manifest.display()
        )));
    }
    let compared = Expected::read(&manifest).and_then(|expected| {
        let figures = expected.figures;
        console.stage(&format!("verifying {vsn}"), Some(figures.bytes));
        let faults = expected.faults(&tree, vsn, interrupt, &mut |done| console.progress(done))?;
        Ok((figures, faults))
    });
    match compared {
        Ok((figures, faults)) => Ok(Outcome::Compared {
            files: figures.files,
            bytes: figures.bytes,
            faults,
        }),
        Err(error @ Error::Interrupted) => Err(error),
        Err(error) => Ok(Outcome::Failed(error.to_string())),
    }
}

impl Verified {
    fn is_bad(&self) -> bool {
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

#[cfg(test)]
mod tests;
