//! 65 to 76: sizes, sparse files, numbers.

use crate::case::{CORRUPT, Case, TOO_LARGE, UNSAFE, base, gz, refused};
use crate::gzip::gzip;
use crate::place::Place;
use crate::tar::{BLOCK, Header, Tar, field};

const LIMIT: u64 = 8 << 30;

/// The cases.
pub const CASES: &[Case] = &[
    refused(
        65,
        "an old sparse file with a huge map",
        old_sparse,
        UNSAFE,
        "bin/sparse",
    ),
    refused(
        66,
        "a sparse file of PAX 0.0",
        |_| {
            sparse(&[
                ("GNU.sparse.size", b"1024"),
                ("GNU.sparse.numblocks", b"1"),
                ("GNU.sparse.offset", b"512"),
                ("GNU.sparse.numbytes", b"512"),
            ])
        },
        UNSAFE,
        "GNU.sparse.",
    ),
    refused(
        67,
        "a sparse file of PAX 0.1",
        |_| {
            sparse(&[
                ("GNU.sparse.size", b"1024"),
                ("GNU.sparse.numblocks", b"1"),
                ("GNU.sparse.map", b"512,512"),
                ("GNU.sparse.name", b"../victim"),
            ])
        },
        UNSAFE,
        "GNU.sparse.",
    ),
    refused(
        68,
        "a sparse file of PAX 1.0",
        |_| {
            sparse(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"/etc/passwd"),
                ("GNU.sparse.realsize", b"1024"),
            ])
        },
        UNSAFE,
        "GNU.sparse.",
    ),
    refused(
        69,
        "a real size of 2^60",
        |_| sparse(&[("GNU.sparse.realsize", b"1152921504606846976")]),
        UNSAFE,
        "GNU.sparse.realsize",
    ),
    refused(
        69,
        "a real size of 2^60 in an old sparse file",
        |_| {
            let header = Header::new(b'S', b"bin/sparse").base_256(&field::REAL_SIZE, 1 << 60);
            gz(base().entry(header, b""))
        },
        UNSAFE,
        "bin/sparse",
    ),
    refused(
        70,
        "a negative size in base 256",
        |_| sized(-1),
        CORRUPT,
        "bin/x",
    ),
    refused(
        70,
        "the most negative size",
        |_| sized(-(1 << 95)),
        CORRUPT,
        "bin/x",
    ),
    refused(71, "a size of 2^63", |_| sized(1 << 63), TOO_LARGE, "bin/x"),
    refused(71, "a size over 2^64", |_| sized(1 << 64), CORRUPT, "bin/x"),
    refused(
        71,
        "a PAX size over 2^64",
        |_| {
            gz(base()
                .pax(&[("size", b"99999999999999999999")])
                .file("bin/x", "x"))
        },
        UNSAFE,
        "size",
    ),
    refused(
        72,
        "a size that is no number",
        |_| octal(b"0000000zz01\0"),
        CORRUPT,
        "bin/x",
    ),
    refused(
        72,
        "a size with a sign",
        |_| octal(b"-0000000001\0"),
        CORRUPT,
        "bin/x",
    ),
    refused(
        72,
        "a size of digits beyond 7",
        |_| octal(b"00000000189\0"),
        CORRUPT,
        "bin/x",
    ),
    refused(
        72,
        "a size of two numbers",
        |_| octal(b"0001 0000001"),
        CORRUPT,
        "bin/x",
    ),
    refused(
        73,
        "a size that overflows with its padding",
        |_| sized(i128::from(u64::MAX)),
        TOO_LARGE,
        "bin/x",
    ),
    refused(
        74,
        "one file above the limit",
        |_| sized(i128::from(LIMIT) + 1),
        TOO_LARGE,
        "bin/x",
    ),
    refused(
        74,
        "files above the limit together, not deployed ones included",
        together,
        TOO_LARGE,
        "bin/x",
    ),
    refused(
        74,
        "hard links above the limit",
        hard_links,
        TOO_LARGE,
        "bin/",
    ),
    refused(
        75,
        "more entries than the limit",
        many,
        TOO_LARGE,
        "500000 entries",
    ),
    refused(
        76,
        "a wrong checksum",
        |_| {
            let mut header = Header::new(b'0', b"bin/x").sealed();
            header[field::MODE.start] ^= 1;
            gz(base().raw(&header))
        },
        CORRUPT,
        "bin/x",
    ),
    refused(
        76,
        "a checksum that is no number",
        |_| {
            let mut header = Header::new(b'0', b"bin/x").sealed();
            header[field::CHECKSUM].copy_from_slice(b"garbage!");
            gz(base().raw(&header))
        },
        CORRUPT,
        "bin/x",
    ),
    refused(
        76,
        "a checksum of signed bytes",
        |_| {
            // What some programs of old wrote, and some readers still take.
            let mut header = Header::new(b'0', "bin/\u{e9}".as_bytes()).sealed();
            let sum: i64 = (0..BLOCK)
                .map(|at| {
                    if field::CHECKSUM.contains(&at) {
                        b' '
                    } else {
                        header[at]
                    }
                })
                .map(|byte| i64::from(byte.cast_signed()))
                .sum();
            header[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            gz(base().raw(&header))
        },
        CORRUPT,
        "bin/\u{e9}",
    ),
];

/// A piece of 2^63 bytes at 2^62, and word of more blocks of pieces.
fn old_sparse(_: &Place) -> Vec<u8> {
    let mut map = Vec::new();
    for number in [1_u128 << 62, 1 << 63] {
        map.push(0x80);
        map.extend_from_slice(&number.to_be_bytes()[5..]);
    }
    let header = Header::new(b'S', b"bin/sparse")
        .bytes(&field::SPARSE_MAP, &map)
        .bytes(&(field::SPARSE_MORE..field::SPARSE_MORE + 1), &[1])
        .base_256(&field::REAL_SIZE, 1 << 60);
    gz(base().entry(header.size(512), &[b'x'; 512]))
}

fn sparse(records: &[(&str, &[u8])]) -> Vec<u8> {
    gz(base().pax(records).file("bin/x", [b'x'; 512]))
}

fn sized(size: i128) -> Vec<u8> {
    let header = Header::new(b'0', b"bin/x").base_256(&field::SIZE, size);
    gz(base().entry(header, b"x"))
}

fn octal(size: &[u8]) -> Vec<u8> {
    let header = Header::new(b'0', b"bin/x").bytes(&field::SIZE, size);
    gz(base().entry(header, b"x"))
}

fn together(_: &Place) -> Vec<u8> {
    gz(base()
        .file("etc/x", "x")
        .entry(Header::new(b'0', b"bin/x").size(LIMIT - 1), b"x"))
}

/// A link costs a block in the archive and the whole file when it is hashed. The content does not
/// inflate suspiciously.
fn hard_links(_: &Place) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(74);
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(8 << 20)
        .collect();
    let links = |tar: Tar, number| tar.hardlink(format!("bin/{number}"), "bin/x");
    gz((0..1024).fold(base().file("bin/x", content), links))
}

/// Empty files with names that do not inflate suspiciously either.
fn many(_: &Place) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(75);
    let name = |random: &mut fastrand::Rng| {
        let letters = std::iter::repeat_with(|| random.alphanumeric());
        format!("etc/{}", letters.take(60).collect::<String>())
    };
    let files = (0..=500_000).fold(base(), |tar, _| tar.file(name(&mut random), ""));
    gzip(&files.ended())
}
