//! 43 to 48: entries that come twice.

use crate::case::{Case, UNSAFE, accepted, base, gz, refused};

/// The cases.
pub const CASES: &[Case] = &[
    refused(
        43,
        "a file twice with different content",
        |_| gz(base().file("bin/x", "1").file("bin/x", "2")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        43,
        "a file twice under two spellings",
        |_| gz(base().file("bin/x", "1").file(".//bin/./x", "2")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        43,
        "a link twice",
        |_| gz(base().symlink("bin/x", "y").symlink("bin/x", "z")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        44,
        "a file, then a directory",
        |_| gz(base().file("bin/x", "1").dir("bin/x/")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        44,
        "a file, then something below it",
        |_| gz(base().file("bin/x", "1").file("bin/x/y", "2")),
        UNSAFE,
        "bin/x/y",
    ),
    refused(
        45,
        "a directory, then a file",
        |_| gz(base().dir("bin/x/").file("bin/x", "1")),
        UNSAFE,
        "bin/x",
    ),
    // Where the file system folds names they collide, and `relup-cmd` refuses them: see the README.
    accepted(
        46,
        "names that differ in case only are two files",
        |_| gz(base().file("lib/Readme", "1").file("lib/README", "2")),
        &[("lib/Readme", "file 644 1"), ("lib/README", "file 644 2")],
    ),
    accepted(
        47,
        "names in two Unicode forms are two files",
        |_| gz(base().file("lib/\u{e9}", "1").file("lib/e\u{301}", "2")),
        &[("lib/\u{e9}", "file 644 1"), ("lib/e\u{301}", "file 644 2")],
    ),
    refused(
        48,
        "two releases/emqx_vars",
        |_| {
            gz(base().file(
                "./releases/emqx_vars",
                "REL_VSN=\"6.0.0\"\nERTS_VSN=\"1\"\n",
            ))
        },
        UNSAFE,
        "releases/emqx_vars",
    ),
];
