//! 5.10.4 with a catalog in which 5.10.6 is two hops away, and what a chain leaves behind.

use e2e::install::Install;
use e2e::sample::{Sample, V4, V5, V6};
use e2e::witness::relup_json;
use std::path::PathBuf;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const TALK: Duration = Duration::from_secs(1);
/// The hop that makes a chain superfluous.
pub const DIRECT: &str = "5.10.4-to-5.10.6";

/// 5.10.4 with a catalog in which 5.10.6 is two hops away.
pub fn two_hops_away() -> e2e::Result<Install> {
    let install = Install::sample(V4)?;
    let mut gone = 0;
    for entry in fs_err::read_dir(install.path("relup/catalog"))? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(DIRECT))
        {
            if path.is_dir() {
                fs_err::remove_dir_all(&path)?;
            } else {
                fs_err::remove_file(&path)?;
                gone += 1;
            }
        }
    }
    assert_eq!(gone, 1, "the sample has the hop {DIRECT}");
    Ok(install)
}

pub fn tarball(vsn: &str) -> e2e::Result<String> {
    Ok(Sample::find()?.tarball(vsn)?.display().to_string())
}

/// The directory of the sample's tarballs, in which all three versions are.
pub fn downloads() -> e2e::Result<PathBuf> {
    let tarball = Sample::find()?.tarball(V5)?;
    Ok(tarball.parent().expect("a directory").to_owned())
}

/// The versions and results of all attempts, oldest first.
pub fn attempts(install: &Install) -> e2e::Result<Vec<(String, String)>> {
    let (_, json) = relup_json(install, &["logs"])?;
    let rows = json["attempts"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(rows
        .iter()
        .map(|row| {
            let path = format!("{} -> {}", text(&row["from"]), text(&row["to"]));
            (path, text(&row["result"]))
        })
        .collect())
}

pub fn marker(install: &Install) -> Option<String> {
    fs_err::read_to_string(install.path("relup/current")).ok()
}

/// Temporary files in `relup/`.
pub fn debris(install: &Install) -> e2e::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(install.path("relup"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.starts_with('.'));
    Ok(names)
}

/// The second hop of the chain in the catalog, with other instructions.
pub fn second_hop(install: &Install, changes: &str) -> e2e::Result<()> {
    let text = format!(
        "#{{from_version => \"{V5}\", target_version => \"{V6}\",\n  \
         code_changes => [{changes}], post_upgrade_callbacks => []}}.\n"
    );
    let path = install.path("relup/catalog/5.10.5-to-5.10.6.relup");
    Ok(fs_err::write(path, text)?)
}
