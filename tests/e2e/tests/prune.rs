//! `prune` never takes a tree away that something boots or runs from, hop by hop.

use e2e::deployed;
use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5, V6};
use e2e::tree::Snapshot;
use e2e::witness::relup_json;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::Stdio;

fn upgrade(install: &Install, vsn: &str) -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(vsn)?;
    install
        .emqx(&["relup".as_ref(), "upgrade".as_ref(), tarball.as_os_str()])?
        .success()?;
    Ok(())
}

/// The versions in a list of an answer.
fn versions(json: &Value, list: &str) -> Vec<String> {
    let list = json[list].as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|tree| tree["version"].as_str().map(str::to_owned))
        .collect()
}

fn prune(install: &Install, more: &[&str]) -> e2e::Result<Value> {
    let (finished, json) = relup_json(install, &[&["prune"], more].concat())?;
    assert_eq!(finished.code, Some(0), "{finished}");
    Ok(json)
}

#[test]
fn what_a_running_node_was_booted_from_or_went_through_stays() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    upgrade(&install, V5)?;
    upgrade(&install, V6)?;
    // Booted from the base, with code of both trees.
    let json = prune(&install, &[])?;
    assert_eq!(versions(&json, "kept"), [V5, V6], "{json}");
    install.emqx(&["relup", "rollback"])?.success()?;
    let json = prune(&install, &[])?;
    assert_eq!(
        versions(&json, "kept"),
        [V5, V6],
        "no marker, and yet in use: {json}"
    );
    install
        .emqx(&["relup", "rollback", "--to", V6])?
        .success()?;
    install.emqx(&["restart"])?.success()?;

    let before = Snapshot::of(install.root())?.without(&["log", "data"]);
    let json = prune(&install, &["--dry-run"])?;
    assert_eq!(versions(&json, "removed"), [V5], "{json}");
    assert!(json["bytes"].as_u64() > Some(1 << 20), "{json}");
    let after = Snapshot::of(install.root())?.without(&["log", "data"]);
    assert_eq!(before.differences(&after), Vec::<String>::new());
    let json = prune(&install, &["--keep", "1"])?;
    assert_eq!(versions(&json, "kept"), [V6, V5], "{json}");
    let json = prune(&install, &[])?;
    assert_eq!(versions(&json, "removed"), [V5], "{json}");
    assert!(!install.path("relup/5.10.5").exists());
    assert!(!install.path("relup/5.10.5.manifest").exists());
    assert_eq!(node::version(&install)?, V6);
    install
        .emqx(&["relup", "logs"])?
        .says("5.10.5 -> - status=finished result=success action=prune")?;

    // What ran and was marked still boots, and the way back is there.
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V6);
    install.emqx(&["relup", "rollback"])?.success()?;
    let json = prune(&install, &[])?;
    assert_eq!(
        versions(&json, "kept"),
        [V6],
        "the node runs from it: {json}"
    );
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V4);
    let json = prune(&install, &[])?;
    assert_eq!(versions(&json, "removed"), [V6], "{json}");
    upgrade(&install, V5)?;
    assert_eq!(node::version(&install)?, V5);
    Ok(())
}

#[test]
fn a_marker_inside_a_deployed_tree_keeps_that_tree() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let outer = deployed::Deployed::marked(&install, V5)?;
    deployed::Deployed::below(&outer.root, V6)?;
    deployed::mark(&outer.root, V6)?;
    deployed::Deployed::below(install.root(), V6)?;
    let json = prune(&install, &[])?;
    assert_eq!(versions(&json, "removed"), [V6], "{json}");
    assert_eq!(versions(&json, "kept"), [V5], "{json}");
    install.start()?;
    assert_eq!(node::version(&install)?, V6, "the nested tree is complete");
    let json = prune(&install, &[])?;
    assert_eq!(versions(&json, "kept"), [V5], "{json}");
    Ok(())
}

#[test]
fn a_boot_that_has_no_vm_yet_is_waited_for() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    deployed::Deployed::below(install.root(), V5)?;
    // It waits for its cookie: which tree it boots is decided, and no VM tells.
    let pipe = install.scratch().join("cookie");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).map_err(std::io::Error::from)?;
    let mut command = install.emqx_command(&["foreground"]);
    command.env("EMQX_NODE__COOKIE", format!("file://{}", pipe.display()));
    let mut boot = Running::spawn(command.stdin(Stdio::null()))?;
    process::wait_until("the boot to begin", process::HANG, || {
        Ok(!install.processes().is_empty())
    })?;
    let (finished, json) = relup_json(&install, &["prune"])?;
    boot.signal(Signal::SIGKILL)?;
    boot.wait(process::HANG)?;
    assert_eq!(finished.code, Some(1), "{finished}");
    assert_eq!(
        json["error"]["name"],
        json!("node_unreachable"),
        "{finished}"
    );
    assert!(finished.stdout.contains("is booting a node"), "{finished}");
    assert!(install.path("relup/5.10.5").is_dir());
    install.kill_all()
}
