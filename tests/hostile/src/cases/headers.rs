//! 49 to 64: headers that describe the next entry, or all of them.

use crate::case::{CORRUPT, Case, TOO_LARGE, UNSAFE, accepted, base, gz, refused};
use crate::gzip::gzip_with_zeros;
use crate::tar::{Header, Tar, record};

const GIB: u64 = 1 << 30;

/// The cases.
pub const CASES: &[Case] = &[
    refused(
        49,
        "a PAX size where ustar says 0",
        |_| {
            gz(base()
                .pax(&[("size", b"512")])
                .file("bin/x", "")
                .raw(&[b'x'; 512]))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        50,
        "a PAX size smaller than ustar's",
        |_| gz(base().pax(&[("size", b"1")]).file("bin/x", [b'x'; 600])),
        UNSAFE,
        "bin/x",
    ),
    accepted(
        50,
        "a PAX size that agrees",
        |_| gz(base().pax(&[("size", b"1")]).file("bin/x", "x")),
        &[("bin/x", "file 644 x")],
    ),
    refused(
        50,
        "two PAX sizes",
        |_| {
            gz(base()
                .pax(&[("size", b"9"), ("size", b"1")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "two values of one kind (\"size\")",
    ),
    refused(
        51,
        "a PAX size, then a long name",
        |_| {
            gz(base()
                .pax(&[("size", b"1")])
                .text(b'L', "bin/long\0")
                .file("bin/x", "x"))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        51,
        "a long name, then a PAX size",
        |_| {
            gz(base()
                .text(b'L', "bin/long\0")
                .pax(&[("size", b"1")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        52,
        "two PAX headers in a row",
        |_| {
            gz(base()
                .pax(&[("path", b"bin/y")])
                .pax(&[("mtime", b"1")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "PaxHeaders",
    ),
    refused(
        53,
        "a PAX header at the end",
        |_| gz(base().pax(&[("path", b"bin/x")])),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        53,
        "a long name at the end",
        |_| gz(base().text(b'L', "bin/long\0")),
        CORRUPT,
        "LongLink",
    ),
    refused(
        54,
        "a record that does not end",
        |_| bad("12 path=a/b"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        54,
        "a record without a newline at its end",
        |_| bad("12 path=a/bx12 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        55,
        "a record longer than its header",
        |_| bad("999 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        55,
        "a record length over 64 bits",
        |_| bad("99999999999999999999999 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        56,
        "a record length that is no number",
        |_| bad("0x0c path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        56,
        "a negative record length",
        |_| bad("-12 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        56,
        "a record length with a sign",
        |_| bad("+12 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        57,
        "a record of length 0",
        |_| bad("0 path=a/b\n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        57,
        "a record of its length alone",
        |_| bad("2 \n"),
        CORRUPT,
        "PaxHeaders",
    ),
    refused(
        58,
        "a PAX path and a long name",
        |_| {
            gz(base()
                .pax(&[("path", b"bin/one")])
                .text(b'L', "bin/two\0")
                .file("bin/x", "x"))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        58,
        "two PAX paths",
        |_| {
            gz(base()
                .pax(&[("path", b"bin/one"), ("path", b"bin/two")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "two values of one kind (\"path\")",
    ),
    refused(
        59,
        "a global path",
        |_| global("path", "bin/other"),
        UNSAFE,
        "path",
    ),
    refused(60, "a global size", |_| global("size", "0"), UNSAFE, "size"),
    accepted(
        60,
        "a global comment",
        |_| global("comment", "0123"),
        &[("bin/x", "file 644 x")],
    ),
    refused(
        61,
        "a PAX target that makes a safe link hostile",
        |place| {
            let bait = place.bait("dir");
            gz(base()
                .pax(&[("linkpath", bait.as_bytes())])
                .symlink("bin/x", "y"))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        61,
        "a PAX target that makes a safe hard link hostile",
        |place| {
            let bait = place.bait("victim");
            gz(base()
                .file("bin/y", "y")
                .pax(&[("linkpath", bait.as_bytes())])
                .hardlink("bin/x", "bin/y"))
        },
        UNSAFE,
        "bin/x",
    ),
    refused(
        62,
        "names in a character set of their own",
        |_| {
            gz(base()
                .pax(&[("hdrcharset", b"BINARY"), ("path", b"bin/\xff")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "hdrcharset",
    ),
    refused(
        63,
        "a PAX record of 1 GiB",
        |_| huge(b'x', "PaxHeaders/x"),
        TOO_LARGE,
        "PaxHeaders/x",
    ),
    refused(
        63,
        "a global PAX record of 1 GiB",
        |_| huge(b'g', "PaxHeaders/g"),
        TOO_LARGE,
        "PaxHeaders/g",
    ),
    refused(
        64,
        "a long name of 1 GiB",
        |_| huge(b'L', "././@LongLink"),
        TOO_LARGE,
        "././@LongLink",
    ),
    refused(
        64,
        "a long link of 1 GiB",
        |_| huge(b'K', "././@LongLink"),
        TOO_LARGE,
        "././@LongLink",
    ),
    accepted(
        64,
        "long names of both kinds as they are meant",
        |_| {
            gz(base()
                .pax(&[("path", b"lib/pax"), ("mtime", b"1.5")])
                .file("short", "p")
                .text(b'L', "lib/gnu\0")
                .file("short", "g")
                .text(b'K', "gnu\0")
                .symlink("lib/link", "short"))
        },
        &[
            ("lib/pax", "file 644 p"),
            ("lib/gnu", "file 644 g"),
            ("lib/link", "link gnu"),
        ],
    ),
];

/// A PAX header with this text, and a file.
fn bad(text: &str) -> Vec<u8> {
    gz(base().text(b'x', text).file("bin/x", "x"))
}

fn global(key: &str, value: &str) -> Vec<u8> {
    gz(base()
        .text(b'g', record(key, value.as_bytes()))
        .file("bin/x", "x"))
}

/// A header whose text is 1 GiB long, and really there.
fn huge(kind: u8, name: &str) -> Vec<u8> {
    let header = Header::new(kind, name.as_bytes()).size(GIB);
    let before = base().entry(header, b"").open_end();
    gzip_with_zeros(&before, GIB, &Tar::new().file("bin/x", "x").ended())
}
