//! The value of a hop that is an expression, asked of a release's own VM.
//!
//! No node is needed: the release that the hop leads to has everything that its hop
//! may call in the language. A tarball is extracted for that, as a node would do it, into a directory
//! that is gone afterwards.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fs_err as fs;
use relup::layout::{BaseRoot, Tree};
use relup::term::{Parsed, Term, parse_expression};
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
/// What the answer begins with; the release's code may print as well.
const VALUE: &str = "hop value ";
const REASON: &str = "hop error ";

const SMALL: [&str; 8] = ["-noshell", "+S", "1", "+SDio", "1", "+A", "1", "+Bd"];

/// `~w` writes strings as lists of numbers and is plain ASCII in one line.
const EVALUATE: &str = "\
    [File] = init:get_plain_arguments(), \
    try file:script(File) of \
        {ok, Value} -> io:format(\"~nhop value ~w~n\", [Value]); \
        {error, Reason} -> io:format(\"~nhop error ~ts~n\", [file:format_error(Reason)]) \
    catch Class:Reason -> io:format(\"~nhop error ~w ~0tp~n\", [Class, Reason]) end, \
    erlang:halt(0).";

/// Why there is no value.
pub(super) enum NoValue {
    /// The file is wrong.
    Wrong(String),
    /// Nobody could be asked.
    Unknown(String),
}

/// The value of the hop file, by the VM of a release: a directory or a tarball.
///
/// # Errors
/// Ctrl-C; everything else is an inner error.
pub(super) fn evaluate(
    hop: &Path,
    release: &Path,
    interrupt: &Interrupt,
) -> Result<Result<Term, NoValue>, Error> {
    let place = match Place::of(release, interrupt) {
        Ok(place) => place,
        Err(error @ Error::Interrupted) => return Err(error),
        Err(error) => return Ok(Err(NoValue::Unknown(error.to_string()))),
    };
    let output = match ask(hop, &place, interrupt)? {
        Ok(output) => output,
        Err(reason) => return Ok(Err(NoValue::Unknown(reason))),
    };
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    Ok(match (line(VALUE), line(REASON)) {
        (Some(value), _) => parse_value(value),
        (None, Some(reason)) => Err(NoValue::Wrong(reason.to_owned())),
        (None, None) => Err(NoValue::Unknown(format!(
            "the VM of {} gave no answer",
            release.display()
        ))),
    })
}

/// Reads a value as `~w` prints it.
pub(super) fn parse_value(text: &str) -> Result<Term, NoValue> {
    match parse_expression(&format!("{text}.")) {
        Ok(Parsed::Literal(term)) => Ok(term),
        _ => Err(NoValue::Wrong(
            "its value has a fun, a process or something like it in it".to_owned(),
        )),
    }
}

/// A release that can be run.
struct Place {
    tree: Tree,
    identity: Identity,
    /// For the program's crash dumps and the like, and for what was extracted.
    scratch: TempDir,
}

impl Place {
    fn of(release: &Path, interrupt: &Interrupt) -> Result<Place, Error> {
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
}

fn ask(hop: &Path, place: &Place, interrupt: &Interrupt) -> Result<Result<String, String>, Error> {
    let Place {
        tree,
        identity,
        scratch,
    } = place;
    let program = identity.program(tree, "erlexec");
    let bin = program.parent().unwrap_or(tree.path());
    let (lib, boot) = (tree.lib(), tree.release(&identity.vsn).join("start_clean"));
    let hop = fs::canonicalize(hop).map_err(|error| Error::io(hop, "open", error))?;
    let mut command = Command::new(&program);
    command
        .args(SMALL)
        .arg("-boot")
        .arg(boot)
        .args(["-boot_var", "RELEASE_LIB"])
        .arg(&lib)
        .args(["-boot_var", "ERTS_LIB_DIR"])
        .arg(&lib)
        .args(["-eval", EVALUATE, "-extra"])
        .arg(hop)
        .env("ROOTDIR", tree.path())
        .env("BINDIR", bin)
        .env("EMU", "beam")
        .env("PROGNAME", "erl")
        .env("HOME", scratch.path())
        .env("ERL_CRASH_DUMP_BYTES", "0")
        .env_remove("ERL_FLAGS")
        .env_remove("ERL_AFLAGS")
        .env_remove("ERL_ZFLAGS")
        .env_remove("ERL_LIBS")
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    // A file, so that nobody has to read while the VM writes.
    let said = scratch.path().join("said");
    let file = fs::File::create(&said).map_err(|error| Error::io(&said, "create", error))?;
    command.stdout(file.into_file());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Err(format!("{}: {error}", program.display()))),
    };
    if let Err(reason) = wait(&mut child, interrupt)? {
        return Ok(Err(format!("{}: {reason}", program.display())));
    }
    let said = fs::read(&said).map_err(|error| Error::io(&said, "read", error))?;
    Ok(Ok(String::from_utf8_lossy(&said).into_owned()))
}

fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<Result<(), String>, Error> {
    let begun = Instant::now();
    let why = loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(Ok(())),
            Ok(None) if interrupt.raised() => break Err(Error::Interrupted),
            Ok(None) if begun.elapsed() >= LIMIT => {
                break Ok(Err(format!("it did not end within {} s", LIMIT.as_secs())));
            }
            Ok(None) => sleep(LOOK),
            Err(error) => break Ok(Err(error.to_string())),
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    why
}
