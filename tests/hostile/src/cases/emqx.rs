//! 88 to 107: what a package says it is, and what a release needs.
//!
//! Each is the sample release with one thing spoilt, given to `emqx relup upgrade` on a running
//! node.

use crate::case::{CORRUPT, Case, UNSAFE, accepted, base, gz, refused, steps};
use crate::node::Turn;
use crate::place::{Place, VSN};
use crate::release::Release;
use e2e::install::Install;
use e2e::sample::V4;
use e2e::tree::Snapshot;
use e2e::{Error, Result};

const VARS: &str = "releases/emqx_vars";
const REL: &str = "releases/5.10.5/emqx.rel";
const INCOMPLETE: &str = "incomplete_release";
const INVALID: &str = "invalid_rel_vsn";
const LINE: &str = "REL_VSN=\"5.10.5\"";

/// The cases.
pub const CASES: &[Case] = &[
    steps(88, "emqx_vars of a version without its files", || {
        rel_vsn("REL_VSN=\"5.10.7\"", INCOMPLETE, "5.10.7")
    }),
    steps(
        88,
        "emqx_vars of another version than the .rel file",
        || {
            let spoilt = Release::small()?.replacing(REL, "5.10.5", "5.10.9")?;
            check(&spoilt, INCOMPLETE, "emqx.rel")
        },
    ),
    steps(88, "no BUILD_INFO of the version", || {
        check(
            &Release::small()?.without("releases/5.10.5/BUILD_INFO")?,
            INCOMPLETE,
            "BUILD_INFO",
        )
    }),
    steps(89, "a version that leaves the directory", || {
        rel_vsn("REL_VSN=\"../x\"", INVALID, "../x")
    }),
    steps(89, "a version of two dots", || {
        rel_vsn("REL_VSN=\"..\"", INVALID, "..")
    }),
    steps(90, "a version with a slash", || {
        rel_vsn("REL_VSN=\"5.10.5/x\"", INVALID, "5.10.5/x")
    }),
    steps(91, "a version with a blank", || {
        rel_vsn("REL_VSN=\"5.10.5 x\"", INVALID, "5.10.5 x")
    }),
    steps(91, "a version with a quote", || {
        rel_vsn("REL_VSN=\"5.10.5'x\"", INVALID, "5.10.5'x")
    }),
    steps(91, "a version that is a command", || {
        rel_vsn("REL_VSN=\"$(touch pwned)\"", INVALID, "$(touch pwned)")
    }),
    steps(91, "a command in another line", || {
        rel_vsn(
            "REL_VSN=\"5.10.5\"\nX=`touch pwned`",
            "cannot_read_emqx_vars",
            "emqx_vars",
        )
    }),
    steps(92, "a version over two lines", || {
        rel_vsn("REL_VSN=\"5.10.5\n.6\"", "rel_vsn_not_found", "emqx_vars")
    }),
    steps(93, "two versions", || {
        rel_vsn(
            "REL_VSN=\"5.10.5\"\nREL_VSN=\"5.10.6\"",
            INVALID,
            "more than one REL_VSN",
        )
    }),
    steps(94, "no version", || {
        rel_vsn("X=\"5.10.5\"", "rel_vsn_not_found", "REL_VSN")
    }),
    steps(94, "no emqx_vars", || {
        check(
            &Release::small()?.without(VARS)?,
            "cannot_read_emqx_vars",
            "emqx_vars",
        )
    }),
    steps(95, "no bin/emqx", || {
        // `bin/emqx_ctl` goes with it.
        check(
            &Release::small()?.without("bin/emqx")?,
            INCOMPLETE,
            "bin/emqx is missing",
        )
    }),
    steps(96, "a bin/emqx that is not executable", || {
        check(
            &Release::small()?.with_mode("bin/emqx", 0o644)?,
            INCOMPLETE,
            "bin/emqx is not executable",
        )
    }),
    steps(97, "no runtime", || {
        check(
            &Release::small()?.without("erts-")?,
            INCOMPLETE,
            "erlexec is missing",
        )
    }),
    steps(98, "two runtimes", || {
        check(
            &Release::small()?.with("erts-99.0/bin/x", "x"),
            INCOMPLETE,
            "erts-99.0",
        )
    }),
    steps(99, "ERTS_VSN of another runtime", || {
        let spoilt = Release::small()?.replacing(VARS, "ERTS_VSN=\"", "ERTS_VSN=\"9")?;
        check(&spoilt, INCOMPLETE, "erlexec is missing")
    }),
    steps(100, "no boot file", || {
        let spoilt = Release::small()?.without("releases/5.10.5/start.boot")?;
        check(
            &spoilt.without("releases/5.10.5/emqx.boot")?,
            INCOMPLETE,
            "no boot file",
        )
    }),
    steps(100, "no .rel file", || {
        check(&Release::small()?.without(REL)?, INCOMPLETE, "emqx.rel")
    }),
    steps(101, "a runtime for another machine", || {
        // The number of a 64-bit PowerPC, in either order of bytes.
        let foreign = |elf: &mut Vec<u8>| elf[18..20].copy_from_slice(&[0x15, 0x15]);
        check(
            &Release::small()?.patching("/bin/beam.smp", foreign)?,
            "os_arch_mismatch",
            "beam.smp",
        )
    }),
    accepted(
        102,
        "a leading emqx/ is left out",
        |_| {
            gz(crate::tar::Tar::new()
                .dir("emqx/")
                .dir("emqx/bin/")
                .dir("emqx/lib/")
                .dir("emqx/releases/")
                .file("emqx/releases/emqx_vars", crate::case::VARS)
                .hardlink("emqx/lib/vars", "emqx/releases/emqx_vars"))
        },
        &[(
            "lib/vars",
            concat!("file 644 ", "REL_VSN=\"5.10.5\"\nERTS_VSN=\"13.1.5\"\n"),
        )],
    ),
    steps(102, "a release below emqx/ is applied", || {
        applied(&Release::sample()?.renaming(|name| format!("emqx/{name}")))
    }),
    refused(
        103,
        "mixed prefixes",
        |_| gz(base().dir("emqx/bin/")),
        UNSAFE,
        "emqx/bin",
    ),
    steps(103, "a release of which a part is below emqx/", || {
        let mixed = |name: &str| match name.strip_prefix("lib/") {
            Some(rest) => format!("emqx/lib/{rest}"),
            None => name.to_owned(),
        };
        check(&Release::small()?.renaming(mixed), UNSAFE, "emqx/lib")
    }),
    accepted(
        104,
        "data, etc, log and plugins are not deployed",
        |_| {
            gz(base()
                .file("etc/emqx.conf", "evil")
                .dir("data/configs/")
                .symlink("log/current", "emqx.log.1")
                .file("plugins/x.tar.gz", "x")
                .file("README", "x")
                .file("dynlibs/libcrypto.so", "l"))
        },
        &[
            ("dynlibs", "dir 755"),
            ("dynlibs/libcrypto.so", "file 644 l"),
        ],
    ),
    steps(
        104,
        "an upgrade leaves data, etc, log and plugins alone",
        || {
            applied(
                &Release::sample()?
                    .with("plugins/evil.txt", "x")
                    .with("data/evil.txt", "x")
                    .with("log/evil.txt", "x")
                    .with("etc/evil.conf", "x"),
            )
        },
    ),
    refused(
        105,
        "the state of an upgrade",
        |_| gz(base().file("relup/current", "5.10.3\n")),
        UNSAFE,
        "relup/current",
    ),
    steps(105, "a release with a marker", || {
        check(
            &Release::small()?.with("relup/current", "5.10.4\n"),
            UNSAFE,
            "relup/current",
        )
    }),
    refused(
        106,
        "lib is a link",
        |_| gz(crate::tar::Tar::new().dir("bin/").symlink("lib", "bin")),
        UNSAFE,
        "lib",
    ),
    steps(106, "a release whose lib is a link", || {
        check(
            &Release::small()?
                .without("lib/")?
                .with_link("lib", "releases"),
            UNSAFE,
            "lib",
        )
    }),
    steps(
        107,
        "a changed module with a chunk that is too long",
        || {
            // The length of the first chunk.
            let long = |beam: &mut Vec<u8>| beam[16] = 0x7f;
            check(
                &Release::small()?.patching("ebin/emqx_topic.beam", long)?,
                CORRUPT,
                "emqx_topic.beam",
            )
        },
    ),
    steps(107, "a module of OTP that is cut", || {
        let cut = |beam: &mut Vec<u8>| beam.truncate(beam.len() / 2);
        check(
            &Release::small()?.patching("ebin/gen_tcp.beam", cut)?,
            CORRUPT,
            "gen_tcp.beam",
        )
    }),
    steps(107, "a module that is something else", || {
        let text = |beam: &mut Vec<u8>| *beam = b"<html>404</html>".to_vec();
        check(
            &Release::small()?.patching("ebin/emqx.beam", text)?,
            CORRUPT,
            "emqx.beam",
        )
    }),
];

