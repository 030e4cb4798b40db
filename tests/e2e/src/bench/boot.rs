//! Booting and stopping: the launcher against the old way, on the sample and on the big sample.
//!
//! Both sides boot the same installation with the same arguments, which is checked, and take turns.
//! Ratios are those of each round, so that a machine that is slow for a while is slow for both.

use super::measure::{Contender, median, paired_ratio, take_turns, time};
use super::old_way::{Way, arguments};
use super::report::{Goal, Report};
use crate::error::{Error, Result};
use crate::exec_trace;
use crate::install::{Install, Recipe};
use crate::ports::Slot;
use crate::sample::{Sample, V4};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rounds of questions that need no node.
const QUICK_ROUNDS: usize = 200;

/// A release to boot, and what is hoped for.
struct Subject {
    key: &'static str,
    name: &'static str,
    rounds: usize,
    exec_goal: f64,
    start_goal: f64,
}

const SMALL: Subject = Subject {
    key: "boot",
    name: "sample",
    rounds: 9,
    exec_goal: 3.0,
    start_goal: 2.0,
};

const BIG: Subject = Subject {
    key: "boot_big",
    name: "big sample",
    rounds: 7,
    exec_goal: 4.0,
    start_goal: 2.2,
};

/// What is timed, in the order in which a round does it.
const STEPS: [&str; 4] = ["foreground", "start", "restart", "stop"];

/// Measures the boot path; the installation's node must not run.
pub fn boot(install: &Install, report: &mut Report) -> Result<()> {
    quick(install, report)?;
    on(&SMALL, install, report)?;
    match Sample::big()? {
        Some(sample) => {
            let recipe = Recipe {
                tarball: sample.tarball(V4)?,
                ..Recipe::sample(V4)?
            };
            on(&BIG, &Install::unpack(&recipe, Slot::claim()?)?, report)
        }
        None => {
            anstream::println!(
                "\n  not measured: the big sample; make it with `make sample BIG=1`"
            );
            Ok(())
        }
    }
}

/// Commands that need neither a node nor a VM.
fn quick(install: &Install, report: &mut Report) -> Result<()> {
    let contender = |name: &'static str, make: Box<dyn Fn() -> Command>| Contender {
        name,
        every: 1,
        run: Box::new(move || time(make().stdin(Stdio::null()))),
    };
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for name in ["root_dir", "help"] {
        contenders.push(Contender {
            name,
            every: 1,
            run: Box::new(move || time(install.emqx_command(&[name]).stdin(Stdio::null()))),
        });
    }
    contenders.push(contender("true", Box::new(|| Command::new("true"))));
    let medians = take_turns(&mut contenders, QUICK_ROUNDS)?;
    let rows: Vec<_> = medians
        .iter()
        .map(|(name, time)| vec![(*name).to_owned(), format!("{:.2} ms", millis(*time))])
        .collect();
    report.table(
        "quick",
        "Commands without a node, median",
        &["command", "time"],
        &rows,
    );
    for (name, time) in medians.iter().filter(|(name, _)| *name != "true") {
        report.goal(Goal {
            name: format!("emqx {name}, median"),
            measured: millis(*time),
            bound: 2.0,
            at_least: false,
            unit: "ms",
        });
    }
    Ok(())
}

/// All measurements on one release.
fn on(subject: &Subject, install: &Install, report: &mut Report) -> Result<()> {
    let ways = [Way::ours(install), Way::old(install)?];
    same_arguments(install, &ways)?;
    let mut times: [[Vec<Duration>; 4]; 2] = Default::default();
    for round in 0..subject.rounds {
        for turn in 0..ways.len() {
            let index = (turn + round) % ways.len();
            for (step, times) in STEPS.iter().zip(&mut times[index]) {
                times.push(match *step {
                    "foreground" => ways[index].foreground()?,
                    step => ways[index].run(step)?,
                });
            }
        }
    }
    let [ours, old] = &times;
    let goals = [subject.exec_goal, subject.start_goal];
    let says = [
        "foreground, to the exec of the node",
        "start, to its return",
        "restart",
        "stop",
    ];
    let mut rows = Vec::new();
    let mut figures = serde_json::Map::new();
    for (index, what) in says.into_iter().enumerate() {
        let ratio = paired_ratio(&old[index], &ours[index]);
        let cell = |times: &[Duration]| format!("{:.0} ms", millis(median(times.to_vec())));
        rows.push(vec![
            what.to_owned(),
            cell(&ours[index]),
            cell(&old[index]),
            format!("{ratio:.1}x"),
        ]);
        let all = |times: &[Duration]| times.iter().map(|time| millis(*time)).collect::<Vec<_>>();
        figures.insert(
            STEPS[index].to_owned(),
            json!({ "ratio": ratio, "ms": all(&ours[index]), "old_ms": all(&old[index]) }),
        );
        if let Some(bound) = goals.get(index) {
            report.goal(Goal {
                name: format!("{what}, on the {}", subject.name),
                measured: ratio,
                bound: *bound,
                at_least: true,
                unit: "x",
            });
        }
    }
    let title = format!("Booting and stopping the {}, median", subject.name);
    report.table(
        subject.key,
        &title,
        &["command", "emqx", "old way", "ratio"],
        &rows,
    );
    report.figures(&format!("{}_figures", subject.key), figures.into());
    vms(subject, &ways, report)
}

/// How many VMs there are before the node.
fn vms(subject: &Subject, ways: &[Way<'_>; 2], report: &mut Report) -> Result<()> {
    if !exec_trace::is_available() {
        anstream::println!("\n  not counted: VMs before the node; strace does not work here");
        return Ok(());
    }
    let mut rows = Vec::new();
    for step in ["foreground", "start"] {
        let mut counts = [0; 2];
        for (way, count) in ways.iter().zip(&mut counts) {
            *count = way.execs(step)?.vms_before_the_node().unwrap_or_default();
        }
        rows.push(vec![
            step.to_owned(),
            counts[0].to_string(),
            counts[1].to_string(),
        ]);
        report.goal(Goal {
            name: format!("{step}, VMs before the node, on the {}", subject.name),
            measured: u32::try_from(counts[0]).unwrap_or(u32::MAX).into(),
            bound: 1.0,
            at_least: false,
            unit: "",
        });
    }
    let title = format!("VMs started before the node, on the {}", subject.name);
    let key = format!("{}_vms", subject.key);
    report.table(&key, &title, &["command", "emqx", "old way"], &rows);
    Ok(())
}

/// Two ways that boot different nodes cannot be compared.
fn same_arguments(install: &Install, ways: &[Way<'_>; 2]) -> Result<()> {
    let mut seen = Vec::new();
    for way in ways {
        way.run("start")?;
        seen.push(arguments(install)?);
        way.run("stop")?;
    }
    if seen[0] == seen[1] {
        return Ok(());
    }
    Err(Error::Unexpected(format!(
        "the two ways give the node different arguments:\n{:?}\n{:?}",
        seen[0], seen[1]
    )))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
