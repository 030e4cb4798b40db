//! An archive that was accepted, as other programs see it.
//!
//! GNU tar and Python's tarfile list it; what they say of the parts that are deployed must be what
//! the tree is: names, kinds, sizes and targets of links. An archive in which two programs see two
//! trees is no archive that a digest vouches for.

use crate::place::Place;
use e2e::process::{self, HANG};
use e2e::{Error, Result};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Path, and kind with size or target.
pub type Listing = BTreeMap<String, String>;

/// Lists an archive as another program sees it, in its order.
type Reader = fn(&Path) -> Result<Entries>;

/// Names with kind and size or target, in the archive's order.
type Entries = Vec<(String, String)>;

/// What two programs see in an archive; an error where one does not take it.
pub type Others = [(&'static str, Result<Listing>); 2];

/// A line for each entry: kind, size, name and target, each but the kind in hexadecimal digits,
/// since names may hold anything.
const PYTHON: &str = r#"
import sys, tarfile
def hexed(text):
    return text.encode("utf-8", "surrogateescape").hex()
kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard"}
for path in sys.argv[1:]:
    print("archive")
    try:
        with tarfile.open(path) as archive:
            for entry in archive:
                kind = kinds.get(entry.type, "file")
                print(kind, entry.size, hexed(entry.name), hexed(entry.linkname), sep="\t")
    except tarfile.TarError as error:
        print("error", error, sep="\t")
"#;

/// Demands that all agree on the place's input, of which the tree lies there.
pub fn check(place: &Place) -> Result<()> {
    let ours = of_tree(&place.tree())?;
    let readers: [(&str, &str, Reader); 2] = [
        ("GNU tar", "tar", of_tar),
        ("tarfile", "python3", of_python),
    ];
    for (program, needs, list) in readers {
        if !is_installed(needs) {
            eprintln!("skipped: {needs} is not installed, so nothing is compared with {program}");
            continue;
        }
        let theirs = deployed(list(&place.tarball())?)?;
        let mut faults = Vec::new();
        for path in ours.keys().chain(theirs.keys()) {
            let (one, other) = (ours.get(path), theirs.get(path));
            // A directory that only the names below it tell of.
            let implied = one.is_some_and(|one| one == "dir") && other.is_none();
            if one != other && !implied {
                faults.push(format!("{path:?} is {one:?}, for {program} {other:?}"));
            }
        }
        if !faults.is_empty() {
            return Err(Error::Unexpected(faults.join("\n")));
        }
    }
    Ok(())
}

/// Whether a program is there to be asked.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What lies in the tree.
fn of_tree(root: &Path) -> Result<Listing> {
    let mut found = Listing::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(&dir)? {
            let path = entry?.path();
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            let about = fs_err::symlink_metadata(&path)?;
            let what = if about.is_symlink() {
                format!("link {}", fs_err::read_link(&path)?.display())
            } else if about.is_dir() {
                open.push(path);
                "dir".to_owned()
            } else {
                format!("file {}", about.size())
            };
            found.insert(name, what);
        }
    }
    Ok(found)
}

/// What `tar` lists: permissions, owner, size, date, time, name and target. Backslashes and what is
/// no plain character are told in escapes.
fn of_tar(tarball: &Path) -> Result<Entries> {
    let mut command = Command::new("tar");
    command
        .env("LC_ALL", "C.UTF-8")
        .args(["--list", "--verbose", "--numeric-owner"])
        .args(["--quoting-style=escape", "--file"])
        .arg(tarball);
    let mut listed = process::run(&mut command, HANG)?;
    // It lists such an entry all the same. Owners are not looked at here: see the README.
    let about_owners = |line: &str| {
        line.contains("uid") && line.contains("out of")
            || line.contains("gid") && line.contains("out of")
            || line.ends_with("Exiting with failure status due to previous errors")
    };
    if listed.code == Some(2) && listed.stderr.lines().all(about_owners) {
        listed.code = Some(0);
    }
    let listed = listed.success()?;
    let mut entries = Vec::new();
    for line in listed.stdout.lines() {
        let odd = || Error::Unexpected(format!("tar said: {line}"));
        let mut fields = line.split_whitespace();
        let (kind, size) = (fields.next(), fields.nth(1));
        let (Some(kind), Some(size), Some(_), Some(time)) =
            (kind, size, fields.next(), fields.next())
        else {
            return Err(odd());
        };
        let start = line.find(time).ok_or_else(odd)? + time.len() + 1;
        let rest = line.get(start..).ok_or_else(odd)?;
        let halves = |between: &str| rest.split_once(between).unwrap_or((rest, ""));
        let (name, what) = match kind.as_bytes()[0] {
            b'd' => (rest, "dir".to_owned()),
            b'l' => {
                let (name, target) = halves(" -> ");
                (name, format!("link {}", plain(target)))
            }
            b'h' => {
                let (name, target) = halves(" link to ");
                (name, format!("hard {}", plain(target)))
            }
            _ => (rest, format!("file {size}")),
        };
        entries.push((plain(name), what));
    }
    Ok(entries)
}

/// A name without tar's escapes.
fn plain(name: &str) -> String {
    name.replace("\\\\", "\\")
}

fn of_python(tarball: &Path) -> Result<Entries> {
    let mut listings = by_python(&[tarball.to_owned()])?;
    listings.pop().unwrap_or_else(|| Ok(Vec::new()))
}

/// What is listed in one archive after the other, or why it is not.
fn by_python(tarballs: &[PathBuf]) -> Result<Vec<Result<Entries>>> {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).args(tarballs);
    let listed = process::run(&mut command, HANG)?.success()?;
    let text = |digits: &str| {
        let bytes = hex::decode(digits).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut listings = Vec::new();
    for line in listed.stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (kind, size, name, target) = match fields.as_slice() {
            ["archive"] => {
                listings.push(Ok(Vec::new()));
                continue;
            }
            [kind, size, name, target] => (kind, size, name, target),
            _ => {
                listings.pop();
                listings.push(Err(Error::Unexpected(format!("tarfile said: {line}"))));
                continue;
            }
        };
        let what = match *kind {
            "dir" => "dir".to_owned(),
            "file" => format!("file {size}"),
            _ => format!("{kind} {}", text(target)),
        };
        if let Some(Ok(entries)) = listings.last_mut() {
            entries.push((text(name), what));
        }
    }
    Ok(listings)
}

