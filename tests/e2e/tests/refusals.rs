//! Every refusal of stages 1 to 9, and of the proof of stage 11, on a real node: the name of the
//! error, the words, the exit code, and that nothing has changed afterwards.

use e2e::install::Install;
use e2e::process::{self, Running};
use e2e::refusal::{Case, assert_all_refused};
use e2e::sample::{Sample, V4, V5, sidecar_of};
use e2e::tarball::{Addition, Edit};
use e2e::witness::Witness;
use e2e::workshop::Workshop;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::EntryType;

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Stage 4.
fn digest_cases(shop: &Workshop) -> e2e::Result<Vec<Case>> {
    let digest = fs_err::read_to_string(sidecar_of(&shop.right))?;
    let digest = digest
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut cases = Vec::new();
    let gone = shop.path("gone");
    cases.push(Case::upgrade(
        "no tarball",
        &gone,
        "target_tarball_not_found",
        &file_name(&gone),
    ));
    let unreadable = "cannot_read_target_tarball";
    let directory = shop.path("directory");
    fs_err::create_dir(&directory)?;
    cases.push(Case::upgrade(
        "tarball is a directory",
        &directory,
        unreadable,
        "directory",
    ));
    let pipe = shop.path("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).map_err(std::io::Error::from)?;
    cases.push(Case::upgrade(
        "tarball is a FIFO",
        &pipe,
        unreadable,
        "pipe",
    ));
    if !nix::unistd::geteuid().is_root() {
        let closed = shop.copy("closed")?;
        fs_err::set_permissions(&closed, PermissionsExt::from_mode(0o000))?;
        cases.push(Case::upgrade(
            "tarball without permission",
            &closed,
            unreadable,
            "closed",
        ));
    }
    let alone = shop.copy("alone")?;
    cases.push(Case::upgrade(
        "no sidecar",
        &alone,
        "missing_sha256_sidecar",
        ".sha256",
    ));
    let directory = shop.copy("sidecar-directory")?;
    fs_err::create_dir(sidecar_of(&directory))?;
    let error = "cannot_read_sha256_sidecar";
    cases.push(Case::upgrade(
        "sidecar is a directory",
        &directory,
        error,
        ".sha256",
    ));
    let fifo = shop.copy("sidecar-fifo")?;
    mkfifo(&sidecar_of(&fifo), Mode::S_IRWXU).map_err(std::io::Error::from)?;
    cases.push(Case::upgrade("sidecar is a FIFO", &fifo, error, ".sha256"));
    for (name, content) in [
        ("empty", String::new()),
        ("garbage", "\u{1}\u{2}not a digest\n".to_owned()),
        ("63-digits", digest[..63].to_owned()),
        ("65-digits", format!("{digest}0")),
        (
            "no-hex",
            digest.replace(['a', 'b', 'c', 'd', 'e', 'f'], "g"),
        ),
    ] {
        let path = shop.copy(&format!("sidecar-{name}"))?;
        fs_err::write(sidecar_of(&path), content)?;
        cases.push(Case::upgrade(
            "bad sidecar",
            &path,
            "invalid_sha256_sidecar",
            ".sha256",
        ));
    }
    let other = shop.copy("other-digest")?;
    fs_err::write(sidecar_of(&other), format!("{}  x\n", "0".repeat(64)))?;
    cases.push(Case::upgrade(
        "other digest",
        &other,
        "sha256_mismatch",
        &digest,
    ));
    Ok(cases)
}

/// Stage 5.
fn archive_cases(shop: &Workshop) -> e2e::Result<Vec<Case>> {
    let right = fs_err::read(&shop.right)?;
    let corrupt = "archive_corrupt";
    let mut cases = vec![
        Case::upgrade(
            "cut",
            &shop.bytes("cut", &right[..right.len() / 2])?,
            corrupt,
            "",
        ),
        Case::upgrade("empty", &shop.bytes("empty", b"")?, corrupt, ""),
        Case::upgrade(
            "no gzip",
            &shop.bytes("text", b"this is no archive\n")?,
            corrupt,
            "",
        ),
    ];
    let device = Addition {
        kind: EntryType::Char,
        ..Addition::file("lib/device", b"")
    };
    let fifo = Addition {
        kind: EntryType::Fifo,
        ..Addition::file("lib/fifo", b"")
    };
    let hard = Addition {
        kind: EntryType::Link,
        target: b"../../../../../../etc/passwd".to_vec(),
        ..Addition::file("lib/hard", b"")
    };
    for (name, addition, entry) in [
        (
            "absolute",
            Addition::file("/tmp/emqx-e2e-evil", b"x"),
            "/tmp/emqx-e2e-evil",
        ),
        ("parent", Addition::file("../evil", b"x"), "../evil"),
        (
            "hidden-parent",
            Addition::file("lib/x/../../../evil", b"x"),
            "evil",
        ),
        (
            "absolute-link",
            Addition::symlink("lib/link", "/etc"),
            "lib/link",
        ),
        (
            "escaping-link",
            Addition::symlink("lib/link", "../../../.."),
            "lib/link",
        ),
        ("hard-link", hard, "lib/hard"),
        ("device", device, "lib/device"),
        ("fifo", fifo, "lib/fifo"),
    ] {
        let path = shop.added(name, addition)?;
        cases.push(Case::upgrade(name, &path, "unsafe_archive_entry", entry));
    }
    let huge = Addition {
        claimed: Some((8 << 30) - 1),
        ..Addition::file("lib/huge", b"")
    };
    let more = Addition {
        claimed: Some((8 << 30) - 1),
        ..Addition::file("lib/more", b"")
    };
    // The header alone is beyond the limit together with what comes before it.
    let edits = [Edit::Add(huge), Edit::Add(more)];
    let path = shop.edited("huge", &edits)?;
    cases.push(Case::upgrade("huge", &path, "archive_too_large", ""));
    Ok(cases)
}

/// Stages 6, 7 and 9.
fn release_cases(shop: &Workshop) -> e2e::Result<Vec<Case>> {
    let vars = PathBuf::from("releases/emqx_vars");
    let build_info = PathBuf::from(format!("releases/{V5}/BUILD_INFO"));
    let substitute = |file: &Path, old: &str, new: &str| -> Edit {
        Edit::Substitute(file.to_path_buf(), old.to_owned(), new.to_owned())
    };
    let own = Sample::find()?.tarball(V4)?;
    let no_vars = shop.edited("no-vars", &[Edit::Drop(vars.clone())])?;
    let no_vsn = shop.edited("no-vsn", &[substitute(&vars, "REL_VSN=", "OTHER_VSN=")])?;
    let evil = shop.edited("evil-vsn", &[substitute(&vars, V5, "../evil")])?;
    let otp = substitute(&build_info, "erlang: \"", "erlang: \"99");
    let arch = substitute(&build_info, "arch: \"", "arch: \"pdp11-");
    let system = substitute(&build_info, "os: \"", "os: \"plan9-");
    let hook = Edit::Add(Addition::file(
        "lib/mnesia-9.9.9/ebin/mnesia_hook.beam",
        // The form of a module, with nothing in it.
        b"FOR1\0\0\0\x0cBEAMCode\0\0\0\0",
    ));
    let patch = shop.version("5.11.0")?;
    let unknown = shop.version("5.10.99")?;
    let garbage = shop.dir.join("garbage.relup");
    fs_err::write(&garbage, "#{from_version => \"5.10.4\", nonsense\n")?;
    let no_map = shop.dir.join("no-map.relup");
    fs_err::write(&no_map, "[a, b, c].\n")?;
    let cannot = "cannot_read_emqx_vars";
    Ok(vec![
        Case::upgrade("no emqx_vars", &no_vars, cannot, "emqx_vars"),
        Case::upgrade("no REL_VSN", &no_vsn, "rel_vsn_not_found", "emqx_vars"),
        Case::upgrade(
            "REL_VSN leaves the tree",
            &evil,
            "invalid_rel_vsn",
            "../evil",
        ),
        Case::upgrade("own version", &own, "already_upgraded_to_target_vsn", V4),
        Case::upgrade(
            "OTP",
            &shop.edited("otp", &[otp])?,
            "otp_major_vsn_mismatch",
            "OTP 99",
        ),
        Case::upgrade(
            "arch",
            &shop.edited("arch", &[arch])?,
            "os_arch_mismatch",
            "pdp11",
        ),
        Case::upgrade(
            "os",
            &shop.edited("os", &[system])?,
            "os_arch_mismatch",
            "plan9",
        ),
        Case::upgrade(
            "hook",
            &shop.edited("hook", &[hook])?,
            "otp_compatible_mismatch",
            "mnesia",
        ),
        Case::upgrade("minor version", &patch, "not_a_patch_hop", "5.11.0"),
        Case::upgrade("no hop", &unknown, "no_relup_entry", "5.10.99"),
        Case::upgrade(
            "hop is garbage",
            &shop.right,
            "invalid_relup_file",
            "garbage.relup",
        )
        .with(&["--relup", &garbage.to_string_lossy()]),
        Case::upgrade(
            "hop is no map",
            &shop.right,
            "invalid_relup_file",
            "no-map.relup",
        )
        .with(&["--relup", &no_map.to_string_lossy()]),
    ])
}

#[test]
fn every_refusal_before_the_deployment_changes_nothing() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let shop = Workshop::new(&install)?;
    // Answers are loaded, and whatever the first relup command makes is made.
    install.emqx(&["relup", "status"])?.success()?;
    let witness = Witness::of_running(&install)?;
    let mut cases = digest_cases(&shop)?;
    cases.extend(archive_cases(&shop)?);
    cases.extend(release_cases(&shop)?);
    assert_all_refused(&install, &witness, &cases);
    assert!(
        !Path::new("/tmp/emqx-e2e-evil").exists(),
        "an entry left the tree"
    );

    let patches = install.path("data/patches");
    fs_err::create_dir_all(&patches)?;
    fs_err::write(patches.join("hot_fix.beam"), "x")?;
    let error = "patches_dir_not_empty";
    let case = Case::upgrade("patches", &shop.right, error, "hot_fix.beam");
    assert_all_refused(&install, &witness, &[case]);
    fs_err::remove_dir_all(&patches)?;

    assert_locked_by_a_living_holder(&install, &witness, &shop.right)?;
    assert_full_disk_is_told(&install, &shop.right)?;
    assert_eq!(witness.differences(&install)?, Vec::<String>::new());
    Ok(())
}

