//! Chains that are gone to their end.

use crate::scene::{PATIENCE, TALK, attempts, debris, downloads, marker, tarball, two_hops_away};
use e2e::install::Install;
use e2e::node;
use e2e::sample::{V4, V5, V6};
use e2e::swarm::{Figures, Options, Swarm};
use e2e::witness::{Witness, faults_of_words, relup_json};
use serde_json::json;

#[test]
fn the_shortest_chain_is_told_without_a_node() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let one = install.emqx(&["relup", "path", V4, V6])?.success()?;
    assert_eq!(one.stdout, "5.10.4 -> 5.10.6\n");
    let install = two_hops_away()?;
    // 5.10.4 -> 5.10.5 is an expression: the release's own VM reads it.
    let two = install.emqx(&["ctl", "relup", "path", V4, V6])?.success()?;
    assert_eq!(two.stdout, "5.10.4 -> 5.10.5\n5.10.5 -> 5.10.6\n");
    let (_, json) = relup_json(&install, &["path", V4, V6])?;
    let file = install.path("relup/catalog/5.10.5-to-5.10.6.relup");
    assert_eq!(
        json["hops"][1],
        json!({ "from": V5, "to": V6, "file": file.to_string_lossy() })
    );
    let none = install.emqx(&["relup", "path", V6, V4])?;
    assert_eq!(none.code, Some(1), "{none}");
    assert!(
        none.stderr
            .starts_with("ERROR: no_relup_path: no chain of hops 5.10.6 -> 5.10.4; supported: "),
        "{none}"
    );
    assert_eq!(faults_of_words(&none), Vec::<String>::new());
    assert_eq!(install.emqx(&["relup", "path", V4])?.code, Some(2));
    Ok(())
}

#[test]
fn a_chain_is_walked_under_load_and_each_hop_stays() -> e2e::Result<()> {
    let install = two_hops_away()?;
    install.start()?;
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    let before = node::state(&install)?;

    // Without --via the way is told, and nothing happens.
    let witness = Witness::of_running(&install)?;
    let target = tarball(V6)?;
    let refused = install.emqx(&["relup", "upgrade", &target])?;
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("ERROR: no_relup_entry: "),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("5.10.4 -> 5.10.5 -> 5.10.6") && refused.stderr.contains("--via"),
        "{refused}"
    );
    assert_eq!(witness.differences(&install)?, Vec::<String>::new());

    // A plan tells both hops and leaves everything as it is.
    let via = downloads()?.display().to_string();
    let plan = install
        .emqx(&["relup", "plan", &target, "--via", &via])?
        .success()?;
    for text in [
        "hop 1 of 2: 5.10.4 -> 5.10.5 by ",
        "hop 2 of 2: 5.10.5 -> 5.10.6 by ",
        "not proven before 5.10.5 runs",
    ] {
        assert!(plan.stdout.contains(text), "{plan}");
    }
    assert!(plan.stdout.ends_with("\nnothing was changed\n"), "{plan}");
    let (_, json) = relup_json(&install, &["upgrade", &target, "--via", &via, "--dry-run"])?;
    assert_eq!(json["hops"][0]["proven"], json!(true), "{json}");
    assert_eq!(json["hops"][1]["proven"], json!(false), "{json}");
    assert_eq!(witness.differences(&install)?, Vec::<String>::new());

    swarm.begin("hops");
    let done = install.emqx(&["relup", "upgrade", &target, "--via", &tarball(V5)?])?;
    let done = done.success()?;
    assert!(
        done.stdout.contains("hop 2 of 2: 5.10.5 -> 5.10.6"),
        "{done}"
    );
    assert_eq!(done.stdout.matches("upgrade complete").count(), 1, "{done}");
    assert!(done.stdout.ends_with("\nupgrade complete\n"), "{done}");
    std::thread::sleep(TALK);
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");

    let after = node::state(&install)?;
    assert_eq!(after["os.pid"], before["os.pid"], "the same VM");
    assert_eq!(
        after["emqx_stats.started_at"],
        before["emqx_stats.started_at"]
    );
    assert_eq!(
        after["emqx_stats.migrated_from"], V5,
        "the last hop was the second"
    );
    assert_eq!(node::version(&install)?, V6);
    assert_eq!(marker(&install).as_deref(), Some("5.10.6\n"));
    assert_eq!(debris(&install)?, Vec::<String>::new());
    let hop = |path: &str| (path.to_owned(), "success".to_owned());
    assert_eq!(
        attempts(&install)?,
        [hop("5.10.4 -> 5.10.5"), hop("5.10.5 -> 5.10.6")]
    );
    install.emqx(&["relup", "verify"])?.success()?;

    // What was reached on the way can be gone back to, and goes when nobody needs it.
    let list = install.emqx(&["relup", "list"])?.success()?;
    assert!(
        list.stdout.contains(V5) && list.stdout.contains(V6),
        "{list}"
    );
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V6);
    install
        .emqx(&["relup", "rollback", "--to", V5])?
        .success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V5);
    install.emqx(&["relup", "rollback"])?.success()?;
    install.emqx(&["restart"])?.success()?;
    install.emqx(&["relup", "prune"])?.success()?;
    assert!(!install.path("relup/5.10.5").exists() && !install.path("relup/5.10.6").exists());
    assert_eq!(node::version(&install)?, V4);
    install.stop()?;
    Ok(())
}
