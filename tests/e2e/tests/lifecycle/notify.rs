//! `foreground` for a service manager of the kind that systemd is (`Type=notify`): it is told how far
//! the boot has come, and of readiness when the node is ready, by a process that is not the VM's.

use super::container::{contained, may_make_namespaces, zombies};
use e2e::install::Install;
use e2e::patch::{gate, last_application, open_gate};
use e2e::process::{self, Running};
use e2e::sample::{Sample, V4, V5};
use e2e::witness::relup_json;
use nix::sys::signal::{Signal, kill};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// How long nothing may be heard before it counts as silence.
const SILENCE: Duration = Duration::from_secs(3);

/// A service manager that only listens.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    /// At a path with a blank in it, below the installation.
    fn at_path(install: &mut Install) -> e2e::Result<Self> {
        let path = install.scratch().join("the manager");
        install.set_env("NOTIFY_SOCKET", &path);
        let socket = UnixDatagram::bind(path)?;
        Ok(Self { socket })
    }

    fn at_abstract_name(install: &mut Install) -> e2e::Result<Self> {
        let name = format!("emqx-e2e-{}-{}", std::process::id(), install.mqtt_port());
        install.set_env("NOTIFY_SOCKET", format!("@{name}"));
        let address = SocketAddr::from_abstract_name(name)?;
        let socket = UnixDatagram::bind_addr(&address)?;
        Ok(Self { socket })
    }

    /// The next message, or silence.
    fn hears(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).ok()?;
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..len]).into_owned())
    }

    /// Listens until a message has a text in it; all messages up to there.
    fn hears_until(&self, text: &str) -> Vec<String> {
        let begun = Instant::now();
        let mut heard = Vec::new();
        while begun.elapsed() < process::HANG {
            let Some(message) = self.hears(process::HANG) else {
                break;
            };
            let is_it = message.contains(text);
            heard.push(message);
            if is_it {
                return heard;
            }
        }
        panic!("no {text:?} in {heard:?}");
    }
}

fn is_about_readiness(message: &str) -> bool {
    message.contains("READY=1")
}

/// The process that waits beside the VM.
fn helpers(install: &Install) -> Vec<u32> {
    let waits = |process: &e2e::install::Process| process.args.iter().any(|arg| arg == "_announce");
    let found = install.processes().into_iter().filter(waits);
    found.map(|process| process.pid).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')')
        .next()?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn check_no_helper_is_left(install: &Install) -> e2e::Result<()> {
    process::wait_until("the helper to end", process::HANG, || {
        Ok(helpers(install).is_empty())
    })
}

fn end(mut foreground: Running) -> e2e::Result<()> {
    foreground.signal(Signal::SIGTERM)?;
    assert_eq!(foreground.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn readiness_is_told_when_the_node_is_ready_and_not_before() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    last_application(&install, &gate(&install, "go"), "ok")?;
    install.set_env("WATCHDOG_USEC", "1000000");
    let manager = Manager::at_path(&mut install)?;
    let foreground = install.spawn(&["foreground"])?;
    let heard = manager.hears_until("answers, and is not ready yet");
    let first = "STATUS=preparing the boot of EMQX Enterprise 5.10.4\nEXTEND_TIMEOUT_USEC=";
    assert!(heard[0].starts_with(first), "{heard:?}");
    assert!(
        heard[1].starts_with("STATUS=starting EMQX Enterprise 5.10.4\n"),
        "{heard:?}"
    );
    assert!(
        !heard.iter().any(|message| is_about_readiness(message)),
        "{heard:?}"
    );
    // The boot goes on, and more time is asked for.
    let more = manager.hears_until("EXTEND_TIMEOUT_USEC=");
    assert!(
        !more.iter().any(|message| is_about_readiness(message)),
        "{more:?}"
    );

    let vm = install.vms().pop().expect("it runs");
    assert_eq!(vm.pid, foreground.pid(), "the main process is the VM");
    let [helper] = helpers(&install)[..] else {
        panic!("one process waits: {:?}", install.processes())
    };
    assert_ne!(parent_of(helper), Some(vm.pid), "the VM has no part in it");
    let env = fs_err::read(format!("/proc/{}/environ", vm.pid))?;
    let env = String::from_utf8_lossy(&env);
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!env.contains(name), "{name} is not for the VM");
    }

    open_gate(&install, "go")?;
    let heard = manager.hears_until("READY=1");
    let last = heard.last().expect("a message");
    assert_eq!(last, "READY=1\nSTATUS=5.10.4 is running");
    assert_eq!(
        install.emqx(&["eval", "emqx_machine:is_ready()"])?.text(),
        "true"
    );
    // So that the message is not lost, its sender stays until it has been worked on.
    assert_eq!(manager.hears(process::HANG).as_deref(), Some("BARRIER=1"));
    check_no_helper_is_left(&install)?;
    end(foreground)
}

