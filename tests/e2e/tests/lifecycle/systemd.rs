//! The same with a real systemd, where this machine can run one in namespaces of its own.

use e2e::Error;
use e2e::install::{Install, Process};
use e2e::process::{self, Finished};
use e2e::sample::V4;
use e2e::systemd::Systemd;
use std::path::Path;

const SYSTEMD: &str = "/lib/systemd/systemd";

/// A unit that is told when the node is ready.
const NOTIFIED: &str = "notified.service";

/// As the packages have it, with a word to say about a stop, and one that starts it again.
const UNITS: [(&str, &str); 4] = [
    ("plain.service", "Restart=on-failure"),
    // No boot is over in a second: more time is asked for.
    (
        NOTIFIED,
        "Type=notify\nNotifyAccess=all\nTimeoutStartSec=1\nRestart=on-failure",
    ),
    (
        "stops.service",
        "Restart=always\nRestartSec=1\nExecStop=EMQX stop",
    ),
    (
        "shell.service",
        "ExecStart=\nExecStart=/bin/sh -c \"EMQX foreground; exit 0\"",
    ),
];

/// A machine that systemd runs.
struct Machine {
    // It goes before the directory that it runs on.
    systemd: Systemd,
    install: Install,
}

impl Machine {
    fn boot() -> e2e::Result<Option<Self>> {
        if !Path::new(SYSTEMD).exists() || !nix::unistd::geteuid().is_root() {
            println!("not tried here: no systemd, or not root");
            return Ok(None);
        }
        let mut install = Install::sample(V4)?;
        // It has a network of its own.
        install.remove_env("EMQX_NODE__NAME");
        install.remove_env("EMQX_LISTENERS__TCP__DEFAULT__BIND");
        let units = install.scratch().join("units");
        fs_err::create_dir(&units)?;
        let emqx = install.path("bin/emqx").display().to_string();
        for (name, more) in UNITS {
            let more = more.replace("EMQX", &emqx);
            let text =
                format!("[Service]\nExecStart={emqx} foreground\nEnvironment=HOME=/root\n{more}\n");
            fs_err::write(units.join(name), text)?;
        }
        match Systemd::boot(&install, None) {
            Ok(systemd) => Ok(Some(Self { systemd, install })),
            Err(Error::Missing { what, .. }) => {
                println!("not tried here: {what}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn run(&self, command: &[&str]) -> e2e::Result<Finished> {
        let mut inside = self.systemd.command(&self.install);
        process::run(inside.args(command), process::HANG)
    }

    fn emqx(&self, args: &[&str]) -> e2e::Result<Finished> {
        let emqx = self.install.path("bin/emqx").display().to_string();
        self.run(&[&[emqx.as_str()], args].concat())
    }

    fn start(&self, unit: &str) -> e2e::Result<()> {
        self.run(&["systemctl", "start", unit])?.success()?;
        process::wait_until("the node to be ready", process::HANG, || {
            Ok(self.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
        })
    }

    /// The unit's state, its main process and how often systemd has started it again.
    fn state(&self, unit: &str) -> e2e::Result<[String; 3]> {
        let property = |name: &str| self.property(unit, name);
        Ok([
            property("ActiveState")?,
            property("MainPID")?,
            property("NRestarts")?,
        ])
    }

    fn property(&self, unit: &str, name: &str) -> e2e::Result<String> {
        let asked = self.run(&["systemctl", "show", "--value", "-p", name, unit])?;
        Ok(asked.success()?.text().to_owned())
    }
}

#[test]
fn a_real_systemd_keeps_the_node_in_its_unit() -> e2e::Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    for (unit, _) in UNITS {
        machine.start(unit)?;
        let [_, before, _] = machine.state(unit)?;
        // A configuration that would not boot is found out before.
        let conf = machine.install.path("etc/emqx.conf");
        let right = fs_err::read_to_string(&conf)?;
        fs_err::write(&conf, format!("{right}\nnode {{\n"))?;
        let checked = machine.emqx(&["check_config"])?;
        let refused = machine.emqx(&["restart"])?;
        assert_eq!(
            (refused.code, &refused.stderr),
            (checked.code, &checked.stderr),
            "{unit}"
        );
        fs_err::write(&conf, right)?;
        assert_eq!(
            machine.state(unit)?,
            ["active", &before, "0"].map(String::from)
        );

        let restarted = machine.emqx(&["restart"])?.success()?;
        let info = format!("belongs to {unit}: systemctl restart {unit}\n");
        assert!(restarted.stdout.contains(&info), "{restarted}");
        assert!(
            restarted.stdout.ends_with("is started successfully!\n"),
            "{restarted}"
        );
        let [state, after, restarts] = machine.state(unit)?;
        assert_eq!(
            (state.as_str(), restarts.as_str()),
            ("active", "0"),
            "{restarted}"
        );
        assert_ne!(before, after, "{restarted}");
        assert_eq!(machine.install.vms().len(), 1, "no copy outside the unit");

        // Another user is told who may, and nothing happens.
        let emqx = machine.install.path("bin/emqx").display().to_string();
        fs_err::set_permissions(
            machine.install.scratch(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        let nobody = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ];
        let refused = machine
            .run(&[&nobody[..], &[&emqx, "restart"]].concat())?
            .exit_code(1)?;
        let hint = format!("hint: `sudo systemctl restart {unit}`");
        assert!(refused.stderr.contains(&hint), "{refused}");
        assert_eq!(machine.state(unit)?[1], after, "{refused}");

        let stopped = machine.emqx(&["stop"])?.success()?;
        assert!(stopped.stdout.ends_with("ok\n"), "{stopped}");
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(
            machine.state(unit)?[..2],
            ["inactive", "0"].map(String::from),
            "{stopped}"
        );
        assert!(
            machine.install.vms().is_empty(),
            "{:?}",
            machine.install.vms()
        );
    }
    Ok(())
}

#[test]
fn a_real_systemd_is_told_when_the_node_is_ready() -> e2e::Result<()> {
    let Some(machine) = Machine::boot()? else {
        return Ok(());
    };
    let property = |name: &str| machine.property(NOTIFIED, name);
    // Whoever starts the unit goes on when the node is ready, and no sooner.
    machine.run(&["systemctl", "start", NOTIFIED])?.success()?;
    let ready = machine
        .emqx(&["eval", "emqx_machine:is_ready()"])?
        .success()?;
    assert_eq!(ready.text(), "true");
    assert_eq!(property("StatusText")?, "5.10.4 is running");
    let main = property("MainPID")?;
    assert_eq!(machine.emqx(&["pid"])?.success()?.text(), main);
    // The helper has gone; what is left of the unit is the VM and its own children.
    process::wait_until("the helper to end", process::HANG, || {
        let processes = machine.install.processes();
        let waits = |process: &Process| process.args.iter().any(|arg| arg == "_announce");
        Ok(!processes.iter().any(waits))
    })?;
    machine.run(&["systemctl", "stop", NOTIFIED])?.success()?;
    assert_eq!(property("Result")?, "success");

    // A boot that is refused fails the unit at once, and says why.
    let conf = machine.install.path("etc/emqx.conf");
    fs_err::rename(&conf, conf.with_extension("away"))?;
    machine
        .run(&["systemctl", "start", NOTIFIED])?
        .exit_code(1)?;
    assert!(property("StatusText")?.starts_with("refused: emqx.conf is not found"));
    machine.run(&["systemctl", "stop", NOTIFIED])?.success()?;
    Ok(())
}
