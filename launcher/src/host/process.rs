//! What the system tells of processes: the table, and what a process is, runs, sees and belongs to.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::getpid;

/// One row of the process table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// The argument vector as the process has it now.
    pub args: Vec<OsString>,
}

/// Every process whose arguments can be read, this one excluded. Processes that end while the
/// table is read are left out, and so are zombies: a zombie has no arguments.
pub fn process_table() -> Vec<Process> {
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return Vec::new();
    };
    let own = getpid().as_raw();
    let mut cmdline = Vec::with_capacity(8192);
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| read_process(pid, &mut cmdline))
        .collect()
}

/// One row of the process table.
pub fn process(pid: i32) -> Option<Process> {
    read_process(pid, &mut Vec::new())
}

fn read_process(pid: i32, cmdline: &mut Vec<u8>) -> Option<Process> {
    read_cmdline(pid, cmdline)?;
    let args = split_cmdline(cmdline);
    (!args.is_empty()).then_some(Process { pid, args })
}

/// Reads into a buffer that is used again: a machine may have thousands of processes, and what the
/// usual way asks of each file first (its size) is always answered with nothing here.
fn read_cmdline(pid: i32, into: &mut Vec<u8>) -> Option<()> {
    into.clear();
    let mut file = fs_err::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let mut piece = [0_u8; 8192];
    loop {
        let length = file.read(&mut piece).ok()?;
        into.extend_from_slice(&piece[..length]);
        // A short piece is the last one: the kernel fills the buffer while there is more.
        if length < piece.len() {
            return Some(());
        }
    }
}

fn split_cmdline(cmdline: &[u8]) -> Vec<OsString> {
    let trimmed = cmdline.strip_suffix(&[0]).unwrap_or(cmdline);
    if trimmed.is_empty() {
        return Vec::new();
    }
    trimmed
        .split(|byte| *byte == 0)
        .map(|arg| OsString::from_vec(arg.to_vec()))
        .collect()
}

/// True where the process table shows only the caller's own processes (`hidepid`): the first
/// process of a system is always there.
pub fn others_are_hidden() -> bool {
    !Path::new("/proc/1").exists()
}

/// True while the process exists and is no zombie: a zombie has ended, only its parent is late.
pub fn is_alive(pid: i32) -> bool {
    Stat::read(pid).is_some_and(|stat| !matches!(stat.state, b'Z' | b'X'))
}

/// When the process was started, in the kernel's ticks: with its id it means one process for ever.
pub fn start_time(pid: i32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.start_time)
}

/// The process that has this one as its child.
pub fn parent_of(pid: i32) -> Option<i32> {
    Stat::read(pid).map(|stat| stat.parent)
}

/// The processes that have this one as their parent.
pub fn children_of(pid: i32) -> Vec<i32> {
    // Not every kernel keeps the list.
    if let Ok(list) = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        return list
            .split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect();
    }
    process_table()
        .iter()
        .map(|process| process.pid)
        .filter(|child| parent_of(*child) == Some(pid))
        .collect()
}

/// The control groups of a process, a line for each hierarchy, as the kernel writes them.
pub fn cgroups_of(pid: i32) -> Option<String> {
    let bytes = fs_err::read(format!("/proc/{pid}/cgroup")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names the namespace in which the numbers of processes mean something, for each process its own.
pub const PID_NAMESPACE: &str = "/proc/self/ns/pid";

/// The namespace in which this process knows others by their numbers.
pub fn pid_namespace() -> Option<String> {
    let link = fs_err::read_link(PID_NAMESPACE).ok()?;
    link.into_os_string().into_string().ok()
}

/// A variable of the environment that a process was started with, where the caller may see it.
pub fn variable_of(pid: i32, name: &str) -> Option<OsString> {
    let environ = fs_err::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environ.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=").filter(|value| !value.is_empty())
    });
    value.map(|value| OsStr::from_bytes(value).to_owned())
}

/// The files that a process has open, where the caller may see them.
pub fn open_files_of(pid: i32) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| fs_err::read_link(entry.ok()?.path()).ok())
        .collect()
}

/// What `/proc/<pid>/stat` tells of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: u8,
    parent: i32,
    start_time: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Stat> {
        Stat::parse(&fs_err::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command's name may hold blanks and parentheses: the fields follow the last `)`.
    fn parse(stat: &[u8]) -> Option<Stat> {
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        let fields = std::str::from_utf8(&stat[end + 1..]).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        Some(Stat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            start_time: fields.nth(17)?.parse().ok()?,
        })
    }
}

/// Whether a path leads a process to the same file as this one: a container has its own files under
/// the same names. `None` where the system does not tell.
pub fn sees_as_we_do(pid: i32, path: &Path) -> Option<bool> {
    let here = fs_err::metadata(path).ok()?;
    let below_root = path.strip_prefix("/").unwrap_or(path);
    let theirs = Path::new(&format!("/proc/{pid}/root")).join(below_root);
    match fs_err::metadata(theirs) {
        Ok(there) => Some((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(false),
        // Another user's process: all that everybody may see is in how many process tables it is.
        Err(_) => is_in_a_container(pid).then_some(false),
    }
}

/// Whether a process has a number of its own in a process table below this one.
fn is_in_a_container(pid: i32) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines();
    let numbers = lines.find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
}

/// The program that a process runs; `None` where the system does not tell.
pub fn exe_of(pid: i32) -> Option<PathBuf> {
    fs_err::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The directory that a process works in; `None` where the system does not tell.
pub fn cwd_of(pid: i32) -> Option<PathBuf> {
    fs_err::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The user that a process runs as; `None` where it cannot be seen.
pub fn user_of(pid: i32) -> Option<u32> {
    fs_err::metadata(format!("/proc/{pid}"))
        .ok()
        .map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_at_nul_so_that_blanks_survive() {
        let check = |cmdline: &[u8], expected: &[&str]| {
            let args = split_cmdline(cmdline);
            assert_eq!(
                args,
                expected.iter().map(OsString::from).collect::<Vec<_>>()
            );
        };
        check(b"", &[]);
        check(b"\0", &[]);
        check(
            b"beam.smp\0-root\0/opt/e mqx\0",
            &["beam.smp", "-root", "/opt/e mqx"],
        );
        check(b"a\0\0b\0", &["a", "", "b"]);
    }

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let rest = "S 632 7 7 34817 643 4194304 9 8 7 6 5 4 3 2 20 0 22 0 4711 9 9 9";
        for name in ["run_erl", "a b", "x) R 1 (y", ")"] {
            let stat = Stat::parse(format!("643 ({name}) {rest}\n").as_bytes());
            let expected = Stat {
                state: b'S',
                parent: 632,
                start_time: 4711,
            };
            assert_eq!(stat, Some(expected), "{name}");
        }
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b"1 (x) S 1"), None);
    }

    #[test]
    fn this_process_is_alive_and_pid_zero_is_not() {
        assert!(is_alive(getpid().as_raw()));
        assert!(!is_alive(0));
    }
}
