//! 108 to 118: the digest beside the tarball, and a tarball that changes.

use crate::case::{Case, base, gz, steps, verdict};
use crate::node::{NO_HOP, Turn};
use crate::place::Place;
use crate::release::Release;
use e2e::process::{HANG, Running, wait_until};
use e2e::sample::sidecar_of;
use e2e::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use sha2::{Digest, Sha256};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

const INVALID: &str = "invalid_sha256_sidecar";

/// The cases.
pub const CASES: &[Case] = &[
    steps(108, "no sidecar", || {
        let place = place()?;
        fs_err::remove_file(sidecar_of(&place.tarball()))?;
        refuses(&place, "missing_sha256_sidecar", ".sha256")
    }),
    steps(109, "an empty sidecar", || {
        says(|_, _| String::new(), INVALID, "empty")
    }),
    steps(109, "a sidecar of blanks", || {
        says(|_, _| " \n\n".to_owned(), INVALID, "empty")
    }),
    steps(110, "digits in upper case", || {
        accepts(|hex, _| hex.to_uppercase())
    }),
    steps(111, "lines that end in CRLF", || {
        accepts(|hex, name| format!("{hex}  {name}\r\n"))
    }),
    steps(111, "a digest alone that ends in CRLF", || {
        accepts(|hex, _| format!("{hex}\r\n"))
    }),
    steps(112, "sha256sum's form for text", || {
        accepts(|hex, name| format!("{hex}  {name}\n"))
    }),
    steps(112, "sha256sum's form for binaries", || {
        accepts(|hex, name| format!("{hex} *{name}\n"))
    }),
    steps(112, "one line of many that names the tarball", || {
        let other = "0".repeat(64);
        says_with(
            |hex, name| format!("{other}  other\n{hex}  {name}\n"),
            NO_HOP,
            "5.10.4",
        )
    }),
    steps(113, "the BSD form", || {
        accepts(|hex, name| format!("SHA256 ({name}) = {hex}\n"))
    }),
    steps(113, "the BSD form with another name", || {
        says(
            |hex, _| format!("SHA256 (other.tar.gz) = {hex}\n"),
            INVALID,
            "other.tar.gz",
        )
    }),
    steps(
        114,
        "the right digest with another name is a warning",
        || {
            let place = place()?;
            sidecar(&place, |hex, _| format!("{hex}  other.tar.gz\n"))?;
            let said = Turn::take()?.is_refused(&place, NO_HOP, "5.10.4")?.stderr;
            if said.contains("WARNING: ") && said.contains("other.tar.gz") {
                return Ok(());
            }
            Err(Error::Unexpected(format!(
                "no warning names the file: {said}"
            )))
        },
    ),
    steps(115, "63 digits", || {
        says(|hex, _| hex[1..].to_owned(), INVALID, "63")
    }),
    steps(115, "65 digits", || {
        says(|hex, _| format!("{hex}0"), INVALID, "65")
    }),
    steps(115, "64 letters that are no digits", || {
        says(
            |_, name| format!("{}  {name}\n", "g".repeat(64)),
            INVALID,
            "line 1",
        )
    }),
    steps(116, "the digest of another file", || {
        let other = hex::encode(Sha256::digest(b"another file"));
        let text = other.clone();
        says_with(
            |_, name| format!("{text}  {name}\n"),
            "sha256_mismatch",
            &other,
        )
    }),
    steps(117, "a sidecar that is a FIFO", || {
        let place = place()?;
        let path = sidecar_of(&place.tarball());
        fs_err::remove_file(&path)?;
        mkfifo(&path, Mode::S_IRWXU).map_err(|errno| Error::Unexpected(errno.to_string()))?;
        refuses(&place, "cannot_read_sha256_sidecar", "not a regular file")
    }),
    steps(117, "a tarball that is a FIFO", || {
        let place = place()?;
        fs_err::remove_file(place.tarball())?;
        mkfifo(&place.tarball(), Mode::S_IRWXU)
            .map_err(|errno| Error::Unexpected(errno.to_string()))?;
        refuses(&place, "cannot_read_target_tarball", "not a regular file")
    }),
    steps(
        118,
        "a tarball replaced after its digest was right is not looked at",
        || {
            let place = small()?;
            let finished = swapped(&place, |place| {
                fs_err::remove_file(place.tarball())?;
                Ok(fs_err::write(
                    place.tarball(),
                    gz(base().file("bin/x", "evil")),
                )?)
            })?;
            let written = fs_err::read_to_string(place.tree().join("bin/x")).unwrap_or_default();
            if finished.code == Some(0) && written == "good" {
                return Ok(());
            }
            verdict(&[format!("bin/x is {written:?}")], &finished)
        },
    ),
    steps(
        118,
        "a tarball rewritten after its digest was right is refused",
        || {
            let place = small()?;
            let evil = gz(base().file("bin/x", "evil"));
            let finished = swapped(&place, |place| {
                let file = std::fs::OpenOptions::new()
                    .write(true)
                    .open(place.tarball())?;
                file.write_all_at(&evil, 0)?;
                Ok(file.set_len(evil.len() as u64)?)
            })?;
            let mut faults = Vec::new();
            for text in ["sha256_mismatch", "changed while it was being read"] {
                if !finished.stdout.contains(text) {
                    faults.push(format!("it does not say {text:?}"));
                }
            }
            if place.tree().exists() {
                faults.push("there is a tree".to_owned());
            }
            verdict(&faults, &finished)
        },
    ),
];