#[test]
fn a_boot_that_is_late_asks_for_no_more_time_and_is_told_all_the_same() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    last_application(&install, &gate(&install, "go"), "ok")?;
    install.set_env("EMQX_WAIT_FOR_START", "1");
    let manager = Manager::at_abstract_name(&mut install)?;
    let foreground = install.spawn(&["foreground"])?;
    manager.hears_until("STATUS=5.10.4 is not ready after 1 s");
    let mut later = Vec::new();
    while let Some(message) = manager.hears(SILENCE) {
        later.push(message);
    }
    let asks = |message: &String| message.contains("EXTEND_TIMEOUT_USEC");
    assert!(!later.iter().any(asks), "{later:?}");
    assert!(
        !later.iter().any(|message| is_about_readiness(message)),
        "{later:?}"
    );
    open_gate(&install, "go")?;
    manager.hears_until("READY=1\nSTATUS=5.10.4 is running");
    end(foreground)
}

#[test]
fn the_helper_ends_with_a_vm_that_never_gets_ready() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    last_application(&install, &gate(&install, "never"), "ok")?;
    let manager = Manager::at_path(&mut install)?;
    let mut foreground = install.spawn(&["foreground"])?;
    manager.hears_until("answers, and is not ready yet");
    foreground.signal(Signal::SIGKILL)?;
    foreground.wait(process::HANG)?;
    check_no_helper_is_left(&install)?;
    while let Some(message) = manager.hears(Duration::from_millis(10)) {
        assert!(!is_about_readiness(&message), "{message}");
    }
    Ok(())
}

#[test]
fn a_boot_that_is_refused_says_why_and_without_a_manager_nothing_is_different() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let manager = Manager::at_path(&mut install)?;
    let conf = install.path("etc/emqx.conf");
    let right = fs_err::read(&conf)?;
    fs_err::remove_file(&conf)?;
    let refused = install.emqx(&["foreground"])?.exit_code(1)?;
    let heard = manager.hears_until("STATUS=refused: emqx.conf is not found in ");
    assert!(
        refused.stderr.contains("emqx.conf is not found"),
        "{refused}"
    );
    assert!(
        !heard.iter().any(|message| is_about_readiness(message)),
        "{heard:?}"
    );
    fs_err::write(&conf, right)?;
    // Commands that boot nothing have nothing to say.
    install.emqx(&["check_config"])?.success()?;
    assert_eq!(manager.hears(Duration::from_millis(10)), None);
    // A manager that is gone stops no boot.
    drop(manager);
    for socket in [Some("/nowhere/at all"), Some("@nobody"), None] {
        match socket {
            Some(name) => install.set_env("NOTIFY_SOCKET", name),
            None => install.remove_env("NOTIFY_SOCKET"),
        }
        let foreground = install.spawn(&["foreground"])?;
        process::wait_until("the node to be ready", process::HANG, || {
            Ok(install.emqx(&["eval", "emqx_machine:is_ready()"])?.text() == "true")
        })?;
        assert_eq!(helpers(&install), Vec::<u32>::new(), "{socket:?}");
        end(foreground)?;
    }
    Ok(())
}

#[test]
fn the_helper_leaves_no_zombie_to_the_first_process_of_a_container() -> e2e::Result<()> {
    if !may_make_namespaces() {
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    let manager = Manager::at_path(&mut install)?;
    let (mut running, first) = contained(&install)?;
    manager.hears_until("READY=1\nSTATUS=5.10.4 is running");
    assert_eq!(manager.hears(process::HANG).as_deref(), Some("BARRIER=1"));
    check_no_helper_is_left(&install)?;
    let first_id = u32::try_from(first.as_raw()).expect("a process id");
    process::wait_until("no zombie to be left", process::HANG, || {
        Ok(zombies(first_id).is_empty())
    })?;
    kill(first, Signal::SIGTERM).map_err(std::io::Error::from)?;
    assert_eq!(running.wait(process::HANG)?.code, Some(0));
    Ok(())
}

#[test]
fn a_hot_upgraded_release_that_was_seen_ready_is_good() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let target = Sample::find()?.tarball(V5)?;
    let cold = ["relup", "upgrade", "--cold", &target.to_string_lossy()];
    install.emqx(&cold)?.success()?;
    let manager = Manager::at_path(&mut install)?;
    let foreground = install.spawn(&["foreground"])?;
    manager.hears_until("READY=1\nSTATUS=5.10.5 is running");
    install.remove_env("NOTIFY_SOCKET");
    end(foreground)?;
    let (_, json) = relup_json(&install, &["status"])?;
    assert_eq!(json["boot"]["state"], "good", "{json}");
    Ok(())
}
