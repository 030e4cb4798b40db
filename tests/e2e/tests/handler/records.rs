//! `RELEASES` and `start_erl.data` when they are damaged: found out, never obeyed, rebuilt.

use e2e::node;
use e2e::sample::{FOUR_0, FOUR_16};

use crate::scene::Scene;

/// A node that runs 4.4.16 and would boot 4.4.0.
fn switched() -> e2e::Result<Scene> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    scene
        .emqx(&["upgrade", "--no-permanent", FOUR_16])?
        .success()?;
    Ok(scene)
}

fn cut(scene: &Scene, name: &str) -> e2e::Result<()> {
    let path = scene.path("releases").join(name);
    let whole = fs_err::read(&path)?;
    fs_err::write(&path, &whole[..whole.len() / 2])?;
    Ok(())
}

#[test]
fn a_damaged_record_stops_every_change_and_is_rebuilt_beside_the_node() -> e2e::Result<()> {
    let scene = switched()?;
    for name in ["RELEASES", "start_erl.data"] {
        let before = fs_err::read_to_string(scene.path("releases").join(name))?;
        cut(&scene, name)?;
        let listed = scene.emqx(&["versions"])?.success()?;
        assert!(listed.stdout.contains("* 4.4.16\tcurrent"), "{listed}");
        assert!(
            listed.stderr.contains("`emqx versions --repair`"),
            "{listed}"
        );
        for words in [
            &["install", FOUR_16][..],
            &["unpack", "4.4.17"],
            &["uninstall", "4.4.17"],
        ] {
            let refused = scene.emqx(words)?.exit_code(2)?;
            assert!(
                refused.stderr.contains("ERROR: releases_damaged: "),
                "{refused}"
            );
        }
        let repaired = scene.emqx(&["versions", "--repair"])?.success()?;
        assert!(repaired.stdout.contains("Rebuilt "), "{repaired}");
        assert!(
            repaired
                .stdout
                .contains("* 4.4.16\tcurrent\n* 4.4.0\tpermanent\n"),
            "{repaired}"
        );
        if name == "start_erl.data" {
            let after = fs_err::read_to_string(scene.path("releases").join(name))?;
            assert_eq!(after.trim(), before.trim());
        }
        let again = scene.emqx(&["versions", "--repair"])?.success()?;
        assert!(
            again.stdout.starts_with("Nothing had to be repaired.\n"),
            "{again}"
        );
    }
    scene.session(
        "install 4.4.16",
        &[
            "Release 4.4.16 is already installed and current, making permanent.",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    Ok(())
}

#[test]
fn a_node_that_was_booted_with_damaged_records_learns_of_its_releases_again() -> e2e::Result<()> {
    let scene = switched()?;
    scene.stop()?;
    cut(&scene, "RELEASES")?;
    fs_err::write(scene.path("releases/start_erl.data"), "")?;
    scene.start()?;
    assert_eq!(node::version(&scene)?, FOUR_0, "the permanent one");
    let repaired = scene.emqx(&["versions", "--repair"])?.success()?;
    assert!(
        repaired
            .stdout
            .contains("The running release handler has read it.\n"),
        "{repaired}"
    );
    scene.versions(&["4.4.16\tunpacked", "4.4.0\tpermanent"])?;
    scene.session(
        "upgrade 4.4.16",
        &[
            "Release 4.4.16 is already unpacked, now installing.",
            "Installed Release: 4.4.16",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    scene.stop()?;
    fs_err::remove_file(scene.path("releases/RELEASES"))?;
    fs_err::remove_file(scene.path("releases/RELEASES.saved"))?;
    let repaired = scene.emqx(&["versions", "--repair"])?.success()?;
    assert!(
        repaired.stdout.contains("* 4.4.16\tpermanent"),
        "{repaired}"
    );
    scene.start()?;
    assert_eq!(node::version(&scene)?, FOUR_16);
    scene.versions(&["4.4.0\tunpacked", "4.4.16\tpermanent"])?;
    Ok(())
}

#[test]
fn a_release_whose_files_have_gone_is_unpacked_again() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    scene.emqx(&["unpack", FOUR_16])?.success()?;
    fs_err::remove_dir_all(scene.path("releases/4.4.16"))?;
    is_unpacked_again(&scene)
}

#[test]
fn a_release_that_has_lost_a_module_is_unpacked_again() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    scene.emqx(&["unpack", FOUR_16])?.success()?;
    fs_err::remove_file(scene.path("lib/emqx-4.4.16/ebin/emqx_topic.beam"))?;
    is_unpacked_again(&scene)
}

fn is_unpacked_again(scene: &Scene) -> e2e::Result<()> {
    scene.session(
        "upgrade 4.4.16",
        &[
            "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz",
            "Unpacked successfully: \"4.4.16\"",
            "Installed Release: 4.4.16",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    scene.versions(&["4.4.16\tpermanent", "4.4.0\told"])?;
    Ok(())
}
