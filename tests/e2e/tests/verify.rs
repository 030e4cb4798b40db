//! `verify` on a real deployed tree: every change that somebody could make is found and named.

use e2e::install::Install;
use e2e::sample::{Sample, V4, V5};
use e2e::witness::{error_name, relup_json};
use serde_json::json;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_deployed_tree_is_what_was_recorded_until_somebody_changes_it() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();
    install
        .emqx(&["relup", "upgrade", "--cold", &target])?
        .success()?;
    let said = install.emqx(&["relup", "verify"])?.success()?;
    assert!(said.stdout.contains("5.10.5: verified, "), "{said}");
    assert!(
        said.stdout
            .contains("5.10.4: not verified: the original release"),
        "{said}"
    );
    // A boot writes nothing into the tree.
    install.start()?;
    install.stop()?;
    install.emqx(&["relup", "verify", V5])?.success()?;
    // Nobody else may write to it.
    let tree = install.path("relup/5.10.5");
    let find = install
        .command("find")
        .arg(&tree)
        .args(["!", "-type", "l", "-perm", "/7022"])
        .output()?;
    assert_eq!(String::from_utf8_lossy(&find.stdout), "");

    let vars = tree.join("releases/emqx_vars");
    let mut bytes = fs_err::read(&vars)?;
    bytes[0] ^= 1;
    fs_err::write(&vars, bytes)?;
    fs_err::remove_file(tree.join("releases/5.10.5/BUILD_INFO"))?;
    fs_err::set_permissions(tree.join("bin/emqx"), PermissionsExt::from_mode(0o777))?;
    symlink("/etc/passwd", tree.join("lib/extra"))?;
    let (finished, json) = relup_json(&install, &["verify"])?;
    assert_eq!(finished.code, Some(1), "{finished}");
    assert_eq!(error_name(&json), "tree_damaged", "{finished}");
    let found: Vec<_> = json["trees"][0]["differences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|fault| fault["path"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        found,
        [
            "bin/emqx",
            "lib/extra",
            "releases/5.10.5/BUILD_INFO",
            "releases/emqx_vars"
        ],
        "{finished}"
    );
    let spoken = install.emqx(&["relup", "verify", V5])?.exit_code(1)?;
    for line in [
        "5.10.5: bin/emqx: has mode 777 instead of 755",
        "5.10.5: lib/extra: is not in the manifest",
        "5.10.5: releases/5.10.5/BUILD_INFO: is missing",
        "5.10.5: releases/emqx_vars: has other content: sha256 ",
        "ERROR: tree_damaged: 4 differences in 5.10.5",
    ] {
        assert!(
            spoken.stdout.contains(line) || spoken.stderr.contains(line),
            "{line}: {spoken}"
        );
    }
    Ok(())
}

#[test]
fn the_base_and_what_is_not_there_are_told_apart() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let (finished, json) = relup_json(&install, &["verify", V4])?;
    assert_eq!(
        (finished.code, error_name(&json)),
        (Some(1), "no_manifest"),
        "{finished}"
    );
    let (_, json) = relup_json(&install, &["verify", V5])?;
    assert_eq!(error_name(&json), "not_deployed");
    let (finished, json) = relup_json(&install, &["verify"])?;
    assert_eq!((finished.code, &json["trees"]), (Some(0), &json!([])));
    Ok(())
}
