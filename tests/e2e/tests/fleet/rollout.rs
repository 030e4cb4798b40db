//! Rollouts that succeed, below clients on all nodes.

use crate::scene::{Ansible, Fleet, ROLLOUT, staged};
use e2e::node;
use e2e::process;
use e2e::sample::{Sample, V4, V5, V6};
use e2e::swarm::{Options, Swarm};
use e2e::witness::{Witness, relup_json};
use serde_json::json;
use std::time::Duration;

#[test]
fn nodes_are_upgraded_one_by_one_below_clients_and_a_second_run_changes_nothing() -> e2e::Result<()>
{
    let fleet = Fleet::start()?;
    fleet.connect()?;
    // All are texts, as they are behind `-e NAME=VALUE`.
    let vars = json!({
        "emqx_relup_tarball": Sample::find()?.tarball(V5)?,
        "emqx_relup_cluster": "yes",
        "emqx_relup_cluster_size": "3",
        "emqx_relup_remote_src": "false",
        "emqx_relup_remove_tarball": "true",
        "emqx_relup_settle_seconds": "1",
    });
    let swarms = fleet.nodes.iter().zip(1..).map(|(node, at)| {
        let options = Options {
            host: format!("127.0.0.{at}"),
            clients: 20,
            interval: Duration::from_millis(500),
            ..Options::on_port(node.mqtt_port())
        };
        Swarm::start(&options, process::HANG)
    });
    let swarms = swarms.collect::<e2e::Result<Vec<_>>>()?;
    for swarm in &swarms {
        swarm.begin("rollout");
    }

    // Check mode proves the upgrade and leaves everything as it was.
    let before = fleet.nodes.iter().map(Witness::of_running);
    let before = before.collect::<e2e::Result<Vec<_>>>()?;
    let checked = fleet
        .play(ROLLOUT, &["--check"], &vars, &[])?
        .ended_with_changes([1, 1, 1])?;
    checked.finished.says("Would upgrade 5.10.4 -> 5.10.5")?;
    for (node, before) in fleet.nodes.iter().zip(before) {
        assert_eq!(before.differences(node)?, Vec::<String>::new());
        assert!(!staged(node).exists(), "{}", staged(node).display());
    }

    // The directory, the tarball with its digest, the upgrade, the removal of the tarball.
    fleet
        .play(ROLLOUT, &[], &vars, &[])?
        .ended_with_changes([4, 4, 4])?;
    let mut ended = String::new();
    for node in &fleet.nodes {
        assert_eq!(node::version(node)?, V5);
        assert_eq!(fs_err::read_dir(staged(node))?.count(), 0);
        let (_, status) = relup_json(node, &["status"])?;
        assert_eq!(status["next_start"]["version"], V5, "{status}");
        // Times of one form and one zone are ordered as their texts are.
        let attempt = &status["last_attempt"];
        let started = attempt["started"].as_str().unwrap_or_default();
        assert!(started > ended.as_str(), "two at a time: {attempt}");
        attempt["finished"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut ended);
    }
    for swarm in swarms {
        let figures = swarm.finish(process::HANG)?;
        let rollout = figures.iter().find(|figures| figures.phase == "rollout");
        let rollout = rollout.expect("the phase was begun");
        println!("{rollout}");
        assert!(rollout.unharmed() && rollout.received > 100, "{rollout:#?}");
    }

    fleet
        .play(ROLLOUT, &[], &vars, &[])?
        .ended_with_changes([0, 0, 0])?;

    // The nodes of the sample do not look for each other after a restart.
    let vars = json!({
        "emqx_relup_tarball": Sample::find()?.tarball(V5)?,
        "emqx_relup_restart": "true",
    });
    fleet
        .play(ROLLOUT, &[], &vars, &[])?
        .ended_with_changes([1, 1, 1])?;
    for node in &fleet.nodes {
        let tree = node.path("relup").join(V5);
        assert_eq!(node::root_dir(node)?, tree.to_string_lossy());
        assert_eq!(node::version(node)?, V5);
    }
    Ok(())
}

#[test]
fn a_release_without_a_hop_is_deployed_everywhere_and_booted_one_by_one() -> e2e::Result<()> {
    let fleet = Fleet::start()?;
    let vars = json!({
        "emqx_relup_tarball": Sample::find()?.tarball(V6)?,
        "emqx_relup_cold": "true",
    });
    let checked = fleet
        .play(ROLLOUT, &["--check"], &vars, &[])?
        .ended_with_changes([1, 1, 1])?;
    checked
        .finished
        .says("Would upgrade 5.10.4 -> 5.10.6, at the next start")?;
    // The directory, the tarball with its digest, the deployment.
    let deployed = fleet
        .play(ROLLOUT, &[], &vars, &[])?
        .ended_with_changes([3, 3, 3])?;
    for (node, at) in fleet.nodes.iter().zip(1..) {
        assert_eq!(node::version(node)?, V4);
        let tree = node.path("relup").join(V6);
        let line = format!(
            "node{at}: {V4}; a restart boots {V6} from {}",
            tree.display()
        );
        assert!(deployed.finished.stdout.contains(&line), "{line}");
    }
    fleet
        .play(ROLLOUT, &[], &vars, &[])?
        .ended_with_changes([0, 0, 0])?;

    let again = ["-e", "emqx_relup_restart=true"];
    fleet
        .play(ROLLOUT, &again, &vars, &[])?
        .ended_with_changes([1, 1, 1])?;
    for node in &fleet.nodes {
        assert_eq!(node::version(node)?, V6);
    }
    fleet
        .play(ROLLOUT, &again, &vars, &[])?
        .ended_with_changes([0, 0, 0])?;
    Ok(())
}

#[test]
fn the_collection_is_clean_under_ansible_lint_and_explains_its_variables() -> e2e::Result<()> {
    let ansible = Ansible::with_collection()?;
    let mut lint = ansible.command("ansible-lint")?;
    lint.current_dir(ansible.collection());
    process::run(&mut lint, process::HANG)?.success()?;
    let mut doc = ansible.command("ansible-doc")?;
    doc.args(["-t", "role", "emqx_launcher.relup.emqx_relup", "--json"]);
    let told = process::run(&mut doc, process::HANG)?.success()?;
    let told: serde_json::Value =
        serde_json::from_str(&told.stdout).map_err(std::io::Error::from)?;
    let options = &told["emqx_launcher.relup.emqx_relup"]["entry_points"]["main"]["options"];
    let options = options.as_object().expect("options of the entry point");
    let defaults = ansible
        .collection()
        .join("roles/emqx_relup/defaults/main.yml");
    let defaults = fs_err::read_to_string(defaults)?;
    let readme = fs_err::read_to_string(ansible.collection().join("README.md"))?;
    for name in options.keys() {
        let has_default = defaults
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")));
        assert_eq!(has_default, name != "emqx_relup_tarball", "{name}");
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} in the README"
        );
    }
    let known = defaults
        .lines()
        .filter_map(|line| line.strip_prefix("emqx_relup_"));
    assert_eq!(known.count() + 1, options.len());
    Ok(())
}
