//! Names, types, modes and repetitions of entries.

use super::*;

#[test]
fn hostile_names_are_refused() {
    let long = "x".repeat(256);
    let deep = "d/".repeat(1500);
    let endless = "y/".repeat(3000);
    for (case, archive, name) in [
        ("1 absolute", raw().file("/etc/x", "x"), UNSAFE),
        ("2 parent", raw().file("../x", "x"), UNSAFE),
        ("3 parent inside", raw().file("lib/../../x", "x"), UNSAFE),
        (
            "4 parent after a dot",
            raw().file("bin/./../../x", "x"),
            UNSAFE,
        ),
        ("5 empty", raw().file("", "x"), UNSAFE),
        ("8 slash after a file", raw().file("lib/x/", "x"), UNSAFE),
        ("9 newline", raw().file("lib/x\ny", "x"), UNSAFE),
        (
            "10 not UTF-8",
            raw().entry(b'0', b"lib/\xff", b"", 0o644, 0, b""),
            UNSAFE,
        ),
        (
            "11 NUL in PAX",
            raw().pax(&[("path", "lib/x\0y")]).file("lib/z", ""),
            UNSAFE,
        ),
        (
            "12 long component",
            raw().pax(&[("path", &long)]).file("z", ""),
            UNSAFE,
        ),
        (
            "13 long path",
            raw().pax(&[("path", &endless)]).dir("z"),
            TOO_LARGE,
        ),
        (
            "14 deep path",
            raw().pax(&[("path", &deep)]).dir("z"),
            UNSAFE,
        ),
        (
            "103 mixed prefixes",
            raw().dir("emqx/bin").dir("lib"),
            UNSAFE,
        ),
        ("105 state", raw().file("relup/current", "5\n"), UNSAFE),
        (
            "105 state below the prefix",
            raw().file("emqx/relup/current", "5\n"),
            UNSAFE,
        ),
        ("a file as the root", raw().file(".", ""), UNSAFE),
        ("a file as the prefix", raw().file("emqx", ""), UNSAFE),
    ] {
        check_refused(case, archive, name);
    }
}

#[test]
fn harmless_oddities_of_names_are_accepted() {
    for (case, archive, expected) in [
        (
            "6 dot",
            raw().dir("./").file("./bin/x", "x"),
            &[("bin", "/"), ("bin/x", "x")][..],
        ),
        (
            "15 backslash",
            raw().file("bin/a\\b", "x"),
            &[("bin", "/"), ("bin/a\\b", "x")],
        ),
        (
            "102 prefix",
            raw()
                .dir("emqx/")
                .dir("emqx/lib")
                .file("emqx/lib/x", "x")
                .hardlink("emqx/lib/y", "emqx/lib/x"),
            &[("lib", "/"), ("lib/x", "x"), ("lib/y", "x")],
        ),
        (
            "104 more than a release",
            raw()
                .file("etc/x", "x")
                .dir("data")
                .file("dynlibs/l.so", "l")
                .symlink("log/a", "b"),
            &[("dynlibs", "/"), ("dynlibs/l.so", "l")],
        ),
        (
            "long names of both kinds",
            raw()
                .pax(&[
                    ("path", "lib/pax"),
                    ("mtime", "1.5"),
                    ("SCHILY.xattr.user.x", "\u{1}\n"),
                ])
                .file("short", "p")
                .text(b'L', b"lib/gnu\0")
                .file("short", "g")
                .text(b'K', b"gnu\0")
                .symlink("lib/link", "short")
                .text(b'g', record("comment", "0123").as_bytes()),
            &[
                ("lib", "/"),
                ("lib/gnu", "g"),
                ("lib/link", "-> gnu"),
                ("lib/pax", "p"),
            ],
        ),
        ("an empty archive", raw(), &[]),
    ] {
        check_accepted(case, archive, expected);
    }
}

#[test]
fn only_files_directories_and_links_are_accepted() {
    for kind in *b"346 7SDMVNZ\x01" {
        let raw = raw().dir("bin").kind(kind, "bin/x", "");
        check_refused(&format!("31-36 type {kind:?}"), raw, UNSAFE);
    }
    for (case, kind, mode) in [
        ("39 directory of mode 000", b'5', 0o000),
        ("40 file of mode 000", b'0', 0o000),
    ] {
        check_refused(case, raw().entry(kind, b"bin/x", b"", mode, 0, b""), UNSAFE);
    }
}

#[test]
fn modes_keep_what_a_release_needs_whatever_the_umask() {
    let archive = raw()
        .entry(b'5', b"bin", b"", 0o1777, 0, b"")
        .entry(b'5', b"bin/d", b"", 0o555, 0, b"")
        .entry(b'0', b"bin/d/suid", b"", 0o6755, 1, b"x")
        .entry(b'0', b"lib/open", b"", 0o666, 1, b"x")
        .entry(b'0', b"lib/shut", b"", 0o400, 1, b"x")
        .ended();
    let place = Place::new();
    let (_lock, staged) = place
        .stage(&gzip(&archive.0), Limits::DEFAULT)
        .expect("accepted");
    let mode = |path: &str| {
        let path = staged.tree().path().join(path);
        fs::metadata(path).expect("there").permissions().mode() & 0o7777
    };
    for (path, expected) in [
        ("", 0o700),
        ("bin", 0o755),
        ("bin/d", 0o755),
        ("bin/d/suid", 0o755),
        ("lib", 0o755),
        ("lib/open", 0o644),
        ("lib/shut", 0o400),
    ] {
        assert_eq!(mode(path), expected, "{path}");
    }
}

#[test]
fn nothing_may_come_twice_except_a_directory() {
    for (case, archive) in [
        ("43 file twice", raw().file("bin/x", "1").file("bin/x", "2")),
        (
            "44 file then directory",
            raw().file("bin/x", "1").dir("bin/x"),
        ),
        (
            "45 directory then file",
            raw().dir("bin/x").file("bin/x", "1"),
        ),
        (
            "48 two emqx_vars",
            raw()
                .file("releases/emqx_vars", "1")
                .file("./releases/emqx_vars", "2"),
        ),
        (
            "link twice",
            raw().symlink("bin/x", "y").symlink("bin/x", "z"),
        ),
        (
            "below a file",
            raw().file("bin/x", "1").file("bin/x/y", "2"),
        ),
    ] {
        check_refused(case, archive, UNSAFE);
    }
    check_accepted(
        "directory twice",
        raw().dir("bin").dir("bin/"),
        &[("bin", "/")],
    );
}
