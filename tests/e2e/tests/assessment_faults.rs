//! Whatever is wrong with the record of boots, with its directory or with its limit: boots go on, and
//! the way back is whole or not gone at all.

use e2e::deployed::{self, Deployed, attempts, is_good, recorded};
use e2e::install::Install;
use e2e::node;
use e2e::process;
use e2e::sample::{V4, V5, V6};
use e2e::tree::Snapshot;
use serde_json::json;

const LIMIT: &str = "EMQX_RELUP_BOOT_ATTEMPTS";

#[test]
fn a_record_that_can_not_be_read_stops_nothing_and_is_told() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    Deployed::marked(&install, V5)?;
    install.set_env(LIMIT, "1");
    let path = install.path("relup/assessment.json");
    fs_err::write(&path, "{\"schema\":1,\"att")?;
    let (line, json) = deployed::status(&install)?;
    assert!(line.starts_with("unknown: "), "{line}");
    assert_eq!(json["state"], json!("unknown"));
    let started = install.start()?;
    let told = started.stdout.matches("assessment.json").count();
    assert_eq!(told, 1, "{started}");
    assert!(is_good(&install)?);
    // A runtime command mends it just as well.
    fs_err::write(&path, "")?;
    process::wait_until("the mark", process::HANG, || {
        install.emqx(&["ping"])?.success()?;
        Ok(is_good(&install).unwrap_or(false))
    })?;
    install.stop()?;
    // Nothing can be put in the place of a directory.
    fs_err::remove_file(&path)?;
    fs_err::create_dir(&path)?;
    let started = install.start()?;
    let text = "EMQX_RELUP_BOOT_ATTEMPTS=1 has no effect";
    assert_eq!(started.stdout.matches(text).count(), 1, "{started}");
    Ok(())
}

#[test]
fn a_directory_that_is_not_ours_to_write_costs_one_warning() -> e2e::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: it takes a second user");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    Deployed::marked(&install, V5)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let mut chown = install.command("chown");
    process::run(
        chown.args(["-R", "65534:65534"]).arg(install.root()),
        process::HANG,
    )?
    .success()?;
    let mut chown = install.command("chown");
    process::run(chown.arg("0:0").arg(install.path("relup")), process::HANG)?.success()?;
    let as_nobody = |args: &[&str], limit: Option<&str>| {
        let mut command = install.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.env("HOME", "/nonexistent").env("USER", "nobody");
        if let Some(limit) = limit {
            command.env(LIMIT, limit);
        }
        process::run(
            command.arg(install.path("bin/emqx")).args(args),
            process::HANG,
        )
    };
    let started = as_nobody(&["start"], None)?.success()?;
    let told = started.stdout.matches("is not recorded").count();
    assert_eq!(told, 1, "{started}");
    assert!(!started.stdout.contains("no effect"), "{started}");
    let ping = as_nobody(&["ping"], None)?.success()?;
    assert_eq!((ping.text(), ping.stderr.as_str()), ("pong", ""));
    as_nobody(&["stop"], None)?.success()?;
    let started = as_nobody(&["start"], Some("1"))?.success()?;
    assert!(
        started
            .stdout
            .contains("EMQX_RELUP_BOOT_ATTEMPTS=1 has no effect"),
        "{started}"
    );
    as_nobody(&["stop"], None)?.success()?;
    assert_eq!(recorded(&install)?, json!(null));
    Ok(())
}

#[test]
fn a_limit_that_is_none_is_told_and_changes_nothing() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    let _mend = tree.break_boot()?;
    for (boots, limit) in (1_u64..).zip(["0", "-1", "many", "1.5", ""]) {
        install.set_env(LIMIT, limit);
        let failed = install.emqx(&["foreground"])?;
        let told = failed.stdout.matches("EMQX_RELUP_BOOT_ATTEMPTS").count();
        assert_eq!(told, usize::from(!limit.is_empty()), "{limit:?}: {failed}");
        if !limit.is_empty() {
            let text = format!("WARNING: EMQX_RELUP_BOOT_ATTEMPTS is '{limit}'");
            assert!(failed.stdout.contains(&text), "{failed}");
        }
        assert_eq!(attempts(&install)?, boots);
    }
    Ok(())
}

