//! B6: a package manager replaces the original release while `relup/current` names a tree that was
//! deployed beside its predecessor. The marked tree boots, as the contract has it, and it is told.

use e2e::install::{Install, extract};
use e2e::node;
use e2e::sample::{Sample, V4, V5, V6, launcher};
use e2e::witness::relup_json;
use std::os::unix::fs::symlink;

const TOLD: &str =
    "the installed release is 5.10.6 now (it was 5.10.4), and relup/current names 5.10.5";
const REMEDY: &str = "hint: `emqx relup rollback` and `emqx restart` change to 5.10.6";

/// Upgrades to 5.10.5, stops, and replaces what a package owns by 5.10.6; `etc`, `data`, `log` and
/// `relup` are the operator's.
fn replaced() -> e2e::Result<Install> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?;
    let upgrade = install.emqx(&["relup", "upgrade", &target.to_string_lossy()])?;
    upgrade.success()?;
    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(!status.stdout.contains("replaced"), "{status}");
    install.stop()?;
    let package = install.scratch().join("package");
    extract(&Sample::find()?.tarball(V6)?, &package)?;
    fs_err::remove_file(package.join("bin/emqx"))?;
    fs_err::copy(launcher()?, package.join("bin/emqx"))?;
    fs_err::remove_file(package.join("bin/emqx_ctl"))?;
    symlink("emqx", package.join("bin/emqx_ctl"))?;
    for entry in fs_err::read_dir(install.root())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if matches!(name.as_str(), "bin" | "lib" | "releases") || name.starts_with("erts-") {
            fs_err::remove_dir_all(entry.path())?;
        }
    }
    for entry in fs_err::read_dir(&package)? {
        let entry = entry?;
        let to = install.root().join(entry.file_name());
        if !to.exists() {
            fs_err::rename(entry.path(), to)?;
        }
    }
    Ok(install)
}

#[test]
fn a_base_that_was_replaced_is_told_and_the_marked_tree_boots() -> e2e::Result<()> {
    let install = replaced()?;
    let status = install.emqx(&["relup", "status"])?.success()?;
    status.clone().says("next start: 5.10.5 from ")?;
    status.says(TOLD)?.says(REMEDY)?;
    let (_, json) = relup_json(&install, &["status"])?;
    assert_eq!(json["replaced"]["now"], "5.10.6", "{json}");
    let started = install.start()?;
    let told: Vec<_> = started
        .stdout
        .lines()
        .filter(|line| line.contains(TOLD))
        .collect();
    assert_eq!(told.len(), 1, "{started}");
    assert!(
        told[0].starts_with("WARNING: ") && told[0].contains(REMEDY),
        "{started}"
    );
    assert_eq!(node::version(&install)?, V5);
    let tree = install.path("relup").join(V5);
    assert_eq!(node::root_dir(&install)?, tree.to_string_lossy());
    install.emqx(&["relup", "verify"])?.success()?;
    install
        .emqx(&["relup", "list"])?
        .success()?
        .says("5.10.6")?
        .says("5.10.5")?;
    // What the hint says.
    install
        .emqx(&["relup", "rollback"])?
        .success()?
        .says("5.10.5 -> 5.10.6")?;
    let restarted = install.emqx(&["restart"])?.success()?;
    assert!(
        !restarted.stdout.contains("installed release is"),
        "{restarted}"
    );
    assert_eq!(node::version(&install)?, V6);
    assert_eq!(node::root_dir(&install)?, install.root().to_string_lossy());
    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(!status.stdout.contains("replaced"), "{status}");
    Ok(())
}

#[test]
fn the_next_hop_from_the_marked_tree_works_beside_a_base_that_was_replaced() -> e2e::Result<()> {
    let install = replaced()?;
    install.start()?;
    let target = Sample::find()?.tarball(V6)?;
    let upgrade = install.emqx(&["relup", "upgrade", &target.to_string_lossy()])?;
    upgrade.success()?.says("upgrade complete")?;
    assert_eq!(node::version(&install)?, V6);
    let restarted = install.emqx(&["restart"])?.success()?;
    assert!(
        !restarted.stdout.contains("installed release is"),
        "{restarted}"
    );
    assert_eq!(node::version(&install)?, V6);
    let tree = install.path("relup").join(V6);
    assert_eq!(node::root_dir(&install)?, tree.to_string_lossy());
    Ok(())
}

#[test]
fn a_package_that_is_later_retires_the_marker_and_its_release_boots() -> e2e::Result<()> {
    let install = replaced()?;
    // An older node may still run while its package is replaced.
    install.start()?;
    assert_eq!(node::version(&install)?, V5);
    let done = install.emqx(&["self", "package-installed"])?.success()?;
    done.says("retired: 5.10.5 -> 5.10.6; the next start boots the package's 5.10.6")?;
    assert_eq!(node::version(&install)?, V5, "what runs is not touched");
    let retired = fs_err::read_to_string(install.path("relup/current.retired"))?;
    assert_eq!(retired, "5.10.5\n");
    let status = install.emqx(&["relup", "status"])?.success()?;
    let status = status.says("next start: 5.10.6 from ")?;
    let status = status.says("marker: absent")?;
    assert!(!status.stdout.contains("replaced"), "{status}");
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    logs.says("5.10.5 -> 5.10.6 status=finished result=success action=package")?;
    let journal = fs_err::read_to_string(install.path("relup/journal.jsonl"))?;
    let why = "a package of 5.10.6 was installed, which is later than 5.10.5";
    assert!(journal.contains(why), "{journal}");
    let again = install.emqx(&["self", "package-installed"])?.success()?;
    again.says("no marker: the next start boots the package's 5.10.6")?;

    let restarted = install.emqx(&["restart"])?.success()?;
    assert!(!restarted.stdout.contains("hot-upgrade dir"), "{restarted}");
    assert_eq!(node::version(&install)?, V6);
    assert_eq!(node::root_dir(&install)?, install.root().to_string_lossy());
    // The tree stays until somebody removes it.
    install.emqx(&["relup", "verify"])?.success()?;
    install.emqx(&["relup", "prune"])?.success()?;
    assert!(!install.path("relup").join(V5).exists());
    Ok(())
}

#[test]
fn the_same_package_again_leaves_the_hot_upgraded_release_in_force() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?;
    let upgrade = install.emqx(&["relup", "upgrade", &target.to_string_lossy()])?;
    upgrade.success()?;
    let kept = install
        .emqx(&["self", "package-installed", "--json"])?
        .success()?;
    let json: serde_json::Value = serde_json::from_str(kept.text()).expect("one object");
    assert_eq!(json["marker"], "kept", "{json}");
    assert_eq!((&json["package"], &json["boots"]), (&V4.into(), &V5.into()));
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V5);
    Ok(())
}
