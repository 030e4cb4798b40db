//! The one place that reads the real world: arguments, environment, own path, user, clock, limits
//! here, the process table in [`process`]. Everything else gets what it needs as a value, so that it
//! can be tested as one.

pub mod accounts;
pub mod ending;
pub mod environment;
pub mod first_process;
pub mod process;
pub mod syslog;
pub mod user;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Uid, geteuid, getpid};

use crate::handover::received::Received;
use crate::host::accounts::Account;
use crate::host::environment::Environment;

/// The running program, also where its file has been replaced since.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// What the process was given when it was started.
#[derive(Debug, Clone)]
pub struct Host {
    /// The whole argument vector, the name it was called by first.
    pub args: Vec<OsString>,
    /// The environment, as the caller set it.
    pub env: Environment,
    /// The real path of this executable, every symlink resolved; the name it was called
    /// by where that cannot be known. That of the launcher which handed the command over, if one did.
    pub exe: PathBuf,
    /// The effective user id.
    pub uid: Uid,
    /// This process's id, which the VM keeps after an exec.
    pub pid: i32,
    /// How many launchers have handed this command on to the next one.
    pub depth: u32,
}

impl Host {
    /// Reads the process's own circumstances.
    pub fn observe() -> Host {
        let args: Vec<OsString> = std::env::args_os().collect();
        // Without /proc the name it was called by is all there is. Whether that leads to a release is
        // asked by those who need one.
        let exe = std::env::current_exe()
            .ok()
            .or_else(|| fs_err::canonicalize(which::which(args.first()?).ok()?).ok())
            .unwrap_or_else(|| args.first().map(PathBuf::from).unwrap_or_default());
        let env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let mut env = Environment::new(env);
        let received = Received::take(&mut env);
        Host {
            args,
            env,
            exe: received.launcher.unwrap_or(exe),
            depth: received.depth,
            uid: geteuid(),
            pid: getpid().as_raw(),
        }
    }

    /// Whether another launcher has handed this command over.
    pub fn is_handed_over(&self) -> bool {
        self.depth > 0
    }

    /// The caller's name, or the numeric id where the user database does not know it (OpenShift).
    pub fn user_name(&self) -> String {
        Account::by_uid(self.uid.as_raw())
            .map_or_else(|| self.uid.to_string(), |account| account.name)
    }
}

/// Whether systemd runs the machine: the test that `sd_booted(3)` documents.
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The bytes of a file that need not exist.
///
/// # Errors
/// Any error but "not found".
pub fn read_optional(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // A path below a plain file does not exist either.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(error),
    }
}

/// The soft limit of open files; `None` where it is unlimited or unknown.
pub fn open_files_limit() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (soft != nix::sys::resource::RLIM_INFINITY).then_some(soft)
}

/// Local time as hocon names its generated files: `%Y.%m.%d.%H.%M.%S`.
pub fn local_time_stamp() -> String {
    jiff::Zoned::now().strftime("%Y.%m.%d.%H.%M.%S").to_string()
}

/// The file name that the program was called by.
pub fn called_as(args: &[OsString]) -> &OsStr {
    args.first()
        .and_then(|arg| Path::new(arg).file_name())
        .unwrap_or(OsStr::from_bytes(b"emqx"))
}
