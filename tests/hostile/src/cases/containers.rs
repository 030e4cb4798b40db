//! 77 to 87: the end of the archive, and the gzip stream around it.

use crate::case::{CORRUPT, Case, TOO_LARGE, accepted, base, gz, refused};
use crate::gzip::{gzip, gzip_with_zeros};
use crate::tar::{BLOCK, Header, Tar};

/// The cases.
pub const CASES: &[Case] = &[
    refused(77, "cut in a body", |_| cut(BODY + 100), CORRUPT, "bin/x"),
    refused(77, "cut before a body", |_| cut(BODY), CORRUPT, "bin/x"),
    refused(
        77,
        "cut in the padding of a body",
        |_| cut(BODY + 1950),
        CORRUPT,
        "bin/x",
    ),
    refused(
        77,
        "the stream cut in a body",
        |_| {
            let whole = gz(noise());
            whole[..whole.len() / 2].to_vec()
        },
        CORRUPT,
        "after",
    ),
    refused(78, "cut in a header", |_| cut(BODY - 100), CORRUPT, "ends"),
    refused(
        79,
        "no end blocks",
        |_| gzip(&with_file().open_end()),
        CORRUPT,
        "ends",
    ),
    refused(
        79,
        "one end block",
        |_| gzip(&with_file().raw(&[0; BLOCK]).open_end()),
        CORRUPT,
        "ends",
    ),
    refused(
        79,
        "one end block, then more entries",
        |_| gzip(&with_file().raw(&[0; BLOCK]).file("bin/y", "y").ended()),
        CORRUPT,
        "zero block",
    ),
    refused(
        80,
        "garbage after the end",
        |_| {
            gzip(
                &Tar::new()
                    .raw(&with_file().ended())
                    .raw(b"garbage")
                    .open_end(),
            )
        },
        CORRUPT,
        "after the end",
    ),
    refused(
        80,
        "an entry after the end",
        |_| {
            gzip(
                &Tar::new()
                    .raw(&with_file().ended())
                    .file("bin/y", "y")
                    .open_end(),
            )
        },
        CORRUPT,
        "after the end",
    ),
    accepted(
        80,
        "the zeros that fill a tape's record",
        |_| {
            let mut bytes = with_file().ended();
            bytes.resize(bytes.len().next_multiple_of(20 * BLOCK), 0);
            gzip(&bytes)
        },
        &[("bin/x", CONTENT)],
    ),
    refused(
        81,
        "a second archive after the end",
        |_| {
            let one = with_file().ended();
            gzip(&[one.as_slice(), &one].concat())
        },
        CORRUPT,
        "after the end",
    ),
    refused(
        82,
        "a second gzip member with another archive",
        |_| [gz(with_file()), gz(base().file("bin/evil", "x"))].concat(),
        CORRUPT,
        "after the end",
    ),
    refused(
        82,
        "an archive in two gzip members",
        |_| {
            let bytes = with_file().ended();
            [gzip(&bytes[..1024]), gzip(&bytes[1024..])].concat()
        },
        CORRUPT,
        "",
    ),
    refused(
        82,
        "zeros after the gzip member",
        |_| [gz(with_file()), vec![0; 1024]].concat(),
        CORRUPT,
        "after the end",
    ),
    refused(
        82,
        "garbage after the gzip member",
        |_| [gz(with_file()), b"garbage".to_vec()].concat(),
        CORRUPT,
        "after the end",
    ),
    refused(
        83,
        "a file of 1 GiB of zeros in 1 MiB",
        |_| {
            let header = Header::new(b'0', b"bin/zeros").size(1 << 30);
            let before = base().entry(header, b"").open_end();
            gzip_with_zeros(&before, 1 << 30, &[0; 2 * BLOCK])
        },
        TOO_LARGE,
        "100 times",
    ),
    refused(
        83,
        "1 GiB of zeros after the end",
        |_| gzip_with_zeros(&with_file().ended(), 1 << 30, b""),
        TOO_LARGE,
        "100 times",
    ),
    refused(84, "a wrong CRC", |_| trailer(0), CORRUPT, ""),
    refused(85, "a wrong length", |_| trailer(4), CORRUPT, ""),
    refused(
        84,
        "the trailer cut off",
        |_| {
            let whole = gz(with_file());
            whole[..whole.len() - 4].to_vec()
        },
        CORRUPT,
        "too early",
    ),
    refused(
        86,
        "a zip",
        |_| b"PK\x03\x04\x14\0\0\0\x08\0".repeat(100),
        CORRUPT,
        "",
    ),
    refused(
        86,
        "zstd",
        |_| b"\x28\xb5\x2f\xfd\x04\0".repeat(100),
        CORRUPT,
        "",
    ),
    refused(
        86,
        "a tar that is not packed",
        |_| with_file().ended(),
        CORRUPT,
        "",
    ),
    refused(
        86,
        "gzip around something else",
        |_| gzip(b"no archive"),
        CORRUPT,
        "",
    ),
    refused(86, "gzip in gzip", |_| gzip(&gz(with_file())), CORRUPT, ""),
    refused(
        86,
        "an unknown packing in the gzip header",
        |_| {
            let mut whole = gz(with_file());
            whole[2] = 7;
            whole
        },
        CORRUPT,
        "",
    ),
    refused(87, "an empty file", |_| Vec::new(), CORRUPT, "too early"),
    refused(87, "gzip around nothing", |_| gzip(b""), CORRUPT, "ends"),
    accepted(
        87,
        "a name in the gzip header is ignored",
        |_| {
            let plain = gz(with_file());
            let mut named = plain[..10].to_vec();
            named[3] |= 0x08;
            named.extend_from_slice(b"/etc/passwd\0");
            named.extend_from_slice(&plain[10..]);
            named
        },
        &[("bin/x", CONTENT)],
    ),
];

/// Where the body of `bin/x` begins.
const BODY: usize = 6 * BLOCK;

/// What `bin/x` is in a tree.
const CONTENT: &str = concat!("file 644 ", include_str!("containers.txt"));

fn with_file() -> Tar {
    base().file("bin/x", include_str!("containers.txt"))
}

fn noise() -> Tar {
    let mut random = fastrand::Rng::with_seed(77);
    let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(1 << 20)
        .collect();
    base().file("bin/x", body)
}

/// The archive up to a byte, in a whole container.
fn cut(at: usize) -> Vec<u8> {
    gzip(&with_file().ended()[..at])
}

/// One bit of the trailer turned over.
fn trailer(at: usize) -> Vec<u8> {
    let mut whole = gz(with_file());
    let at = whole.len() - 8 + at;
    whole[at] ^= 1;
    whole
}

/// The place of the body is where the cases think it is.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cuts_are_where_they_say() {
        let bytes = with_file().ended();
        assert!(bytes[BODY - BLOCK..].starts_with(b"bin/x\0"));
        assert_eq!(bytes.len(), BODY + 2048 + 2 * BLOCK);
    }
}