/// What GNU tar and tarfile see in each of some archives, packed or not: of the parts that are deployed,
/// under the names that they have there. An error is of an archive that they do not take.
pub fn by_others(tarballs: &[PathBuf]) -> Result<Vec<Others>> {
    let listed = by_python(tarballs)?;
    let both = tarballs.iter().zip(listed).map(|(tarball, python)| {
        [
            ("GNU tar", of_tar(tarball).and_then(deployed)),
            ("tarfile", python.and_then(deployed)),
        ]
    });
    Ok(both.collect())
}

/// The part of a listing that becomes a tree, under the names that it has there: what an extraction
/// in that order leaves.
fn deployed(entries: Entries) -> Result<Listing> {
    let mut all = Listing::new();
    for (name, mut what) in entries {
        if let Some(target) = what.strip_prefix("hard ") {
            let target = normal(target);
            what = all.get(&target).cloned().ok_or_else(|| {
                Error::Unexpected(format!(
                    "{name:?} is a hard link to {target:?}, which is not there"
                ))
            })?;
        }
        all.insert(normal(&name), what);
    }
    all.retain(|name, _| {
        let top = name.split('/').next().unwrap_or_default();
        matches!(top, "bin" | "lib" | "releases" | "dynlibs") || top.starts_with("erts-")
    });
    Ok(all)
}

/// A name without what means nothing, and without the prefix that a package may have.
fn normal(name: &str) -> String {
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let name = parts.join("/");
    name.strip_prefix("emqx/")
        .map_or(name.clone(), str::to_owned)
}
