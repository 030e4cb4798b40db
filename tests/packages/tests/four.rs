//! A Debian package of EMQX 4.x: the release handler of OTP may write into the installation.

use e2e::Result;
use e2e::sample::{FOUR_0, FOUR_16, FOUR_17, Sample4};
use packages::machine::Machine;
use packages::making;

#[test]
fn a_package_of_4_x_is_upgraded_by_the_release_handler_and_purged() -> Result<()> {
    let sample = match Sample4::find() {
        Ok(sample) => sample,
        Err(missing) => {
            packages::left_out(&missing.to_string());
            return Ok(());
        }
    };
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let package = making::package_of("deb", &sample.tarball(FOUR_0)?, dir)?;
    machine
        .run(&["dpkg", "-i", &package.display().to_string()])?
        .success()?;
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(FOUR_0));
    let zip = sample.zip(FOUR_16)?;
    let there = dir.join(zip.file_name().unwrap_or_default());
    fs_err::copy(&zip, &there)?;
    machine.sh(&format!("cp {} /usr/lib/emqx/releases/", there.display()))?;
    machine.emqx(&["upgrade", FOUR_16])?;
    machine.unit("restart")?;
    let versions = machine.emqx(&["versions"])?;
    assert!(
        versions.stdout.contains(&format!("* {FOUR_16}\tpermanent")),
        "{versions}"
    );

    // What the release handler has written is of the package that it was written for.
    let newer = making::package_of("deb", &sample.tarball(FOUR_17)?, dir)?;
    let newer = newer.display().to_string();
    machine
        .run(&["dpkg", "--force-confold", "-i", &newer])?
        .success()?;
    machine.unit("restart")?;
    let versions = machine.emqx(&["versions"])?;
    assert!(
        versions.stdout.contains(&format!("* {FOUR_17}\tpermanent")),
        "{versions}"
    );
    machine.run(&["dpkg", "-P", "emqx"])?.success()?;
    for path in ["/usr/lib/emqx", "/var/lib/emqx", "/etc/emqx", "/opt/emqx"] {
        assert!(!machine.has(path)?, "{path}");
    }
    Ok(())
}
