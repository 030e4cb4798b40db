//! Section 1: which tree is booted.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, Need, fix, kept, ours};
use crate::ensure;
use crate::site::Site;
use crate::subject::Subject;
use e2e::Result;
use e2e::newer::{launcher_of, put};
use e2e::tree::Snapshot;
use std::os::unix::fs::{PermissionsExt, symlink};

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "1.4",
        "the marker names the tree that is booted",
        Steps(marker),
    ),
    kept(
        "1.4",
        "a newline and blanks around the version",
        Steps(loose_marker),
    ),
    ours(
        "1.5",
        "the deployed tree's script never runs",
        Steps(no_script_runs),
    ),
    ours("1.6", "a newer launcher takes over", Steps(newer)).needs(&[Need::Sample]),
    fix(
        "1.7",
        "markers in deployed trees are followed",
        Steps(nested),
    ),
    fix("1.7", "markers that go round in a circle", Steps(circle)),
    ours(
        "1.8",
        "damaged markers are refused with the remedy",
        Steps(damaged),
    ),
];

/// The commands that boot a tree or show it.
const TREE_COMMANDS: [&str; 7] = [
    "start",
    "foreground",
    "console",
    "check_config",
    "restart",
    "root_dir",
    "ertspath",
];

fn marker(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    let tree = site.path("relup").join(&vsn);
    let told = site.emqx(&["root_dir"])?.success()?;
    ensure!(told.text() == tree.to_string_lossy(), "{told}");
    let started = site.start()?;
    let line = format!(
        "INFO: Loading emqx from hot-upgrade dir: {}",
        site.fill("{root}/relup")
    );
    let count = started.stdout.lines().filter(|said| *said == line).count();
    ensure!(count == 1, "{count} times {line:?}: {started}");
    ensure!(
        started
            .stdout
            .contains(&format!("{vsn} is started successfully!")),
        "{started}"
    );
    for (expression, expected) in [
        ("os:getenv(\"BASE_RUNNER_ROOT_DIR\")", site.fill("{root}")),
        ("code:root_dir()", tree.to_string_lossy().into_owned()),
        ("element(2, file:get_cwd())", site.fill("{root}")),
    ] {
        site.demand_string(expression, expected)?;
    }
    site.stop()?;
    Ok(())
}

fn loose_marker(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    let tree = site.path("relup").join(&vsn);
    for content in [
        vsn.clone(),
        format!("{vsn}\n"),
        format!("{vsn} \t\n"),
        format!("{vsn}\r\n"),
    ] {
        fs_err::write(site.path("relup/current"), &content)?;
        let told = site.emqx(&["root_dir"])?.success()?;
        ensure!(told.text() == tree.to_string_lossy(), "{content:?}: {told}");
    }
    fs_err::remove_file(site.path("relup/current"))?;
    let told = site.emqx(&["root_dir"])?.success()?;
    ensure!(told.text() == site.fill("{root}"), "no marker: {told}");
    Ok(())
}

fn no_script_runs(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    let canary = site.scratch().join("it ran");
    for name in ["emqx", "emqx_ctl"] {
        let script = site.path("relup").join(&vsn).join("bin").join(name);
        fs_err::write(
            &script,
            format!("#!/bin/sh\ntouch '{}'\nexit 99\n", canary.display()),
        )?;
        fs_err::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    }
    site.emqx(&["check_config"])?.success()?;
    site.start()?;
    for args in [
        &["ping"][..],
        &["ctl", "status"],
        &["pid"],
        &["restart"],
        &["stop"],
    ] {
        site.emqx(args)?.success()?;
    }
    ensure!(!canary.exists(), "the deployed tree's script was run");
    Ok(())
}

fn newer(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    let program = site.path("relup").join(&vsn).join("bin/emqx");
    put(&program, &launcher_of("9.1.0")?)?;
    // Its words are in capitals.
    let started = site.start()?;
    ensure!(
        started.stdout.contains("IS STARTED"),
        "it was not asked: {started}"
    );
    ensure!(
        site.emqx(&["ping"])?.success()?.stdout == "PONG\n",
        "it was not asked"
    );
    let never = site.emqx_with("EMQX_LAUNCHER_HANDOVER", "never", &["ping"])?;
    ensure!(
        never.success()?.stdout == "pong\n",
        "it was asked all the same"
    );
    // Whoever starts the node again goes through the base's launcher.
    let base = format!("{} start", site.path("bin/emqx").display());
    site.demand_variable("HEART_COMMAND", base)?;
    site.demand_variable("BASE_RUNNER_ROOT_DIR", site.root())?;
    site.emqx(&["stop"])?.success()?;
    Ok(())
}

