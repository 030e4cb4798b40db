//! A case: its number on the list, the input, and the outcome that the list gives it.

use crate::differential;
use crate::gzip::gzip;
use crate::place::{Place, VSN};
use crate::tar::Tar;
use e2e::witness::error_name;
use e2e::{Error, Result};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The error of an entry that a release never has.
pub const UNSAFE: &str = "unsafe_archive_entry";
/// The error of a stream that is not whole.
pub const CORRUPT: &str = "archive_corrupt";
/// The error of a limit that was exceeded.
pub const TOO_LARGE: &str = "archive_too_large";

/// One input with its outcome.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its number on the list; 0 for what is not on it.
    pub number: u8,
    /// What it is.
    pub name: &'static str,
    /// How it is tried.
    pub check: Check,
}

/// How a case is tried.
#[derive(Clone, Copy)]
pub enum Check {
    /// `relup stage` refuses the archive with this error and names this.
    Refused(fn(&Place) -> Vec<u8>, &'static str, &'static str),
    /// `relup stage` accepts the archive, and the tree is exactly this besides [`base`]: paths, and
    /// `dir MODE`, `file MODE CONTENT` or `link TARGET`.
    Accepted(
        fn(&Place) -> Vec<u8>,
        &'static [(&'static str, &'static str)],
    ),
    /// Steps of its own.
    Steps(fn() -> Result<()>),
}

/// A case of an archive that is refused.
#[must_use]
pub const fn refused(
    number: u8,
    name: &'static str,
    make: fn(&Place) -> Vec<u8>,
    error: &'static str,
    names: &'static str,
) -> Case {
    let check = Check::Refused(make, error, names);
    Case {
        number,
        name,
        check,
    }
}

/// A case of an archive that is accepted.
#[must_use]
pub const fn accepted(
    number: u8,
    name: &'static str,
    make: fn(&Place) -> Vec<u8>,
    tree: &'static [(&'static str, &'static str)],
) -> Case {
    let check = Check::Accepted(make, tree);
    Case {
        number,
        name,
        check,
    }
}

/// A case with steps of its own.
#[must_use]
pub const fn steps(number: u8, name: &'static str, steps: fn() -> Result<()>) -> Case {
    let check = Check::Steps(steps);
    Case {
        number,
        name,
        check,
    }
}

/// What `releases/emqx_vars` of every archive says.
pub const VARS: &str = "REL_VSN=\"5.10.5\"\nERTS_VSN=\"13.1.5\"\n";

/// The beginning of every archive: enough to be staged, so that what comes after it is what the
/// case is about.
#[must_use]
pub fn base() -> Tar {
    Tar::new()
        .dir("bin/")
        .dir("lib/")
        .dir("releases/")
        .file("releases/emqx_vars", VARS)
}

/// What [`base`] makes.
const BASE: [(&str, &str); 3] = [
    ("bin", "dir 755"),
    ("lib", "dir 755"),
    ("releases", "dir 755"),
];

/// An archive in a whole container.
#[must_use]
pub fn gz(tar: Tar) -> Vec<u8> {
    gzip(&tar.ended())
}

impl Case {
    /// Its name as a test.
    #[must_use]
    pub fn title(&self) -> String {
        match self.number {
            0 => self.name.to_owned(),
            number => format!("{number:03} {}", self.name),
        }
    }

    /// Tries it.
    pub fn run(&self) -> Result<()> {
        match self.check {
            Check::Refused(make, error, names) => {
                let place = Place::new()?;
                place.write(&make(&place))?;
                is_refused(&place, error, names)
            }
            Check::Accepted(make, tree) => {
                let place = Place::new()?;
                place.write(&make(&place))?;
                is_accepted(&place, tree)?;
                differential::check(&place)
            }
            Check::Steps(steps) => steps(),
        }
    }
}

/// Demands that the input is refused, in the right words, with nothing changed.
pub fn is_refused(place: &Place, error: &str, names: &str) -> Result<()> {
    let staged = place.stage()?;
    let mut faults = staged.differences;
    let name = error_name(&staged.json);
    let message = staged.json["error"]["message"].as_str().unwrap_or_default();
    if staged.finished.code != Some(1) {
        faults.push("exit code 1 was expected".to_owned());
    }
    if name != error {
        faults.push(format!("{error} was expected"));
    }
    if !message.contains(names) {
        faults.push(format!("the message does not name {names:?}"));
    }
    if place.tree().symlink_metadata().is_ok() {
        faults.push("there is a tree".to_owned());
    }
    verdict(&faults, &staged.finished)
}

/// Demands that the input is accepted and that the tree is [`base`] and this.
pub fn is_accepted(place: &Place, tree: &[(&str, &str)]) -> Result<()> {
    let staged = place.stage()?;
    let mut faults = staged.differences;
    if staged.finished.code == Some(0) {
        let found = look(&place.tree())?;
        let mut expected: BTreeMap<String, String> = BASE
            .iter()
            .chain(tree)
            .map(|(path, node)| ((*path).to_owned(), (*node).to_owned()))
            .collect();
        expected.insert("releases/emqx_vars".to_owned(), format!("file 644 {VARS}"));
        for path in found.keys().chain(expected.keys()) {
            let (now, then) = (found.get(path), expected.get(path));
            if now != then {
                faults.push(format!("{path:?} is {now:?}, expected {then:?}"));
            }
        }
        let manifest = place.path(format!("emqx/relup/{VSN}.manifest"));
        if !manifest.is_file() {
            faults.push("there is no manifest".to_owned());
        }
    } else {
        faults.push("exit code 0 was expected".to_owned());
    }
    verdict(&faults, &staged.finished)
}

/// All faults at once, with the command that made them.
pub fn verdict(faults: &[String], finished: &e2e::process::Finished) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::Command {
        why: faults.join("\n"),
        finished: Box::new(finished.clone()),
    })
}

/// A tree as it lies on the disk.
fn look(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(&dir)? {
            let path = entry?.path();
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let about = fs_err::symlink_metadata(&path)?;
            let mode = about.permissions().mode() & 0o7777;
            let node = if about.is_symlink() {
                format!("link {}", fs_err::read_link(&path)?.to_string_lossy())
            } else if about.is_dir() {
                open.push(path);
                format!("dir {mode:o}")
            } else if about.is_file() {
                let content = fs_err::read(&path)?;
                format!("file {mode:o} {}", String::from_utf8_lossy(&content))
            } else {
                format!("{:?}", about.file_type())
            };
            found.insert(name, node);
        }
    }
    Ok(found)
}
