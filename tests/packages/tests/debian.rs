//! The life of a Debian package, from its installation to its purge.

use e2e::Result;
use e2e::process;
use e2e::sample::{V4, V5, V6};
use packages::machine::{HOLD, Machine};
use packages::making::{self, ENTERPRISE};

#[test]
fn a_debian_package_is_installed_upgraded_hot_and_cold_removed_and_purged() -> Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let first = making::package("deb", V4, dir)?.display().to_string();
    let last = making::package("deb", V6, dir)?.display().to_string();
    is_installed(&machine, &first)?;
    is_started(&machine)?;
    is_upgraded_hot(&machine, &last)?;
    is_upgraded(&machine, &first, &last)?;
    is_removed(&machine)?;
    is_purged(&machine, &last)
}

fn is_installed(machine: &Machine, first: &str) -> Result<()> {
    machine.run(&["dpkg", "-i", first])?.success()?;
    assert_eq!(machine.sh("systemctl is-enabled emqx")?, "enabled");
    assert_eq!(
        machine.property("ActiveState")?,
        "inactive",
        "the operator configures it first"
    );
    assert_eq!(
        machine.sh("stat -c '%U %a' /usr/lib/emqx/bin/emqx /usr/lib/emqx/lib /usr/lib/emqx/relup /var/lib/emqx /var/log/emqx /etc/emqx")?,
        "root 755\nroot 755\nemqx 755\nemqx 750\nemqx 750\nroot 750"
    );
    assert_eq!(
        machine.sh("readlink -f /opt/emqx/bin/emqx /usr/bin/emqx_ctl")?,
        "/usr/lib/emqx/bin/emqx\n/usr/lib/emqx/bin/emqx"
    );
    machine.verify_unit()?;
    Ok(())
}

fn is_started(machine: &Machine) -> Result<()> {
    // Started for real: systemctl returns when the broker has told that it runs.
    machine.unit("start")?;
    assert_eq!(machine.property("ActiveState")?, "active");
    assert!(
        machine.property("StatusText")?.contains(V4),
        "{}",
        machine.property("StatusText")?
    );
    let main = machine.property("MainPID")?;
    assert_eq!(machine.emqx(&["pid"])?.text(), main);
    assert_eq!(machine.sh(&format!("ps -o user= -p {main}"))?, "emqx");
    assert_eq!(
        machine.emqx(&["eval", "emqx_machine:is_ready()"])?.text(),
        "true"
    );
    machine
        .sh("runuser -u emqx -- touch /var/lib/emqx/kept; echo '## mine' >>/etc/emqx/emqx.conf")?;
    Ok(())
}

fn is_upgraded_hot(machine: &Machine, last: &str) -> Result<()> {
    let main = machine.property("MainPID")?;
    // Upgraded hot, below the hardening of the unit; no package gets in between.
    machine.bring_hops()?;
    let tarball = machine.tarball(V5)?;
    machine.sh(HOLD)?;
    let mut upgrade = machine.spawn(&["/usr/bin/emqx", "relup", "upgrade", &tarball])?;
    machine.sh("until [ -e /var/lib/emqx/held ]; do sleep 0.1; done")?;
    let refused = machine.run(&["dpkg", "-i", last])?.exit_code(1)?;
    assert!(
        refused
            .stderr
            .contains("ERROR: a hot upgrade is being applied"),
        "{refused}"
    );
    assert_eq!(
        machine.sh("cat /usr/lib/emqx/releases/emqx_vars | grep -c '^REL_VSN=\"5.10.4\"'")?,
        "1"
    );
    machine.sh("rm /var/lib/emqx/held")?;
    upgrade
        .wait(process::HANG)?
        .success()?
        .says("upgrade complete")?;
    machine.sh("rm -r /etc/emqx/relup.d")?;
    assert_eq!(machine.property("MainPID")?, main);
    assert_eq!(machine.sh("cat /usr/lib/emqx/relup/current")?, V5);
    // As the documents of EMQX have it: the unit's node is restarted by systemd.
    let restarted = machine.emqx(&["restart"])?;
    assert!(
        restarted.stdout.contains("systemctl restart emqx.service"),
        "{restarted}"
    );
    assert_eq!(
        machine.emqx(&["root_dir"])?.text(),
        format!("/usr/lib/emqx/relup/{V5}")
    );
    assert_eq!(machine.sh("systemctl is-active emqx")?, "active");
    Ok(())
}

