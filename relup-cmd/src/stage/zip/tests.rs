//! Zip archives through the whole of stage 5: what tar archives are refused for, and what is
//! particular to zip.

use std::io::{Cursor, Write};

use relup::layout::BaseRoot;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::lock::RelupLock;
use crate::stage::{self, StagedTree};
use crate::tarball::Tarball;
use crate::testing::{scratch, write_sidecar};

const ZIP: Limits = Limits {
    zip: true,
    ..Limits::DEFAULT
};
const UNSAFE: &str = "unsafe_archive_entry";
const CORRUPT: &str = "archive_corrupt";

/// One entry: name, permissions with kind (none when zero), content.
type Entry<'a> = (&'a str, u32, &'a str);

/// What the `zip` program makes of these.
fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        let options = SimpleFileOptions::default();
        let options = match mode & 0o7777 {
            0 => options,
            mode => options.unix_permissions(mode),
        };
        match mode >> 12 {
            0o4 => writer.add_directory(*name, options).expect("added"),
            0o12 => writer.add_symlink(*name, *content, options).expect("added"),
            _ => {
                writer.start_file(*name, options).expect("added");
                writer.write_all(content.as_bytes()).expect("written");
            }
        }
    }
    writer.finish().expect("finished").into_inner()
}

/// Stages an archive and gives what became of it to `look`.
fn staged(bytes: &[u8], limits: Limits, look: impl FnOnce(Result<StagedTree, Error>)) {
    let dir = scratch();
    let root = dir.path().join("base");
    fs_err::create_dir(&root).expect("made");
    let base = BaseRoot::new(root).expect("absolute");
    let path = dir.path().join("emqx-4.4.16-otp24.zip");
    fs_err::write(&path, bytes).expect("written");
    write_sidecar(&path);
    let tarball = Tarball::open(&path).expect("opened");
    let sidecar = tarball.sidecar().expect("a sidecar");
    let deaf = Interrupt::deaf();
    let verified = tarball
        .verify(&sidecar, None, &deaf, &mut |_| {})
        .expect("verified");
    let lock = RelupLock::acquire(&base).expect("free");
    let staged = stage::stage(verified, &base, &lock, limits, None, &deaf, &mut |_| {});
    look(staged);
    drop(lock);
    let left: Vec<_> = walk(base.path());
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Files and links below a directory, with their permissions.
fn walk(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs_err::read_dir(next).expect("readable") {
            let entry = entry.expect("an entry");
            let (path, about) = (entry.path(), entry.metadata().expect("there"));
            let name = path.strip_prefix(dir).expect("below").display().to_string();
            if about.is_dir() {
                open.push(path);
            } else if about.is_symlink() {
                let target = fs_err::read_link(&path).expect("a link");
                found.push(format!("{name} -> {}", target.display()));
            } else {
                let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions());
                let content = fs_err::read_to_string(&path).expect("text");
                found.push(format!("{name} {:o} {content}", mode & 0o7777));
            }
        }
    }
    found.sort();
    found
}

fn accepted(case: &str, bytes: &[u8], expected: &[&str]) {
    staged(bytes, ZIP, |staged| {
        let staged = staged.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(walk(staged.tree().path()), expected, "{case}");
    });
}

fn refused(case: &str, bytes: &[u8], name: &str, reason: &str) {
    staged(bytes, ZIP, |staged| {
        let error = staged.map(drop).expect_err(case);
        assert_eq!(error.name(), name, "{case}: {error}");
        assert!(error.to_string().contains(reason), "{case}: {error}");
    });
}

#[test]
fn a_package_is_unpacked_with_or_without_its_directory() {
    for prefix in ["", "emqx/"] {
        let name = |name: &str| format!("{prefix}{name}");
        let long = format!("lib/a-1/priv/{}", "long/".repeat(60) + "x");
        let bytes = packed(&[
            (&name("bin/"), 0o40_755, ""),
            (&name("bin/emqx-4.4.16"), 0o755, "launcher"),
            (&name("lib/a-1/priv/x"), 0o6775, "x"),
            (&name("lib/a-1/priv/y"), 0o120_777, "x"),
            (&name(&long), 0o644, "deep"),
            (&name("releases/4.4.16/relup"), 0o644, ""),
            (&name("etc/emqx.conf"), 0o644, "not deployed"),
        ]);
        let deep = format!("{long} 644 deep");
        let mut expected = vec![
            "bin/emqx-4.4.16 755 launcher",
            "lib/a-1/priv/x 755 x",
            "lib/a-1/priv/y -> x",
            "releases/4.4.16/relup 644 ",
            &deep,
        ];
        expected.sort_unstable();
        accepted(prefix, &bytes, &expected);
    }
}

