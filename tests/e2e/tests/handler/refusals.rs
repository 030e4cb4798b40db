//! What is refused, with the exit codes of old, and what it leaves behind: nothing.

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, HANG};
use e2e::sample::{FOUR_0, FOUR_16, FOUR_17, V4, V5};

use crate::scene::Scene;

#[test]
fn versions_and_packages_that_do_not_fit_are_refused() -> e2e::Result<()> {
    let scene = Scene::running()?;
    let refused = scene.refused(&["upgrade", FOUR_16], 2, "release_package_not_found")?;
    assert!(
        refused
            .stdout
            .contains("Installed versions:\n* 4.4.0\tpermanent\n"),
        "{refused}"
    );
    for vsn in ["4.3.16", "5.4.0", "4.6.0"] {
        scene.refused(&["upgrade", vsn], 2, "unsupported_target_version")?;
        scene.refused(&["unpack", vsn], 2, "unsupported_target_version")?;
    }
    // 4.4 and 4.5 are one series.
    scene.refused(&["upgrade", "4.5.1"], 2, "release_package_not_found")?;
    scene.add_tarball(FOUR_17, "emqx-4.4.16.tar.gz")?;
    scene.refused(
        &["upgrade", FOUR_16],
        2,
        "release_package_of_another_version",
    )?;
    let package = scene.path("releases/emqx-4.4.16.tar.gz");
    fs_err::write(package.with_extension("gz.sha256"), "0".repeat(64))?;
    scene.refused(&["upgrade", FOUR_16], 2, "sha256_mismatch")?;
    fs_err::remove_file(package.with_extension("gz.sha256"))?;
    let whole = fs_err::read(scene.sample().tarball(FOUR_16)?)?;
    fs_err::write(&package, &whole[..whole.len() / 2])?;
    scene.refused(&["upgrade", FOUR_16], 2, "archive_corrupt")?;
    fs_err::remove_file(&package)?;
    assert!(!scene.path("releases/4.4.16").exists());

    let zip = fs_err::read(scene.sample().zip(FOUR_16)?)?;
    let damaged = scene.path("releases/emqx-4.4.16-otp24-1.zip");
    let mut flipped = zip.clone();
    flipped[zip.len() / 2] ^= 0x40;
    fs_err::write(&damaged, flipped)?;
    scene.refused(&["install", FOUR_16], 2, "archive_corrupt")?;
    fs_err::write(&damaged, &zip[..zip.len() - 30])?;
    scene.refused(&["install", FOUR_16], 2, "archive_corrupt")?;
    fs_err::write(scene.path("releases/emqx-4.4.16-otp24-2.zip"), &zip)?;
    scene.refused(&["install", FOUR_16], 2, "release_package_ambiguous")?;
    assert!(!scene.path("releases/4.4.16").exists());
    assert_eq!(node::version(&scene)?, FOUR_0);
    Ok(())
}

#[test]
fn wrong_words_and_a_node_that_is_down_are_told() -> e2e::Result<()> {
    let scene = Scene::running()?;
    for words in [
        &["upgrade"][..],
        &["upgrade", "4.4.16", "4.4.17"],
        &["uninstall", "--no-permanent", "4.4.16"],
        &["unpack", "../4.4.16"],
        &["versions", "4.4.16"],
    ] {
        let refused = scene.emqx(words)?.exit_code(1)?;
        assert!(refused.stderr.contains("error: "), "{refused}");
    }
    for command in ["upgrade", "unpack", "uninstall", "versions"] {
        let help = scene.emqx(&[command, "help"])?.success()?;
        assert!(
            help.stdout.contains(&format!("Usage: emqx {command}")),
            "{help}"
        );
    }
    scene.stop()?;
    for words in [
        &["versions"][..],
        &["upgrade", "4.4.16"],
        &["uninstall", "4.4.0"],
    ] {
        let refused = scene.emqx(words)?.exit_code(1)?;
        assert!(
            refused.stderr.contains("ERROR: node_not_running: "),
            "{refused}"
        );
    }
    Ok(())
}

