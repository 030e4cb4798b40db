//! The end of a process as an event: the kernel tells it through a handle (pidfd) that becomes
//! readable. A kernel that has none (before 5.3), or a sandbox that forbids it, makes this look at
//! the process again and again.

use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::host::process::{is_alive, start_time};

/// How often the process is looked at where there is no handle for it.
const LOOK: Duration = Duration::from_millis(10);

/// How long the kernel is asked to wait at once: what a clock far ahead does to it is not known.
const STRETCH: Duration = Duration::from_secs(3600);

/// One process, whose end can be waited for. A zombie has ended: only its parent is late.
#[derive(Debug)]
pub struct Ending {
    pid: i32,
    /// Tells it from a later process of the same id.
    born: Option<u64>,
    handle: Option<OwnedFd>,
}

impl Ending {
    /// The end of the process that has this id now.
    pub fn of(pid: i32) -> Ending {
        let born = start_time(pid);
        let handle = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        if handle.is_none() && born.is_some() {
            tracing::debug!(pid, "no pidfd: its end is looked for");
        }
        Ending { pid, born, handle }
    }

    /// The id of the process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it has ended.
    pub fn has_come(&self) -> bool {
        self.wait(Some(Instant::now()))
    }

    /// Waits for the end, for ever without a deadline. False when the deadline came first.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let ended = match &self.handle {
                Some(handle) => is_readable(handle, left),
                None => self.look(left),
            };
            if ended || left.is_some_and(|left| left.is_zero()) {
                return ended;
            }
        }
    }

    fn look(&self, left: Option<Duration>) -> bool {
        if !is_alive(self.pid) || start_time(self.pid) != self.born {
            return true;
        }
        sleep(left.unwrap_or(LOOK).min(LOOK));
        false
    }
}

/// A signal may end the wait early: the caller looks at its clock again.
fn is_readable(handle: impl AsFd, left: Option<Duration>) -> bool {
    let wait = Timespec::try_from(left.unwrap_or(STRETCH).min(STRETCH)).ok();
    let mut handles = [PollFd::new(&handle, PollFlags::IN)];
    poll(&mut handles, wait.as_ref()).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(seconds: &str) -> (Child, i32) {
        let child = Command::new("sleep")
            .arg(seconds)
            .spawn()
            .expect("sleep(1)");
        let pid = i32::try_from(child.id()).expect("process ids fit");
        (child, pid)
    }

    fn both_ways(pid: i32) -> [Ending; 2] {
        let with_handle = Ending::of(pid);
        let without = Ending {
            handle: None,
            ..Ending::of(pid)
        };
        [with_handle, without]
    }

    #[test]
    fn the_end_is_seen_while_the_process_is_a_zombie() {
        let (mut child, pid) = sleeper("600");
        let endings = both_ways(pid);
        for ending in &endings {
            assert!(!ending.has_come(), "{ending:?}");
            let soon = Instant::now() + Duration::from_millis(30);
            assert!(!ending.wait(Some(soon)), "{ending:?}");
        }
        child.kill().expect("it runs");
        // Nobody has waited for the child: it is a zombie.
        for ending in &endings {
            assert!(ending.wait(None), "{ending:?}");
            assert!(ending.has_come(), "{ending:?}");
        }
        assert_eq!(start_time(pid), endings[0].born, "it is still in the table");
        child.wait().expect("a child");
        for ending in both_ways(pid).iter().chain(&endings) {
            assert!(ending.wait(None), "{ending:?}");
        }
    }

    #[test]
    fn a_wait_begun_before_the_end_is_woken_by_it() {
        let (mut child, pid) = sleeper("0.2");
        for ending in both_ways(pid) {
            assert!(ending.wait(None), "{ending:?}");
        }
        child.wait().expect("a child");
    }

    #[test]
    fn another_process_of_the_same_id_is_not_the_one() {
        let (mut child, pid) = sleeper("600");
        let reused = Ending {
            handle: None,
            born: Some(1),
            pid,
        };
        assert!(reused.has_come());
        child.kill().expect("it runs");
        child.wait().expect("a child");
    }
}
