//! The first process of a container. The kernel keeps signals without a handler from it, gives it
//! every orphan, and ends all others with it: what a process may leave to its parent elsewhere it
//! has to see to itself. The VM that this process becomes does so for SIGTERM; this is for the time
//! before, and for what the VM does not know of.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getsid};
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcgetsid, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

use crate::command::Command;
use crate::exec::ExecSpec;
use crate::host::Host;
use crate::host::process::{children_of, exe_of};
use crate::release::Release;

/// How long programs of the helper VM may take to end after it.
const ORPHANS: Duration = Duration::from_secs(1);

/// How often they are looked for.
const LOOK: Duration = Duration::from_millis(5);

/// Lets signals end this process, as they would anywhere else. An exec undoes it.
///
/// # Errors
/// A signal that cannot be handled.
pub fn obey_signals(host: &Host) -> std::io::Result<()> {
    if !is_first(host) {
        return Ok(());
    }
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)))?;
    }
    Ok(())
}

/// What is left to do before this process becomes the VM. That ignores SIGCHLD, so that whatever it
/// is given later vanishes by itself, but what has ended before stays: the orphans of the helper VM
/// would be zombies for as long as the container lives.
pub fn before_vm(host: &Host, release: &Release, command: Command, vm: &mut ExecSpec) {
    if !is_first(host) {
        return;
    }
    let deadline = Instant::now() + ORPHANS;
    while has_orphans(host, release) && Instant::now() < deadline {
        sleep(LOOK);
    }
    if command == Command::Foreground && make_ctrl_c_quit() {
        let at = vm.args.iter().position(|arg| arg == "+Bd");
        let handled = ["-eval", "os:set_signal(sigquit, handle)"].map(OsString::from);
        let at = at.map_or(0, |at| at + 1);
        vm.args.splice(at..at, handled);
    }
}

fn is_first(host: &Host) -> bool {
    host.pid == 1
}

/// Takes in what has ended. True while programs of the release are still about to: others may be
/// meant to stay, as an entry point may have started them.
fn has_orphans(host: &Host, release: &Release) -> bool {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    let tree = release.tree().path();
    children_of(host.pid)
        .into_iter()
        .any(|child| exe_of(child).is_some_and(|exe| exe.starts_with(tree)))
}

/// Ctrl-C on the container's terminal sends SIGINT. Any other VM is ended by it at once, because
/// under `+Bd` there is no handler for it, nor can there be one: as the first process it does not
/// even notice. SIGQUIT it can be told to end by, so that is what Ctrl-C is made to send. Only on a
/// terminal of this very session, which goes with this process: nobody else gets the setting.
fn make_ctrl_c_quit() -> bool {
    let stdin = std::io::stdin();
    let is_own = getsid(None).ok() == Some(Pid::from_raw(1))
        && tcgetsid(&stdin).is_ok_and(|session| session.as_raw_nonzero().get() == 1);
    if !is_own {
        return false;
    }
    let Ok(mut terminal) = tcgetattr(&stdin) else {
        return false;
    };
    let interrupt = terminal.special_codes[SpecialCodeIndex::VINTR];
    terminal.special_codes[SpecialCodeIndex::VQUIT] = interrupt;
    terminal.special_codes[SpecialCodeIndex::VINTR] = 0;
    tcsetattr(&stdin, OptionalActions::Now, &terminal).is_ok()
}