#[test]
fn a_hot_upgrade_of_later_releases_points_to_the_way_of_this_one() -> e2e::Result<()> {
    let scene = Scene::running()?;
    let package = scene.sample().tarball(FOUR_16)?;
    for words in [&["upgrade"][..], &["plan"], &["upgrade", "--cold"]] {
        let mut command = scene.emqx_command(&["relup"]);
        let refused = process::run(command.args(words).arg(&package), HANG)?.exit_code(1)?;
        assert!(
            refused
                .stderr
                .contains("ERROR: managed_by_release_handler: 4.4.0"),
            "{refused}"
        );
        assert!(refused.stderr.contains("`emqx upgrade VSN`"), "{refused}");
    }
    assert!(!scene.path("relup").exists());
    Ok(())
}

#[test]
fn a_release_that_is_in_use_is_not_deleted() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.refused(&["uninstall", FOUR_0], 2, "release_in_use")?;
    scene.add_zip(FOUR_16)?;
    scene
        .emqx(&["upgrade", "--no-permanent", FOUR_16])?
        .success()?;
    scene.refused(&["uninstall", FOUR_16], 2, "release_in_use")?;
    scene.session(
        "uninstall 4.4.17",
        &["Release 4.4.17 is already uninstalled."],
    )?;
    Ok(())
}

#[test]
fn processes_in_old_code_stop_an_upgrade_and_nothing_else() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    // A process in code of a module that was loaded anew since.
    let hold = "Forms = [{attribute, 1, module, emqx_topic}, \
          {attribute, 1, export, [{hold, 0}]}, \
          {function, 1, hold, 0, [{clause, 1, [], [], \
            [{'receive', 1, [{clause, 1, [{atom, 1, stop}], [], [{atom, 1, ok}]}]}]}]}], \
        {ok, _, Binary} = compile:forms(Forms), \
        code:purge(emqx_topic), \
        {module, _} = code:load_binary(emqx_topic, \"none\", Binary), \
        register(holder_of_tests, spawn(emqx_topic, hold, [])), \
        code:purge(emqx_topic), \
        {module, _} = code:load_file(emqx_topic), \
        erlang:check_process_code(whereis(holder_of_tests), emqx_topic)";
    assert_eq!(node::eval(&scene, hold)?, "true");
    scene.emqx(&["unpack", FOUR_16])?.success()?;
    let refused = scene.refused(&["upgrade", FOUR_16], 3, "old_processes")?;
    assert!(
        refused
            .stderr
            .contains("old processes still running code from module emqx_topic"),
        "{refused}"
    );
    assert_eq!(node::version(&scene)?, FOUR_0);
    node::eval(&scene, "holder_of_tests ! stop")?;
    scene.emqx(&["upgrade", FOUR_16])?.success()?;
    assert_eq!(node::version(&scene)?, FOUR_16);
    Ok(())
}

#[test]
fn an_upgrade_that_would_end_a_vm_without_heart_is_refused() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    scene.emqx(&["unpack", FOUR_16])?.success()?;
    let path = scene.path("releases/4.4.16/relup");
    let relup = fs_err::read_to_string(&path)?;
    let ending = relup.replace("point_of_no_return", "restart_new_emulator");
    assert_ne!(relup, ending);
    fs_err::write(&path, ending)?;
    scene.refused(&["upgrade", FOUR_16], 3, "relup_ends_vm")?;
    fs_err::write(&path, relup)?;
    scene.emqx(&["upgrade", FOUR_16])?.success()?;
    Ok(())
}

#[test]
fn later_releases_are_listed_and_pointed_to_their_own_way() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let listed = install.emqx(&["versions"])?.success()?;
    assert_eq!(
        listed.stdout,
        format!("Installed versions:\n* {V4}\tpermanent\n")
    );
    let refused = install.emqx(&["upgrade", V5])?.exit_code(2)?;
    assert!(
        refused
            .stderr
            .contains("ERROR: release_package_not_found: "),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("`emqx relup upgrade TARBALL`"),
        "{refused}"
    );
    Ok(())
}
