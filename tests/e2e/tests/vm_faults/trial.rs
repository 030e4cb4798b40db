//! An attempt that waits at one of the crash points, what happens to it there, and what has to be so
//! afterwards, whatever happened.

use super::halt::Halt;
use super::points::{End, Point};
use super::scene::Scene;
use super::values;
use super::wire::{TICK_TIME, is_at_rest};
use e2e::process::{self, Finished, HANG, Running};
use e2e::relay::{How, Relay};
use e2e::sample::{V4, V5};
use e2e::{journal, node};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// Longer than the tick time and the quarter that nodes add to it.
const STALL: Duration = Duration::from_secs(7);

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    CommandKilled,
    VmKilled,
    Cut(How),
    CommandStalled,
    VmStalled,
}

/// An attempt that waits at a point.
pub(super) struct Trial {
    point: Point,
    way: Way,
    scene: Scene,
    relay: Relay,
    command: Running,
    halt: Option<Halt>,
}

impl Trial {
    pub(super) fn at(point: Point, way: Way) -> e2e::Result<Trial> {
        let mut relay = None;
        let mut scene = Scene::prepared(|install| {
            install.set_env(TICK_TIME.0, TICK_TIME.1);
            relay = Some(Relay::before(install)?);
            if point.record().is_some() {
                let arguments = install.path("etc/vm.args");
                let text = fs_err::read_to_string(&arguments)?;
                fs_err::write(&arguments, text.replace("+SDio 8", Halt::ONE_WRITER))?;
            }
            Ok(())
        })?;
        let relay = relay.ok_or_else(|| e2e::Error::Unexpected("no relay".to_owned()))?;
        let hop = point.arrange(&mut scene)?;
        // What is held has to be what the upgrade says.
        relay.wait_until_quiet()?;
        match point {
            Point::BeforeConnecting => relay.hold_when(|| true),
            Point::AfterIntent => {
                let root = scene.install.root().to_path_buf();
                relay.hold_when(move || {
                    let records = journal::read(&root).unwrap_or_default();
                    records.iter().any(|record| record.step == "deployed")
                });
            }
            _ => {}
        }
        let halt = point.record().map(|nth| Halt::before_record(&scene, nth));
        let halt = halt.transpose()?;
        let command = scene.spawn(&hop)?;
        match (&halt, point.end()) {
            (Some(halt), _) => halt.is_reached()?,
            (None, End::NotBegun) => relay.wait_until_held()?,
            (None, _) => scene.gate_is_reached()?,
        }
        Ok(Trial {
            point,
            way,
            scene,
            relay,
            command,
            halt,
        })
    }

    fn name(&self) -> String {
        format!("{:?}, {:?}", self.point, self.way)
    }

    /// Whatever holds the attempt at the point lets it go.
    fn let_go(&mut self, cut: Option<How>) -> e2e::Result<()> {
        self.relay.let_go(cut);
        self.halt.take().map_or(Ok(()), Halt::let_go)?;
        self.scene.open_gate()
    }

    pub(super) fn happens(mut self) -> e2e::Result<()> {
        let name = self.name();
        assert!(!self.scene.install.path("relup/current").exists(), "{name}");
        let ended = match self.way {
            Way::VmKilled => return self.vm_is_killed(),
            Way::CommandKilled => {
                self.command.signal(Signal::SIGKILL)?;
                let ended = self.command.wait(HANG)?;
                assert_ne!(ended.code, Some(0), "{name}: {ended}");
                self.let_go(None)?;
                ended
            }
            Way::Cut(how) => {
                let is_held = self.point.end() == End::NotBegun;
                if is_held {
                    self.let_go(Some(how))?;
                } else {
                    self.relay.cut_at_next(how);
                }
                let ended = self.command.wait(HANG)?;
                // Whether an attempt runs is asked first, and goes without an answer; a command that then
                // finds the node on another connection goes on.
                let goes_on = self.point == Point::BeforeConnecting && ended.code == Some(0);
                let fails = matches!(ended.code, Some(1 | 4));
                assert!(fails || goes_on, "{name}: {ended}");
                self.let_go(None)?;
                ended
            }
            Way::CommandStalled => {
                self.command.signal(Signal::SIGSTOP)?;
                std::thread::sleep(STALL);
                self.let_go(None)?;
                if self.point.end() != End::NotBegun {
                    self.is_finished()?;
                }
                self.command.signal(Signal::SIGCONT)?;
                self.command.wait(HANG)?
            }
            Way::VmStalled => {
                let vm = self.scene.install.vms().first().map_or(0, |vm| vm.pid);
                let vm = Pid::from_raw(i32::try_from(vm).unwrap_or(i32::MAX));
                let send = |signal| {
                    kill(vm, signal)
                        .map_err(|error| e2e::Error::Unexpected(format!("no {signal}: {error}")))
                };
                send(Signal::SIGSTOP)?;
                if self.point.end() == End::NotBegun {
                    self.let_go(None)?;
                }
                std::thread::sleep(STALL);
                // It does not wait for ever for a node that says nothing.
                process::wait_until("the command to give up", HANG, || {
                    Ok(self.point.end() == End::NotBegun || !self.command.is_alive())
                })?;
                send(Signal::SIGCONT)?;
                self.let_go(None)?;
                self.command.wait(HANG)?
            }
        };
        self.settles(&ended)
    }

