//! Staging on file systems that can share the blocks of equal files: what both releases have is not
//! written again, and what was staged is the package to the byte all the same.

use e2e::Error;
use e2e::install;
use e2e::mounted::Mounted;
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::tree::Snapshot;
use std::path::Path;
use std::process::Command;

/// Stages the next version, with the older one beside it or not, and gives the bytes that are shared.
fn staged(launcher: &Path, into: &Path, like: Option<&Path>) -> e2e::Result<(u64, Snapshot)> {
    let base = into.join(if like.is_some() { "shared" } else { "written" });
    fs_err::create_dir(&base)?;
    let mut stage = Command::new(launcher);
    stage
        .args(["relup", "stage"])
        .arg(Sample::find()?.tarball(V5)?);
    stage.arg("--into").arg(&base);
    if let Some(like) = like {
        stage.arg("--like").arg(like);
    }
    let done = process::run(&mut stage, process::HANG)?.success()?;
    let figures: serde_json::Value = serde_json::from_str(&done.stdout)
        .map_err(|error| Error::Unexpected(format!("{error}: {done}")))?;
    let shared = figures["shared_bytes"].as_u64().unwrap_or_default();
    let total = figures["bytes"].as_u64().unwrap_or_default();
    assert!(shared <= total, "{done}");
    Ok((shared, Snapshot::of(&base.join("relup").join(V5))?))
}

#[test]
fn files_that_both_releases_have_are_shared_and_the_tree_is_the_packages() -> e2e::Result<()> {
    let sample = Sample::find()?;
    let scratch = tempfile::tempdir()?;
    let at = scratch.path().join("mounted");
    fs_err::create_dir(&at)?;
    for kind in ["btrfs", "xfs"] {
        let image = scratch.path().join(kind);
        let Some(mounted) = Mounted::make(kind, &image, &at)? else {
            continue;
        };
        let old = at.join("old");
        fs_err::create_dir(&old)?;
        install::extract(&sample.tarball(V4)?, &old)?;
        let launcher = old.join("bin/emqx");
        fs_err::copy(e2e::sample::launcher()?, &launcher)?;
        // One that only begins alike, and one of another kind.
        let nodetool = old.join("bin/nodetool");
        let mut text = fs_err::read(&nodetool)?;
        *text.last_mut().expect("it has content") ^= 1;
        fs_err::write(&nodetool, text)?;

        let (none, written) = staged(&launcher, &at, None)?;
        let (shared, same) = staged(&launcher, &at, Some(&old))?;
        assert_eq!(none, 0);
        assert!(shared > 1 << 20, "{kind}: {shared} bytes are shared");
        assert_eq!(written.differences(&same), Vec::<String>::new(), "{kind}");
        drop(mounted);
    }
    Ok(())
}

/// The usual file systems cannot: everything is written, nothing is said.
#[test]
fn without_such_a_file_system_everything_is_written() -> e2e::Result<()> {
    let sample = Sample::find()?;
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let old = scratch.path().join("old");
    fs_err::create_dir(&old)?;
    install::extract(&sample.tarball(V4)?, &old)?;
    let launcher = old.join("bin/emqx");
    fs_err::copy(e2e::sample::launcher()?, &launcher)?;
    let (shared, same) = staged(&launcher, scratch.path(), Some(&old))?;
    let (_, written) = staged(&launcher, scratch.path(), None)?;
    assert_eq!(shared, 0);
    assert_eq!(written.differences(&same), Vec::<String>::new());
    Ok(())
}
