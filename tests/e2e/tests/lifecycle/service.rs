//! `stop` and `restart` of a node that systemd runs: what systemd is asked, and what happens where
//! it refuses. On a machine without systemd, with a group of its naming and a `systemctl` that
//! writes down what it is asked.

use e2e::deployed::{Deployed, is_good, mark_again};
use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Finished, Running};
use e2e::sample::{V4, V5};
use e2e::unit::Unit;

/// An escaped name, of a template.
const NAME: &str = r"emqx@e2e\x2d1.service";

struct Stage {
    install: Install,
    unit: Unit,
    node: Running,
}

/// A node in the foreground inside the unit.
fn stage(name: &str) -> e2e::Result<Option<Stage>> {
    let install = Install::sample(V4)?;
    let Some(unit) = Unit::make(&install, name)? else {
        return Ok(None);
    };
    let node = start(&install, &unit)?;
    Ok(Some(Stage {
        install,
        unit,
        node,
    }))
}

fn start(install: &Install, unit: &Unit) -> e2e::Result<Running> {
    let running = unit.spawn(install, &["foreground"])?;
    process::wait_until("the node to be ready", process::HANG, || {
        Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
    })?;
    Ok(running)
}

impl Stage {
    /// A `systemctl` that knows the unit, and what it does when it is told to do something.
    fn set_systemctl(&self, main_pid: u32, properties: &str, otherwise: &str) -> e2e::Result<()> {
        let known = format!("LoadState=loaded\nMainPID={main_pid}\n{properties}");
        self.unit.set_systemctl(&format!(
            "case \"$*\" in *' show '*) cat <<'END'\n{known}\nEND\nexit 0;; esac\n{otherwise}"
        ))
    }

    /// A `systemctl` that may not do what it is told.
    fn deny(&self, properties: &str) -> e2e::Result<()> {
        let denied = "echo 'Failed: Access denied' >&2; exit 4";
        self.set_systemctl(self.node.pid(), properties, denied)
    }

    fn emqx(&self, command: &str) -> e2e::Result<Finished> {
        self.unit.emqx(&self.install, &[command])
    }

    fn check_alone_and_well(&self) -> e2e::Result<()> {
        assert_eq!(node::os_pid(&self.install)?, self.node.pid());
        assert_eq!(self.install.vms().len(), 1);
        Ok(())
    }
}

#[test]
fn systemd_is_told_to_restart_its_unit_and_what_came_of_it_is_reported() -> e2e::Result<()> {
    let Some(mut stage) = stage(NAME)? else {
        return Ok(());
    };
    let old = stage.node.pid();
    // What systemd does: end the main process, start another one in the same unit.
    let new = format!(
        "kill {old}; while [ -e /proc/{old}/exe ]; do sleep 0.05; done
        ({}; exec {} foreground >/dev/null 2>&1 </dev/null) & exit 0",
        stage
            .unit
            .enter()
            .replace("$$", "$(exec sh -c 'echo $PPID')"),
        stage.install.path("bin/emqx").display()
    );
    // Its main process is a shell that nobody knows, its command is the launcher.
    let launcher = stage.install.path("bin/emqx");
    let exec = format!("ExecStart={{ path={} ; argv[]=x }}", launcher.display());
    stage.set_systemctl(std::process::id(), &exec, &new)?;
    let shown = stage
        .unit
        .emqx(&stage.install, &["restart", "--show-plan"])?;
    let told = format!("tell systemd: systemctl restart '{NAME}'");
    assert!(shown.stdout.contains(&told), "{shown}");
    stage.check_alone_and_well()?;
    let restarted = stage.emqx("restart")?.success()?;
    assert_eq!(
        stage.unit.asked(),
        [format!("--no-ask-password restart -- {NAME}")],
        "{restarted}"
    );
    let info = format!("INFO: {} belongs to {NAME}: ", stage.install.node_name());
    assert!(restarted.stdout.contains(&info), "{restarted}");
    assert!(
        restarted.stdout.ends_with("is started successfully!\n"),
        "{restarted}"
    );
    assert_eq!(
        node::eval(&stage.install, "emqx_machine:is_ready()")?,
        "true"
    );
    assert_ne!(node::os_pid(&stage.install)?, old);
    stage.node.wait(process::HANG)?;

    // A unit that systemd has started again, and whose node dies.
    let vm = stage.install.vms().pop().expect("it runs").pid;
    let dies = format!("kill -9 {vm}; while [ -e /proc/{vm}/exe ]; do sleep 0.05; done; exit 0");
    stage.set_systemctl(0, &exec, &dies)?;
    let failed = stage.emqx("restart")?.exit_code(1)?;
    assert!(failed.stderr.contains("journalctl"), "{failed}");
    assert!(!failed.stdout.contains("successfully"), "{failed}");
    Ok(())
}

