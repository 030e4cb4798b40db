//! Faults: every kind of call fails in every way that it can, at its n-th time, for every n.
//!
//! A fault is either harmless or refuses the command with one clear error. After a flush that failed
//! the command never succeeds. Short writes are those of a disk that really fills up (`full_disk`): a
//! made-up return value would be a lie about bytes that no disk has ever got.

use crate::judge::{Boots, ask, converge, error_name, judge};
use crate::lab::Lab;
use crate::scene::Scene;
use crate::tracer::{Injection, can_count_opens, disturbed};
use crate::{fault, is_full};
use e2e::Result;
use e2e::process::Finished;

/// Calls, and the errors that they can have.
const FAULTS: [(&str, &[&str]); 19] = [
    ("openat", &["EACCES", "EMFILE", "ENOSPC", "EROFS", "EINTR"]),
    ("write", &["ENOSPC", "EDQUOT", "EIO", "EINTR"]),
    ("pwrite64", &["ENOSPC", "EIO"]),
    ("copy_file_range", &["ENOSPC", "EIO", "EXDEV"]),
    ("fsync", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("fdatasync", &["EIO"]),
    ("syncfs", &["EIO", "ENOSPC", "EINTR"]),
    ("close", &["EIO"]),
    ("rename", &["EXDEV", "EACCES", "EROFS", "ENOSPC", "EIO"]),
    ("renameat", &["EXDEV", "EIO"]),
    ("renameat2", &["EXDEV", "EIO"]),
    ("mkdir", &["ENOSPC", "EROFS", "EACCES", "EDQUOT"]),
    ("mkdirat", &["ENOSPC", "EDQUOT", "EIO"]),
    ("symlinkat", &["ENOSPC", "EIO"]),
    ("linkat", &["EMLINK", "ENOSPC"]),
    ("unlink", &["EACCES", "EROFS", "EIO"]),
    ("unlinkat", &["EACCES", "EIO"]),
    ("fchmod", &["EROFS", "EIO"]),
    ("chmod", &["EROFS", "EIO"]),
];

/// What was tried and seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Faults that hit.
    pub points: u32,
    /// How many of them refused the command.
    pub refused: u32,
    /// After how many it came through.
    pub harmless: u32,
    /// What was wrong.
    pub failures: Vec<String>,
}

/// Lets every call fail.
pub fn fail_everywhere(lab: &Lab, scene: &Scene) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut words = scene.situation.words.clone();
    words.push("--json".to_owned());
    for (call, errors) in FAULTS {
        if matches!(call, "openat" | "close") && !can_count_opens() {
            continue;
        }
        for (kind, error) in errors.iter().enumerate() {
            // Different kinds at different calls, where not everything is tried.
            let (begin, step) = sample(call, kind);
            for when in (begin..).step_by(step) {
                let what = format!("error={error}");
                lab.restore(&scene.situation.start)?;
                let injection = Injection {
                    call,
                    what: &what,
                    when,
                };
                let (finished, hit) = disturbed(lab, &words, injection)?;
                if !hit {
                    break;
                }
                tally.points += 1;
                if let Err(why) = look(lab, scene, (call, error), &finished, &mut tally) {
                    let name = scene.situation.name;
                    tally
                        .failures
                        .push(format!("{name}: {call} {when} fails with {error}: {why}"));
                }
            }
        }
    }
    Ok(tally)
}

/// At which call the faults of a kind begin, and their step. Most files are only opened to be read:
/// each of those calls fails in one way.
fn sample(call: &str, kind: usize) -> (u32, usize) {
    let kind = u32::try_from(kind).unwrap_or_default();
    match call {
        "openat" if is_full() => (1 + kind, 5),
        _ if is_full() => (1, 1),
        "openat" => (1 + kind * 5, 29),
        "close" => (1, 31),
        "write" | "fchmod" => (1 + kind, 9),
        "mkdirat" | "unlinkat" => (1 + kind, 5),
        "fsync" => (1 + kind % 2, 2),
        _ => (1 + kind % 2, 3),
    }
}

fn look(
    lab: &Lab,
    scene: &Scene,
    (call, error): (&str, &str),
    finished: &Finished,
    tally: &mut Tally,
) -> Result<()> {
    let wrong = |what: &str| Err(fault(format!("{what}: {finished}")));
    let state = lab.observe()?;
    let verdict = judge(scene, &state).map_err(|why| fault(format!("{why}\n{finished}")))?;
    let is_flush = matches!(call, "fsync" | "fdatasync" | "syncfs");
    let only_shows = scene.situation.words.contains(&"status".to_owned());
    match finished.code {
        // Rust's library ends a program whose directory can't be closed, which is a kill like others.
        Some(134) if call == "close" && finished.stderr.contains("closedir") => {
            tally.refused += 1;
            ask(lab, scene, verdict)?;
            return converge(lab, scene);
        }
        // What could not be tidied up is none of its promises.
        Some(0) if only_shows => tally.harmless += 1,
        // An interrupted call is made again, which is no second try after a failure.
        Some(0) if is_flush && error != "EINTR" => return wrong("success after a failed flush"),
        Some(0) => {
            tally.harmless += 1;
            if verdict.boots != Boots::New {
                return wrong("success, and the old release boots");
            }
        }
        Some(1) => {
            tally.refused += 1;
            let errors = finished
                .stderr
                .lines()
                .filter(|line| line.starts_with("ERROR: "));
            if errors.count() != 1 && error_name(finished) == "(no error name)" {
                return wrong("no clear error");
            }
            if scene.switches() && verdict.boots != Boots::Old {
                return wrong("refused, and the new release boots");
            }
        }
        _ => return wrong("an odd end"),
    }
    if finished.stderr.contains("panicked") {
        return wrong("a panic");
    }
    ask(lab, scene, verdict)?;
    converge(lab, scene).map_err(|error| fault(format!("{error}\nafter {finished}")))
}
