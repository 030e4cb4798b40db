//! The life of an RPM package, from its installation to its removal.
//!
//! The root is Debian's with its `rpm`: no system of Red Hat's family can be had from Debian's mirrors.
//! So dependencies are not looked at here, and scriptlets are run by Debian's `sh`.

use e2e::Result;
use e2e::process::Finished;
use e2e::sample::{V4, V5, V6};
use packages::machine::Machine;
use packages::making;

fn rpm(machine: &Machine, how: &str, what: &str) -> Result<Finished> {
    let command = ["rpm", "--force-debian", "--nodeps", how, what];
    machine.run(&command)?.success()
}

#[test]
fn an_rpm_package_is_installed_upgraded_hot_and_cold_and_removed() -> Result<()> {
    if !making::is_there("rpmbuild") {
        return Ok(());
    }
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let first = making::package("rpm", V4, dir)?.display().to_string();
    let last = making::package("rpm", V6, dir)?.display().to_string();

    let installed = rpm(&machine, "-i", &first)?;
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
    let verified = machine.run(&["rpm", "--force-debian", "-V", "--nodeps", "emqx-enterprise"])?;
    assert_eq!(
        (verified.code, verified.text()),
        (Some(0), ""),
        "{verified}"
    );
    machine.unit("start")?;
    let main = machine.property("MainPID")?;
    assert_eq!(machine.sh(&format!("ps -o user= -p {main}"))?, "emqx");
    assert!(machine.property("StatusText")?.contains(V4));
    machine
        .sh("runuser -u emqx -- touch /var/lib/emqx/kept; echo '## mine' >>/etc/emqx/emqx.conf")?;

    machine.bring_hops()?;
    let tarball = machine.tarball(V5)?;
    machine
        .emqx(&["relup", "upgrade", &tarball])?
        .says("upgrade complete")?;
    machine.unit("restart")?;
    assert_eq!(
        machine.emqx(&["root_dir"])?.text(),
        format!("/usr/lib/emqx/relup/{V5}")
    );

    // A newer package is what the next start boots; the node runs on meanwhile.
    let main = machine.property("MainPID")?;
    let newer = rpm(&machine, "-U", &last)?;
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

    rpm(&machine, "-e", "emqx-enterprise")?;
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
