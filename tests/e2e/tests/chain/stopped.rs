//! Chains that end half-way: a hop that fails, a command that is killed.

use crate::scene::{
    PATIENCE, attempts, debris, downloads, marker, second_hop, tarball, two_hops_away,
};
use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process::{self, Finished};
use e2e::sample::{V4, V5, V6};
use e2e::swarm::{Figures, Options, Swarm};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn a_hop_that_fails_leaves_what_was_reached_before_it() -> e2e::Result<()> {
    let install = two_hops_away()?;
    install.start()?;
    let hooks = install.path("etc/relup.d");
    fs_err::create_dir_all(&hooks)?;
    let told = install.scratch().join("told");
    for name in ["pre-upgrade", "post-upgrade"] {
        let script = format!("#!/bin/sh\ncat >>'{}'\n", told.display());
        fs_err::write(hooks.join(name), script)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(hooks.join(name), mode)?;
    }
    let kept = fs_err::read(install.path("relup/catalog/5.10.5-to-5.10.6.relup"))?;
    second_hop(
        &install,
        "{load_module, emqx_release}, {load_module, emqx_topic}, {apply, erlang, node, []}",
    )?;
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    let (target, via) = (tarball(V6)?, tarball(V5)?);
    let (backup, base) = (install.scratch().join("backups"), install.root());
    let backup_dir = backup.to_string_lossy();
    let args = ["upgrade", &target, "--via", &via, "--backup", &backup_dir];
    let failed = install.emqx(&[&["relup"], &args[..]].concat())?;
    assert_eq!(failed.code, Some(3), "{failed}");
    assert!(
        failed.stderr.contains("ERROR: apply_failed: ")
            && failed
                .stderr
                .contains("(hop 2 of 2, 5.10.5 -> 5.10.6); 5.10.5 was reached before and stays"),
        "{failed}"
    );
    let go_on = format!("to go on from there: `emqx relup upgrade {target}`");
    assert!(failed.stderr.contains(&go_on), "{failed}");
    assert_eq!(node::version(&install)?, V5);
    assert_eq!(marker(&install).as_deref(), Some("5.10.5\n"));
    assert_eq!(debris(&install)?, Vec::<String>::new());
    let result = |path: &str, result: &str| (path.to_owned(), result.to_owned());
    assert_eq!(
        attempts(&install)?,
        [
            result("5.10.4 -> 5.10.5", "success"),
            result("5.10.5 -> 5.10.6", "apply_failed")
        ]
    );
    // Hooks and backup are for the whole way.
    let told = fs_err::read_to_string(told)?;
    let told: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[0]["from"], &told[0]["to"], &told[0]["via"]),
        (&json!(V4), &json!(V6), &json!([V5]))
    );
    assert_eq!(told[1]["result"]["error"], json!("apply_failed"));
    assert_eq!(
        fs_err::read_dir(&backup)?.count(),
        1,
        "one backup below {}",
        base.display()
    );

    // The command of the hint, once the hop is mended.
    fs_err::write(install.path("relup/catalog/5.10.5-to-5.10.6.relup"), kept)?;
    install.emqx(&["relup", "upgrade", &target])?.success()?;
    assert_eq!(node::version(&install)?, V6);
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");
    install.stop()?;
    Ok(())
}

/// Kills the command once it says something, and runs it again.
fn killed_at(text: &str, signal: Signal) -> e2e::Result<(Install, Finished)> {
    let install = two_hops_away()?;
    install.start()?;
    let (target, via) = (tarball(V6)?, downloads()?.display().to_string());
    let args = ["relup", "upgrade", &target, "--via", &via];
    let mut command = install.spawn(&args)?;
    command.wait_for(text, process::HANG)?;
    command.signal(signal)?;
    let ended = command.wait(process::HANG)?;
    process::wait_until("the node to be at rest", process::HANG, || {
        Ok(journal::last_attempt(install.root())?
            .last()
            .is_none_or(|record| record.by != "node" || record.step == "finished"))
    })?;
    let reached = node::version(&install)?;
    assert_eq!(
        marker(&install),
        (reached != V4).then(|| format!("{reached}\n")),
        "{ended}"
    );
    if reached != V6 {
        install.emqx(&args)?.success()?;
    }
    assert_eq!(node::version(&install)?, V6, "{ended}");
    assert_eq!(marker(&install).as_deref(), Some("5.10.6\n"));
    assert_eq!(debris(&install)?, Vec::<String>::new());
    install.emqx(&["relup", "verify"])?.success()?;
    Ok((install, ended))
}

#[test]
fn a_command_that_is_killed_on_the_way_is_run_again() -> e2e::Result<()> {
    for text in [
        "hop 1 of 2",
        "applying 5.10.4 -> 5.10.5",
        "hop 2 of 2",
        "deploying 5.10.6",
    ] {
        killed_at(text, Signal::SIGKILL)?;
    }
    Ok(())
}

#[test]
fn ctrl_c_on_the_way_says_what_was_reached_and_how_to_go_on() -> e2e::Result<()> {
    let (_install, ended) = killed_at("hop 2 of 2", Signal::SIGINT)?;
    if ended.code != Some(0) {
        assert!(
            ended.stderr.contains("5.10.5 was reached before and stays")
                && ended
                    .stderr
                    .contains("to go on from there: `emqx relup upgrade "),
            "{ended}"
        );
    }
    Ok(())
}

#[test]
fn ctrl_c_while_the_node_applies_a_hop_lets_it_end_and_goes_no_further() -> e2e::Result<()> {
    let install = two_hops_away()?;
    install.start()?;
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [{{load_module, emqx_release}}, {{apply, timer, sleep, [3000]}}],\n  \
         post_upgrade_callbacks => []}}.\n"
    );
    fs_err::write(install.path("relup/catalog/5.10.4-to-5.10.5.relup"), text)?;
    let (target, via) = (tarball(V6)?, tarball(V5)?);
    let args = ["relup", "upgrade", &target, "--via", &via];
    let mut command = install.spawn(&args)?;
    command.wait_for("apply timer:sleep/1", process::HANG)?;
    command.signal(Signal::SIGINT)?;
    let ended = command.wait(process::HANG)?;
    assert_eq!(ended.code, Some(4), "{ended}");
    assert!(
        ended
            .stderr
            .contains("the node goes on with this hop by itself, and no further (hop 1 of 2")
            && ended.stderr.contains("then run the command again"),
        "{ended}"
    );
    assert_eq!(debris(&install)?, Vec::<String>::new(), "{ended}");
    process::wait_until("the node to end the hop", process::HANG, || {
        Ok(marker(&install).as_deref() == Some("5.10.5\n"))
    })?;
    process::wait_until("the node to be at rest", process::HANG, || {
        Ok(journal::last_attempt(install.root())?
            .last()
            .is_some_and(|record| record.step == "finished"))
    })?;
    assert_eq!(node::version(&install)?, V5);
    install.emqx(&args)?.success()?;
    assert_eq!(node::version(&install)?, V6);
    install.stop()?;
    Ok(())
}
