//! Kill at every system call: the command is killed before its n-th call of each name, for every n
//! until it comes through, and each state is judged, asked about and led to its end.

use crate::judge::{Boots, ask, ask_status, converge, judge};
use crate::lab::Lab;
use crate::scene::Scene;
use crate::tracer::{CHANGES, Injection, can_count_opens, disturbed};
use crate::{fault, is_full};
use e2e::Result;

/// What was tried and seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Kills that hit.
    pub points: u32,
    /// After how many of them the old release boots, where the command switches.
    pub old: u32,
    /// After how many the new one.
    pub new: u32,
    /// After how many something temporary was left.
    pub debris: u32,
    /// What was wrong, one text for each point.
    pub failures: Vec<String>,
}

/// Kills the command of a scene everywhere.
pub fn kill_everywhere(lab: &Lab, scene: &Scene) -> Result<Tally> {
    let mut tally = Tally::default();
    for call in CHANGES {
        if call.starts_with("open") && !can_count_opens() {
            continue;
        }
        for when in (1..).step_by(step(call)) {
            let what = "signal=KILL";
            let at = format!("{} killed at {call} {when}", scene.situation.name);
            lab.restore(&scene.situation.start)?;
            let injection = Injection { call, what, when };
            let (finished, hit) = disturbed(lab, &scene.situation.words, injection)?;
            if !hit {
                // No such call on this architecture, or not so many.
                if finished.code != Some(0) && !finished.stderr.contains("invalid system call") {
                    return Err(fault(format!("{at}: {finished}")));
                }
                break;
            }
            tally.points += 1;
            if let Err(error) = look(lab, scene, &mut tally) {
                tally.failures.push(format!("{at}: {error}"));
            }
        }
    }
    Ok(tally)
}

fn look(lab: &Lab, scene: &Scene, tally: &mut Tally) -> Result<()> {
    let verdict = judge(scene, &lab.observe()?).map_err(fault)?;
    match verdict.boots {
        Boots::Old => tally.old += 1,
        Boots::New => tally.new += 1,
    }
    tally.debris += u32::from(verdict.debris);
    ask(lab, scene, verdict)?;
    // Every other time the next command is one that only looks, and tidies up.
    if tally.points.is_multiple_of(2) {
        ask_status(lab, scene, verdict)?;
    }
    converge(lab, scene)?;
    ask_status(
        lab,
        scene,
        crate::judge::Verdict {
            boots: Boots::New,
            debris: false,
        },
    )
}

/// A sample for quick runs: opening a file for reading changes nothing, and most calls do that.
fn step(call: &str) -> usize {
    match call {
        _ if is_full() => 1,
        "openat" => 9,
        "write" | "fchmod" | "mkdirat" => 4,
        _ => 1,
    }
}
