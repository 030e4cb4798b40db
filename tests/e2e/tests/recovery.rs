//! Commands that are killed half-way: what is left is told truthfully, by the next command and by the
//! next boot, and nothing that boots is lost.

use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process;
use e2e::sample::{Sample, V4, V5};
use e2e::witness::{error_name, relup_json};
use nix::sys::signal::Signal;
use serde_json::json;

/// The names in `relup/`, but for the lock of a process that is gone.
fn names(install: &Install) -> e2e::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(install.path("relup"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "lock");
    names.sort();
    Ok(names)
}

fn target() -> e2e::Result<String> {
    Ok(Sample::find()?.tarball(V5)?.display().to_string())
}

/// Kills a command as soon as there is something to be seen in `relup/`.
fn kill_when(install: &Install, args: &[&str], seen: impl Fn(&str) -> bool) -> e2e::Result<()> {
    let mut command = install.spawn(args)?;
    let reached = process::wait_until("the moment to kill", process::HANG, || {
        Ok(names(install)?.iter().any(|name| seen(name)))
    });
    command.signal(Signal::SIGKILL)?;
    command.wait(process::HANG)?;
    reached
}

#[test]
fn a_kill_while_extracting_is_told_by_the_boot_and_cleaned_by_the_next_command() -> e2e::Result<()>
{
    let install = Install::sample(V4)?;
    let upgrade = ["relup", "upgrade", "--cold", &target()?];
    kill_when(&install, &upgrade, |name| name.starts_with(".staging-"))?;
    let before = names(&install)?;
    let started = install.start()?;
    let told: Vec<_> = started
        .stdout
        .lines()
        .filter(|line| line.contains("was interrupted"))
        .collect();
    assert_eq!(told.len(), 1, "{started}");
    assert!(
        told[0].contains(".staging-") && told[0].contains("booting 5.10.4 from "),
        "{started}"
    );
    assert_eq!(names(&install)?, before, "a boot removes nothing");
    install
        .emqx(&["relup", "status"])?
        .success()?
        .says("idle")?;
    assert_eq!(names(&install)?, ["catalog"]);
    install.emqx(&upgrade)?.success()?;
    install.emqx(&["relup", "verify", V5])?.success()?;
    Ok(())
}

#[test]
fn a_node_that_dies_while_it_applies_boots_the_old_version_and_the_log_says_why() -> e2e::Result<()>
{
    let install = Install::sample(V4)?;
    install.start()?;
    // The hop stops behind its first change, and the VM is killed there.
    let hop = install.scratch().join("slow.relup");
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [{{load_module, emqx_topic}}, {{apply, timer, sleep, [60000]}}],\n  \
         post_upgrade_callbacks => []}}.\n"
    );
    fs_err::write(&hop, text)?;
    let target = target()?;
    let args = [
        "relup",
        "upgrade",
        &target,
        "--relup",
        &hop.to_string_lossy(),
    ];
    let mut command = install.spawn(&args)?;
    command.wait_for("apply timer:sleep/1", process::HANG)?;
    for vm in install.vms() {
        let pid = i32::try_from(vm.pid).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL)
            .map_err(std::io::Error::from)?;
    }
    let ended = command.wait(process::HANG)?;
    assert_eq!(ended.code, Some(4), "{ended}");
    process::wait_until("the VM to vanish", process::HANG, || {
        Ok(install.vms().is_empty())
    })?;

    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(
        status
            .stdout
            .contains("status=interrupted result=unknown (after planned)"),
        "{status}"
    );
    assert!(
        status.stdout.contains("\nnext start: 5.10.4 from "),
        "{status}"
    );
    install
        .emqx(&["relup", "logs"])?
        .success()?
        .says("5.10.4 -> 5.10.5 status=interrupted result=unknown")?;
    let started = install.start()?;
    let line = started
        .stdout
        .lines()
        .find(|line| line.contains("was interrupted"))
        .unwrap_or_default();
    assert!(
        line.starts_with("WARNING: relup upgrade 5.10.4 -> 5.10.5 of ")
            && line.contains("was interrupted after 'planned'; booting 5.10.4 from "),
        "{started}"
    );
    assert_eq!(node::version(&install)?, V4);

    // The next command that changes something closes the record, and works.
    let upgraded = install.emqx(&["relup", "upgrade", &target])?.success()?;
    assert!(
        upgraded
            .stderr
            .contains("was interrupted: after planned; the next start boots 5.10.4"),
        "{upgraded}"
    );
    assert_eq!(node::version(&install)?, V5);
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    let lines: Vec<_> = logs.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{logs}");
    assert!(
        lines[0].ends_with("status=finished result=interrupted"),
        "{logs}"
    );
    assert!(
        lines[1].ends_with("status=finished result=success"),
        "{logs}"
    );
    let restarted = install.emqx(&["restart"])?.success()?;
    assert!(!restarted.stdout.contains("interrupted"), "{restarted}");
    assert_eq!(node::version(&install)?, V5);
    Ok(())
}

