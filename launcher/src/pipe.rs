//! The daemon's console from outside: what is written to its pipe is typed into its shell. The
//! last way to a node that does not answer any more.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use nix::fcntl::OFlag;

use crate::environment::Environment;
use crate::error::Error;
use crate::host::process_table;
use crate::sourced::{Origin, Sourced};

/// Stops the node in a hurry. The shell is restricted: `init:stop()` would be refused.
const BRUTAL_SHUTDOWN: &[u8] = b"\nemqx_machine:brutal_shutdown().\n";

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

/// Types the shutdown into the console behind the newest pipe of the directory.
///
/// # Errors
/// No pipe, or nobody who reads it.
pub fn shut_down(pipe_dir: &Path) -> Result<(), Error> {
    let pipe = newest_pipe(pipe_dir).ok_or_else(|| {
        std::io::Error::new(
            std::io::ErrorKind::NotFound,
            format!("no console pipe in {}", pipe_dir.display()),
        )
    })?;
    // Without O_NONBLOCK an abandoned pipe would hang the open for ever.
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(pipe)?;
    Ok(file.write_all(BRUTAL_SHUTDOWN)?)
}

/// The processes of `run_erl` that serve the pipes of a directory. Each lives exactly as long as
/// its VM and a moment longer.
pub fn run_erls(pipe_dir: &Path) -> Vec<i32> {
    process_table()
        .into_iter()
        .filter(|process| match process.args.as_slice() {
            [_, flag, pipes, ..] => flag == "-daemon" && Path::new(pipes) == pipe_dir,
            _ => false,
        })
        .map(|process| process.pid)
        .collect()
}

/// `run_erl` numbers its pipes: `erlang.pipe.3.w` is newer than `erlang.pipe.2.w`.
fn newest_pipe(dir: &Path) -> Option<PathBuf> {
    fs_err::read_dir(dir)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix("erlang.pipe.")?.strip_suffix(".w")?;
            Some((number.parse::<u32>().ok()?, entry.path()))
        })
        .max()
        .map(|(_, path)| path)
}
