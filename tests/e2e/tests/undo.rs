//! A hop that fails after its first change: the exit code tells the truth about the node (3: it is
//! as it was, 4: it is not quite), no marker is written, and no client is cut off either way.

use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::swarm::{Figures, Options, Swarm};
use e2e::witness::{Witness, error_name, relup_json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// Clients go on talking for a while after the failure: what was broken may take its time to show.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Changes of every kind that go well.
const CHANGES: &str = "{load_module, emqx_release}, {load_module, emqx_topic}, \
                       {load_module, emqx_post_upgrade}, \
                       {update, emqx_stats, {advanced, []}}, \
                       {update, emqx_connection, {advanced, []}}, \
                       {restart_application, emqx_dashboard}";

/// Modules that the hop brings along: one whose callback crashes.
fn bring_along(dir: &Path) -> e2e::Result<()> {
    fs_err::create_dir_all(dir)?;
    let source = dir.join("emqx_post_upgrade_5.10.5.erl");
    let text = "-module('emqx_post_upgrade_5.10.5').\n-export([boom/1]).\n\
                boom(FromVsn) -> error({boom, FromVsn}).\n";
    fs_err::write(&source, text)?;
    process::run(
        Command::new("erlc").arg("-o").arg(dir).arg(&source),
        process::HANG,
    )?
    .success()?;
    Ok(())
}

/// Upgrades with a hop that fails behind its good changes.
fn check_failure(more: &str, callbacks: &str, error: &str) -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    let witness = Witness::of_running(&install)?;
    let before = node::state(&install)?;
    let hop = install.scratch().join("failing.relup");
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [{CHANGES}{more}],\n  post_upgrade_callbacks => [{callbacks}]}}.\n"
    );
    fs_err::write(&hop, text)?;
    bring_along(&hop.with_extension(""))?;
    let target = Sample::find()?.tarball(V5)?;
    let (target, hop) = (target.to_string_lossy(), hop.to_string_lossy());

    let (finished, json) = relup_json(&install, &["upgrade", &target, "--relup", &hop])?;
    assert_eq!(error_name(&json), error, "{finished}");
    assert_eq!(json["error"]["changed"], true, "{finished}");
    let restored = json["error"]["restored"] == true;
    assert_eq!(
        finished.code,
        Some(if restored { 3 } else { 4 }),
        "{finished}"
    );
    assert!(
        !install.path("relup/current").exists(),
        "a marker was written: {finished}"
    );
    let last = journal::last_attempt(install.root())?;
    let end = last.last().expect("the attempt is in the journal");
    assert_eq!(
        (end.step.as_str(), end.result.as_deref()),
        ("finished", Some(error))
    );
    if restored {
        assert_eq!(
            witness.vm_differences(&install)?,
            Vec::<String>::new(),
            "{finished}"
        );
        let after = node::state(&install)?;
        for key in [
            "emqx_stats.layout",
            "emqx_connection.layouts",
            "emqx_stats.started_at",
        ] {
            assert_eq!(after[key], before[key], "{key}: {finished}");
        }
    } else {
        assert!(
            json["error"]["hint"].is_string(),
            "the way out is told: {finished}"
        );
    }
    assert_eq!(
        node::os_pid(&install)?.to_string(),
        before["os.pid"],
        "the VM was not restarted"
    );

    std::thread::sleep(AFTERMATH);
    let figures = swarm.finish(PATIENCE)?;
    assert!(
        figures.iter().all(Figures::unharmed),
        "{figures:#?}\n{finished}"
    );
    install.emqx(&["restart"])?.success()?;
    assert_eq!(
        node::version(&install)?,
        V4,
        "no marker: the next start boots what was there"
    );
    process::run(
        &mut install.emqx_command(&["relup", "upgrade", &target]),
        process::HANG,
    )?
    .success()?;
    assert_eq!(
        node::version(&install)?,
        V5,
        "the failed attempt does not stand in the way"
    );
    Ok(())
}

#[test]
fn an_instruction_that_fails_half_way_is_told_truthfully_and_drops_no_client() -> e2e::Result<()> {
    check_failure(", {apply, erlang, node, []}", "", "apply_failed")
}

#[test]
fn a_callback_that_fails_is_told_truthfully_and_drops_no_client() -> e2e::Result<()> {
    let load = ", {load_module, 'emqx_post_upgrade_5.10.5'}";
    check_failure(load, "boom", "post_upgrade_failed")
}
