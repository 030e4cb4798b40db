//! The daemon's console from outside: what is written to its pipe is typed into its shell. The
//! last way to a node that does not answer any more.
//!
//! Which directory the pipes are in is read off the process of `run_erl` that serves them: the
//! daemon may be another user's, or have been started with a `PIPE_DIR`.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use nix::fcntl::OFlag;

use crate::error::Error;
use crate::host::environment::Environment;
use crate::host::process::{
    Process, children_of, open_files_of, parent_of, process, process_table,
};
use crate::release::dialect::Dialect;
use crate::sourced::{Origin, Sourced};

/// What stops the node in a hurry. Where there is `emqx_machine` the shell is restricted: `init:stop()`
/// would be refused.
fn brutal_shutdown(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Hocon => b"\nemqx_machine:brutal_shutdown().\n",
        Dialect::Cuttlefish => b"\ninit:stop().\n",
    }
}

/// Where the daemon's console has its pipes.
pub fn dir(data_dir: &Path, user: &str, name: &str) -> PathBuf {
    data_dir.join(format!("{user}_erl_pipes")).join(name)
}

/// The same, unless `PIPE_DIR` names another directory.
pub fn sourced_dir(env: &Environment, data_dir: &Path, user: &str, name: &str) -> Sourced<PathBuf> {
    match env.get_os("PIPE_DIR") {
        Some(dir) => Sourced::new(PathBuf::from(dir), Origin::Variable("PIPE_DIR".into())),
        None => Sourced::new(
            dir(data_dir, user, name),
            Origin::Derived("data directory, user and node name"),
        ),
    }
}

/// A process of `run_erl`: it serves the pipes of a console for as long as the VM lives, and a
/// moment longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Its process id.
    pub pid: i32,
    /// The directory of its pipes.
    pub pipe_dir: PathBuf,
}

impl Daemon {
    /// The daemon whose child the VM is; none for a VM in the foreground.
    pub fn of_vm(vm: i32) -> Option<Daemon> {
        Daemon::of(&process(parent_of(vm)?)?)
    }

    /// Reads a row of the process table: `run_erl -daemon DIR/ LOG_DIR COMMAND`.
    pub fn of(process: &Process) -> Option<Daemon> {
        let [program, flag, pipes, _, _] = process.args.as_slice() else {
            return None;
        };
        (Path::new(program).file_name() == Some(OsStr::new("run_erl")) && flag == "-daemon").then(
            || Daemon {
                pid: process.pid,
                pipe_dir: PathBuf::from(pipes).components().collect(),
            },
        )
    }

    /// Types the shutdown into the console.
    ///
    /// # Errors
    /// No pipe, or nobody who reads it.
    pub fn shut_down(&self, dialect: Dialect) -> Result<(), Error> {
        match self.own_pipe() {
            Some(pipe) => write(&pipe, dialect),
            None => shut_down(&self.pipe_dir, dialect),
        }
    }

    /// The console as `to_erl` wants it named: the pipes' common name, or their directory, of which
    /// it takes the newest.
    pub fn to_erl_name(&self) -> OsString {
        match self.own_pipe() {
            Some(pipe) => pipe.with_extension("").into_os_string(),
            None => in_directory(&self.pipe_dir),
        }
    }

    /// Where its open files cannot be seen, its directory is all there is to go by.
    fn own_pipe(&self) -> Option<PathBuf> {
        open_files_of(self.pid)
            .into_iter()
            .find(|path| path.starts_with(&self.pipe_dir) && number(path).is_some())
    }
}

/// `run_erl` and `to_erl` take a directory for the beginning of a name unless it ends in a slash.
pub fn in_directory(pipe_dir: &Path) -> OsString {
    let mut name = OsString::from(pipe_dir);
    name.push("/");
    name
}

