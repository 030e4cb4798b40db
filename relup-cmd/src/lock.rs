//! Stage 1: at most one command at a time changes anything below `relup/`.
//!
//! The lock is `flock` on `relup/lock`, so the kernel frees it when its holder dies, however it
//! dies; the pid inside is only there to be shown. The file is removed while it is still held, and
//! whoever waited for it must therefore check that the file it locked is the one that has the name.
//! A refused command leaves `relup/` as it was, including its absence.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use relup::layout::BaseRoot;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::Error;

/// How often a busy lock is tried: `status` takes it for an instant to look, and must not make an
/// upgrade fail.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// How often the directory may vanish between its creation and the lock's.
const VANISHED: u32 = 1000;

/// Where the pid stands in the file, and where others write that the directory is to go.
const PID_LEN: usize = 21;
const TAKE_DIR_AWAY: &[u8] = b"take the directory away\n";

/// Proof that this process holds the lock.
#[derive(Debug)]
pub(crate) struct RelupLock {
    /// Closing it frees the lock.
    held: File,
    at: Place,
    made_dir: bool,
}

/// Where the lock is.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    path: PathBuf,
}

impl RelupLock {
    /// Takes the lock, creating `relup/` when it does not exist.
    ///
    /// [`Error::Locked`] with the holder's pid when somebody else has it.
    pub(crate) fn acquire(base: &BaseRoot) -> Result<RelupLock, Error> {
        let at = Place {
            dir: base.relup_dir(),
            path: base.lock(),
        };
        let mut made_dir = false;
        let outcome = at.take(&mut made_dir);
        if outcome.is_err() && made_dir {
            at.take_dir_away();
        }
        let held = outcome?;
        Ok(RelupLock { held, at, made_dir })
    }

    /// The pid of whoever holds the lock at this moment, without changing anything.
    pub(crate) fn holder(base: &BaseRoot) -> Option<String> {
        let file = fs::File::open(base.lock()).ok()?.into_file();
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => None,
            Err(_) => Some(holder(&file)),
        }
    }

    /// Since when somebody holds the lock, as far as the file tells: the pid is written at once.
    pub(crate) fn held_since(base: &BaseRoot) -> Option<SystemTime> {
        RelupLock::holder(base)?;
        fs::metadata(base.lock()).ok()?.modified().ok()
    }

    /// Removes the lock file by hand, for a process that ends without unwinding.
    pub(crate) fn remove_file(path: &Path) {
        let _ = fs::remove_file(path);
    }

    /// The directory that it is in, `relup/`.
    pub(crate) fn dir(&self) -> &Path {
        &self.at.dir
    }

    /// Where the lock file is.
    pub(crate) fn path(&self) -> &Path {
        &self.at.path
    }
}

impl Drop for RelupLock {
    fn drop(&mut self) {
        // Removed while held: whoever opened the old file notices that it has no name any more.
        let _ = fs::remove_file(&self.at.path);
        // Whoever made the directory and was refused has told us before the name was gone.
        let mut told = [0; TAKE_DIR_AWAY.len()];
        let told =
            self.held.read_exact_at(&mut told, PID_LEN as u64).is_ok() && told == TAKE_DIR_AWAY;
        if self.made_dir || told {
            self.at.take_dir_away();
        }
    }
}

impl Place {
    fn take(&self, made_dir: &mut bool) -> Result<File, Error> {
        let (mut busy, mut vanished) = (0, 0);
        loop {
            *made_dir |= make_dir(&self.dir)?;
            let file = match open(&self.path, true) {
                Ok(file) => file,
                // A refused command removed the directory in this very moment. When that goes on,
                // it is something else, such as a link that leads nowhere.
                Err(error) if error.kind() == ErrorKind::NotFound && vanished < VANISHED => {
                    vanished += 1;
                    continue;
                }
                Err(error) => return Err(Error::io(&self.path, "open", error)),
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_named(&file, &self.path) => {
                    write_pid(&file).map_err(|error| Error::io(&self.path, "write", error))?;
                    return Ok(file);
                }
                // Its holder removed it between our open and our lock.
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    busy += 1;
                    if busy >= TRIES {
                        return Err(Error::Locked { by: holder(&file) });
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(errno) => return Err(Error::io(&self.path, "lock", errno.into())),
            }
        }
    }

    /// Removes the directory if nothing is in it. If somebody holds a newer lock in it, that one is
    /// told to do so: it reads the note after it has removed the name, and we look whether the name
    /// is still there after we have written it, so one of us removes the directory.
    fn take_dir_away(&self) {
        for _ in 0..TRIES {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            let Ok(file) = open(&self.path, false) else {
                continue;
            };
            let _ = file.write_all_at(TAKE_DIR_AWAY, PID_LEN as u64);
            if is_named(&file, &self.path) {
                return;
            }
        }
    }
}

fn make_dir(dir: &Path) -> Result<bool, Error> {
    match fs::create_dir(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::io(dir, "create", error)),
    }
}

fn open(path: &Path, create: bool) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o644)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map(fs::File::into_file)
}

fn is_named(held: &File, path: &Path) -> bool {
    match (held.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(named)) => held.dev() == named.dev() && held.ino() == named.ino(),
        _ => false,
    }
}

