//! `versions --repair`: `RELEASES` and `start_erl.data` from what is left of them and from what is
//! on disk.
//!
//! What is permanent is told by the first of these that is whole and names a complete release:
//! `start_erl.data`, the last whole `RELEASES`, `emqx_vars`.

use relup::app_file::AppFile;
use relup::layout::Tree;
use relup::rel_file::RelFile;
use relup::releases_file::{KnownRelease, ReleaseStatus, StartErl, render_releases};
use relup::vsn::ReleaseVsn;

use crate::handler::failure::Failure;
use crate::handler::node::{Installed, ReleaseHandler};
use crate::handler::{package, records, versions};
use crate::install::Install;
use crate::node::NodeError;
use crate::output::{Answer, Console};
use crate::recovery;
use crate::regular;
use crate::release::{Identity, names_in};

/// Longest `.rel` file.
const MAX_TEXT: u64 = 1024 * 1024;

/// Writes both files anew where they are not what they should be, and makes a running release
/// handler read them.
pub(crate) fn run(
    install: &Install,
    node: &mut dyn ReleaseHandler,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let _lock = recovery::take_lock(install, node, console)?.lock;
    let root = install.base.tree();
    records::sweep(&root)?;
    let present = records::read_releases(&root.releases_file());
    if let Err(reason) = &present {
        let path = root.releases_file();
        console.warn(format!("{}: {reason}", path.display()));
    }
    let known = present
        .clone()
        .or_else(|_| records::read_releases(&root.saved_releases_file()))
        .unwrap_or_default();
    let on_disk = on_disk(&root, &install.rel_name)?;
    let start = permanent(install, &root, &known, &on_disk)?;
    let rebuilt = rebuild(known, on_disk, &start);
    let mut lines = Vec::new();
    if present.as_ref() != Ok(&rebuilt) {
        records::replace(&root.releases_file(), render_releases(&rebuilt).as_bytes())?;
        lines.push(format!("Rebuilt {}", root.releases_file().display()));
    }
    if records::permanent(&root).as_ref() != Some(&start) {
        records::replace(&root.start_erl(), start.render().as_bytes())?;
        lines.push(format!("Rebuilt {}", root.start_erl().display()));
    }
    records::settle(&root)?;
    if lines.is_empty() {
        lines.push("Nothing had to be repaired.".to_owned());
    }
    lines.extend(reload(node, &rebuilt, console)?);
    // What runs is known to the node alone.
    let installed = node.releases().unwrap_or_else(|_| {
        let known = rebuilt.iter().map(|release| Installed {
            vsn: release.vsn.clone(),
            status: release.status,
            apps: release.libs.len(),
        });
        known.collect()
    });
    lines.extend(versions::table(&installed));
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("versions", versions::to_json(&installed)))
}

/// Whether everything is there that a start of the release reads before its applications.
pub(crate) fn is_complete(root: &Tree, vsn: &ReleaseVsn, rel: &str) -> bool {
    described(root, vsn, rel).is_some()
}

/// Whether every module is there that the specifications of its applications name. A VM that ends while
/// it deletes a release leaves directories without some of them.
pub(crate) fn has_its_modules(root: &Tree, vsn: &ReleaseVsn, rel: &str) -> bool {
    let has = |(app, app_vsn, _): &(String, String, String)| {
        let text = regular::read_text(&root.app_file(app, app_vsn), MAX_TEXT);
        // One that cannot be understood here is the VM's business.
        text.is_ok_and(|text| {
            let modules = AppFile::parse(&text).map_or_else(|_| Vec::new(), |about| about.modules);
            let mut beams = modules.iter().map(|name| root.beam(app, app_vsn, name));
            beams.all(|beam| beam.is_file())
        })
    };
    described(root, vsn, rel).is_some_and(|known| known.libs.iter().all(has))
}

