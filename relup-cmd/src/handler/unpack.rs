//! `unpack`: a package becomes files in the installation and a release that the release handler
//! knows.
//!
//! Extraction and checks happen in a staging directory; what is put into place then adds to the
//! installation and replaces nothing that a release uses. The release counts only once the release
//! handler has recorded it, so a crash before that leaves files that the next try puts to use.

use std::path::PathBuf;

use relup::layout::Tree;
use relup::rel_file::RelFile;
use relup::vsn::ReleaseVsn;

use crate::compat::check_machine;
use crate::durable;
use crate::error::Error;
use crate::handler::Session;
use crate::handler::failure::Failure;
use crate::handler::package::{self, Package, rel_file};
use crate::handler::{merge, records};
use crate::regular;
use crate::release::names_in;
use crate::stage::{self, Limits, StagedTree};
use crate::tarball::Tarball;

/// Longest `.rel` file.
const MAX_TEXT: u64 = 1024 * 1024;

/// Unpacks the package of `vsn` and makes it known.
pub(crate) fn unpack(session: &mut Session<'_, '_>, vsn: &ReleaseVsn) -> Result<(), Failure> {
    let root = session.root.clone();
    let package = package::find(session.install, vsn)?;
    session.console.say(&format!(
        "Release {vsn} not found, attempting to unpack {}",
        package.shown
    ));
    session
        .console
        .fact("package", package.path.to_string_lossy());
    let staged = stage(session, &package).map_err(Failure::Package)?;
    check(session, &staged, &package, vsn)?;
    records::save(&root)?;
    merge::merge(staged.tree(), &root, vsn, &session.install.rel_name)?;
    durable::sync_file_system(root.path())?;
    let rel_file = root.rel_file(vsn, &session.install.rel_name);
    // A release whose files had gone: the release handler remembers it, and would not have it twice.
    let known = session.node.releases()?;
    if known.iter().any(|known| known.vsn == vsn.as_str()) {
        session
            .node
            .set_removed(vsn.as_str())?
            .map_err(Failure::NotUnpacked)?;
    }
    session
        .node
        .set_unpacked(&rel_file)?
        .map_err(Failure::NotUnpacked)?;
    records::settle(&root)?;
    session
        .console
        .say(&format!("Unpacked successfully: \"{vsn}\""));
    Ok(())
}

/// Verifies the package where a digest is beside it, and extracts it.
fn stage(session: &mut Session<'_, '_>, package: &Package) -> Result<StagedTree, Error> {
    let Session {
        install,
        console,
        interrupt,
        lock,
        ..
    } = session;
    let tarball = Tarball::open(&package.path)?;
    let len = tarball.len();
    console.stage(
        &format!("reading {}", package::file_name(&package.path)),
        Some(len),
    );
    let sidecar = match tarball.sidecar() {
        Ok(sidecar) => Some(sidecar),
        // The documents ask for none.
        Err(Error::MissingSha256Sidecar { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(other) = sidecar
        .as_ref()
        .and_then(|found| found.names_other.as_ref())
    {
        console.warn(format!("the digest is that of a file named {other:?}"));
    }
    let mut progress = |done| console.progress(done);
    let verified = match &sidecar {
        Some(sidecar) => tarball.verify(sidecar, None, interrupt, &mut progress)?,
        None => tarball.trust(interrupt, &mut progress)?,
    };
    console.stage("extracting", Some(len));
    let limits = Limits {
        zip: true,
        ..Limits::DEFAULT
    };
    stage::stage(
        verified,
        &install.base,
        lock,
        limits,
        None,
        interrupt,
        &mut |done| console.progress(done),
    )
}

/// Demands that the package is `vsn`, for this machine, and that nothing of it is missing once it is
/// added to the installation.
fn check(
    session: &Session<'_, '_>,
    staged: &StagedTree,
    package: &Package,
    vsn: &ReleaseVsn,
) -> Result<(), Failure> {
    let (tree, root) = (staged.tree(), &session.root);
    let shown = |error: Error| Failure::Package(error.shown_below(tree.path(), &package.path));
    let incomplete = |what: String| shown(Error::IncompleteRelease { what });
    let rel_name = &session.install.rel_name;
    let wrong = |found: String| Failure::WrongVersion {
        package: package.path.clone(),
        found,
        asked: vsn.to_string(),
    };
    let Some(path) = rel_file(tree, rel_name, vsn) else {
        let names = names_in(&tree.releases()).unwrap_or_default();
        let mut versions = names.iter().filter_map(|name| name.parse().ok());
        let other = versions.find(|vsn: &ReleaseVsn| tree.rel_file(vsn, rel_name).is_file());
        return Err(match other {
            Some(found) => wrong(found.to_string()),
            None => incomplete(format!("{} has no releases/{vsn}", tree.path().display())),
        });
    };
    let text = regular::read_text(&path, MAX_TEXT)
        .map_err(|error| incomplete(format!("{}: {error}", path.display())))?;
    let rel = RelFile::parse(&text)
        .map_err(|error| incomplete(format!("{}: {error}", path.display())))?;
    if rel.vsn != vsn.as_str() {
        return Err(wrong(rel.vsn));
    }
    let missing = |of: &dyn Fn(&Tree) -> PathBuf| !of(tree).exists() && !of(root).exists();
    if missing(&|tree| tree.erts_bin(&rel.erts).join("beam.smp")) {
        return Err(incomplete(format!(
            "erts-{} is neither in {} nor installed",
            rel.erts,
            tree.path().display()
        )));
    }
    if let Some((app, app_vsn)) = rel
        .apps
        .iter()
        .find(|(app, app_vsn)| missing(&|tree| tree.ebin(app, app_vsn)))
    {
        return Err(incomplete(format!(
            "lib/{app}-{app_vsn} is neither in {} nor installed",
            tree.path().display()
        )));
    }
    if missing(&|tree| tree.release(vsn).join("start.boot")) {
        return Err(incomplete(format!(
            "{} has no start.boot",
            tree.release(vsn).display()
        )));
    }
    check_machine(&tree.erts_bin(&rel.erts).join("beam.smp")).map_err(shown)
}
