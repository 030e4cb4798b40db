//! Boots of a hot-upgraded tree are counted, seen ready, and given up where the operator wants it.

use e2e::deployed::{self, Deployed, attempts, is_good, mark_again, recorded};
use e2e::install::Install;
use e2e::journal;
use e2e::node;
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5, V6};
use e2e::tree::Snapshot;
use nix::sys::signal::Signal;
use serde_json::json;
use std::process::Stdio;

const LIMIT: &str = "EMQX_RELUP_BOOT_ATTEMPTS";

fn upgrade(install: &Install, vsn: &str) -> e2e::Result<()> {
    let tarball = Sample::find()?.tarball(vsn)?;
    install
        .emqx(&["relup".as_ref(), "upgrade".as_ref(), tarball.as_os_str()])?
        .success()?;
    Ok(())
}

/// Ends a node in the foreground and waits for its process.
fn end(install: &Install, mut node: Running) -> e2e::Result<()> {
    node.signal(Signal::SIGTERM)?;
    node.wait(process::HANG)?;
    process::wait_until("the VM to vanish", process::HANG, || {
        Ok(install.vms().is_empty())
    })
}

/// Boots in the foreground and waits for the node without any command of the launcher, which would
/// mark the tree. Ready it is a moment later.
fn listening(install: &Install) -> e2e::Result<Running> {
    let node = install.spawn(&["foreground"])?;
    process::wait_until("the listener", process::HANG, || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", install.mqtt_port())).is_ok())
    })?;
    Ok(node)
}

#[test]
fn a_tree_that_does_not_boot_is_given_up_and_can_be_had_back() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.start()?;
    upgrade(&install, V5)?;
    let (line, json) = deployed::status(&install)?;
    assert_eq!(
        (line.as_str(), &json["state"]),
        ("not booted yet", &json!("not_booted"))
    );
    install.emqx(&["ping"])?.success()?;
    assert_eq!(
        recorded(&install)?,
        json!(null),
        "it runs, but was not booted"
    );
    install.stop()?;
    let mend = Deployed::of(&install, V5).break_boot()?;

    install.set_env(LIMIT, "2");
    let failed = install.emqx(&["start"])?.exit_code(1)?;
    assert!(
        failed.stdout.contains("INFO: boot attempt 1 of 2 "),
        "{failed}"
    );
    let (line, json) = deployed::status(&install)?;
    assert!(line.starts_with("tried once, not ready yet"), "{line}");
    assert_eq!(json["attempts"], json!(1));
    // What starts no broker is no attempt.
    install.emqx(&["check_config"])?.success()?;
    assert_eq!(attempts(&install)?, 1);
    let failed = install.emqx(&["foreground"])?;
    assert!(
        failed.stdout.contains("WARNING: boot attempt 2 of 2 "),
        "{failed}"
    );
    assert_eq!(attempts(&install)?, 2);

    let marker = fs_err::read(install.path("relup/current"))?;
    let before = Snapshot::of(&install.path("relup/5.10.5"))?;
    let started = install.start()?;
    for part in [
        "WARNING: 5.10.5 was booted 2 times and never seen ready (EMQX_RELUP_BOOT_ATTEMPTS=2)",
        "WARNING: going back to the original release 5.10.4",
        "`emqx relup rollback --to 5.10.5` boots it again",
        "5.10.4 is started successfully!",
    ] {
        assert!(
            started.stdout.contains(part),
            "{part:?} is not in {started}"
        );
    }
    assert!(!started.stdout.contains("hot-upgrade dir"), "{started}");
    assert_eq!(node::version(&install)?, V4);
    assert_eq!(node::root_dir(&install)?, install.root().to_string_lossy());
    assert!(!install.path("relup/current").exists());
    assert_eq!(fs_err::read(install.path("relup/current.retired"))?, marker);
    assert_eq!(Snapshot::of(&install.path("relup/5.10.5"))?, before);
    let steps = journal::last_attempt(install.root())?;
    let steps: Vec<_> = steps
        .iter()
        .map(|record| (record.action.as_str(), record.step.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("fallback", "started"),
            ("fallback", "marker_written"),
            ("fallback", "finished")
        ]
    );
    let (line, json) = deployed::status(&install)?;
    assert!(line.starts_with("5.10.5 given up at "), "{line}");
    assert_eq!(json["state"], json!("given_up"));
    // The base is never given up.
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V4);

    // The way back begins anew, and what was ready once is never given up.
    mend.mend()?;
    install
        .emqx(&["relup", "rollback", "--to", V5])?
        .success()?;
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V5);
    let (line, _) = deployed::status(&install)?;
    assert!(line.starts_with("good since "), "{line}");
    install.stop()?;
    let _mend = Deployed::of(&install, V5).break_boot()?;
    let record = recorded(&install)?;
    for _ in 0..3 {
        let failed = install.emqx(&["start"])?.exit_code(1)?;
        assert!(!failed.stdout.contains("boot attempt"), "{failed}");
    }
    assert_eq!(recorded(&install)?, record);
    Ok(())
}

