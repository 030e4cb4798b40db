//! Symbolic and hard links.

use super::*;

#[test]
fn links_that_leave_the_tree_are_refused() {
    for (case, archive) in [
        ("16 absolute", raw().symlink("bin/x", "/etc/passwd")),
        ("17 parents", raw().symlink("bin/x", "../../x")),
        (
            "17 parents below the prefix",
            raw().symlink("emqx/bin/x", "../../x"),
        ),
        (
            "18 through a link",
            raw()
                .dir("bin")
                .symlink("bin/d", "../lib")
                .dir("lib")
                .file("bin/d/x", "x"),
        ),
        (
            "19 chain",
            raw()
                .dir("lib/a/b")
                .symlink("lib/a/b/up", "../../..")
                .symlink("lib/a/b/out", "up/../x"),
        ),
        (
            "20 a directory over a link",
            raw().dir("lib").symlink("bin/d", "../lib").dir("bin/d"),
        ),
        (
            "21 a link over a directory",
            raw().dir("bin/d").symlink("bin/d", "x"),
        ),
        ("22 hard, absolute", raw().hardlink("bin/x", "/etc/passwd")),
        ("23 hard, parents", raw().hardlink("bin/x", "../../x")),
        (
            "24 hard, through a link",
            raw()
                .file("lib/x", "x")
                .symlink("bin/d", "../lib")
                .hardlink("bin/y", "bin/d/x"),
        ),
        (
            "25 hard, to a link",
            raw()
                .file("lib/x", "x")
                .symlink("bin/d", "../lib/x")
                .hardlink("bin/y", "bin/d"),
        ),
        ("26 hard, to itself", raw().hardlink("bin/x", "bin/x")),
        (
            "27 hard, to a later entry",
            raw()
                .dir("bin")
                .hardlink("bin/x", "bin/y")
                .file("bin/y", "y"),
        ),
        (
            "hard, to what is not deployed",
            raw()
                .dir("bin")
                .file("etc/x", "x")
                .hardlink("bin/x", "etc/x"),
        ),
        ("28 no target", raw().symlink("bin/x", "")),
        (
            "29 circle",
            raw().symlink("bin/x", "y").symlink("bin/y", "x"),
        ),
        ("106 lib is a link", raw().dir("bin").symlink("lib", "bin")),
        ("a file at the top", raw().file("lib", "x")),
        (
            "61 a PAX target",
            raw().pax(&[("linkpath", "/etc")]).symlink("bin/x", "y"),
        ),
    ] {
        check_refused(case, archive, UNSAFE);
    }
}

#[test]
fn links_inside_the_tree_are_accepted() {
    check_accepted(
        "30 contained",
        raw()
            .file("lib/a/x", "x")
            .symlink("bin/x", "../lib/a/x")
            .symlink("lib/l", "a")
            .symlink("lib/gone", "none"),
        &[
            ("bin", "/"),
            ("bin/x", "-> ../lib/a/x"),
            ("lib", "/"),
            ("lib/a", "/"),
            ("lib/a/x", "x"),
            ("lib/gone", "-> none"),
            ("lib/l", "-> a"),
        ],
    );
}
