//! The operator's hooks around real upgrades and rollbacks, and the backup that an upgrade makes.

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Finished};
use e2e::sample::{Sample, V4, V5};
use e2e::tree::Snapshot;
use e2e::witness::Witness;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Puts a hook there that notes what it is told, and then does something.
fn hook(install: &Install, name: &str, then: &str) -> e2e::Result<PathBuf> {
    let dir = install.path("etc/relup.d");
    fs_err::create_dir_all(&dir)?;
    let told = install.scratch().join(format!("{name}.told"));
    let script = format!(
        "#!/bin/sh\n(id -u; pwd; cat) >'{}'\necho 'hook says hello'\n{then}\n",
        told.display()
    );
    fs_err::write(dir.join(name), script)?;
    fs_err::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755))?;
    Ok(told)
}

/// The user that a hook was run by, and the facts that it was told.
fn told(path: &PathBuf) -> e2e::Result<(String, Value)> {
    let text = fs_err::read_to_string(path)?;
    let mut lines = text.splitn(3, '\n');
    let user = lines.next().unwrap_or_default().to_owned();
    let facts = lines.nth(1).unwrap_or_default();
    let facts = serde_json::from_str(facts)
        .map_err(|error| e2e::Error::Unexpected(format!("{error}: {text}")))?;
    Ok((user, facts))
}

fn upgrade(install: &Install, more: &[&str]) -> e2e::Result<Finished> {
    let tarball = Sample::find()?.tarball(V5)?;
    let mut command = install.emqx_command(&["relup", "upgrade"]);
    process::run(command.arg(tarball).args(more), process::HANG)
}

#[test]
fn hooks_are_run_around_an_upgrade_and_a_rollback() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let pre = hook(&install, "pre-upgrade", "exit 7")?;
    let post = hook(&install, "post-upgrade", "exit 9")?;
    let witness = Witness::of_running(&install)?;
    let refused = upgrade(&install, &[])?.exit_code(1)?;
    assert!(refused.stderr.contains("ERROR: hook_failed: "), "{refused}");
    assert!(refused.stderr.contains("hook says hello"), "{refused}");
    assert!(refused.stderr.contains("exit code 7"), "{refused}");
    let differences = witness.differences(&install)?;
    assert_eq!(differences, Vec::<String>::new());
    assert!(!post.exists(), "nothing has happened");

    hook(&install, "pre-upgrade", "exit 0")?;
    let done = upgrade(&install, &[])?.success()?;
    assert!(done.stderr.contains("WARNING"), "{done}");
    assert!(done.stderr.contains("exit code 9"), "{done}");
    assert_eq!(node::version(&install)?, V5);
    let (_, before) = told(&pre)?;
    let (_, after) = told(&post)?;
    for facts in [&before, &after] {
        assert_eq!(facts["action"], "upgrade", "{facts}");
        assert_eq!(facts["from"], V4, "{facts}");
        assert_eq!(facts["to"], V5, "{facts}");
        assert_eq!(facts["base"], install.root().to_string_lossy().as_ref());
    }
    assert_eq!(before.get("result"), None);
    assert_eq!(after["result"]["ok"], true, "{after}");

    let pre = hook(&install, "pre-rollback", "exit 1")?;
    install
        .emqx(&["relup", "rollback"])?
        .exit_code(1)?
        .says("hook_failed")?;
    let marker = fs_err::read_to_string(install.path("relup/current"))?;
    assert_eq!(marker.trim(), V5);
    hook(&install, "pre-rollback", "exit 0")?;
    let post = hook(&install, "post-rollback", "exit 0")?;
    install.emqx(&["relup", "rollback"])?.success()?;
    assert_eq!(told(&pre)?.1["hook"], "pre-rollback");
    assert_eq!(told(&post)?.1["result"]["ok"], true);
    install.stop()?;
    Ok(())
}

/// What the first hook has prepared has to be taken back, however the upgrade ends.
#[test]
fn the_second_hook_is_told_of_an_upgrade_that_failed() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    hook(&install, "pre-upgrade", "exit 0")?;
    let post = hook(&install, "post-upgrade", "exit 0")?;
    let hop = install.scratch().join("bad.relup");
    let text = format!(
        "#{{from_version => \"{V4}\", target_version => \"{V5}\",
           code_changes => [{{load_module, no_such_module}}], post_upgrade_callbacks => []}}."
    );
    fs_err::write(&hop, text)?;
    upgrade(&install, &["--relup", &hop.to_string_lossy()])?
        .exit_code(1)?
        .says("module_not_found")?;
    let (_, facts) = told(&post)?;
    assert_eq!(facts["result"]["ok"], false, "{facts}");
    assert_eq!(facts["result"]["error"], "module_not_found", "{facts}");
    install.stop()?;
    Ok(())
}

#[test]
fn hooks_are_run_as_the_runner_user() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: it takes a second user");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    let vars = install.path("releases/emqx_vars");
    let text = fs_err::read_to_string(&vars)? + "\nRUNNER_USER=\"nobody\"\n";
    fs_err::write(vars, text)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let everything = install.scratch().to_path_buf();
    process::run(
        install
            .command("chown")
            .args(["-R", "nobody"])
            .arg(everything),
        process::HANG,
    )?
    .success()?;
    let pre = hook(&install, "pre-upgrade", "exit 0")?;
    install.start()?;
    upgrade(&install, &[])?.success()?;
    assert_eq!(told(&pre)?.0, "65534");
    install.stop()?;
    Ok(())
}

#[test]
fn a_backup_holds_what_was_there_before_the_upgrade() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let etc = Snapshot::of(&install.path("etc"))?;
    let backups = install.scratch().join("back ups");
    upgrade(
        &install,
        &["--backup", &install.path("data/inside").to_string_lossy()],
    )?
    .exit_code(1)?
    .says("backup_inside")?;
    upgrade(&install, &["--backup", &backups.to_string_lossy()])?.success()?;
    let made: Vec<PathBuf> = fs_err::read_dir(&backups)?
        .map(|entry| Ok(entry?.path()))
        .collect::<e2e::Result<_>>()?;
    let [made] = made.as_slice() else {
        panic!("one backup: {made:?}");
    };
    let name = made.file_name().unwrap_or_default().to_string_lossy();
    assert!(name.starts_with(&format!("emqx-{V4}-")), "{name}");
    let saved = Snapshot::of(&made.join("etc"))?;
    assert_eq!(etc.differences(&saved), Vec::<String>::new());
    assert!(made.join("data/configs").is_dir());
    assert!(made.join("log").is_dir());
    install.stop()?;

    // It is what it is for: the old release boots with it.
    install.emqx(&["relup", "rollback"])?.success()?;
    for part in ["data", "etc"] {
        fs_err::remove_dir_all(install.path(part))?;
        let mut copy = install.command("cp");
        copy.arg("-a").arg(made.join(part)).arg(install.path(part));
        process::run(&mut copy, process::HANG)?.success()?;
    }
    install.start()?;
    assert_eq!(node::version(&install)?, V4);
    install.stop()?;
    Ok(())
}