#[test]
fn a_restart_that_systemd_refuses_leaves_the_node_and_no_copy_of_it() -> e2e::Result<()> {
    let Some(stage) = stage(NAME)? else {
        return Ok(());
    };
    stage.deny("Restart=on-failure")?;
    let refused = stage.emqx("restart")?.exit_code(1)?;
    assert!(refused.stderr.contains("Access denied"), "{refused}");
    let hint = format!("hint: `sudo systemctl restart '{NAME}'`");
    assert!(refused.stderr.contains(&hint), "{refused}");
    stage.check_alone_and_well()?;

    // Nothing is known about the unit.
    stage.unit.set_systemctl("exit 1")?;
    let refused = stage.emqx("restart")?.exit_code(1)?;
    assert!(refused.stderr.contains(&hint), "{refused}");
    assert!(stage.unit.asked().is_empty(), "{refused}");
    stage.check_alone_and_well()?;

    // A main process that has started the node, by a program that is not the launcher.
    stage.set_systemctl(
        std::process::id(),
        "ExecStart={ path=/bin/true ; }",
        "exit 0",
    )?;
    let refused = stage.emqx("restart")?.exit_code(1)?;
    assert!(refused.stderr.contains(&hint), "{refused}");
    assert!(stage.unit.asked().is_empty(), "{refused}");
    stage.check_alone_and_well()?;

    // A configuration that would not boot is not systemd's business.
    stage.set_systemctl(stage.node.pid(), "", "exit 0")?;
    let conf = stage.install.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    fs_err::write(&conf, format!("{right}\nnode {{\n"))?;
    let checked = stage.install.emqx(&["check_config"])?;
    let refused = stage.emqx("restart")?;
    assert_eq!(
        (refused.code, &refused.stderr),
        (checked.code, &checked.stderr)
    );
    assert!(stage.unit.asked().is_empty(), "{refused}");
    fs_err::write(&conf, right)?;
    stage.check_alone_and_well()
}

