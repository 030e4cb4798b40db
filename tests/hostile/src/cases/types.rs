//! 31 to 42: kinds of entries, permissions, owners, attributes.

use crate::case::{Case, UNSAFE, accepted, base, gz, refused};
use crate::place::Place;
use crate::tar::{Header, field};

/// The cases.
pub const CASES: &[Case] = &[
    refused(
        31,
        "a character device",
        |_| device(b'3'),
        UNSAFE,
        "bin/device",
    ),
    refused(32, "a block device", |_| device(b'4'), UNSAFE, "bin/device"),
    refused(
        33,
        "a FIFO",
        |_| gz(base().kind(b'6', "bin/fifo")),
        UNSAFE,
        "bin/fifo",
    ),
    refused(
        33,
        "a FIFO where nothing is deployed",
        |_| gz(base().kind(b'6', "etc/fifo")),
        UNSAFE,
        "etc/fifo",
    ),
    refused(
        34,
        "a contiguous file",
        |_| gz(base().kind(b'7', "bin/seven")),
        UNSAFE,
        "bin/seven",
    ),
    refused(
        35,
        "an unknown type",
        |_| gz(base().kind(b'Q', "bin/q")),
        UNSAFE,
        "bin/q",
    ),
    refused(
        35,
        "a type that is no letter",
        |_| gz(base().kind(0xff, "bin/q")),
        UNSAFE,
        "bin/q",
    ),
    refused(
        35,
        "a vendor's header",
        |_| gz(base().kind(b'X', "bin/q")),
        UNSAFE,
        "bin/q",
    ),
    refused(
        36,
        "a directory's list of names (D)",
        |_| gz(base().kind(b'D', "bin/d")),
        UNSAFE,
        "bin/d",
    ),
    refused(
        36,
        "a continuation (M)",
        |_| gz(base().kind(b'M', "bin/m")),
        UNSAFE,
        "bin/m",
    ),
    refused(
        36,
        "a label (V)",
        |_| gz(base().kind(b'V', "label")),
        UNSAFE,
        "label",
    ),
    refused(
        36,
        "an old long name (N)",
        |_| gz(base().kind(b'N', "names")),
        UNSAFE,
        "names",
    ),
    accepted(
        37,
        "setuid and setgid are dropped",
        |_| {
            gz(base()
                .file_of(0o4755, "bin/setuid", "x")
                .file_of(0o2755, "bin/setgid", "x")
                .entry(Header::new(b'5', b"lib/setgid/").mode(0o6755), b""))
        },
        &[
            ("bin/setuid", "file 755 x"),
            ("bin/setgid", "file 755 x"),
            ("lib/setgid", "dir 755"),
        ],
    ),
    accepted(
        38,
        "sticky and open directories are masked",
        |_| {
            gz(base()
                .entry(Header::new(b'5', b"lib/sticky/").mode(0o1777), b"")
                .entry(Header::new(b'5', b"lib/open/").mode(0o777), b"")
                .file_of(0o666, "lib/open/x", "x"))
        },
        &[
            ("lib/sticky", "dir 755"),
            ("lib/open", "dir 755"),
            ("lib/open/x", "file 644 x"),
        ],
    ),
    refused(
        39,
        "a directory that nobody may enter, before its children",
        |_| {
            gz(base()
                .entry(Header::new(b'5', b"lib/shut/").mode(0), b"")
                .file("lib/shut/x", "x"))
        },
        UNSAFE,
        "lib/shut",
    ),
    refused(
        40,
        "a file that nobody may read",
        |_| gz(base().file_of(0, "lib/shut", "x")),
        UNSAFE,
        "lib/shut",
    ),
    accepted(
        41,
        "huge owners and hostile names of owners are ignored",
        owners,
        &[
            ("bin/huge", "file 644 x"),
            ("bin/root", "file 644 x"),
            ("bin/pax", "file 644 x"),
        ],
    ),
    accepted(
        42,
        "attributes, capabilities and labels are ignored",
        attributes,
        &[("bin/x", "file 755 x")],
    ),
];

fn device(kind: u8) -> Vec<u8> {
    let header = Header::new(kind, b"bin/device")
        .octal(&field::DEV_MAJOR, 1)
        .octal(&field::DEV_MINOR, 3);
    gz(base().entry(header, b""))
}

fn owners(_: &Place) -> Vec<u8> {
    let header = |name: &[u8]| Header::new(b'0', name).size(1);
    gz(base()
        .entry(
            header(b"bin/huge")
                .base_256(&field::UID, 1 << 40)
                .base_256(&field::GID, 1 << 40),
            b"x",
        )
        .entry(
            header(b"bin/root").bytes(&field::USER, b"$(id)\n; root"),
            b"x",
        )
        .pax(&[("uid", b"99999999999"), ("uname", b"../../root\n")])
        .file("bin/pax", "x"))
}

fn attributes(_: &Place) -> Vec<u8> {
    gz(base()
        .pax(&[
            (
                "SCHILY.xattr.security.capability",
                b"\x01\0\0\x02\xff\xff\xff\xff\0\0\0\0",
            ),
            ("SCHILY.xattr.user.x", b"a\nb=c\0"),
            ("RHT.security.selinux", b"system_u:object_r:shadow_t:s0"),
            ("SCHILY.acl.access", b"user::rwx,user:root:rwx"),
            ("LIBARCHIVE.xattr.user.y", b"eA=="),
        ])
        .file_of(0o755, "bin/x", "x"))
}
