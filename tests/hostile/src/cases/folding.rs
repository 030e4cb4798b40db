//! 46 and 47 on a file system that takes two names for one: ext4 with the feature `casefold`, else NTFS
//! mounted without regard to case. Where neither can be mounted nothing is tried, and that is said.

use crate::case::{Case, UNSAFE, base, gz, is_accepted, is_refused, steps};
use crate::place::Place;
use crate::tar::Tar;
use e2e::Result;
use e2e::process::{self, HANG};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The cases.
pub const CASES: &[Case] = &[
    steps(
        46,
        "names that differ in case only, where the file system folds it",
        case_is_folded,
    ),
    steps(
        47,
        "names in two Unicode forms, where the file system takes them for one",
        forms_are_folded,
    ),
];

/// An archive whose last entry is a name that was there before, and that name.
type Collision = (Tar, &'static str);

fn case_is_folded() -> Result<()> {
    let Some(disk) = Disk::new("Aa", "aA")? else {
        println!("not tried here: no file system that folds case can be mounted");
        return Ok(());
    };
    let collisions: [Collision; 8] = [
        (
            base().file("lib/Readme", "1").file("lib/README", "2"),
            "lib/README",
        ),
        (base().file("lib/x", "1").dir("lib/X/"), "lib/X"),
        (base().dir("lib/x/").file("lib/X", "1"), "lib/X"),
        (base().dir("lib/x/").dir("lib/X/"), "lib/X"),
        (base().dir("lib/x/").file("lib/X/y", "1"), "lib/X/y"),
        (base().file("lib/x/a", "1").file("lib/X/b", "2"), "lib/X/b"),
        (base().symlink("lib/x", "y").file("lib/X", "1"), "lib/X"),
        (
            base().file("lib/x", "1").hardlink("lib/X", "lib/x"),
            "lib/X",
        ),
    ];
    all_are_refused(&disk, &collisions)
}

fn forms_are_folded() -> Result<()> {
    let Some(disk) = Disk::new("\u{e9}", "e\u{301}")? else {
        println!("not tried here: no file system that folds Unicode forms can be mounted");
        return Ok(());
    };
    let collisions: [Collision; 3] = [
        (
            base().file("lib/\u{e9}", "1").file("lib/e\u{301}", "2"),
            "lib/e",
        ),
        (base().dir("lib/\u{e9}/").dir("lib/e\u{301}/"), "lib/e"),
        (
            base().file("lib/\u{e9}/a", "1").file("lib/e\u{301}/b", "2"),
            "lib/e",
        ),
    ];
    all_are_refused(&disk, &collisions)
}

fn all_are_refused(disk: &Disk, collisions: &[Collision]) -> Result<()> {
    for (archive, name) in collisions {
        let place = disk.place()?;
        place.write(&gz(archive.clone()))?;
        is_refused(&place, UNSAFE, name)?;
    }
    // The file system itself is no reason: what does not collide is taken, the same directory twice
    // as well.
    let place = disk.place()?;
    place.write(&gz(base().dir("lib/").dir("lib/x/").file("lib/x/y", "1")))?;
    is_accepted(&place, &[("lib/x", "dir 755"), ("lib/x/y", "file 644 1")])
}

/// A file system in a file, unmounted when it is dropped.
struct Disk {
    at: PathBuf,
    _scratch: TempDir,
}

/// How one is made and mounted.
const KINDS: [(&str, &str); 2] = [
    (
        "mkfs.ext4 -q -O casefold -E encoding=utf8 \"$1\"",
        "mount -o loop \"$1\" \"$2\" && mkdir \"$2/in\" && chattr +F \"$2/in\"",
    ),
    (
        "mkntfs -q -F -f \"$1\"",
        "lowntfs-3g -o ignore_case,permissions \"$1\" \"$2\" && mkdir \"$2/in\"",
    ),
];

impl Disk {
    /// One on which the two names are one.
    fn new(one: &str, other: &str) -> Result<Option<Disk>> {
        for (make, mount) in KINDS {
            let scratch = tempfile::Builder::new().prefix("emqx-folding-").tempdir()?;
            let (image, at) = (scratch.path().join("image"), scratch.path().join("at"));
            fs_err::create_dir(&at)?;
            fs_err::File::create(&image)?.set_len(256 << 20)?;
            let script = format!("{make} >/dev/null 2>&1 && {mount}");
            let mut sh = Command::new("sh");
            sh.args(["-c", &script, "sh"]).arg(&image).arg(&at);
            let mounted = process::run(&mut sh, HANG)?;
            let disk = Disk {
                at,
                _scratch: scratch,
            };
            if mounted.code != Some(0) {
                continue;
            }
            let probe = disk.at.join("in").join(one);
            fs_err::write(&probe, "")?;
            let folds = disk.at.join("in").join(other).exists();
            fs_err::remove_file(probe)?;
            if folds {
                return Ok(Some(disk));
            }
        }
        Ok(None)
    }

    fn place(&self) -> Result<Place> {
        let mut builder = tempfile::Builder::new();
        // Some show all names in small letters, and the root is compared by its name.
        let dir = builder.prefix("hostile-").rand_bytes(0);
        let root = self.at.join("in");
        let taken = fs_err::read_dir(&root)?.count();
        let suffix = taken.to_string();
        Place::in_dir(dir.suffix(&suffix).tempdir_in(root)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        // Lazily: it may not be mounted, and what is in it goes with it.
        let _ = process::run(umount.args(["-q", "-l"]).arg(&self.at), HANG);
    }
}
