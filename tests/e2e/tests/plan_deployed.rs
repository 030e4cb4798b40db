//! `--show-plan` where a deployed tree is in force: which tree would be booted, by which launcher.

use e2e::deployed::{Deployed, recorded};
use e2e::install::Install;
use e2e::newer::{launcher_of, put};
use e2e::process::Finished;
use e2e::sample::{V4, V5};
use e2e::tree::Snapshot;

fn has_line(plan: &Finished, line: &str) {
    let found = plan.stdout.lines().any(|told| told.trim() == line);
    assert!(found, "not told: {line}\n{plan}");
}

/// Shows a plan, and demands that nothing is different afterwards.
fn shown(install: &Install, command: &str) -> e2e::Result<Finished> {
    let before = Snapshot::of(install.root())?;
    let plan = install.emqx(&[command, "--show-plan"])?.success()?;
    let changes = before.differences(&Snapshot::of(install.root())?);
    assert_eq!(changes, Vec::<String>::new(), "{plan}");
    Ok(plan)
}

#[test]
fn the_plan_boots_the_tree_that_the_marker_names_with_the_base_own_directories() -> e2e::Result<()>
{
    let install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    let (base, tree) = (install.root().display(), tree.root.display());
    let erts = install.emqx(&["ertspath"])?.success()?.text().to_owned();
    for command in ["start", "foreground"] {
        let plan = shown(&install, command)?;
        has_line(
            &plan,
            &format!("base = {base} (from the place of {base}/bin/emqx)"),
        );
        has_line(
            &plan,
            &format!("tree = {tree} (from marker {base}/relup/current)"),
        );
        has_line(
            &plan,
            &format!("configuration directory = {base}/etc (from {base}/releases/emqx_vars:11)"),
        );
        has_line(
            &plan,
            &format!("version = {V5} (from {tree}/releases/emqx_vars:3)"),
        );
        has_line(&plan, &format!("program: {erts}/bin/erlexec"));
        has_line(&plan, &format!("argument: {tree}/releases/{V5}/emqx"));
        has_line(&plan, &format!("environment: BASE_RUNNER_ROOT_DIR={base}"));
        let counts = plan
            .stdout
            .contains(&format!(": count this boot of {V5}\n"));
        assert!(counts, "{plan}");
    }
    assert!(
        !shown(&install, "check_config")?
            .stdout
            .contains("count this boot")
    );
    Ok(())
}

#[test]
fn the_plan_tells_that_a_tree_would_be_given_up_and_does_not_do_it() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    install.set_env("EMQX_RELUP_BOOT_ATTEMPTS", "1");
    let mend = tree.break_boot()?;
    install.emqx(&["start"])?.exit_code(1)?;
    let record = recorded(&install)?;
    let plan = shown(&install, "start")?;
    let base = install.root().display();
    has_line(
        &plan,
        &format!(
            "step 1: go back to the original release, because {V5} was never seen ready: \
             retire {base}/relup/current"
        ),
    );
    has_line(
        &plan,
        &format!("version = {V4} (from {base}/releases/emqx_vars:3)"),
    );
    assert_eq!(recorded(&install)?, record);
    assert!(install.path("relup/current").exists());
    mend.mend()?;
    Ok(())
}

#[test]
fn the_plan_is_the_newer_launchers_where_the_command_would_be() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let tree = Deployed::marked(&install, V5)?;
    put(&tree.launcher(), &launcher_of("9.1.0")?)?;
    let base = install.root().display().to_string();
    // The one that hands over tells the other one where the base is.
    let handed_over = format!("base = {base} (from environment variable BASE_RUNNER_ROOT_DIR)");
    has_line(&shown(&install, "start")?, &handed_over);
    install.set_env("EMQX_LAUNCHER_HANDOVER", "never");
    let own = format!("base = {base} (from the place of {base}/bin/emqx)");
    has_line(&shown(&install, "start")?, &own);
    Ok(())
}