fn nested(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    let inner = site.path("relup").join(&vsn).join("relup");
    site.deploy_below(&inner)?;
    let marker = inner.join("current");
    fs_err::write(&marker, format!("{vsn}\n"))?;
    // What this launcher remembers about trees is no marker.
    let trees =
        || Ok::<_, e2e::Error>(Snapshot::of(&site.path("relup"))?.without(&["assessment.json"]));
    let before = trees()?;
    let deepest = inner.join(&vsn);
    let told = site.emqx(&["root_dir"])?.success()?;
    ensure!(told.text() == deepest.to_string_lossy(), "{told}");
    let started = site.start()?;
    ensure!(
        started
            .stdout
            .contains(&format!("WARNING: {}", marker.display())),
        "the nested marker is not reported: {started}"
    );
    site.demand_string("code:root_dir()", &deepest)?;
    site.stop()?;
    let differences = before.differences(&trees()?);
    ensure!(differences.is_empty(), "{differences:?}");
    Ok(())
}

fn circle(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vsn = site.deploy()?;
    symlink("..", site.path("relup").join(&vsn).join("relup"))?;
    for command in TREE_COMMANDS {
        let finished = site.emqx(&[command])?;
        demand_refused(finished, 1, "relup/current")?;
    }
    site.demand_nothing_runs()?;
    Ok(())
}

fn damaged(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    fs_err::create_dir_all(site.path("relup/5.10.8/bin"))?;
    let markers: [(&str, &[u8]); 14] = [
        ("missing tree", b"5.10.7\n"),
        ("incomplete tree", b"5.10.8\n"),
        ("empty", b""),
        ("newline only", b"\n"),
        ("blanks only", b"  \n"),
        ("parent", b"..\n"),
        ("path", b"../../tmp\n"),
        ("slash", b"5.10.5/bin\n"),
        ("absolute", b"/tmp\n"),
        ("NUL", b"5.10\x005\n"),
        ("two lines", b"5.10.5\n5.10.6\n"),
        ("command", b"$(reboot)\n"),
        ("quote", b"\"5.10.5\"\n"),
        ("no text", b"\xff\xfe\n"),
    ];
    for (what, content) in markers {
        fs_err::write(site.path("relup/current"), content)?;
        refuses_marker(&site, what)?;
    }
    fs_err::remove_file(site.path("relup/current"))?;
    fs_err::create_dir(site.path("relup/current"))?;
    refuses_marker(&site, "a directory")?;
    fs_err::remove_dir(site.path("relup/current"))?;
    symlink("current", site.path("relup/current"))?;
    refuses_marker(&site, "a link to itself")?;
    fs_err::remove_file(site.path("relup/current"))?;
    // The remedy that is told mends it.
    fs_err::write(site.path("relup/current"), "5.10.7\n")?;
    site.emqx(&["relup", "rollback"])?.success()?;
    let told = site.emqx(&["root_dir"])?.success()?;
    ensure!(told.text() == site.fill("{root}"), "{told}");
    Ok(())
}

fn refuses_marker(site: &Site, what: &str) -> Result<()> {
    let before = Snapshot::of(site.root())?;
    let marker = site.path("relup/current");
    for command in TREE_COMMANDS {
        let finished = site.emqx(&[command])?;
        let told = demand_refused(finished, 1, &marker.to_string_lossy())?;
        let hints = told.stderr.matches("hint: ").count();
        ensure!(hints >= 2, "{what}: two commands mend it: {told}");
        ensure!(told.stdout.is_empty(), "{what}: {told}");
    }
    site.demand_nothing_runs()?;
    let differences = before.differences(&Snapshot::of(site.root())?);
    ensure!(differences.is_empty(), "{what}: {differences:?}");
    Ok(())
}
