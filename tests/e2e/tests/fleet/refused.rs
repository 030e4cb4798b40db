//! Rollouts that stop, and what they leave.

use crate::scene::{Ansible, Fleet, ROLLOUT, broken};
use e2e::install::Install;
use e2e::node;
use e2e::patch::{FACE_OF_A_CLUSTER, replace_module};
use e2e::sample::{Sample, V4, V5};
use e2e::witness::Witness;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_broken_tarball_on_one_node_stops_the_rollout_there() -> e2e::Result<()> {
    let fleet = Fleet::start()?;
    let good = Sample::find()?.tarball(V5)?;
    let bad = broken(&good, fleet.nodes[1].scratch())?;
    let vars = json!({ "emqx_relup_remote_src": "true" });
    let of = [&good, &bad, &good].map(|tarball| json!({ "emqx_relup_tarball": tarball }));
    let before = fleet.nodes.iter().map(Witness::of_running);
    let before = before.collect::<e2e::Result<Vec<_>>>()?;

    // Everything is proven on all nodes first: none is begun.
    let play = fleet.play(ROLLOUT, &[], &vars, &of)?;
    assert_eq!(play.figure("node2", "failed"), Some(1), "{}", play.finished);
    let told = play.finished.exit_code(2)?;
    let told = told.says("sha256_mismatch")?.says("Nothing was changed")?;
    assert!(!told.stdout.contains("Upgrade node by node"), "{told}");
    for (node, before) in fleet.nodes.iter().zip(&before) {
        assert_eq!(before.differences(node)?, Vec::<String>::new());
    }

    // With everything for one node at a time, the one before it is upgraded, the one behind is not.
    let examples = e2e::sample::workspace().join("packaging/ansible/examples");
    let one_by_one = examples.join("one_by_one.yml");
    let play = fleet.play(&one_by_one.to_string_lossy(), &[], &vars, &of)?;
    assert_eq!(
        play.figure("node1", "changed"),
        Some(1),
        "{}",
        play.finished
    );
    assert_eq!(play.figure("node2", "failed"), Some(1), "{}", play.finished);
    assert_eq!(play.figure("node3", "ok"), None, "{}", play.finished);
    play.finished.exit_code(2)?.says("sha256_mismatch")?;
    assert_eq!(node::version(&fleet.nodes[0])?, V5);
    for (node, before) in fleet.nodes.iter().zip(&before).skip(1) {
        assert_eq!(before.differences(node)?, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn a_cluster_that_is_not_well_holds_the_rollout_up() -> e2e::Result<()> {
    let node = Install::sample(V4)?;
    replace_module(&node, FACE_OF_A_CLUSTER)?;
    node.start()?;
    let fleet = Fleet {
        nodes: vec![node],
        ansible: Ansible::with_collection()?,
    };
    let vars = json!({
        "emqx_relup_tarball": Sample::find()?.tarball(V5)?,
        "emqx_relup_retries": 1,
        "emqx_relup_delay": 0,
    });
    let play = fleet.play(ROLLOUT, &[], &vars, &[])?;
    let told = play.finished.exit_code(2)?;
    told.says("The cluster is not well")?
        .says("gone@127.0.0.1")?
        .says("The rollout stops at node1. Upgraded before it: none. Not begun: none.")?;
    assert_eq!(node::version(&fleet.nodes[0])?, V4);
    Ok(())
}

#[test]
fn a_host_without_the_launcher_and_a_tarball_without_a_version_are_told() -> e2e::Result<()> {
    let ansible = Ansible::with_collection()?;
    let scratch = tempfile::tempdir()?;
    let script = scratch.path().join("emqx");
    fs_err::write(&script, "#!/bin/sh\necho 'usage: emqx' >&2\nexit 1\n")?;
    fs_err::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let gone = scratch.path().join("gone");
    let cases = [
        (&script, "emqx-5.10.5-x.tar.gz", "usage: emqx"),
        (&gone, "emqx-5.10.5-x.tar.gz", "No such file"),
        (&script, "latest.tar.gz", "set emqx_relup_version"),
    ];
    for (program, tarball, words) in cases {
        let host = json!({ "emqx_relup_program": program });
        let hosts = [("alone".to_owned(), host)].into_iter().collect();
        let vars = json!({ "emqx_relup_tarball": tarball });
        let play = ansible.play(ROLLOUT, &[], &vars, &hosts)?;
        play.finished.exit_code(2)?.says(words)?;
    }
    Ok(())
}