#[test]
fn what_was_packed_without_permissions_can_be_run() {
    let mut bytes = packed(&[
        ("emqx/bin/emqx", 0, "x"),
        ("emqx/erts-12.3/bin/erlexec", 0, "x"),
        ("emqx/lib/a-1/priv/x", 0, "x"),
    ]);
    // Made by MS-DOS, as a packer without permissions says.
    let records: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(RECORD.0))
        .collect();
    for at in records {
        bytes[at + 5] = 0;
        bytes[at + 38..at + 42].fill(0);
    }
    let expected = [
        "bin/emqx 755 x",
        "erts-12.3/bin/erlexec 755 x",
        "lib/a-1/priv/x 644 x",
    ];
    accepted("no permissions", &bytes, &expected);
}

#[test]
fn names_that_leave_the_tree_are_refused() {
    for name in ["../x", "bin/../../x", "/etc/x", "emqx/../../x"] {
        refused(name, &packed(&[(name, 0o644, "x")]), UNSAFE, "");
    }
    let linked = |target| {
        packed(&[
            ("lib/x", 0o120_777, target),
            ("lib/x/y", 0o644, "through it"),
        ])
    };
    for target in ["/tmp", "../..", "../../x"] {
        refused(target, &linked(target), UNSAFE, "");
    }
    let state = packed(&[("relup/current", 0o644, "5.10.4")]);
    refused("relup", &state, UNSAFE, "no state of hot upgrades");
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let mut bytes = packed(&[("bin/a", 0o644, "one"), ("bin/b", 0o644, "two")]);
    for at in 0..bytes.len() - 5 {
        if bytes[at..].starts_with(b"bin/b") {
            bytes[at + 4] = b'a';
        }
    }
    refused("twice", &bytes, CORRUPT, "two entries of the same name");
    let bytes = packed(&[("bin/a", 0o644, "file"), ("bin/a/", 0o40_755, "")]);
    refused("file and directory", &bytes, UNSAFE, "");
}

#[test]
fn an_archive_that_is_damaged_anywhere_is_refused() {
    let whole = packed(&[
        ("bin/a", 0o644, &"content ".repeat(100)),
        ("bin/b", 0o644, "end"),
    ]);
    let mut flipped = whole.clone();
    let body = whole.windows(5).position(|w| w == b"bin/a").expect("there") + 8;
    flipped[body] ^= 1;
    refused("a bit of the content", &flipped, CORRUPT, "bin/a");
    for end in 4..whole.len() {
        staged(&whole[..end], ZIP, |staged| {
            let error = staged.map(drop).expect_err("cut");
            assert_eq!(error.name(), CORRUPT, "cut after {end}: {error}");
        });
    }
    let shifted = [b"PK\x03\x04 something", &whole[..]].concat();
    refused("before it", &shifted, CORRUPT, "");
}

#[test]
fn what_is_no_file_and_what_is_encrypted_is_refused() {
    let mut fifo = packed(&[("bin/a", 0o644, "x")]);
    let record = fifo
        .windows(4)
        .position(|w| w == RECORD.0)
        .expect("a directory");
    fifo[record + 38..record + 42].copy_from_slice(&(0o010_644_u32 << 16).to_le_bytes());
    refused("fifo", &fifo, UNSAFE, "no file, directory");
    let mut secret = packed(&[("bin/a", 0o644, "x")]);
    secret[record + 8] |= 1;
    secret[6] |= 1;
    staged(&secret, ZIP, |staged| {
        let error = staged.map(drop).expect_err("encrypted");
        assert!([UNSAFE, CORRUPT].contains(&error.name()), "{error}");
    });
}

#[test]
fn a_bomb_and_a_crowd_are_refused() {
    let bytes = packed(&[("bin/a", 0o644, "x"), ("bin/b", 0o644, "x")]);
    let crowd = Limits { entries: 1, ..ZIP };
    staged(&bytes, crowd, |staged| {
        let error = staged.map(drop).expect_err("a crowd");
        assert_eq!(error.name(), "archive_too_large", "{error}");
    });
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("lib/bomb", SimpleFileOptions::default())
        .expect("added");
    let zeros = vec![0; 1 << 20];
    for _ in 0..80 {
        writer.write_all(&zeros).expect("written");
    }
    let bomb = writer.finish().expect("finished").into_inner();
    refused("a bomb", &bomb, "archive_too_large", "100 times its size");
}

#[test]
fn a_hot_upgrade_takes_no_zip() {
    let bytes = packed(&[("bin/a", 0o644, "x")]);
    staged(&bytes, Limits::DEFAULT, |staged| {
        let error = staged.map(drop).expect_err("no tarball");
        assert_eq!(error.name(), CORRUPT, "{error}");
    });
}