#[test]
fn below_nested_markers_the_way_back_leads_to_the_base_as_well() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let outer = Deployed::marked(&install, V5)?;
    let inner = Deployed::below(&outer.root, V6)?;
    deployed::mark(&outer.root, V6)?;
    let _mend = inner.break_boot()?;
    install.set_env(LIMIT, "1");
    install.emqx(&["start"])?.exit_code(1)?;
    let record = recorded(&install)?;
    assert_eq!(
        record["tree"],
        json!("relup/5.10.5/relup/5.10.6"),
        "{record}"
    );
    install.start()?;
    assert_eq!(node::version(&install)?, V4);
    assert_eq!(
        install.emqx(&["root_dir"])?.success()?.text(),
        install.root().to_string_lossy()
    );
    Ok(())
}

/// Kills the launcher at every call by which the way back changes something on disk. Whatever is
/// left, the next boot is complete: of the tree as before, or of the base.
#[test]
fn killed_at_any_step_of_the_way_back_it_boots_one_or_the_other() -> e2e::Result<()> {
    if which::which("strace").is_err() {
        println!("not tried here: strace is not installed");
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    install.set_env(LIMIT, "1");
    // Without a configuration nothing is booted: the way back comes before, and only that runs.
    fs_err::rename(install.path("etc/emqx.conf"), install.path("etc/aside"))?;
    let exhausted = |install: &Install| -> e2e::Result<()> {
        let _ = fs_err::remove_file(install.path("relup/current.retired"));
        deployed::mark(install.root(), V5)?;
        let marked = fs_err::metadata(install.path("relup/current"))?.modified()?;
        let at = jiff::Timestamp::try_from(marked).expect("a time");
        let record = json!({
            "schema": 1,
            "version": V5,
            "tree": "relup/5.10.5",
            "marked_at": at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string(),
            "attempts": 1,
        });
        Ok(fs_err::write(
            install.path("relup/assessment.json"),
            record.to_string(),
        )?)
    };
    let tree_in_force =
        || -> e2e::Result<String> { Ok(install.emqx(&["root_dir"])?.success()?.text().to_owned()) };
    let (mut as_before, mut gone_back) = (0, 0);
    for call in ["write", "fsync", "rename", "unlink"] {
        for nth in 1.. {
            exhausted(&install)?;
            let mut strace = install.command("strace");
            strace
                .args(["-qq", "-o", "/dev/null", "-e"])
                .arg(format!("inject={call}:signal=SIGKILL:when={nth}"))
                .arg(install.path("bin/emqx"))
                .arg("start");
            let done = process::run(&mut strace, process::HANG)?;
            if done.signal.is_none() && done.code != Some(137) {
                assert!(done.stderr.contains("emqx.conf"), "{done}");
                assert!(nth > 1, "{call} is never called: {done}");
                break;
            }
            let (line, json) = deployed::status(&install)?;
            assert_ne!(json["state"], json!("unknown"), "{call} {nth}: {line}");
            if tree_in_force()? == tree.root.to_string_lossy() {
                as_before += 1;
                assert_eq!(attempts(&install)?, 1, "{call} {nth}: {line}");
                // The next boot goes the way to its end.
                let next = install.emqx(&["start"])?.exit_code(1)?;
                assert!(next.stdout.contains("going back"), "{call} {nth}: {next}");
            } else {
                gone_back += 1;
            }
            assert_eq!(tree_in_force()?, install.root().to_string_lossy());
        }
    }
    println!("killed {as_before} times before the switch, {gone_back} times after it");
    assert!(as_before > 2 && gone_back > 2, "both sides were tried");
    // A command that holds the lock takes away what the killed ones left.
    install.emqx(&["relup", "logs-clear"])?.success()?;
    let names = Snapshot::of(&install.path("relup"))?;
    let debris = names
        .paths()
        .into_iter()
        .find(|path| path.to_string_lossy().starts_with(".assessment-"));
    assert_eq!(debris, None);
    fs_err::rename(install.path("etc/aside"), install.path("etc/emqx.conf"))?;
    install.start()?;
    assert_eq!(node::version(&install)?, V4);
    Ok(())
}
