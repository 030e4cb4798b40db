//! 16 to 30: symbolic and hard links.

use crate::case::{Case, UNSAFE, accepted, base, gz, refused};
use crate::place::Place;

/// The cases.
pub const CASES: &[Case] = &[
    refused(
        16,
        "a link to an absolute path",
        |place| gz(base().symlink("bin/x", place.bait("victim"))),
        UNSAFE,
        "bin/x",
    ),
    refused(
        16,
        "a link to an absolute path where nothing is deployed",
        |_| gz(base().symlink("etc/x", "/etc/passwd")),
        UNSAFE,
        "etc/x",
    ),
    refused(
        17,
        "a link that leaves by two dots",
        |_| gz(base().symlink("bin/x", "../../victim")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        17,
        "a link that leaves and comes back",
        |_| gz(base().symlink("bin/x", "../../5.10.5/lib")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        18,
        "a file through a link",
        |place| {
            gz(base()
                .symlink("bin/out", place.bait("dir"))
                .file("bin/out/new", "x"))
        },
        UNSAFE,
        "bin/out",
    ),
    refused(
        18,
        "a file through a link inside",
        |_| gz(base().symlink("bin/in", "../lib").file("bin/in/new", "x")),
        UNSAFE,
        "bin/in/new",
    ),
    refused(
        19,
        "harmless links that escape together",
        |_| {
            gz(base()
                .dir("lib/a/b/")
                .symlink("lib/a/b/up", "../../..")
                .symlink("lib/a/b/out", "up/../../victim"))
        },
        UNSAFE,
        "lib/a/b/out",
    ),
    refused(
        19,
        "a chain that escapes",
        |_| {
            gz(base()
                .symlink("lib/one", "../bin/two")
                .symlink("bin/two", "three/..")
                .dir("bin/d/")
                .symlink("bin/three", "d/../..")
                .symlink("bin/four", "../lib/one/../../victim"))
        },
        UNSAFE,
        "bin/",
    ),
    refused(
        20,
        "a directory over a link changes no permissions outside",
        |place| gz(base().symlink("bin/d", place.bait("dir")).dir("bin/d/")),
        UNSAFE,
        "bin/d",
    ),
    refused(
        20,
        "a directory over a link inside",
        |_| gz(base().symlink("bin/d", "../lib").dir("bin/d/")),
        UNSAFE,
        "bin/d",
    ),
    refused(
        21,
        "a link over a directory",
        |_| {
            gz(base()
                .dir("bin/d/")
                .symlink("bin/d", "../lib")
                .file("bin/d/x", "x"))
        },
        UNSAFE,
        "bin/d",
    ),
    refused(
        22,
        "a hard link to an absolute path",
        |place| gz(base().hardlink("bin/x", place.bait("victim"))),
        UNSAFE,
        "bin/x",
    ),
    refused(
        23,
        "a hard link that leaves by two dots",
        |_| gz(base().hardlink("bin/x", "../../victim")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        24,
        "a hard link through an earlier link",
        |_| {
            gz(base()
                .file("lib/x", "x")
                .symlink("bin/d", "../lib")
                .hardlink("bin/y", "bin/d/x"))
        },
        UNSAFE,
        "bin/y",
    ),
    refused(
        25,
        "a hard link to a link that points outside",
        |place| {
            gz(base()
                .symlink("bin/s", place.bait("victim"))
                .hardlink("bin/h", "bin/s"))
        },
        UNSAFE,
        "bin/s",
    ),
    refused(
        25,
        "a hard link to a link",
        |_| gz(base().symlink("bin/s", "none").hardlink("bin/h", "bin/s")),
        UNSAFE,
        "bin/h",
    ),
    refused(
        26,
        "a hard link to itself",
        |_| gz(base().hardlink("bin/x", "bin/x")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        27,
        "a hard link to a later entry",
        |_| gz(base().hardlink("bin/x", "bin/y").file("bin/y", "y")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        28,
        "a link without a target",
        |_| gz(base().symlink("bin/x", "")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        28,
        "a hard link without a target",
        |_| gz(base().hardlink("bin/x", "")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        29,
        "links in a circle",
        |_| gz(base().symlink("bin/x", "y").symlink("bin/y", "x")),
        UNSAFE,
        "bin/x",
    ),
    refused(
        29,
        "a link to itself",
        |_| gz(base().symlink("bin/x", "x")),
        UNSAFE,
        "bin/x",
    ),
    accepted(
        30,
        "contained links, as real releases have",
        contained,
        &[
            ("bin/emqx_ctl", "link emqx"),
            ("bin/emqx", "file 755 x"),
            ("lib/a-1", "dir 755"),
            ("lib/a-1/priv", "dir 755"),
            ("lib/a-1/priv/x", "link ../../../bin/emqx"),
            ("lib/a", "link a-1"),
            ("lib/hard", "file 755 x"),
            ("lib/none", "link gone"),
        ],
    ),
];

fn contained(_: &Place) -> Vec<u8> {
    gz(base()
        .file_of(0o755, "bin/emqx", "x")
        .symlink("bin/emqx_ctl", "emqx")
        .dir("lib/a-1/priv/")
        .symlink("lib/a-1/priv/x", "../../../bin/emqx")
        .symlink("lib/a", "a-1")
        .symlink("lib/none", "gone")
        .hardlink("lib/hard", "bin/emqx"))
}
