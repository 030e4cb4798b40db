//! Reads two releases at once, each in one pass over its tarball or directory.
//!
//! What an archive may be is decided by the stager's own readers, so that an archive which can't be
//! deployed is not authored for either; nothing of it is written anywhere.

use std::path::{Path, PathBuf};
use std::thread;

use fs_err as fs;
use relup::layout::Tree;
use relup::vsn::ReleaseVsn;

use super::collect::pool::{Pool, Side};
use super::collect::{Collector, Gathered, Wanted, unusable};
use super::facts::ReleaseFacts;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::regular;
use crate::stage::{Limits, look_into};
use crate::tarball::Tarball;

/// How deep below `priv` a library may lie.
const PRIV_DEPTH: usize = 8;

/// A release that is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Its tarball, or a directory.
    pub(crate) path: &'a Path,
    /// Which of the releases in the directory; without one, the release that it says it is.
    pub(crate) vsn: Option<&'a ReleaseVsn>,
}

impl<'a> From<&'a PathBuf> for Source<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Source { path, vsn: None }
    }
}

/// Reads both releases, each by a thread of its own.
pub(crate) fn both<'a>(
    from: impl Into<Source<'a>>,
    to: impl Into<Source<'a>>,
    interrupt: &Interrupt,
) -> Result<(ReleaseFacts, ReleaseFacts), Error> {
    let (from, to) = (from.into(), to.into());
    let pool = Pool::default();
    let (from, to) = thread::scope(|scope| {
        let other = scope.spawn(|| gather(from, Side::From, &pool, interrupt));
        let to = gather(to, Side::To, &pool, interrupt);
        let from = other.join().map_err(|_| Error::Io {
            what: format!("reading {}", from.path.display()),
            source: std::io::Error::other("its thread panicked"),
        })?;
        Ok::<_, Error>((from?, to?))
    })?;
    let (atoms, mut debug_infos) = pool.finish();
    Ok((
        from.finish(&atoms, &mut debug_infos)?,
        to.finish(&atoms, &mut debug_infos)?,
    ))
}

/// Reads one release from its tarball or its directory.
fn gather(
    source: Source<'_>,
    side: Side,
    pool: &Pool,
    interrupt: &Interrupt,
) -> Result<Gathered, Error> {
    let path = source.path;
    let collector = Collector::new(side, pool, source.vsn.cloned());
    let collector = if path.is_dir() {
        directory(path, collector, interrupt)?
    } else {
        tarball(path, collector, interrupt)?
    };
    collector.gathered(path.to_owned())
}

fn tarball<'p>(
    path: &Path,
    mut collector: Collector<'p>,
    interrupt: &Interrupt,
) -> Result<Collector<'p>, Error> {
    let tarball = Tarball::open(path)?.trust(interrupt, &mut |_| {})?;
    let wants = |name: &str| Wanted::of(name).map(|wanted| wanted.max_len());
    let mut add = |name: &str, bytes: &[u8]| match Wanted::of(name) {
        Some(wanted) => collector
            .add(wanted, name, bytes)
            .map_err(|reason| unusable(path, format!("{name}: {reason}"))),
        None => Ok(()),
    };
    look_into(&tarball, Limits::DEFAULT, interrupt, &wants, &mut add)?;
    Ok(collector)
}

/// Only the directories that the `.rel` file names are looked at: the base of an installation may
/// hold several releases.
fn directory<'p>(
    path: &Path,
    collector: Collector<'p>,
    interrupt: &Interrupt,
) -> Result<Collector<'p>, Error> {
    let root = fs::canonicalize(path).map_err(|error| Error::io(path, "open", error))?;
    let tree = Tree::new(root).map_err(|error| unusable(path, error.to_string()))?;
    let mut walk = Walk {
        root: path,
        tree: &tree,
        collector,
        interrupt,
    };
    walk.file(&tree.emqx_vars())?;
    let identity = walk.collector.identity(path)?;
    for file in [
        tree.rel_file(&identity.vsn, &identity.rel_name),
        tree.build_info(&identity.vsn),
    ] {
        walk.file(&file)?;
    }
    walk.files(&tree.release(&identity.vsn).join("consolidated"), 0)?;
    for (app, vsn) in walk.collector.rel_file(path)?.apps {
        let ebin = tree.ebin(&app, &vsn);
        walk.files(&ebin, 0)?;
        walk.files(&ebin.with_file_name("consolidated"), 0)?;
        walk.files(&ebin.with_file_name("priv"), PRIV_DEPTH)?;
    }
    Ok(walk.collector)
}

struct Walk<'a, 'p> {
    root: &'a Path,
    tree: &'a Tree,
    collector: Collector<'p>,
    interrupt: &'a Interrupt,
}

impl Walk<'_, '_> {
    /// A file that may be missing: what must be there is asked for at the end.
    fn file(&mut self, path: &Path) -> Result<(), Error> {
        let name = path.strip_prefix(self.tree.path()).unwrap_or(path);
        let Some(name) = name.to_str() else {
            return Ok(());
        };
        let Some(wanted) = Wanted::of(name) else {
            return Ok(());
        };
        let bytes = match regular::read(path, wanted.max_len()) {
            Ok(bytes) => bytes,
            Err(regular::ReadError::Missing) => return Ok(()),
            Err(error) => return Err(unusable(self.root, format!("{name}: {error}"))),
        };
        self.collector
            .add(wanted, name, &bytes)
            .map_err(|reason| unusable(self.root, format!("{name}: {reason}")))
    }

    /// All files of a directory that may be missing, and of those below it.
    fn files(&mut self, dir: &Path, depth: usize) -> Result<(), Error> {
        self.interrupt.check()?;
        let Ok(entries) = fs::read_dir(dir) else {
            return Ok(());
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::io(dir, "read", error))?;
            paths.push(entry.path());
        }
        paths.sort();
        for path in paths {
            if depth > 0 && path.is_dir() {
                self.files(&path, depth - 1)?;
            } else {
                self.file(&path)?;
            }
        }
        Ok(())
    }
}
