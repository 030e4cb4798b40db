//! The package `emqx-launcher` over a package as EMQX's own are: put in, kept through an upgrade of
//! EMQX, and taken out again without a trace in the scripts.

use e2e::Result;
use e2e::sample::{V4, V5};
use packages::machine::Machine;
use packages::making::{self, ENTERPRISE};

/// How a kind of package is handled.
struct Manager {
    kind: &'static str,
    /// Whether it has to be told what the root has.
    base: bool,
    install: &'static str,
    upgrade: &'static str,
    remove: &'static str,
}

/// What the two programs in bin are, under the names that they have: bytes, owner, mode, kind.
fn scripts(machine: &Machine, end: &str) -> Result<String> {
    let look = |name: &str| format!("sha256sum <{name}{end} && stat -c '%U %G %a %F' {name}{end}");
    let line = format!(
        "cd /usr/lib/emqx/bin && {} && {}",
        look("emqx"),
        look("emqx_ctl")
    );
    machine.sh(&line)
}

fn goes_over_and_back(manager: &Manager) -> Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let dir = machine.shared();
    let own = making::own(manager.kind, ENTERPRISE, V4, dir)?
        .display()
        .to_string();
    let next = making::own(manager.kind, ENTERPRISE, V5, dir)?
        .display()
        .to_string();
    let overlay = making::overlay(manager.kind, dir)?.display().to_string();
    let with = |how: &str, what: &str| machine.sh(&format!("{how} {what} 2>&1"));

    if manager.base {
        let base = making::base_system(dir)?;
        with(manager.install, &base.display().to_string())?;
    }
    with(manager.install, &own)?;
    let before = scripts(&machine, "")?;
    with(manager.install, &overlay)?;
    let version = machine.emqx(&["version"])?;
    assert!(version.stdout.starts_with("emqx launcher "), "{version}");
    machine.sh("cd /usr/lib/emqx/bin && test \"$(readlink emqx_ctl)\" = emqx")?;
    assert_eq!(scripts(&machine, ".sh")?, before);

    // EMQX's unit would have bash read the launcher.
    machine.unit("start")?;
    assert!(machine.property("StatusText")?.contains(V4));
    machine.verify_unit()?;
    machine.bring_hops()?;
    machine.sh("chown -R emqx:emqx /usr/lib/emqx/relup")?;
    let tarball = machine.tarball(V5)?;
    machine
        .emqx(&["relup", "upgrade", &tarball])?
        .says("upgrade complete")?;

    // EMQX's own upgrade leaves the launcher in its place, and the older tree is not booted.
    let upgraded = with(manager.upgrade, &next)?;
    assert!(upgraded.contains("retired: "), "{upgraded}");
    let version = machine.emqx(&["version"])?;
    assert!(version.stdout.starts_with("emqx launcher "), "{version}");
    machine.unit("restart")?;
    assert_eq!(machine.emqx(&["root_dir"])?.text(), "/usr/lib/emqx");
    machine.unit("stop")?;

    with(manager.remove, "emqx-launcher")?;
    let fresh = Machine::boot()?;
    let Some(fresh) = fresh else {
        return Ok(());
    };
    let copy = fresh.shared().join(format!("own.{}", manager.kind));
    fs_err::copy(&next, &copy)?;
    if manager.base {
        let base = making::base_system(fresh.shared())?;
        fresh.dnf("install", &base)?.success()?;
    }
    fresh.sh(&format!("{} {} 2>&1", manager.install, copy.display()))?;
    assert_eq!(
        scripts(&machine, "")?,
        scripts(&fresh, "")?,
        "the scripts of the newer package"
    );
    for left in [
        "/usr/lib/emqx/bin/emqx.sh",
        "/usr/lib/emqx/bin/emqx_ctl.sh",
        "/usr/lib/emqx-launcher",
        "/usr/lib/systemd/system/emqx.service.d",
    ] {
        assert!(!machine.has(left)?, "{left}");
    }
    both_go_at_once(manager, &fresh)
}

/// EMQX is removed with the overlay still over it: nothing is left of either.
fn both_go_at_once(manager: &Manager, machine: &Machine) -> Result<()> {
    let overlay = making::overlay(manager.kind, machine.shared())?;
    let overlay = overlay.display();
    machine.sh(&format!("{} {overlay} 2>&1", manager.install))?;
    machine.unit("start")?;
    machine.unit("stop")?;
    machine.sh(&format!(
        "{} emqx-launcher {ENTERPRISE} 2>&1",
        manager.remove
    ))?;
    for left in ["/usr/lib/emqx/bin", "/usr/lib/emqx-launcher"] {
        assert!(!machine.has(left)?, "{left}");
    }
    let diverted = machine.sh("dpkg-divert --list '*emqx*'")?;
    assert_eq!(diverted, "");
    Ok(())
}

#[test]
fn on_debian_the_script_is_diverted_and_given_back() -> Result<()> {
    goes_over_and_back(&Manager {
        kind: "deb",
        base: false,
        install: "dpkg -i",
        upgrade: "dpkg --force-confold -i",
        remove: "dpkg -r",
    })
}

#[test]
fn with_rpm_a_trigger_puts_the_launcher_back_over_the_script() -> Result<()> {
    if !making::is_there("rpmbuild") {
        return Ok(());
    }
    goes_over_and_back(&Manager {
        kind: "rpm",
        base: true,
        install: "dnf -y install",
        upgrade: "dnf -y upgrade",
        remove: "dnf -y remove",
    })
}