/// The lock is taken with flock(1) in place of another command, which would end too soon.
fn assert_locked_by_a_living_holder(
    install: &Install,
    witness: &Witness,
    tarball: &Path,
) -> e2e::Result<()> {
    let lock = install.path("relup/lock");
    let mut command = install.command("flock");
    command
        .arg(&lock)
        .args(["sh", "-c", "echo held; exec sleep 600"]);
    let mut holder = Running::spawn(command.stdin(std::process::Stdio::null()))?;
    holder.wait_for("held", process::HANG)?;
    let case = Case::upgrade("locked", tarball, "locked", "");
    assert_all_refused(install, witness, &[case]);
    Ok(())
}

/// A small memory file system in place of `relup/`, which only the command sees.
fn assert_full_disk_is_told(install: &Install, tarball: &Path) -> e2e::Result<()> {
    let script = "mount -t tmpfs -o size=4m none \"$1\" || exit 77; mkdir \"$1/catalog\"; \
                  exec \"$2\" relup upgrade \"$3\" --json";
    let mut command = install.command("unshare");
    let user = if nix::unistd::geteuid().is_root() {
        &["-m"][..]
    } else {
        &["-r", "-m"][..]
    };
    command.args(user).args(["sh", "-c", script, "sh"]);
    command
        .arg(install.path("relup"))
        .arg(install.path("bin/emqx"))
        .arg(tarball);
    let finished = process::run(&mut command, process::HANG)?;
    if finished.code == Some(77) || finished.stderr.contains("unshare") {
        println!(
            "not tried here: mounts are not allowed: {}",
            finished.stderr.trim()
        );
        return Ok(());
    }
    assert!(finished.stdout.contains("no_space"), "{finished}");
    assert_eq!(finished.code, Some(1), "{finished}");
    Ok(())
}