    /// `kill -9` of the VM: the next start boots the version that the marker names, the old one, says
    /// that and why, and nothing stands in the way of the next attempt.
    fn vm_is_killed(mut self) -> e2e::Result<()> {
        let name = self.name();
        self.scene.kill_vm()?;
        self.let_go(None)?;
        let ended = self.command.wait(HANG)?;
        assert!(matches!(ended.code, Some(1 | 4)), "{name}: {ended}");
        assert!(ended.stderr.contains("ERROR: "), "{name}: {ended}");
        let install = &self.scene.install;
        assert!(!install.path("relup/current").exists(), "{name}");
        let begun = self.point.end() != End::NotBegun;
        let started = install.start()?;
        let told = started.stdout.contains("was interrupted");
        assert!(told || !begun, "{name}: {started}");
        assert_eq!(node::version(install)?, V4, "{name}");
        assert_eq!(node::root_dir(install)?, install.root().to_string_lossy());
        let status = install.emqx(&["relup", "status"])?.success()?;
        assert!(status.stdout.starts_with("idle"), "{name}: {status}");
        let interrupted = status.stdout.contains("status=interrupted");
        assert!(interrupted || !begun, "{name}: {status}");
        let logs = install.emqx(&["relup", "logs"])?.success()?;
        assert!(!logs.stdout.contains("in-progress"), "{name}: {logs}");
        self.scene.upgrades_after_all()?;
        install_is_tidy(&self.scene)
    }

    fn is_finished(&self) -> e2e::Result<()> {
        process::wait_until("the attempt to be finished", HANG, || {
            let last = journal::last_attempt(self.scene.install.root())?;
            Ok(last.iter().any(|record| record.step == "finished"))
        })
    }

    /// The VM lives: the attempt comes to the end that it would have had, and everybody says so.
    fn settles(mut self, ended: &Finished) -> e2e::Result<()> {
        let name = self.name();
        let install = &self.scene.install;
        let status = is_at_rest(&self.scene)?;
        let running = node::version(install)?;
        let marked = install.path("relup/current").exists();
        let text = format!("{name}: {ended}{status}");
        if ended.code == Some(4) && !ended.stderr.contains("post_upgrade_failed") {
            assert!(ended.stderr.contains("emqx relup status"), "{text}");
        }
        let end = match self.point.end() {
            // A command that goes on finds the node again, or refuses.
            End::NotBegun | End::InTime if running == V5 => End::Done,
            End::NotBegun | End::InTime => End::Undone,
            end => end,
        };
        let told = format!("running version: {running}");
        assert!(status.stdout.contains(&told), "{text}");
        self.scene.clients.all_answer()?;
        let suspended = node::eval(&self.scene.install, values::SUSPENDED)?;
        assert_eq!(suspended, "[]", "{text}");
        match end {
            End::Done => {
                assert_eq!((running.as_str(), marked), (V5, true), "{text}");
                assert!(status.stdout.starts_with("hot-upgraded to"), "{text}");
                assert_ne!(ended.code, Some(1), "{text}");
                return install_is_tidy(&self.scene);
            }
            End::CallbackFailed => {
                assert_eq!((running.as_str(), marked), (V5, false), "{text}");
                self.scene.ended_with("post_upgrade_failed")?;
                let next = format!("next start: {V4} from ");
                assert!(status.stdout.contains(&next), "{text}");
                self.scene.install.emqx(&["restart"])?.success()?;
                assert_eq!(node::version(&self.scene.install)?, V4, "{text}");
            }
            End::Undone | End::NotBegun | End::InTime => {
                assert_ne!(ended.code, Some(0), "{text}");
                assert_eq!((running.as_str(), marked), (V4, false), "{text}");
                let mut after = values::of(&self.scene.install)?;
                after.insert(values::AGENT, self.scene.before[values::AGENT].clone());
                // The clients have spoken since.
                for spoken in ["states", "tables"] {
                    after.insert(spoken, self.scene.before[spoken].clone());
                }
                let different = values::differences(&self.scene.before, &after);
                assert!(different.is_empty(), "{text}\n{different:?}");
            }
        }
        self.scene.upgrades_after_all()?;
        install_is_tidy(&self.scene)
    }
}

/// Nothing temporary is left, every attempt has an end, and the tree that boots is whole.
fn install_is_tidy(scene: &Scene) -> e2e::Result<()> {
    let install = &scene.install;
    install.emqx(&["relup", "verify"])?.success()?;
    let logs = install.emqx(&["relup", "logs"])?.success()?;
    assert!(!logs.stdout.contains("in-progress"), "{logs}");
    for entry in fs_err::read_dir(install.path("relup"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "relup/{name} is left");
    }
    Ok(())
}
