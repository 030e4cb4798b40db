//! `uninstall`: a release that nobody uses any more is deleted by the release handler, with the
//! applications that no other release has.

use std::path::Path;

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
    check_unused(session, vsn)?;
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

/// The release handler deletes every application that no other release of `RELEASES` names. Where
/// that file is out of date, this is what would end a running node.
fn check_unused(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let known = records::read(&session.root)?;
    let path = session.node.code_path()?;
    let of = |own: bool| {
        known
            .iter()
            .filter(move |release| (release.vsn == vsn.as_str()) == own)
            .flat_map(|release| &release.libs)
    };
    // By name and version, as the release handler compares them: directories are written in two ways.
    let kept: Vec<_> = of(false).map(|(app, vsn, _)| (app, vsn)).collect();
    let used = of(true)
        .filter(|(app, vsn, _)| !kept.contains(&(app, vsn)))
        .map(|(_, _, dir)| session.root.path().join(dir))
        .find(|dir| path.iter().any(|loaded| Path::starts_with(loaded, dir)));
    match used {
        None => Ok(()),
        Some(dir) => Err(Failure::CodeInUse {
            vsn: vsn.to_string(),
            dir,
        }),
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
