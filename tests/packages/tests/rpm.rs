//! The life of an RPM package, from its installation to its removal, by dnf.
//!
//! The root is Debian's with its `rpm` and `dnf`: no system of Red Hat's family can be had from Debian's
//! mirrors. So dependencies are met by a package that says what the root has, and scriptlets are run
//! by Debian's `sh`.

use e2e::Result;
use e2e::process;
use e2e::sample::{V4, V5, V6};
use packages::machine::{HOLD, Machine};
use packages::making::{self, ENTERPRISE};

/// A machine with what packages of EMQX want; `None` where there can be none.
fn machine() -> Result<Option<Machine>> {
    if !making::is_there("rpmbuild") {
        return Ok(None);
    }
    let Some(machine) = Machine::boot()? else {
        return Ok(None);
    };
    let base = making::base_system(machine.shared())?;
    machine.dnf("install", &base)?.success()?;
    Ok(Some(machine))
}

#[test]
fn an_rpm_package_is_installed_upgraded_hot_and_cold_and_removed() -> Result<()> {
    let Some(machine) = machine()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let first = making::package("rpm", V4, dir)?;
    let last = making::package("rpm", V6, dir)?;

    let installed = machine.dnf("install", &first)?.success()?;
    assert!(
        installed.stdout.contains("no marker"),
        "the scriptlets ran: {installed}"
    );
    assert_eq!(machine.sh("systemctl is-enabled emqx")?, "enabled");
    assert_eq!(
        machine.sh("stat -c '%U %a' /usr/lib/emqx/bin/emqx /usr/lib/emqx/relup /var/lib/emqx /var/log/emqx /etc/emqx")?,
        "root 755\nemqx 755\nemqx 750\nemqx 750\nroot 750"
    );
    // Every file is what the package says, with its owner and mode.
    let verified = machine.run(&["rpm", "-V", "emqx-enterprise"])?;
    assert_eq!(
        (verified.code, verified.text()),
        (Some(0), ""),
        "{verified}"
    );
    machine.verify_unit()?;
    machine.unit("start")?;
    let main = machine.property("MainPID")?;
    assert_eq!(machine.sh(&format!("ps -o user= -p {main}"))?, "emqx");
    assert!(machine.property("StatusText")?.contains(V4));
    machine
        .sh("runuser -u emqx -- touch /var/lib/emqx/kept; echo '## mine' >>/etc/emqx/emqx.conf")?;

    // No package gets in between while a node is upgraded.
    machine.bring_hops()?;
    let tarball = machine.tarball(V5)?;
    machine.sh(HOLD)?;
    let mut upgrade = machine.spawn(&["/usr/bin/emqx", "relup", "upgrade", &tarball])?;
    machine.sh("until [ -e /var/lib/emqx/held ]; do sleep 0.1; done")?;
    let refused = machine.dnf("upgrade", &last)?.exit_code(1)?;
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        said.contains("ERROR: a hot upgrade is being applied"),
        "{refused}"
    );
    let there = machine.sh("rpm -q emqx-enterprise")?;
    assert!(
        there.contains(V4) && !there.contains(V6),
        "nothing was changed: {there}"
    );
    assert_eq!(
        machine
            .run(&["rpm", "-V", "--nomtime", "emqx-enterprise"])?
            .text(),
        "S.5......  c /etc/emqx/emqx.conf"
    );
    machine.sh("rm /var/lib/emqx/held")?;
    upgrade
        .wait(process::HANG)?
        .success()?
        .says("upgrade complete")?;
    machine.unit("restart")?;
    assert_eq!(
        machine.emqx(&["root_dir"])?.text(),
        format!("/usr/lib/emqx/relup/{V5}")
    );

    // A newer package is what the next start boots; the node runs on meanwhile.
    let main = machine.property("MainPID")?;
    let newer = machine.dnf("upgrade", &last)?.success()?;
    assert!(newer.stdout.contains("retired: "), "{newer}");
    assert!(!machine.has("/usr/lib/emqx/relup/current")?);
    assert!(machine.has(&format!("/usr/lib/emqx/relup/{V5}/bin"))?);
    assert_eq!(machine.property("MainPID")?, main);
    assert_eq!(machine.emqx(&["ping"])?.text(), "pong");
    machine.unit("restart")?;
    assert_eq!(
        machine.emqx(&["eval", "emqx_release:version()"])?.text(),
        format!("\"{V6}\"")
    );
    assert!(
        machine
            .sh("tail -n 1 /etc/emqx/emqx.conf")?
            .contains("mine")
    );
    assert_eq!(machine.sh("systemctl is-enabled emqx")?, "enabled");
    assert_eq!(
        machine.sh("readlink -f /opt/emqx/bin/emqx /usr/bin/emqx_ctl")?,
        "/usr/lib/emqx/bin/emqx\n/usr/lib/emqx/bin/emqx"
    );

    machine.dnf("remove", "emqx-enterprise")?.success()?;
    assert_eq!(machine.sh("ps -u emqx -o args= || true")?, "");
    for path in [
        "/usr/bin/emqx",
        "/usr/lib/emqx/bin",
        "/usr/lib/emqx/lib",
        "/opt/emqx",
    ] {
        assert!(!machine.has(path)?, "{path}");
    }
    let relup = format!("/usr/lib/emqx/relup/{V5}/bin");
    for path in ["/var/lib/emqx/kept", "/etc/emqx/emqx.conf.rpmsave", &relup] {
        assert!(machine.has(path)?, "{path}");
    }
    Ok(())
}

#[test]
fn an_rpm_package_takes_the_place_of_emqx_own_one_and_gives_it_back() -> Result<()> {
    let Some(machine) = machine()? else {
        return Ok(());
    };
    let dir = machine.shared();
    machine
        .dnf("install", &making::own("rpm", ENTERPRISE, V4, dir)?)?
        .success()?;
    machine.sh("runuser -u emqx -- touch /var/lib/emqx/kept")?;
    machine
        .dnf("upgrade", &making::package("rpm", V5, dir)?)?
        .success()?;
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(V5));
    assert_eq!(machine.sh("stat -c %U /usr/lib/emqx/bin/emqx")?, "root");
    machine.unit("stop")?;
    machine
        .dnf("upgrade", &making::own("rpm", ENTERPRISE, V6, dir)?)?
        .success()?;
    assert!(machine.sh("head -n 1 /usr/bin/emqx")?.starts_with("#!"));
    assert!(!machine.has("/usr/lib/emqx/bin/emqx.sh")?);
    assert!(machine.has("/var/lib/emqx/kept")?);
    Ok(())
}

#[test]
fn an_rpm_package_does_not_mix_with_emqx_own_one_of_another_edition() -> Result<()> {
    let Some(machine) = machine()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let own = making::own("rpm", "emqx", V4, dir)?;
    machine.dnf("install", &own)?.success()?;
    let package = making::package("rpm", V5, dir)?;
    let refused = machine.dnf("install", &package)?.exit_code(1)?;
    assert!(refused.stderr.contains("conflicts with emqx"), "{refused}");
    assert!(machine.sh("head -n 1 /usr/bin/emqx")?.starts_with("#!"));

    // Who insists is told what the other one has done when it went, and that it is to be mended.
    let package = package.display().to_string();
    let insisted = machine.run(&["dnf", "-y", "install", "--allowerasing", &package])?;
    let said = format!("{}{}", insisted.stdout, insisted.stderr);
    assert!(said.contains("has removed /usr/lib/emqx"), "{insisted}");
    machine.dnf("reinstall", &package)?.success()?;
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(V5));
    Ok(())
}
