//! `plan` and `--dry-run` on a real node: the truth about what an upgrade would do, and no trace.

use e2e::install::Install;
use e2e::node;
use e2e::process;
use e2e::sample::{Sample, V4, V5, sidecar_of};
use e2e::swarm::{Options, Swarm};
use e2e::witness::{Witness, error_name, relup_json};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a plan in both spellings and demands that nothing has changed.
fn plan(install: &Install, args: &[&str]) -> e2e::Result<(process::Finished, Value)> {
    let witness = Witness::of_running(install)?;
    let (finished, json) = relup_json(install, &[&["plan"], args].concat())?;
    let (other, _) = relup_json(install, &[&["upgrade", "--dry-run"], args].concat())?;
    assert_eq!(finished.code, other.code, "{finished}\n{other}");
    assert_eq!(
        witness.differences(install)?,
        Vec::<String>::new(),
        "{finished}"
    );
    Ok((finished, json))
}

#[test]
fn a_plan_tells_what_the_upgrade_then_does() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let options = Options::on_port(install.mqtt_port());
    let _swarm = Swarm::start(&options, PATIENCE)?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();

    let (finished, json) = plan(&install, &[&target])?;
    assert_eq!(finished.code, Some(0), "{finished}");
    assert!(!install.path("relup/journal.jsonl").exists());
    let spoken = install.emqx(&["relup", "plan", &target])?.success()?;
    for line in [
        "5.10.4 -> 5.10.5 by ",
        "  load emqx_release, ",
        "  update emqx_connection: suspend ",
        "  restart emqx_dashboard as ",
        "  call emqx_post_upgrade:",
        "\nnothing was changed\n",
    ] {
        assert!(spoken.stdout.contains(line), "{line}: {spoken}");
    }

    let (done, outcome) = relup_json(&install, &["upgrade", &target])?;
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(node::version(&install)?, V5);
    for (planned, done) in [
        ("modules_to_load", "modules_loaded"),
        ("modules_unchanged", "modules_unchanged"),
        ("processes_to_suspend", "processes_updated"),
        ("applications_to_restart", "applications_restarted"),
        ("callbacks", "callbacks"),
        ("hop", "hop"),
    ] {
        assert_eq!(json[planned], outcome[done], "{json}\n{outcome}");
    }
    assert!(json["processes_to_suspend"].as_u64() > Some(100), "{json}");
    Ok(())
}

#[test]
fn what_would_be_refused_is_refused_the_same_way() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?;
    let path = target.display().to_string();
    let hop = install.scratch().join("a.relup");
    let hop_path = hop.display().to_string();
    let write = |changes: &str, callbacks: &str| {
        let text = format!(
            "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
             code_changes => [{changes}], post_upgrade_callbacks => [{callbacks}]}}.\n"
        );
        fs_err::write(&hop, text)
    };
    write("{load_module, no_such_module}", "")?;
    let (finished, json) = plan(&install, &[&path, "--relup", &hop_path])?;
    assert_eq!(error_name(&json), "module_not_found", "{finished}");
    assert_eq!(json["error"]["changed"], json!(false));
    assert_eq!(finished.code, Some(1));
    write("{load_module, emqx_release}", "no_such_callback")?;
    let (finished, json) = plan(&install, &[&path, "--relup", &hop_path])?;
    assert_eq!(error_name(&json), "callback_not_exported", "{finished}");
    assert!(!finished.stdout.contains(".staging-"), "{finished}");

    let copy = install.scratch().join("copy.tar.gz");
    fs_err::copy(&target, &copy)?;
    fs_err::write(sidecar_of(&copy), format!("{}\n", "0".repeat(64)))?;
    let (_, json) = plan(&install, &[&copy.display().to_string()])?;
    assert_eq!(error_name(&json), "sha256_mismatch");
    Ok(())
}

#[test]
fn a_cold_plan_needs_no_node_and_leaves_no_trace() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    fs_err::remove_dir_all(install.path("relup"))?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();
    let (finished, json) = relup_json(&install, &["plan", "--cold", &target])?;
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(json["to"], json!(V5));
    assert!(!install.path("relup").exists(), "not even the directory");
    Ok(())
}

#[test]
fn ctrl_c_while_the_node_proves_leaves_nothing_on_disk() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();
    let hop = install.scratch().join("slow.relup");
    let text = format!(
        "timer:sleep(4000), #{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [], post_upgrade_callbacks => []}}.\n"
    );
    fs_err::write(&hop, text)?;
    let before = Witness::of_stopped(&install)?;
    let args = ["relup", "plan", &target, "--relup", &hop.to_string_lossy()];
    let mut command = install.spawn(&args)?;
    command.wait_for("proving the plan", PATIENCE)?;
    command.signal(nix::sys::signal::Signal::SIGINT)?;
    let ended = command.wait(PATIENCE)?;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("nothing was changed"), "{ended}");
    // The proof in the node ends by itself.
    process::wait_until("the node to be at rest", PATIENCE, || {
        let status = install.emqx(&["relup", "status"])?.success()?;
        Ok(status.stdout.starts_with("idle\n"))
    })?;
    assert_eq!(before.differences(&install)?, Vec::<String>::new());
    Ok(())
}