/// A place with the whole sample release in it.
fn place() -> Result<Place> {
    let place = Place::new()?;
    place.write(&Release::small()?.package())?;
    Ok(place)
}

fn small() -> Result<Place> {
    let place = Place::new()?;
    place.write(&gz(base().file("bin/x", "good")))?;
    Ok(place)
}

/// Writes a sidecar from the digest and the name of the tarball.
fn sidecar(place: &Place, text: impl Fn(&str, &str) -> String) -> Result<()> {
    let tarball = place.tarball();
    let digest = hex::encode(Sha256::digest(fs_err::read(&tarball)?));
    let name = tarball.file_name().unwrap_or_default().to_string_lossy();
    Ok(fs_err::write(sidecar_of(&tarball), text(&digest, &name))?)
}

/// Demands that a sidecar is good enough to get to the search for a hop.
fn accepts(text: fn(&str, &str) -> String) -> Result<()> {
    says(text, NO_HOP, "5.10.4")
}

fn says(text: fn(&str, &str) -> String, error: &str, names: &str) -> Result<()> {
    says_with(text, error, names)
}

fn says_with(text: impl Fn(&str, &str) -> String, error: &str, names: &str) -> Result<()> {
    let place = place()?;
    sidecar(&place, text)?;
    refuses(&place, error, names)
}

fn refuses(place: &Place, error: &str, names: &str) -> Result<()> {
    Turn::take()?.is_refused(place, error, names).map(drop)
}

/// Stages the input and does something to it between the digest and the extraction. The command is
/// stopped by a signal when it makes its staging directory, which comes right between the two.
fn swapped(place: &Place, swap: impl Fn(&Place) -> Result<()>) -> Result<e2e::process::Finished> {
    let stage = place.stage_command();
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-o", "/dev/null", "-e", "trace=mkdir,mkdirat"])
        .args(["-e", "inject=mkdir,mkdirat:signal=SIGSTOP"])
        .arg(stage.get_program())
        .args(stage.get_args());
    let mut running = Running::spawn(strace.stdin(std::process::Stdio::null()))?;
    let mut swapped = false;
    wait_until("the command to end", HANG, || {
        // Who is not stopped must not be woken up: it may be stopped, for good, in between.
        let stopped: Vec<i32> = children(running.pid())
            .into_iter()
            .filter(|pid| is_stopped(*pid))
            .collect();
        if !swapped && has_staging(place)? {
            swap(place)?;
            swapped = true;
        }
        for pid in stopped {
            // It may have ended since.
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        }
        std::thread::sleep(Duration::from_millis(20));
        Ok(!running.is_alive())
    })?;
    let finished = running.wait(HANG)?;
    if swapped {
        return Ok(finished);
    }
    verdict(&["it never made a staging directory".to_owned()], &finished)?;
    Ok(finished)
}

fn has_staging(place: &Place) -> Result<bool> {
    for entry in fs_err::read_dir(place.path("emqx/relup"))? {
        if entry?
            .file_name()
            .to_string_lossy()
            .starts_with(".staging-")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_stopped(pid: i32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    state.starts_with(['T', 't'])
}

fn children(pid: u32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs_err::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
