//! `relup verify`: every file of a deployed tree against what was recorded when it was staged.
//!
//! Content, size, permission bits and link targets are compared, and what the manifest does not know
//! is named too. "Differs" and "could not be compared" are told apart. Nothing is written, and memory
//! does not grow with the files: several threads read, each through one buffer.

pub(crate) mod compare;
pub(crate) mod outcome;

use relup::vsn::ReleaseVsn;

use crate::cli;
use crate::error::Error;
use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::output::{Answer, Console};
use crate::release::Identity;
use crate::trees::deployed;
use compare::Expected;
use outcome::{Outcome, Verification, Verified};

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

#[cfg(test)]
mod tests;
