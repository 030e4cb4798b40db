//! Judges every state after a power cut, runs the program on a sample of them, and proves that the
//! judgement would notice a missing flush.

use crate::disk::Op;
use crate::image::Image;
use crate::judge::{Boots, Verdict, ask, ask_status, converge, judge, judge_done};
use crate::lab::Lab;
use crate::power::Recording;
use crate::scene::Scene;
use crate::states::{State, visit};
use crate::{fault, is_full};
use e2e::Result;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

/// What was tried and seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// States that were built.
    pub states: u64,
    /// Different ones among them.
    pub distinct: usize,
    /// On how many the program was run.
    pub run: usize,
    /// What was wrong.
    pub failures: Vec<String>,
    /// Each flush by what it is for, and whether its absence would be noticed.
    pub flushes: Vec<(String, bool)>,
}

/// Cuts the power everywhere, and runs the program on a sample of what is left.
pub fn cut_everywhere(lab: &Lab, scene: &Scene, recording: &Recording) -> Result<Tally> {
    let (mut tally, mut sample) = judge_everywhere(scene, recording);
    sample.truncate(if is_full() { 150 } else { 25 });
    for (image, verdict) in sample {
        tally.run += 1;
        if let Err(error) = run(lab, scene, &image, verdict) {
            let names: Vec<_> = image.below(&scene.relup("")).0.into_keys().collect();
            tally.failures.push(format!(
                "{}: a state after a power cut: {error}\n{names:?}",
                scene.situation.name
            ));
        }
    }
    Ok(tally)
}