#[test]
fn a_node_that_goes_on_alone_is_not_called_interrupted() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let hop = install.scratch().join("slow.relup");
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",\n  \
         code_changes => [{{load_module, emqx_topic}}, {{apply, timer, sleep, [5000]}}],\n  \
         post_upgrade_callbacks => []}}.\n"
    );
    fs_err::write(&hop, text)?;
    let target = target()?;
    let args = [
        "relup",
        "upgrade",
        &target,
        "--relup",
        &hop.to_string_lossy(),
    ];
    let mut command = install.spawn(&args)?;
    command.wait_for("apply timer:sleep/1", process::HANG)?;
    command.signal(Signal::SIGKILL)?;
    command.wait(process::HANG)?;
    let status = install.emqx(&["relup", "status"])?.success()?;
    assert!(status.stdout.starts_with("in-progress\n"), "{status}");
    for args in [
        &["prune"][..],
        &["rollback"],
        &["upgrade", "--cold", &target],
    ] {
        let (finished, json) = relup_json(&install, args)?;
        assert_eq!(error_name(&json), "locked", "{finished}");
    }
    process::wait_until("the node to finish", process::HANG, || {
        Ok(journal::last_attempt(install.root())?
            .last()
            .is_some_and(|record| record.step == "finished"))
    })?;
    // `apply` of timer:sleep gives ok, so that the hop succeeds.
    let (_, json) = relup_json(&install, &["status"])?;
    assert_eq!(json["last_attempt"]["result"], json!("success"), "{json}");
    assert_eq!(node::version(&install)?, V5);
    Ok(())
}

#[test]
fn a_kill_in_the_middle_of_a_removal_leaves_no_half_tree_under_its_name() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install
        .emqx(&["relup", "upgrade", "--cold", &target()?])?
        .success()?;
    install.emqx(&["relup", "rollback"])?.success()?;
    kill_when(&install, &["relup", "prune"], |name| {
        name.starts_with(".trash-")
    })?;
    let left = names(&install)?;
    assert!(!left.iter().any(|name| name == V5), "{left:?}");
    let (_, json) = relup_json(&install, &["status"])?;
    assert_eq!(json["next_start"]["version"], json!(V4), "{json}");
    // The node is down, so the next command is free to clean up and to close the record.
    install.emqx(&["relup", "prune"])?.success()?;
    let left = names(&install)?;
    assert_eq!(left, ["catalog", "journal.jsonl"]);
    let attempt = journal::read(install.root())?;
    let mut prunes = attempt.iter().filter(|record| record.action == "prune");
    let last = prunes.next_back().expect("it is recorded");
    assert_eq!(
        (last.step.as_str(), last.result.as_deref()),
        ("finished", Some("success"))
    );
    Ok(())
}
