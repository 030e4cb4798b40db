//! Headers, long names, numbers and limits.

use super::*;

#[test]
fn headers_that_two_readers_could_read_differently_are_refused() {
    for (case, archive, name) in [
        (
            "49 PAX size",
            raw().pax(&[("size", "3")]).file("bin/x", ""),
            UNSAFE,
        ),
        (
            "50 smaller PAX size",
            raw().pax(&[("size", "1")]).file("bin/x", "abc"),
            UNSAFE,
        ),
        (
            "51 x and L",
            raw()
                .pax(&[("mtime", "1")])
                .text(b'L', b"bin/y\0")
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "52 two x",
            raw()
                .pax(&[("path", "bin/y")])
                .pax(&[("path", "bin/z")])
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "two L",
            raw()
                .text(b'L', b"bin/y\0")
                .text(b'L', b"bin/z\0")
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "53 x at the end",
            raw().file("bin/x", "").pax(&[("path", "bin/y")]),
            CORRUPT,
        ),
        (
            "58 PAX and GNU name",
            raw()
                .text(b'L', b"bin/y\0")
                .pax(&[("path", "bin/z")])
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "59 global path",
            raw()
                .text(b'g', record("path", "bin/y").as_bytes())
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "60 global size",
            raw()
                .text(b'g', record("size", "0").as_bytes())
                .file("bin/x", ""),
            UNSAFE,
        ),
        (
            "62 charset",
            raw().pax(&[("hdrcharset", "BINARY")]).file("bin/x", ""),
            UNSAFE,
        ),
        (
            "63 huge PAX",
            raw().entry(b'x', b"x", b"", 0o644, 1 << 30, b""),
            TOO_LARGE,
        ),
        (
            "64 huge long name",
            raw().entry(b'L', b"x", b"", 0o644, 1 << 30, b""),
            TOO_LARGE,
        ),
        (
            "66 sparse",
            raw().pax(&[("GNU.sparse.major", "1")]).file("bin/x", ""),
            UNSAFE,
        ),
        (
            "a long name with a NUL",
            raw().text(b'L', b"bin/y\0z\0").file("bin/x", ""),
            UNSAFE,
        ),
        (
            "a directory with content",
            raw().entry(b'5', b"bin", b"", 0o755, 512, &[0; 512]),
            UNSAFE,
        ),
        (
            "a link with content",
            raw().entry(b'2', b"bin/x", b"y", 0o755, 512, &[0; 512]),
            UNSAFE,
        ),
    ] {
        check_refused(case, archive, name);
    }
}

#[test]
fn malformed_pax_records_are_refused() {
    for (case, archive, name) in [
        (
            "54 no end of a record",
            raw().text(b'x', b"12 path=a/b").file("bin/x", ""),
            CORRUPT,
        ),
        (
            "55 long record",
            raw().text(b'x', b"999 path=a/b\n").file("bin/x", ""),
            CORRUPT,
        ),
        (
            "56 signed length",
            raw().text(b'x', b"-12 path=a/b\n").file("bin/x", ""),
            CORRUPT,
        ),
        (
            "57 record of length 0",
            raw().text(b'x', b"0 \n").file("bin/x", ""),
            CORRUPT,
        ),
    ] {
        check_refused(case, archive, name);
    }
}

#[test]
fn sizes_and_counts_beyond_the_limits_are_refused() {
    let many = (0..20).fold(raw(), |raw, number| raw.file(&format!("bin/{number}"), "x"));
    let limit = |bytes, entries| Limits {
        bytes,
        entries,
        ..Limits::DEFAULT
    };
    for (case, archive, limits) in [
        ("74 total", many.clone(), limit(19, 500)),
        ("75 entries", many, limit(500, 19)),
        (
            "74 what is not deployed counts",
            raw().file("etc/x", "0123456789"),
            limit(9, 9),
        ),
        (
            "74 hard links count",
            raw().file("bin/x", "12345").hardlink("bin/y", "bin/x"),
            limit(9, 9),
        ),
        (
            "71 size over 2^62",
            raw().entry(b'0', b"bin/x", b"", 0o644, 1 << 62, b""),
            Limits::DEFAULT,
        ),
    ] {
        check_refused_gz(case, &gzip(&archive.ended().0), TOO_LARGE, limits);
    }
    let bomb = raw()
        .entry(b'0', b"bin/x", b"", 0o644, 256 << 20, &vec![0; 256 << 20])
        .ended();
    check_refused_gz("83 bomb", &gzip(&bomb.0), TOO_LARGE, Limits::DEFAULT);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let file = raw().file("bin/x", "abc");
    let patched = |at: usize, bytes: &[u8]| {
        let mut raw = file.clone();
        raw.0[at..at + bytes.len()].copy_from_slice(bytes);
        let mut header = Header::from_byte_slice(&raw.0[..512]).clone();
        header.set_cksum();
        raw.0[..512].copy_from_slice(header.as_bytes());
        raw
    };
    for (case, archive) in [
        ("70 negative", patched(124, &[0xff; 12])),
        ("72 garbage", patched(124, b"00000000zz3\0")),
        (
            "73 over 64 bits",
            patched(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\0"),
        ),
        ("mode", patched(100, b"0009999\0")),
    ] {
        check_refused(case, archive, CORRUPT);
    }
    let mut wrong = file;
    wrong.0[0] ^= 1;
    check_refused("76 checksum", wrong, CORRUPT);
}
