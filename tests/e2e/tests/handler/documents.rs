//! The sessions of the operators' documents for EMQX 4.x, line by line, under MQTT clients.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::node;
use e2e::sample::{FOUR_0, FOUR_16, FOUR_17};
use e2e::swarm::{Figures, Options, Swarm};

use crate::scene::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_document_is_followed_to_the_letter_and_drops_no_client() -> e2e::Result<()> {
    let scene = Scene::running()?;
    let pid = node::os_pid(&scene)?;
    let swarm = Swarm::start(&Options::on_port(scene.mqtt_port()), PATIENCE)?;
    scene.versions(&["4.4.0\tpermanent"])?;
    scene.add_zip(FOUR_16)?;
    scene.session(
        "upgrade 4.4.16",
        &[
            "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz",
            "Unpacked successfully: \"4.4.16\"",
            "Installed Release: 4.4.16",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    assert_eq!(node::version(&scene)?, FOUR_16);
    scene.versions(&["4.4.16\tpermanent", "4.4.0\told"])?;
    scene.session(
        "downgrade 4.4.0",
        &[
            "Release 4.4.0 is marked old, switching to it.",
            "Installed Release: 4.4.0",
            "Made release permanent: \"4.4.0\"",
        ],
    )?;
    assert_eq!(node::version(&scene)?, FOUR_0);
    scene.session(
        "uninstall 4.4.16",
        &[
            "Release 4.4.16 is marked old, uninstalling it.",
            "Uninstalled Release: 4.4.16",
        ],
    )?;
    scene.versions(&["4.4.0\tpermanent"])?;
    assert!(
        !scene.path("lib/emqx-4.4.16").exists(),
        "its own application"
    );
    assert!(scene.path("lib/emqx-4.4.0").exists());
    scene.session(
        "upgrade --no-permanent 4.4.16",
        &[
            "Release 4.4.16 not found, attempting to unpack releases/emqx-4.4.16.tar.gz",
            "Unpacked successfully: \"4.4.16\"",
            "Installed Release: 4.4.16",
        ],
    )?;
    scene.versions(&["4.4.16\tcurrent", "4.4.0\tpermanent"])?;
    scene.session(
        "install 4.4.16",
        &[
            "Release 4.4.16 is already installed and current, making permanent.",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    scene.session(
        "uninstall 4.4.0",
        &[
            "Release 4.4.0 is marked old, uninstalling it.",
            "Uninstalled Release: 4.4.0",
        ],
    )?;
    assert_eq!(node::os_pid(&scene)?, pid, "the same VM all the time");
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");

    scene.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&scene)?, FOUR_16);
    scene.versions(&["4.4.16\tpermanent"])?;
    Ok(())
}

#[test]
fn what_is_not_permanent_is_gone_after_a_restart_until_it_is_installed_again() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_tarball(FOUR_17, "emqx-4.4.17.tar.gz")?;
    scene.session(
        "upgrade --no-permanent 4.4.17",
        &[
            "Release 4.4.17 not found, attempting to unpack releases/emqx-4.4.17.tar.gz",
            "Unpacked successfully: \"4.4.17\"",
            "Installed Release: 4.4.17",
        ],
    )?;
    assert_eq!(node::version(&scene)?, FOUR_17);
    scene.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&scene)?, FOUR_0);
    scene.versions(&["4.4.17\tunpacked", "4.4.0\tpermanent"])?;
    scene.session(
        "install 4.4.17",
        &[
            "Release 4.4.17 is already unpacked, now installing.",
            "Installed Release: 4.4.17",
            "Made release permanent: \"4.4.17\"",
        ],
    )?;
    scene.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&scene)?, FOUR_17);
    scene.session(
        "install 4.4.17",
        &["Release 4.4.17 is already installed, running and set permanent."],
    )?;
    Ok(())
}

#[test]
fn packages_are_found_in_four_places_and_the_launcher_stays() -> e2e::Result<()> {
    let scene = Scene::running()?;
    let launcher = fs_err::read(scene.path("bin/emqx"))?;
    scene.add_tarball(FOUR_16, "4.4.16/emqx-4.4.16.tar.gz")?;
    scene.session(
        "unpack 4.4.16",
        &[
            "Release 4.4.16 not found, attempting to unpack releases/4.4.16/emqx-4.4.16.tar.gz",
            "Unpacked successfully: \"4.4.16\"",
        ],
    )?;
    scene.session("unpack 4.4.16", &["Release 4.4.16 is already unpacked."])?;
    scene.add_tarball(FOUR_17, "4.4.17/emqx.tar.gz")?;
    scene.session(
        "unpack 4.4.17/",
        &[
            "Release 4.4.17 not found, attempting to unpack releases/4.4.17/emqx.tar.gz",
            "Unpacked successfully: \"4.4.17\"",
        ],
    )?;
    scene.versions(&["4.4.17\tunpacked", "4.4.16\tunpacked", "4.4.0\tpermanent"])?;
    scene.session(
        "upgrade 4.4.16",
        &[
            "Release 4.4.16 is already unpacked, now installing.",
            "Installed Release: 4.4.16",
            "Made release permanent: \"4.4.16\"",
        ],
    )?;
    assert_eq!(fs_err::read(scene.path("bin/emqx"))?, launcher);
    assert_eq!(
        fs_err::read(scene.path("bin/nodetool"))?,
        fs_err::read(scene.path("bin/nodetool-4.4.16"))?
    );
    let vars = fs_err::read_to_string(scene.path("releases/emqx_vars"))?;
    assert!(vars.contains("REL_VSN=\"4.4.16\"\nERTS_VSN=\""), "{vars}");
    let start = fs_err::read_to_string(scene.path("releases/start_erl.data"))?;
    assert!(start.ends_with(" 4.4.16"), "{start}");
    Ok(())
}

#[test]
fn the_settings_that_run_are_those_of_the_next_release() -> e2e::Result<()> {
    let scene = Scene::running()?;
    scene.add_zip(FOUR_16)?;
    node::eval(
        &scene,
        "application:set_env(emqx, name_of_tests, <<\"Grüße\"/utf8>>), \
         application:set_env(emqx, owner_of_tests, whereis(init))",
    )?;
    let upgraded = scene.emqx(&["upgrade", FOUR_16])?.success()?;
    assert!(
        upgraded
            .stderr
            .contains("WARNING: sys.config can't hold emqx.owner_of_tests"),
        "{upgraded}"
    );
    for (setting, value) in [
        ("name_of_tests", "<<\"Grüße\"/utf8>>"),
        ("owner_of_tests", "whereis(init)"),
    ] {
        let found = format!("{{ok, {value}}} =:= application:get_env(emqx, {setting})");
        assert_eq!(node::eval(&scene, &found)?, "true", "{setting}");
    }
    let config = scene.path("releases/4.4.16/sys.config");
    let kept = fs_err::read_to_string(&config)?;
    assert!(
        kept.contains("Grüße") && !kept.contains("owner_of_tests"),
        "{kept}"
    );
    for path in [&config, &config.with_file_name("vm.args")] {
        let mode = fs_err::metadata(path)?.permissions().mode();
        assert_eq!(mode & 0o077, 0, "secrets are in {}", path.display());
    }
    let told = node::eval_text(&scene, "hd(hd(element(2, init:get_argument(vm_args))))")?;
    assert_eq!(
        fs_err::read(scene.path("releases/4.4.16/vm.args"))?,
        fs_err::read(told)?
    );
    Ok(())
}