#[test]
fn every_new_deployment_begins_anew() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    assert!(!install.path("relup/assessment.json").exists());
    let (line, _) = deployed::status(&install)?;
    assert!(line.contains("not assessed"), "{line}");
    upgrade(&install, V5)?;
    install.emqx(&["restart"])?.success()?;
    assert!(is_good(&install)?);
    upgrade(&install, V6)?;
    let (line, _) = deployed::status(&install)?;
    assert_eq!(line, "not booted yet");
    install.emqx(&["restart"])?.success()?;
    assert_eq!(node::version(&install)?, V6);
    assert_eq!(recorded(&install)?["version"], json!(V6));
    assert!(is_good(&install)?);
    install
        .emqx(&["relup", "rollback", "--to", V5])?
        .success()?;
    let (line, _) = deployed::status(&install)?;
    assert_eq!(line, "not booted yet");
    install.emqx(&["relup", "rollback"])?.success()?;
    let (line, _) = deployed::status(&install)?;
    assert!(line.contains("not assessed"), "{line}");
    Ok(())
}

#[test]
fn a_node_in_the_foreground_is_good_once_a_command_finds_it_ready() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    let ready = install.scratch().join("ready");
    tree.ready_with(&ready)?;
    let node = listening(&install)?;
    for command in [&["ping"][..], &["ctl", "status"], &["relup", "status"]] {
        install.emqx(command)?.success()?;
        let record = recorded(&install)?;
        assert_eq!(record["attempts"], json!(1), "{record}");
        assert!(
            !is_good(&install)?,
            "{command:?} found it not ready: {record}"
        );
    }
    fs_err::write(&ready, "")?;
    let commands: [&[&str]; 8] = [
        &["ping"],
        &["pid"],
        &["ctl", "status"],
        &["ctl", "no_such_command"],
        &["eval", "1"],
        &["rpcterms", "erlang", "node"],
        &["relup", "status"],
        &["stop"],
    ];
    for command in commands {
        mark_again(&install)?;
        // Asking once is enough wherever the machine is not too busy to answer.
        process::wait_until("the mark", process::HANG, || {
            let done = install.emqx(command)?;
            assert!(done.stderr.is_empty() || done.code != Some(0), "{done}");
            is_good(&install)
        })?;
    }
    end(&install, node)?;
    // Commands that do not talk to the node, and a good tree, write nothing.
    let before = Snapshot::of(&install.path("relup"))?;
    let node = listening(&install)?;
    for command in [&["root_dir"][..], &["ping"], &["relup", "list"]] {
        install.emqx(command)?.success()?;
    }
    assert_eq!(
        before.differences(&Snapshot::of(&install.path("relup"))?),
        Vec::<String>::new()
    );
    end(&install, node)
}

#[test]
fn what_the_tree_is_not_to_blame_for_is_no_attempt() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    Deployed::marked(&install, V5)?;
    install.set_env(LIMIT, "1");
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?;
    for wrong in ["this is { no hocon", ""] {
        if wrong.is_empty() {
            fs_err::remove_file(&conf)?;
        } else {
            fs_err::write(&conf, wrong)?;
        }
        for command in ["start", "foreground", "console"] {
            let failed = install.emqx(&[command])?;
            assert_ne!(failed.code, Some(0), "{failed}");
        }
    }
    assert_eq!(recorded(&install)?, json!(null));
    fs_err::write(&conf, text)?;
    install.start()?;
    mark_again(&install)?;
    for command in ["start", "foreground"] {
        install
            .emqx(&[command])?
            .exit_code(1)?
            .says("already running")?;
    }
    assert_eq!(recorded(&install)?, json!(null));
    let (line, _) = deployed::status(&install)?;
    assert!(
        line.starts_with("good since"),
        "status saw it ready: {line}"
    );
    Ok(())
}

#[test]
fn a_boot_that_goes_on_is_not_held_against_the_tree() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    let ready = install.scratch().join("ready");
    tree.ready_with(&ready)?;
    install.set_env(LIMIT, "1");
    let mut command = install.emqx_command(&["start"]);
    let mut first = Running::spawn(command.stdin(Stdio::null()))?;
    process::wait_until("the first attempt", process::HANG, || {
        Ok(attempts(&install)? == 1)
    })?;
    // At once, while the VM may not be there yet, and later, when it is there and not ready.
    for _ in 0..4 {
        let second = install.emqx(&["start"])?;
        assert_ne!(second.code, Some(0), "{second}");
        assert!(!second.stdout.contains("going back"), "{second}");
        assert!(install.path("relup/current").exists());
    }
    fs_err::write(&ready, "")?;
    first.wait(process::HANG)?.success()?;
    assert_eq!(node::root_dir(&install)?, tree.root.to_string_lossy());
    assert!(is_good(&install)?);
    Ok(())
}