/// Always the same length and nothing cut off, so that a note behind it survives.
fn write_pid(held: &File) -> std::io::Result<()> {
    let line = format!("{:<width$}\n", std::process::id(), width = PID_LEN - 1);
    held.write_all_at(line.as_bytes(), 0)
}

fn holder(file: &File) -> String {
    let mut bytes = [0; PID_LEN];
    let len = file.read_at(&mut bytes, 0).unwrap_or_default();
    match std::str::from_utf8(&bytes[..len])
        .unwrap_or_default()
        .lines()
        .next()
    {
        Some(pid) if pid.trim().parse::<u32>().is_ok() => format!("pid {}", pid.trim()),
        _ => "its pid is not known yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, ChildStdout, Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const BASE: &str = "RELUP_CMD_TEST_LOCK_BASE";

    fn base() -> (tempfile::TempDir, BaseRoot) {
        let dir = crate::testing::scratch();
        let base = BaseRoot::new(dir.path().to_owned()).expect("absolute");
        (dir, base)
    }

    fn names(base: &BaseRoot) -> Option<Vec<String>> {
        base.relup_dir()
            .exists()
            .then(|| crate::release::names_in(&base.relup_dir()).expect("readable"))
    }

    /// Not a test: the other process of the tests below. Holds the lock until its input ends.
    #[test]
    #[ignore = "run by other tests in a process of its own"]
    fn other_process() {
        let Some(root) = std::env::var_os(BASE) else {
            return;
        };
        let base = BaseRoot::new(root.into()).expect("absolute");
        let _held = RelupLock::acquire(&base).expect("free");
        println!("\nheld");
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    /// A process that holds the lock.
    fn other(base: &BaseRoot) -> (Child, BufReader<ChildStdout>) {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args([
                "--exact",
                "lock::tests::other_process",
                "--ignored",
                "--nocapture",
            ])
            .env(BASE, base.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let held = out
            .by_ref()
            .lines()
            .any(|line| line.expect("text") == "held");
        assert!(held, "the other process did not get the lock");
        (child, out)
    }

    #[test]
    fn of_two_processes_one_gets_the_lock_and_the_other_its_pid() {
        let (_dir, base) = base();
        let (mut child, _out) = other(&base);
        let refused = RelupLock::acquire(&base).expect_err("held by the other process");
        assert_eq!(refused.name(), "locked");
        assert!(
            refused.to_string().contains(&format!("pid {}", child.id())),
            "{refused}"
        );
        assert_eq!(
            RelupLock::holder(&base),
            Some(format!("pid {}", child.id()))
        );
        assert_eq!(names(&base), Some(vec!["lock".to_owned()]));
        drop(child.stdin.take());
        assert!(child.wait().expect("reaped").success());
        assert_eq!(
            names(&base),
            None,
            "the holder made relup/, so it takes it away"
        );
        RelupLock::acquire(&base).expect("free again");
    }

    #[test]
    fn the_lock_of_a_killed_process_is_free() {
        let (_dir, base) = base();
        let (mut child, _out) = other(&base);
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert_eq!(names(&base), Some(vec!["lock".to_owned()]));
        assert_eq!(RelupLock::holder(&base), None);
        drop(RelupLock::acquire(&base).expect("free"));
        assert_eq!(names(&base), Some(vec![]));
    }

    #[test]
    fn a_directory_that_was_there_or_is_used_stays() {
        let (_dir, base) = base();
        let lock = RelupLock::acquire(&base).expect("free");
        fs::write(base.marker(), "5.10.5\n").expect("written");
        drop(lock);
        assert_eq!(names(&base), Some(vec!["current".to_owned()]));
        fs::remove_file(base.marker()).expect("removed");
        drop(RelupLock::acquire(&base).expect("free"));
        assert_eq!(names(&base), Some(vec![]));
    }

    #[test]
    fn a_locked_file_that_lost_its_name_is_not_the_lock() {
        let (_dir, base) = base();
        let held = RelupLock::acquire(&base).expect("free");
        let waiting = open(&base.lock(), false).expect("opened");
        assert!(is_named(&waiting, &base.lock()));
        drop(held);
        assert!(!is_named(&waiting, &base.lock()), "its holder took it away");
        let _next = RelupLock::acquire(&base).expect("free");
        assert!(
            !is_named(&waiting, &base.lock()),
            "another file has the name now"
        );
    }

    #[test]
    fn whoever_is_last_takes_away_the_directory_that_a_refused_one_made() {
        let (_dir, base) = base();
        let mut held = RelupLock::acquire(&base).expect("free");
        // As if another process had made the directory before, and was refused just now.
        held.made_dir = false;
        held.at.take_dir_away();
        assert_eq!(names(&base), Some(vec!["lock".to_owned()]));
        assert_eq!(
            RelupLock::holder(&base),
            Some(format!("pid {}", std::process::id()))
        );
        drop(held);
        assert_eq!(names(&base), None);
    }

    #[test]
    fn never_do_two_hold_it_however_often_it_changes_hands() {
        let (_dir, base) = base();
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        match RelupLock::acquire(&base) {
                            Ok(lock) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                                taken.fetch_add(1, Ordering::SeqCst);
                                std::thread::yield_now();
                                inside.fetch_sub(1, Ordering::SeqCst);
                                drop(lock);
                            }
                            Err(error) => assert_eq!(error.name(), "locked", "{error}"),
                        }
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) >= 50);
        assert_eq!(names(&base), None);
    }
}