#[test]
fn a_stop_that_systemd_refuses_is_direct_unless_the_node_would_come_back() -> e2e::Result<()> {
    let Some(mut stage) = stage(NAME)? else {
        return Ok(());
    };
    stage.deny("Restart=always")?;
    let refused = stage.emqx("stop")?.exit_code(1)?;
    let hint = format!("hint: `sudo systemctl stop '{NAME}'`");
    assert!(
        refused.stderr.contains(&hint) && refused.stderr.contains("Restart=always"),
        "{refused}"
    );
    stage.check_alone_and_well()?;
    stage.deny("Restart=on-failure")?;
    let stopped = stage.emqx("stop")?.success()?;
    assert_eq!(
        stage.unit.asked(),
        [format!("--no-ask-password stop -- {NAME}")]
    );
    assert!(
        stopped.stdout.contains("WARNING: ") && stopped.stdout.ends_with("ok\n"),
        "{stopped}"
    );
    assert_eq!(stage.node.wait(process::HANG)?.code, Some(0));
    // A unit that leaves its processes behind when it is stopped.
    stage.node = start(&stage.install, &stage.unit)?;
    stage.set_systemctl(stage.node.pid(), "", "exit 0")?;
    let stopped = stage.emqx("stop")?.success()?;
    assert!(stopped.stdout.ends_with("ok\n"), "{stopped}");
    assert_eq!(stage.node.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn what_systemd_itself_runs_in_the_unit_does_not_ask_it_again() -> e2e::Result<()> {
    let Some(mut stage) = stage(NAME)? else {
        return Ok(());
    };
    stage.set_systemctl(stage.node.pid(), "InvocationID=0123", "exit 0")?;
    // A restart from within would end with the unit, before the start: systemd carries on.
    let restarted = stage.unit.emqx_inside(&stage.install, &["restart"])?;
    let restarted = restarted.success()?;
    assert_eq!(
        stage.unit.asked(),
        [format!("--no-ask-password --no-block restart -- {NAME}")],
        "{restarted}"
    );
    stage.check_alone_and_well()?;
    stage.set_systemctl(stage.node.pid(), "InvocationID=0123", "exit 0")?;
    let stopped = stage
        .unit
        .emqx_inside(&stage.install, &["stop"])?
        .success()?;
    assert_eq!(stopped.text(), "ok", "{stopped}");
    assert_eq!(stage.node.wait(process::HANG)?.code, Some(0));
    // The same run of the unit, from a process that was moved elsewhere.
    stage.node = start(&stage.install, &stage.unit)?;
    stage.set_systemctl(stage.node.pid(), "InvocationID=0123", "exit 0")?;
    stage.install.set_env("INVOCATION_ID", "0123");
    let stopped = stage.emqx("stop")?.success()?;
    assert_eq!(stopped.text(), "ok", "{stopped}");
    assert_eq!(stage.unit.asked(), Vec::<String>::new());
    assert_eq!(stage.node.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn a_node_that_was_only_started_from_a_service_is_no_concern_of_it() -> e2e::Result<()> {
    // An agent's service, whose main process is not above the node; a scope, which is no service.
    for (name, main_pid) in [("agent.service", 0), ("session-1.scope", 1)] {
        let Some(mut stage) = stage(name)? else {
            return Ok(());
        };
        let exec = "ExecStart={ path=/usr/sbin/cron ; argv[]=/usr/sbin/cron -f }";
        stage.set_systemctl(main_pid, exec, "exit 0")?;
        let restarted = stage.emqx("restart")?.success()?;
        assert!(!restarted.stdout.contains(name), "{restarted}");
        assert_eq!(stage.node.wait(process::HANG)?.code, Some(0));
        assert_ne!(node::os_pid(&stage.install)?, stage.node.pid());
        stage.emqx("stop")?.success()?;
        assert_eq!(stage.unit.asked(), Vec::<String>::new());
    }
    Ok(())
}

/// Nobody asks the old VM any more: a boot of the tree that went well must not look like one that
/// nobody saw ready.
#[test]
fn a_hot_upgraded_tree_is_marked_good_before_systemd_ends_its_node() -> e2e::Result<()> {
    for command in ["restart", "stop"] {
        let install = Install::sample(V4)?;
        Deployed::marked(&install, V5)?;
        let Some(unit) = Unit::make(&install, NAME)? else {
            return Ok(());
        };
        let node = start(&install, &unit)?;
        let stage = Stage {
            install,
            unit,
            node,
        };
        stage.deny("Restart=always")?;
        mark_again(&stage.install)?;
        // Asking once is enough wherever the machine is not too busy to answer.
        process::wait_until("the mark", process::HANG, || {
            stage.emqx(command)?.exit_code(1)?;
            is_good(&stage.install)
        })?;
        stage.check_alone_and_well()?;
    }
    Ok(())
}
