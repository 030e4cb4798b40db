//! A release whose own VM can be asked something, without a node.
//!
//! A directory is used where it is; a tarball is extracted by the stager, as a node would do it, into a
//! directory that is gone afterwards.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fs_err as fs;
use relup::layout::{BaseRoot, Tree};
use tempfile::TempDir;

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::lock::RelupLock;
use crate::release::Identity;
use crate::stage::{Limits, stage};
use crate::tarball::Tarball;

/// How long the VM may take, with its start; a node gives a hop 30 s.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A small VM. Names of files are UTF-8 whatever the locale says.
const SMALL: [&str; 9] = [
    "-noshell", "+S", "1", "+SDio", "1", "+A", "1", "+Bd", "+fnui",
];

/// A release that can be run.
pub(super) struct Place {
    tree: Tree,
    identity: Identity,
    /// For the program's crash dumps and the like, and for what was extracted.
    scratch: TempDir,
}

/// Why the VM gave no answer.
pub(super) struct NoAnswer(pub(super) String);

impl Place {
    /// The release of a directory or a tarball.
    pub(super) fn of(release: &Path, interrupt: &Interrupt) -> Result<Place, Error> {
        let failed = |source| Error::io(release, "use", source);
        let scratch = tempfile::tempdir().map_err(failed)?;
        let base = |path: PathBuf| {
            BaseRoot::new(path).map_err(|error| failed(std::io::Error::other(error)))
        };
        if release.is_dir() {
            let path = fs::canonicalize(release).map_err(failed)?;
            let base = base(path)?;
            let tree = base.tree();
            let identity = Identity::read(&tree, &base)?;
            return Ok(Place {
                tree,
                identity,
                scratch,
            });
        }
        let path = fs::canonicalize(scratch.path()).map_err(failed)?;
        let base = base(path)?;
        let lock = RelupLock::acquire(&base)?;
        let tarball = Tarball::open(release)?.trust(interrupt, &mut |_| {})?;
        let limits = Limits::DEFAULT;
        let staged = stage(tarball, &base, &lock, limits, None, interrupt, &mut |_| {})?;
        let identity = Identity::read(staged.tree(), &base)?;
        let tree = base.deployed(&identity.vsn);
        staged.rename_to(tree.path())?;
        Ok(Place {
            tree,
            identity,
            scratch,
        })
    }

    /// The tree of the release, on disk.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Who it is.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A directory for what is asked with, which is gone with this value.
    pub(super) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Evaluates Erlang expressions that end the VM; `argument` is its one plain argument. Gives what was
    /// printed.
    ///
    /// # Errors
    /// Ctrl-C, a full disk; that the VM does not start or does not end is an inner error.
    pub(super) fn ask(
        &self,
        expressions: &str,
        argument: &Path,
        interrupt: &Interrupt,
    ) -> Result<Result<String, NoAnswer>, Error> {
        let program = self.identity.program(&self.tree, "erlexec");
        // A file, so that nobody has to read while the VM writes.
        let said = self.scratch().join("said");
        let file = fs::File::create(&said).map_err(|error| Error::io(&said, "create", error))?;
        let mut command = self.command(&program);
        command
            .args(["-eval", expressions, "-extra"])
            .arg(argument)
            .stdout(file.into_file());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Err(NoAnswer(format!("{}: {error}", program.display())))),
        };
        if let Err(NoAnswer(reason)) = wait(&mut child, interrupt)? {
            return Ok(Err(NoAnswer(format!("{}: {reason}", program.display()))));
        }
        let said = fs::read(&said).map_err(|error| Error::io(&said, "read", error))?;
        Ok(Ok(String::from_utf8_lossy(&said).into_owned()))
    }

    fn command(&self, program: &Path) -> Command {
        let Place { tree, identity, .. } = self;
        let bin = program.parent().unwrap_or(tree.path());
        let (lib, boot) = (tree.lib(), tree.release(&identity.vsn).join("start_clean"));
        let mut command = Command::new(program);
        command
            .args(SMALL)
            .arg("-boot")
            .arg(boot)
            .args(["-boot_var", "RELEASE_LIB"])
            .arg(&lib)
            .args(["-boot_var", "ERTS_LIB_DIR"])
            .arg(&lib)
            .env("ROOTDIR", tree.path())
            .env("BINDIR", bin)
            .env("EMU", "beam")
            .env("PROGNAME", "erl")
            .env("HOME", self.scratch())
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .env_remove("ERL_FLAGS")
            .env_remove("ERL_AFLAGS")
            .env_remove("ERL_ZFLAGS")
            .env_remove("ERL_LIBS")
            .current_dir(self.scratch())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<Result<(), NoAnswer>, Error> {
    let begun = Instant::now();
    let why = loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(Ok(())),
            Ok(None) if interrupt.raised() => break Err(Error::Interrupted),
            Ok(None) if begun.elapsed() >= LIMIT => {
                let limit = LIMIT.as_secs();
                break Ok(Err(NoAnswer(format!("it did not end within {limit} s"))));
            }
            Ok(None) => sleep(LOOK),
            Err(error) => break Ok(Err(NoAnswer(error.to_string()))),
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    why
}