/// Cuts the power everywhere, also without each flush; with the different states that may be left.
#[must_use]
pub fn judge_everywhere(scene: &Scene, recording: &Recording) -> (Tally, Vec<(Image, Verdict)>) {
    let mut tally = Tally::default();
    let mut distinct: HashMap<u64, (Image, Verdict)> = HashMap::new();
    let _ = visit(recording, None, &mut |state| {
        tally.states += 1;
        match check(scene, recording, state) {
            Ok(verdict) => {
                distinct
                    .entry(hash(&state.image))
                    .or_insert_with(|| (state.image.clone(), verdict));
            }
            Err(why) => tally.failures.push(describe(scene, recording, state, &why)),
        }
        if tally.failures.len() > 20 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    tally.distinct = distinct.len();
    let mut sample: Vec<_> = distinct.into_iter().collect();
    sample.sort_by_key(|(hash, _)| *hash);
    prove(scene, recording, &mut tally);
    (tally, sample.into_iter().map(|(_, state)| state).collect())
}

/// The program finds the release that the disk shows, and the command comes to its end.
fn run(lab: &Lab, scene: &Scene, image: &Image, verdict: Verdict) -> Result<()> {
    lab.restore(image)?;
    ask(lab, scene, verdict)?;
    converge(lab, scene)?;
    ask_status(
        lab,
        scene,
        Verdict {
            boots: Boots::New,
            debris: false,
        },
    )?;
    judge(scene, &lab.observe()?).map_err(fault).map(drop)
}

/// Takes out each flush in turn: something has to be noticed.
fn prove(scene: &Scene, recording: &Recording, tally: &mut Tally) {
    for (at, _) in recording
        .ops
        .iter()
        .enumerate()
        .filter(|(_, op)| op.is_flush())
    {
        let seen = visit(
            recording,
            Some(at),
            &mut |state| match check(scene, recording, state) {
                Ok(_) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
        );
        tally
            .flushes
            .push((purpose(recording, at), seen.is_break()));
    }
}

/// What a flush is for, the same in every situation: its kind, and the last change before it.
fn purpose(recording: &Recording, at: usize) -> String {
    let Op::Flush(inode) = &recording.ops[at] else {
        return "syncfs".to_owned();
    };
    let concerns = |op: &&Op| {
        op.content_of() == Some(*inode) || op.places().iter().any(|(dir, _)| dir == inode)
    };
    let after =
        |what: &str, name: &str| format!("fsync of a directory after {what} {}", general(name));
    match recording.ops[..at].iter().rev().find(concerns) {
        Some(Op::Write(_, _, bytes)) => {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().last().unwrap_or_default();
            let step = value(line, "step").unwrap_or("content");
            format!("fsync of a file after its {step}")
        }
        Some(Op::Link((_, name), _)) => after("new", name),
        Some(Op::Unlink((_, name), _)) => after("removal of", name),
        Some(Op::Rename(_, to, _)) => after("rename to", &to.1),
        _ => "fsync of nothing".to_owned(),
    }
}

/// A name without what is random or a version in it.
fn general(name: &str) -> String {
    let name = name.split_once('-').map_or(name, |(prefix, _)| prefix);
    name.replace(|char: char| char.is_ascii_digit(), "N")
}

/// A text in a record.
fn value<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = record.split_once(&format!("\"{key}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Judges one state, together with what is known about the moment: records come before the changes
/// that they announce, and tell nothing that has not happened.
fn check(
    scene: &Scene,
    recording: &Recording,
    state: &State<'_>,
) -> std::result::Result<Verdict, String> {
    let verdict = judge(scene, &state.image)?;
    if state.cut == recording.ops.len() {
        judge_done(scene, &state.image)?;
    }
    let journal = state
        .image
        .file(&scene.relup("journal.jsonl"))
        .unwrap_or_default();
    let is_journal = |op: &Op| {
        op.places()
            .iter()
            .any(|(_, name)| name == "journal.jsonl" || name == "lock")
    };
    let kept = |at: &usize| state.kept[*at] && !is_journal(&recording.ops[*at]);
    // Nothing in a directory that was lost itself is there.
    let dir = format!("{}/relup", scene.situation.home);
    let is_seen = state.image.0.contains_key(&dir);
    let last = (0..state.cut).rev().find(kept).filter(|_| is_seen);
    for (at, _) in recording.records.iter().filter(|(at, _)| *at < state.cut) {
        let Op::Write(_, _, line) = &recording.ops[*at] else {
            continue;
        };
        let is_there = journal
            .windows(line.len())
            .any(|window| window == line.as_slice());
        let text = String::from_utf8_lossy(line);
        let was_replaced = (*at..state.cut).any(|later| {
            state.kept[later]
                && matches!(&recording.ops[later], Op::Rename(_, to, _) if to.1 == "journal.jsonl")
        });
        if !is_there && recording.is_strict && state.cut > at + 1 {
            return Err(format!(
                "a record is lost, and the next step was begun: {}",
                text.trim()
            ));
        }
        if !is_there && last.is_some_and(|last| *at < last) && !was_replaced {
            return Err(format!(
                "a record is lost, and what came after it is there: {}",
                text.trim()
            ));
        }
        let gone = value(&text, "from").filter(|_| text.contains("\"retired\""));
        if is_there && gone.is_some_and(|vsn| state.image.0.contains_key(&scene.relup(vsn))) {
            return Err(format!("a record says what is not so: {}", text.trim()));
        }
        let says_done = text.contains("\"marker_written\"") || text.contains("\"success\"");
        if is_there && says_done && verdict.boots != Boots::New {
            return Err(format!("a record says what is not so: {}", text.trim()));
        }
    }
    Ok(verdict)
}

fn hash(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    hasher.finish()
}

fn describe(scene: &Scene, recording: &Recording, state: &State<'_>, why: &str) -> String {
    let before: Vec<_> = recording.ops[..state.cut]
        .iter()
        .rev()
        .take(4)
        .map(show)
        .collect();
    format!(
        "{}: {:?}, power cut before {} (after {}): {why}",
        scene.situation.name,
        state.model,
        state.cut,
        before.join(" < ")
    )
}

fn show(op: &Op) -> String {
    match op {
        Op::Link((dir, name), _) => format!("link {dir}/{name}"),
        Op::Unlink((dir, name), _) => format!("unlink {dir}/{name}"),
        Op::Rename(from, to, _) => format!("rename {}/{} {}/{}", from.0, from.1, to.0, to.1),
        Op::Write(inode, at, bytes) => format!("write {inode} {at}+{}", bytes.len()),
        Op::Resize(inode, len) => format!("resize {inode} {len}"),
        Op::Mode(inode, mode) => format!("chmod {inode} {mode:o}"),
        Op::Flush(inode) => format!("fsync {inode}"),
        Op::FlushAll => "syncfs".to_owned(),
    }
}
