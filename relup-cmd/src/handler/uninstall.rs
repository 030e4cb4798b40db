//! `uninstall`: a release that nobody uses any more is deleted by the release handler, with the
//! applications that no other release has.

use std::path::PathBuf;

use fs_err as fs;
use relup::releases_file::ReleaseStatus;
use relup::vsn::ReleaseVsn;

use crate::durable;
use crate::error::Error;
use crate::handler::Session;
use crate::handler::failure::Failure;
use crate::handler::records;
use crate::release::names_in;

/// Deletes a release that neither runs nor is permanent.
pub(crate) fn uninstall(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let known = session.node.releases()?;
    let status = known
        .iter()
        .find(|known| known.vsn == vsn.as_str())
        .map(|known| known.status);
    let words = match status {
        None => {
            let line = format!("Release {vsn} is already uninstalled.");
            session.console.say(&line);
            return Ok(());
        }
        Some(ReleaseStatus::Old) => "is marked old, uninstalling it.",
        Some(ReleaseStatus::Unpacked) => "is marked unpacked, uninstalling it.",
        Some(status @ (ReleaseStatus::Current | ReleaseStatus::Permanent)) => {
            let vsn = vsn.to_string();
            return Err(Failure::InUse { vsn, status });
        }
    };
    session.console.say(&format!("Release {vsn} {words}"));
    let own = Own::of(session, vsn)?;
    own.check_unused(session, vsn)?;
    own.put_back_empty()?;
    records::save(&session.root)?;
    session
        .node
        .remove(vsn.as_str())?
        .map_err(Failure::NotRemoved)?;
    records::settle(&session.root)?;
    remove_scripts(session, vsn)?;
    session.console.say(&format!("Uninstalled Release: {vsn}"));
    Ok(())
}

/// What the release handler deletes with a release, as far as no other release of `RELEASES` names it.
struct Own {
    /// Directories of applications.
    libs: Vec<PathBuf>,
    /// `releases/<vsn>` and the release's ERTS.
    rest: Vec<PathBuf>,
}

impl Own {
    fn of(session: &Session<'_, '_>, vsn: &ReleaseVsn) -> Result<Own, Failure> {
        let root = &session.root;
        let known = records::read(root)?;
        let (own, others): (Vec<_>, Vec<_>) = known
            .iter()
            .partition(|release| release.vsn == vsn.as_str());
        // By name and version, as the release handler compares them: directories are written in two
        // ways.
        let is_kept = |app: &str, app_vsn: &str| {
            let mut libs = others.iter().flat_map(|release| &release.libs);
            libs.any(|(name, vsn, _)| name == app && vsn == app_vsn)
        };
        let libs = own.iter().flat_map(|release| &release.libs);
        let erts = own.iter().map(|release| &release.erts);
        Ok(Own {
            libs: libs
                .filter(|(app, app_vsn, _)| !is_kept(app, app_vsn))
                .map(|(_, _, dir)| root.path().join(dir))
                .collect(),
            rest: erts
                .filter(|erts| !others.iter().any(|other| other.erts == **erts))
                .map(|erts| root.erts(erts))
                .chain([root.release(vsn)])
                .collect(),
        })
    }

    /// Where `RELEASES` is out of date, this is what would end a running node.
    fn check_unused(&self, session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
        let path = session.node.code_path()?;
        let is_used = |dir: &&PathBuf| path.iter().any(|loaded| loaded.starts_with(dir));
        match self.libs.iter().find(is_used) {
            None => Ok(()),
            Some(dir) => Err(Failure::CodeInUse {
                vsn: vsn.to_string(),
                dir: dir.clone(),
            }),
        }
    }

    /// The release handler ends at the first directory that is not there any more, and would so never
    /// get to the end of what a VM that was killed has begun.
    fn put_back_empty(&self) -> Result<(), Error> {
        for dir in self.libs.iter().chain(&self.rest) {
            if dir.symlink_metadata().is_err() {
                fs::create_dir_all(dir).map_err(|error| Error::io(dir, "create", error))?;
            }
        }
        Ok(())
    }
}

/// The scripts that the release brought along under names with its version.
fn remove_scripts(session: &Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Error> {
    let bin = session.root.bin();
    let suffix = format!("-{vsn}");
    for name in names_in(&bin)? {
        if name.ends_with(&suffix) {
            durable::remove(&bin.join(name))?;
        }
    }
    Ok(())
}
