//! Usage and help of the commands for upgrades.

use e2e::install::Install;
use e2e::sample::V4;
use e2e::tree::Snapshot;

#[test]
fn help_tells_about_every_command_for_upgrades_without_a_node() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let before = Snapshot::of(install.root())?;
    let help = install.emqx(&["help"])?.success()?;
    assert!(help.stdout.contains("relup"), "{help}");
    let relup = install.emqx(&["relup", "--help"])?.success()?;
    for command in [
        "upgrade",
        "list-supported-paths",
        "status",
        "logs",
        "logs-clear",
        "rollback",
    ] {
        assert!(
            relup.stdout.contains(command),
            "{command} is not in {relup}"
        );
    }
    assert_eq!(install.emqx(&["relup", "no-such-command"])?.code, Some(2));
    assert_eq!(install.emqx(&["relup", "upgrade"])?.code, Some(2));
    assert_eq!(
        before.differences(&Snapshot::of(install.root())?),
        Vec::<String>::new()
    );
    Ok(())
}
