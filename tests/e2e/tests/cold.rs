//! `upgrade --cold`: the next start boots the target, and the node that runs meanwhile does not notice.

use e2e::deployed;
use e2e::install::Install;
use e2e::node;
use e2e::sample::{Sample, V4, V5, V6};
use e2e::swarm::{Figures, Options, Swarm};
use e2e::witness::{Witness, error_name, relup_json};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_running_node_is_not_touched_and_the_next_start_boots_the_target() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    let witness = Witness::of_running(&install)?;
    let target = Sample::find()?.tarball(V5)?;
    let target = target.to_string_lossy();

    let done = install.emqx(&["relup", "upgrade", "--cold", &target])?;
    let done = done.success()?.says("the node runs 5.10.4 as before")?;
    assert!(done.stdout.ends_with("\nupgrade complete\n"), "{done}");
    assert_eq!(witness.vm_differences(&install)?, Vec::<String>::new());
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");

    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(
        status.stdout.starts_with(
            "hot-upgraded to 5.10.5; pending on restart to boot from the new version\n"
        ),
        "{status}"
    );
    let (line, json) = deployed::status(&install)?;
    assert_eq!(
        (line.as_str(), &json["state"]),
        ("not booted yet", &json!("not_booted"))
    );
    install.emqx(&["ping"])?.success()?;
    assert_eq!(
        deployed::recorded(&install)?,
        json!(null),
        "the node that answers was booted from another tree"
    );
    let (_, refused) = relup_json(&install, &["upgrade", "--cold", &target])?;
    assert_eq!(error_name(&refused), "duplicate_pending_target");

    install
        .emqx(&["restart"])?
        .success()?
        .says("INFO: Loading emqx from hot-upgrade dir: ")?;
    assert_eq!(node::version(&install)?, V5);
    assert!(
        deployed::is_good(&install)?,
        "its first boot was seen ready"
    );
    install.emqx(&["relup", "verify", V5])?.success()?;
    Ok(())
}

#[test]
fn with_the_node_down_the_tree_in_force_is_what_counts() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let sample = Sample::find()?;
    let tarball = |vsn: &str| Ok::<_, e2e::Error>(sample.tarball(vsn)?.display().to_string());
    let (finished, json) = relup_json(&install, &["upgrade", "--cold", &tarball(V5)?])?;
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(
        (&json["from"], &json["node_running"]),
        (&json!(V4), &json!(false))
    );
    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(status.stdout.starts_with("idle\n"), "{status}");
    let status = status.says("running version: node not running")?;
    assert!(
        status.stdout.contains("\nnext start: 5.10.5 from "),
        "{status}"
    );
    // Not yet proven, and neither is the one after it.
    let (line, _) = deployed::status(&install)?;
    assert_eq!(line, "not booted yet");
    let (finished, json) = relup_json(&install, &["upgrade", "--cold", &tarball(V6)?])?;
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(
        json["from"],
        json!(V5),
        "the version of the tree in force: {finished}"
    );
    let before = Witness::of_stopped(&install)?;
    let (_, refused) = relup_json(&install, &["upgrade", "--cold", &tarball(V6)?])?;
    assert_eq!(error_name(&refused), "already_upgraded_to_target_vsn");
    assert_eq!(before.differences(&install)?, Vec::<String>::new());
    // A hot upgrade needs a node, and says so.
    let (_, refused) = relup_json(&install, &["upgrade", &tarball(V5)?])?;
    assert_eq!(error_name(&refused), "node_not_running");

    install.start()?;
    assert_eq!(node::version(&install)?, V6);
    install.stop()?;
    install.emqx(&["relup", "rollback"])?.success()?;
    install.start()?;
    assert_eq!(node::version(&install)?, V4);
    Ok(())
}
