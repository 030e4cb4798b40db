//! Puts an extracted package into an installation that already has releases.
//!
//! What both have stays as it is: a directory such as `lib/kernel-8.5` belongs to the releases that
//! use it, and a running node loads code from it. Only `releases/<vsn>/` is the package's own, and
//! the scripts that carry the version in their names.

use std::path::Path;

use fs_err as fs;
use relup::layout::Tree;
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::handler::package::rel_file;
use crate::release::names_in;

/// Moves what is missing in `root` from `staged`.
pub(crate) fn merge(staged: &Tree, root: &Tree, vsn: &ReleaseVsn, rel: &str) -> Result<(), Error> {
    for name in names_in(staged.path())? {
        if name.starts_with("erts-") || matches!(&*name, "lib" | "dynlibs") {
            add(&staged.path().join(&name), &root.path().join(&name), false)?;
        }
    }
    let suffix = format!("-{vsn}");
    if staged.bin().is_dir() {
        make_dir(&root.bin())?;
        for name in names_in(&staged.bin())? {
            if name.ends_with(&suffix) {
                add(&staged.bin().join(&name), &root.bin().join(&name), true)?;
            }
        }
    }
    if let Some(path) = rel_file(staged, rel, vsn) {
        let own = staged.rel_file(vsn, rel);
        if path != own {
            make_dir(&staged.release(vsn))?;
            rename(&path, &own)?;
        }
    }
    add(&staged.release(vsn), &root.release(vsn), true)
}

/// Moves `from` to `to`; of two directories what the second lacks. `replace` decides about files that
/// both have.
fn add(from: &Path, to: &Path, replace: bool) -> Result<(), Error> {
    let is_dir = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|found| found.file_type().is_dir())
    };
    if is_dir(from) && is_dir(to) {
        for name in names_in(from)? {
            add(&from.join(&name), &to.join(&name), replace)?;
        }
        return Ok(());
    }
    if to.symlink_metadata().is_ok() {
        if !replace {
            return Ok(());
        }
        if is_dir(from) || is_dir(to) {
            return Err(Error::Io {
                what: format!("cannot replace {}", to.display()),
                source: std::io::Error::other("one is a directory, the other is not"),
            });
        }
    }
    rename(from, to)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|error| Error::io(to, "create", error))
}

fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|error| Error::io(path, "create", error))
}
