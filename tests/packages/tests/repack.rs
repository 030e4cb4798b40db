//! `packaging/repack`: the launcher in release tarballs.

use e2e::Result;
use e2e::install::{Install, Recipe};
use e2e::ports::Slot;
use e2e::process;
use e2e::sample::{self, FOUR_0, Sample, Sample4, V4, V5};
use e2e::tarball::{Addition, Edit, rewrite};
use e2e::tree::Snapshot;
use packages::making;
use std::path::Path;
use std::process::Command;

fn repack(tarball: &Path, to: &Path) -> Result<process::Finished> {
    making::run("repack", &[tarball, "-o".as_ref(), to])
}

fn unpack(tarball: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    let mut tar = Command::new("tar");
    tar.arg("-xpzf").arg(tarball).arg("-C").arg(to);
    process::run(&mut tar, process::HANG)?.success().map(drop)
}

/// The names of its entries, in their order.
fn names(tarball: &Path) -> Result<Vec<String>> {
    let mut tar = Command::new("tar");
    tar.arg("-tzf").arg(tarball);
    let listed = process::run(&mut tar, process::HANG)?.success()?;
    Ok(listed.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn the_same_tarball_gives_the_same_bytes_and_nothing_else_in_it_changes() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let five = Sample::find()?.tarball(V4)?;
    let four = Sample4::find().and_then(|sample| sample.tarball(FOUR_0));
    if let Err(missing) = &four {
        packages::left_out(&missing.to_string());
    }
    for tarball in [Some(five), four.ok()].into_iter().flatten() {
        let name = tarball.file_name().unwrap_or_default();
        let [one, two] = ["one", "two"].map(|dir| scratch.path().join(dir).join(name));
        for out in [&one, &two] {
            repack(&tarball, out.parent().unwrap_or(out))?.success()?;
        }
        let bytes = fs_err::read(&one)?;
        assert!(bytes == fs_err::read(&two)?, "{}", tarball.display());
        let digest = fs_err::read(sample::sidecar_of(&one))?;
        assert_eq!(digest, fs_err::read(sample::sidecar_of(&two))?);

        // Again, in its place: the launcher is not taken for a script.
        making::run("repack", &[&two])?.success()?;
        assert!(bytes == fs_err::read(&two)?, "{}", tarball.display());

        let (before, after) = (scratch.path().join("before"), scratch.path().join("after"));
        unpack(&tarball, &before)?;
        unpack(&one, &after)?;
        let differences = Snapshot::of(&before)?.differences(&Snapshot::of(&after)?);
        let names_only: Vec<&str> = differences
            .iter()
            .filter_map(|line| line.split(": ").nth(1))
            .collect();
        let bin = ["bin/emqx", "bin/emqx_ctl", "bin/emqx.sh", "bin/emqx_ctl.sh"];
        assert_eq!(names_only, bin, "{differences:?}");
        for (was, is) in [
            ("bin/emqx", "bin/emqx.sh"),
            ("bin/emqx_ctl", "bin/emqx_ctl.sh"),
        ] {
            assert!(
                fs_err::read(before.join(was))? == fs_err::read(after.join(is))?,
                "{is}"
            );
        }
        assert!(fs_err::read(after.join("bin/emqx"))? == fs_err::read(sample::launcher()?)?);
        let order: Vec<String> = names(&one)?
            .into_iter()
            .filter(|name| !["bin/emqx.sh", "bin/emqx_ctl.sh"].contains(&name.as_str()))
            .collect();
        assert_eq!(order, names(&tarball)?);
        fs_err::remove_dir_all(&before)?;
        fs_err::remove_dir_all(&after)?;
    }
    Ok(())
}

#[test]
fn a_repacked_tarball_is_upgraded_to_and_boots_by_its_own_launcher() -> Result<()> {
    let scratch = tempfile::Builder::new()
        .prefix("repack a blank ")
        .tempdir()?;
    let sample = Sample::find()?;
    // One with a directory in front, as some tarballs of EMQX have it.
    unpack(&sample.tarball(V4)?, &scratch.path().join("in/emqx"))?;
    let first = scratch.path().join("emqx-enterprise-5.10.4.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf")
        .arg(&first)
        .arg("-C")
        .arg(scratch.path().join("in"))
        .arg("emqx");
    process::run(&mut tar, process::HANG)?.success()?;
    making::run("repack", &[&first])?.success()?;
    repack(&sample.tarball(V5)?, scratch.path())?.success()?;
    let tarball = sample.tarball(V5)?;
    let next = scratch.path().join(tarball.file_name().unwrap_or_default());

    let tree = scratch.path().join("tree");
    unpack(&first, &tree)?;
    let install = Install::copy(&tree.join("emqx"), None, "emqx-repacked-", Slot::claim()?)?;
    let catalog = Recipe::sample(V4)?.catalog.unwrap_or_default();
    fs_err::create_dir_all(install.path("relup"))?;
    let mut copy = Command::new("cp");
    copy.arg("-r")
        .arg(catalog)
        .arg(install.path("relup/catalog"));
    process::run(&mut copy, process::HANG)?.success()?;
    install.start()?;
    install
        .emqx(&["relup", "upgrade", &next.display().to_string()])?
        .says("upgrade complete")?;
    install.emqx(&["restart"])?.success()?;
    let root = install.emqx(&["root_dir"])?.success()?;
    assert!(root.text().ends_with("relup/5.10.5"), "{root}");
    assert!(install.path("relup/5.10.5/bin/emqx.sh").is_file());
    let verified = install.emqx(&["relup", "verify"])?.success()?;
    assert!(verified.stdout.contains(V5), "{verified}");
    install.stop()?;
    Ok(())
}

#[test]
fn what_is_no_release_of_emqx_is_refused_and_nothing_is_left() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let good = Sample::find()?.tarball(V4)?;
    let at = |name: &str| scratch.path().join(name);
    let whole = fs_err::read(&good)?;
    fs_err::write(at("cut.tar.gz"), &whole[..whole.len() / 2])?;
    fs_err::write(at("text.tar.gz"), "no archive")?;
    let take_out = |name: &str, gone: &str| -> Result<()> {
        rewrite(&good, &at(name), &[Edit::Drop(gone.into())])
    };
    take_out("no_vars.tar.gz", "releases/emqx_vars")?;
    take_out("no_program.tar.gz", "bin/emqx")?;
    rewrite(
        &good,
        &at("twice.tar.gz"),
        &[Edit::Add(Addition::file("bin/emqx", b"#!/bin/sh"))],
    )?;
    fs_err::copy(&good, at("changed.tar.gz"))?;
    fs_err::write(at("changed.tar.gz.sha256"), "0".repeat(64))?;
    for (name, word) in [
        ("nothing.tar.gz", "is no file"),
        ("cut.tar.gz", "no whole tar.gz archive"),
        ("text.tar.gz", "no whole tar.gz archive"),
        ("no_vars.tar.gz", "it has no releases/emqx_vars"),
        ("no_program.tar.gz", "it has no bin/emqx"),
        ("twice.tar.gz", "has the entry bin/emqx twice"),
        ("changed.tar.gz", "is not what"),
    ] {
        let out = at("out");
        let refused = repack(&at(name), &out)?.exit_code(1)?;
        let error = format!("ERROR: {}", at(name).display());
        assert!(
            refused.stderr.starts_with(&error) && refused.stderr.contains(word),
            "{refused}"
        );
        assert_eq!(fs_err::read_dir(&out)?.count(), 0, "{name}");
    }
    // In its place, too: what was there stays.
    let before = Snapshot::of(scratch.path())?;
    making::run("repack", &[at("twice.tar.gz")])?.exit_code(1)?;
    assert_eq!(before, Snapshot::of(scratch.path())?);
    making::run::<&str>("repack", &[])?.exit_code(2)?;
    Ok(())
}
