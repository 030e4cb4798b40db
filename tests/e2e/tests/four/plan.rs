//! `--show-plan` of a release before 5.0.

use e2e::install::Install;
use e2e::sample::FOUR_0;
use e2e::tree::Snapshot;

#[test]
fn a_plan_tells_the_dialect_and_what_is_run_and_changes_nothing() -> e2e::Result<()> {
    let mut install = Install::four(FOUR_0)?;
    install.set_env("EMQX_NODE_COOKIE", "s3cretOfThisTest");
    let before = Snapshot::of(install.root())?;
    for command in ["start", "foreground", "console", "check_conf", "restart"] {
        let plan = install.emqx(&[command, "--show-plan"])?.success()?;
        let root = install.root().display().to_string();
        for expected in [
            format!(
                "dialect = cuttlefish, as until 4.4 (from what {root}/releases/emqx_vars says)"
            ),
            format!("version = 4.4.0 (from {root}/releases/start_erl.data)"),
            format!("data directory = {root}/data (from {root}/releases/emqx_vars:10)"),
            "have the release's cuttlefish read the configuration".to_owned(),
            format!("  argument: '{root}/releases/4.4.0/emqx.schema'"),
            format!("  argument: '{root}/etc/emqx.conf'"),
        ] {
            assert!(plan.stdout.contains(&expected), "{expected}\n{plan}");
        }
        let is_boot = command != "check_conf";
        assert_eq!(
            plan.stdout.contains("  argument: -vm_args\n"),
            is_boot,
            "{plan}"
        );
        assert!(!format!("{plan}").contains("s3cretOfThisTest"), "{plan}");
        assert!(!plan.stdout.contains("hocon"), "{plan}");
    }
    assert_eq!(
        before.differences(&Snapshot::of(install.root())?),
        Vec::<String>::new()
    );
    Ok(())
}

#[test]
fn the_plan_of_a_stop_names_what_the_node_is_asked() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    install.start()?;
    let plan = install.emqx(&["stop", "--show-plan"])?.success()?;
    assert!(plan.stdout.contains("call init:stop/0;"), "{plan}");
    install.stop()?;
    Ok(())
}