/// The sample with another line for its version.
fn rel_vsn(line: &str, error: &str, names: &str) -> Result<()> {
    check(
        &Release::small()?.replacing(VARS, LINE, line)?,
        error,
        names,
    )
}

/// Demands that a running node's upgrade to a release is refused.
fn check(release: &Release, error: &str, names: &str) -> Result<()> {
    let place = Place::new()?;
    place.write(&release.package())?;
    Turn::take()?.is_refused(&place, error, names).map(drop)
}

/// Demands that a node of its own is upgraded, and that nothing but the release was deployed.
fn applied(release: &Release) -> Result<()> {
    let place = Place::new()?;
    place.write(&release.package())?;
    let install = Install::sample(V4)?;
    install.start()?;
    let parts = || -> Result<Vec<Snapshot>> {
        let names = ["bin", "etc", "lib", "plugins", "releases"];
        names
            .iter()
            .map(|name| Snapshot::of(&install.path(name)))
            .collect()
    };
    let before = parts()?;
    let tarball = place.tarball();
    install
        .emqx(&["relup", "upgrade", &tarball.to_string_lossy()])?
        .success()?
        .says("upgrade complete")?;
    for (before, now) in before.iter().zip(parts()?) {
        let differences = before.differences(&now);
        if !differences.is_empty() {
            return Err(Error::Unexpected(differences.join("\n")));
        }
    }
    let tree = install.path("relup").join(VSN);
    let mut names: Vec<String> = Vec::new();
    for entry in fs_err::read_dir(&tree)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.retain(|name| !name.starts_with("erts-"));
    if names != ["bin", "lib", "releases"] {
        return Err(Error::Unexpected(format!("the tree has {names:?}")));
    }
    for name in ["data/evil.txt", "log/evil.txt"] {
        crate::node::is_absent(&install.path(name))?;
    }
    install.emqx(&["stop"])?.success()?;
    Ok(())
}