/// A release by its own files; `None` unless it is complete.
fn described(root: &Tree, vsn: &ReleaseVsn, rel: &str) -> Option<KnownRelease> {
    let path = package::rel_file(root, rel, vsn)?;
    let about = RelFile::parse(&regular::read_text(&path, MAX_TEXT).ok()?).ok()?;
    let has_code = about
        .apps
        .iter()
        .all(|(app, app_vsn)| root.ebin(app, app_vsn).is_dir());
    let boots = root.release(vsn).join("start.boot").is_file();
    let runtime = root.erts_bin(&about.erts).is_dir();
    if about.vsn != vsn.as_str() || !has_code || !boots || !runtime {
        return None;
    }
    let lib = |(app, app_vsn): (String, String)| {
        let ebin = root.ebin(&app, &app_vsn);
        let dir = ebin.parent().unwrap_or(&ebin).display().to_string();
        (app, app_vsn, dir)
    };
    Some(KnownRelease {
        name: about.name,
        vsn: about.vsn,
        erts: about.erts,
        libs: about.apps.into_iter().map(lib).collect(),
        status: ReleaseStatus::Unpacked,
    })
}

/// The complete releases below `releases/`.
fn on_disk(root: &Tree, rel: &str) -> Result<Vec<KnownRelease>, Failure> {
    let names = names_in(&root.releases())?;
    let versions = names.iter().filter_map(|name| name.parse().ok());
    Ok(versions
        .filter_map(|vsn: ReleaseVsn| described(root, &vsn, rel))
        .collect())
}

/// The release that the next start is to boot.
fn permanent(
    install: &Install,
    root: &Tree,
    known: &[KnownRelease],
    on_disk: &[KnownRelease],
) -> Result<StartErl, Failure> {
    let recorded = known
        .iter()
        .find(|release| release.status == ReleaseStatus::Permanent)
        .map(|release| release.vsn.clone());
    let named = Identity::read(root, &install.base)
        .ok()
        .map(|identity| identity.vsn.to_string());
    let candidates = [
        records::permanent(root).map(|start| start.vsn),
        recorded,
        named,
    ];
    candidates
        .iter()
        .flatten()
        .find_map(|vsn| on_disk.iter().find(|release| release.vsn == *vsn))
        .map(|release| StartErl {
            erts: release.erts.clone(),
            vsn: release.vsn.clone(),
        })
        .ok_or_else(|| Failure::NothingToRepairFrom {
            dir: root.releases(),
            reason: "no complete release is named by start_erl.data, RELEASES or emqx_vars"
                .to_owned(),
        })
}

/// What is known and there, in the order in which it is known, then what is only there.
fn rebuild(
    known: Vec<KnownRelease>,
    on_disk: Vec<KnownRelease>,
    start: &StartErl,
) -> Vec<KnownRelease> {
    let is_there = |release: &KnownRelease| on_disk.iter().any(|there| there.vsn == release.vsn);
    let mut rebuilt: Vec<_> = known.into_iter().filter(is_there).collect();
    for release in on_disk {
        if !rebuilt.iter().any(|known| known.vsn == release.vsn) {
            rebuilt.push(release);
        }
    }
    for release in &mut rebuilt {
        release.status = match release.status {
            _ if release.vsn == start.vsn => ReleaseStatus::Permanent,
            ReleaseStatus::Permanent => ReleaseStatus::Old,
            other => other,
        };
    }
    rebuilt
}

/// A release handler that was started with a damaged file knows only what it was booted from.
fn reload(
    node: &mut dyn ReleaseHandler,
    rebuilt: &[KnownRelease],
    console: &mut Console<'_>,
) -> Result<Vec<String>, Failure> {
    let installed = match node.releases() {
        Ok(installed) => installed,
        Err(NodeError::NotRunning(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let agrees = installed.len() == rebuilt.len()
        && rebuilt.iter().all(|release| {
            installed.iter().any(|known| {
                known.vsn == release.vsn
                    && known.apps == release.libs.len()
                    && (known.status == release.status || known.status == ReleaseStatus::Current)
            })
        });
    if agrees {
        return Ok(Vec::new());
    }
    let is_switched = installed
        .iter()
        .any(|known| known.status == ReleaseStatus::Current);
    if is_switched {
        // Started anew it would take the permanent release for the running one.
        console.warn(
            "the running release handler is left as it is, because the node runs a release that is not permanent".to_owned(),
        );
        return Ok(Vec::new());
    }
    node.reload()?.map_err(Failure::NotUnpacked)?;
    Ok(vec!["The running release handler has read it.".to_owned()])
}

#[cfg(test)]
mod tests;