/// Types the shutdown into the console behind the newest pipe of the directory that is served. A
/// `run_erl` that was killed leaves its pipes behind.
///
/// # Errors
/// No pipe, or nobody who reads it.
pub fn shut_down(pipe_dir: &Path, dialect: Dialect) -> Result<(), Error> {
    let mut result = Err(Error::Io(std::io::Error::new(
        std::io::ErrorKind::NotFound,
        format!("no console pipe in {}", pipe_dir.display()),
    )));
    for pipe in pipes(pipe_dir) {
        result = write(&pipe, dialect);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The processes of `run_erl` that serve the pipes of a directory.
pub fn run_erls(pipe_dir: &Path) -> Vec<i32> {
    process_table()
        .iter()
        .filter_map(Daemon::of)
        .filter(|daemon| daemon.pipe_dir == pipe_dir)
        .map(|daemon| daemon.pid)
        .collect()
}

/// The child that is or becomes the VM: `run_erl` itself forks, too, on its way to being a daemon.
pub fn vm_of(run_erl: i32) -> Option<i32> {
    children_of(run_erl)
        .into_iter()
        .find(|child| process(*child).is_some_and(|child| Daemon::of(&child).is_none()))
}

fn write(pipe: &Path, dialect: Dialect) -> Result<(), Error> {
    // Without O_NONBLOCK an abandoned pipe would hang the open for ever.
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(pipe)?;
    Ok(file.write_all(brutal_shutdown(dialect))?)
}

/// The pipes that lead to a console, the newest first.
fn pipes(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(dir) else {
        return Vec::new();
    };
    let mut pipes: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    pipes.sort();
    pipes.into_iter().rev().map(|(_, path)| path).collect()
}

/// `run_erl` numbers its pipes: `erlang.pipe.3.w` is newer than `erlang.pipe.2.w`, and `.w` is the
/// one that is written to from outside.
fn number(pipe: &Path) -> Option<u32> {
    let name = pipe.file_name()?.to_str()?;
    let number = name.strip_prefix("erlang.pipe.")?.strip_suffix(".w")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn run_erl_tells_where_its_pipes_are() {
        let check = |args: &[&str], expected: Option<&str>| {
            let process = Process {
                pid: 7,
                args: args.iter().map(Into::into).collect(),
            };
            let found = Daemon::of(&process).map(|daemon| daemon.pipe_dir);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{args:?}");
        };
        let run_erl = "/opt/e mqx/erts-13/bin/run_erl";
        let command = "exec '/opt/e mqx/bin/emqx' console";
        check(
            &[run_erl, "-daemon", "/d/a b/n@h/", "/log", command],
            Some("/d/a b/n@h"),
        );
        check(
            &["run_erl", "-daemon", "/d/n@h", "/log", command],
            Some("/d/n@h"),
        );
        check(&["sh", "-daemon", "/d/n@h/", "/log", command], None);
        check(&[run_erl, "/d/n@h/", "/log", command], None);
        check(&[], None);
    }

    #[test]
    fn the_newest_pipe_that_somebody_reads_is_written_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let dialect = Dialect::Hocon;
        assert!(shut_down(dir.path(), dialect).is_err());
        for name in ["2.w", "2.r", "9.w", "10.w", "11.r", "x.w"] {
            let path = dir.path().join(format!("erlang.pipe.{name}"));
            mkfifo(&path, Mode::S_IRWXU).expect("a pipe");
        }
        assert!(shut_down(dir.path(), dialect).is_err(), "nobody reads any");
        let mut readers = [9, 2].map(|number| {
            let path = dir.path().join(format!("erlang.pipe.{number}.w"));
            let mut options = fs_err::OpenOptions::new();
            let options = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
            options.open(path).expect("a pipe can be opened to read")
        });
        shut_down(dir.path(), dialect).expect("pipe 9 is read");
        let said = readers.each_mut().map(|reader| {
            let mut bytes = vec![0; 100];
            let count = std::io::Read::read(reader, &mut bytes).unwrap_or(0);
            bytes.truncate(count);
            bytes
        });
        assert_eq!(said, [brutal_shutdown(dialect).to_vec(), Vec::new()]);
    }
}