fn is_upgraded(machine: &Machine, first: &str, last: &str) -> Result<()> {
    // The same package again is not newer than what was upgraded hot.
    let again = machine.run(&["dpkg", "-i", first])?.success()?;
    assert!(again.stdout.contains("kept: "), "{again}");
    assert_eq!(machine.sh("cat /usr/lib/emqx/relup/current")?, V5);

    // A newer one is; the node runs on, and the next start boots it.
    let main = machine.property("MainPID")?;
    let newer = machine
        .run(&["dpkg", "--force-confold", "-i", last])?
        .success()?;
    assert!(newer.stdout.contains("retired: "), "{newer}");
    assert!(newer.stdout.contains("A node runs on"), "{newer}");
    assert!(!machine.has("/usr/lib/emqx/relup/current")?);
    assert_eq!(
        machine.property("MainPID")?,
        main,
        "its clients are not cut off"
    );
    assert_eq!(machine.emqx(&["ping"])?.text(), "pong");
    let logs = machine.emqx(&["relup", "logs"])?;
    assert_eq!(logs.stdout.lines().count(), 2, "{logs}");
    machine.unit("restart")?;
    assert_eq!(machine.emqx(&["root_dir"])?.text(), "/usr/lib/emqx");
    assert_eq!(
        machine.emqx(&["eval", "emqx_release:version()"])?.text(),
        format!("\"{V6}\"")
    );
    assert!(machine.has("/var/lib/emqx/kept")?);
    assert!(
        machine
            .sh("tail -n 1 /etc/emqx/emqx.conf")?
            .contains("mine")
    );
    Ok(())
}

fn is_removed(machine: &Machine) -> Result<()> {
    // Removal stops the node and leaves what is not the package's.
    machine.run(&["dpkg", "-r", "emqx-enterprise"])?.success()?;
    assert_eq!(machine.sh("ps -u emqx -o args= || true")?, "");
    let left = [
        "/var/lib/emqx/kept",
        "/etc/emqx/emqx.conf",
        &format!("/usr/lib/emqx/relup/{V5}/bin"),
    ]
    .map(str::to_owned);
    for path in &left {
        assert!(machine.has(path)?, "{path}");
    }
    for path in [
        "/usr/bin/emqx",
        "/usr/lib/emqx/bin",
        "/usr/lib/emqx/lib",
        "/opt/emqx",
    ] {
        assert!(!machine.has(path)?, "{path}");
    }
    Ok(())
}

fn is_purged(machine: &Machine, last: &str) -> Result<()> {
    // It comes back to its data, and is purged while it runs.
    machine
        .run(&["dpkg", "--force-confold", "-i", last])?
        .success()?;
    machine.unit("start")?;
    assert!(machine.has("/var/lib/emqx/kept")?);
    machine.run(&["dpkg", "-P", "emqx-enterprise"])?.success()?;
    assert_eq!(machine.sh("ps -u emqx -o args= || true")?, "");
    for path in [
        "/usr/lib/emqx",
        "/var/lib/emqx",
        "/var/log/emqx",
        "/etc/emqx",
        "/opt/emqx",
        "/usr/bin/emqx",
    ] {
        assert!(!machine.has(path)?, "{path}");
    }
    assert_eq!(machine.property("LoadState")?, "not-found");
    assert_eq!(
        machine.sh("id -un emqx")?,
        "emqx",
        "files elsewhere may be its"
    );
    Ok(())
}

#[test]
fn a_package_takes_the_place_of_emqx_own_one_and_gives_it_back() -> Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let install = |package: std::path::PathBuf| {
        machine
            .run(&[
                "dpkg",
                "--force-confold",
                "-i",
                &package.display().to_string(),
            ])?
            .success()
    };
    install(making::own("deb", ENTERPRISE, V4, dir)?)?;
    machine.sh("runuser -u emqx -- touch /var/lib/emqx/kept")?;
    install(making::package("deb", V5, dir)?)?;
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(V5));
    assert_eq!(machine.sh("stat -c %U /usr/lib/emqx/bin/emqx")?, "root");
    machine.unit("stop")?;
    install(making::own("deb", ENTERPRISE, V6, dir)?)?;
    assert!(machine.sh("head -n 1 /usr/bin/emqx")?.starts_with("#!"));
    assert!(!machine.has("/usr/lib/emqx/bin/emqx.sh")?);
    assert!(machine.has("/var/lib/emqx/kept")?);
    Ok(())
}

#[test]
fn a_package_replaces_emqx_own_one_of_another_edition() -> Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let own = making::own("deb", "emqx", V4, dir)?.display().to_string();
    machine.run(&["dpkg", "-i", &own])?.success()?;
    machine.sh("runuser -u emqx -- touch /var/lib/emqx/kept")?;
    let package = making::package("deb", V5, dir)?.display().to_string();
    machine
        .run(&["dpkg", "--force-confold", "-i", &package])?
        .success()?;
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(V5));
    assert_eq!(machine.emqx(&["ping"])?.text(), "pong");
    assert!(machine.has("/var/lib/emqx/kept")?);
    Ok(())
}
