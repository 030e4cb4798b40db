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
    let own = own_directories(session, vsn)?;
    check_unused(session, vsn, &own)?;
    put_back_empty(&own)?;
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

/// What the release handler deletes with a release: its applications and its ERTS as far as no other
/// release of `RELEASES` names them, and `releases/<vsn>`.
fn own_directories(session: &Session<'_, '_>, vsn: &ReleaseVsn) -> Result<Vec<PathBuf>, Failure> {
    let root = &session.root;
    let known = records::read(root)?;
    let (own, others): (Vec<_>, Vec<_>) = known
        .iter()
        .partition(|release| release.vsn == vsn.as_str());
    // By name and version, as the release handler compares them: directories are written in two ways.
    let is_kept = |app: &str, app_vsn: &str| {
        let mut libs = others.iter().flat_map(|release| &release.libs);
        libs.any(|(name, vsn, _)| name == app && vsn == app_vsn)
    };
    let mut found = Vec::new();
    for release in own {
        for (app, app_vsn, dir) in &release.libs {
            if !is_kept(app, app_vsn) {
                found.push(root.path().join(dir));
            }
        }
        if !others.iter().any(|other| other.erts == release.erts) {
            found.push(root.erts(&release.erts));
        }
        found.push(root.release(vsn));
    }
    Ok(found)
}

/// Where `RELEASES` is out of date, this is what would end a running node.
fn check_unused(
    session: &mut Session<'_, '_>,
    vsn: &ReleaseVsn,
    own: &[PathBuf],
) -> Result<(), Failure> {
    let path = session.node.code_path()?;
    let used = own
        .iter()
        .find(|dir| path.iter().any(|loaded| loaded.starts_with(dir)));
    match used {
        None => Ok(()),
        Some(dir) => Err(Failure::CodeInUse {
            vsn: vsn.to_string(),
            dir: dir.clone(),
        }),
    }
}

/// The release handler ends at the first directory that is not there any more, and would so never get
/// to the end of what a VM that was killed has begun.
fn put_back_empty(own: &[PathBuf]) -> Result<(), Error> {
    for dir in own {
        if dir.symlink_metadata().is_err() {
            fs::create_dir_all(dir).map_err(|error| Error::io(dir, "create", error))?;
        }
    }
    Ok(())
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
