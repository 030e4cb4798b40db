//! 1 to 15: names of entries.

use crate::case::{Case, TOO_LARGE, UNSAFE, accepted, base, gz, refused};
use crate::place::Place;

/// The cases.
pub const CASES: &[Case] = &[
    refused(1, "an absolute path", absolute, UNSAFE, "/outside/new"),
    refused(
        1,
        "an absolute path in a PAX header",
        absolute_pax,
        UNSAFE,
        "/outside/new",
    ),
    refused(
        2,
        "a path that begins with two dots",
        |_| file("../x"),
        UNSAFE,
        "../x",
    ),
    refused(
        2,
        "a directory above the root",
        |_| gz(base().dir("../")),
        UNSAFE,
        "../",
    ),
    refused(
        3,
        "two dots in the middle",
        |_| file("a/../../x"),
        UNSAFE,
        "a/../../x",
    ),
    refused(
        3,
        "two dots that stay inside",
        |_| file("lib/../bin/x"),
        UNSAFE,
        "lib/../bin/x",
    ),
    refused(
        4,
        "two dots after a dot",
        |_| file("bin/./../../x"),
        UNSAFE,
        "bin/./../../x",
    ),
    refused(5, "an empty name", |_| file(""), UNSAFE, "entry \"\""),
    accepted(
        6,
        "a dot for the root",
        |_| gz(base().dir(".").dir("./").file("bin/x", "x")),
        &[("bin/x", "file 644 x")],
    ),
    refused(
        6,
        "a dot that is a file",
        |_| file("."),
        UNSAFE,
        "entry \".\"",
    ),
    accepted(
        7,
        "a dot before a path",
        |_| file("./bin/emqx"),
        &[("bin/emqx", "file 644 x")],
    ),
    refused(
        8,
        "a slash after a file",
        |_| file("lib/x/"),
        UNSAFE,
        "lib/x/",
    ),
    refused(9, "a newline", |_| file("lib/x\ny"), UNSAFE, "lib/x\\ny"),
    refused(
        9,
        "an escape sequence",
        |_| file("lib/\x1b[2J"),
        UNSAFE,
        "lib/\\u{1b}[2J",
    ),
    refused(
        9,
        "a delete character",
        |_| file("lib/\x7f"),
        UNSAFE,
        "lib/\\u{7f}",
    ),
    refused(
        10,
        "bytes that are no UTF-8",
        |_| bytes(b"lib/\xff\xfe"),
        UNSAFE,
        "lib/",
    ),
    refused(
        10,
        "a surrogate",
        |_| bytes(b"lib/\xed\xa0\x80"),
        UNSAFE,
        "lib/",
    ),
    refused(
        11,
        "a NUL in a PAX path",
        |_| pax(b"lib/x\0/../../y"),
        UNSAFE,
        "lib/x\\0",
    ),
    refused(
        12,
        "a component of 256 bytes",
        |_| pax(&long(256)),
        UNSAFE,
        "xxxxx",
    ),
    accepted(
        12,
        "a component of 255 bytes, read past",
        |_| pax(&long(255)),
        &[],
    ),
    refused(
        13,
        "a path beyond PATH_MAX",
        |_| pax(&b"lib/".repeat(1100)),
        TOO_LARGE,
        "lib/lib/",
    ),
    refused(
        14,
        "more than 1,000 levels",
        |_| pax(&b"d/".repeat(1001)),
        UNSAFE,
        "d/d/",
    ),
    accepted(
        15,
        "a backslash is a character",
        |_| file("lib/..\\..\\x"),
        &[("lib/..\\..\\x", "file 644 x")],
    ),
    accepted(
        15,
        "a drive letter is a name",
        |_| file("lib/C:\\x"),
        &[("lib/C:\\x", "file 644 x")],
    ),
];

fn absolute(place: &Place) -> Vec<u8> {
    file(place.bait("new"))
}

fn absolute_pax(place: &Place) -> Vec<u8> {
    pax(place.bait("new").as_bytes())
}

fn file(name: impl AsRef<[u8]>) -> Vec<u8> {
    gz(base().file(name, "x"))
}

fn bytes(name: &[u8]) -> Vec<u8> {
    file(name)
}

fn pax(path: &[u8]) -> Vec<u8> {
    gz(base().pax(&[("path", path)]).file("bin/short", "x"))
}

fn long(len: usize) -> Vec<u8> {
    vec![b'x'; len]
}
