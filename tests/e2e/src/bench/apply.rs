//! A hop with 200 modules below 50,000 supervised processes: the agent against the same hop done one
//! step after the other.
//!
//! Each run is a VM of its own (`apply.escript`), with the releases made for it. The rival does what
//! a simple release handler does: OTP's own walk over the supervision trees for every `update`, one
//! module loaded at a time, one process spoken to at a time. How long a process is suspended is seen
//! from outside, by a tracer, for both.

use super::measure::{median, paired_ratio};
use super::report::{Goal, Report};
use crate::error::{Error, Result};
use crate::install::Install;
use crate::process;
use crate::sample::workspace;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const ROUNDS: usize = 3;
const MODULES: usize = 200;
const PROCESSES: usize = 50_000;

/// What one run told.
#[derive(Debug, Clone, Copy)]
struct Run {
    total: Duration,
    p99: Duration,
    longest: Duration,
}

/// Measures both, with all modules updated and with all processes running one of them.
pub fn apply(install: &Install, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    let mut goals = Vec::new();
    for (updated, title) in [
        (MODULES, "250 processes a module"),
        (1, "all processes of one module"),
    ] {
        let (mut agent, mut sequential) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            agent.push(run(install, "agent", updated)?);
            sequential.push(run(install, "sequential", updated)?);
        }
        for (name, runs) in [("agent", &agent), ("step by step", &sequential)] {
            let of = |pick: fn(&Run) -> Duration| millis(median(runs.iter().map(pick).collect()));
            rows.push(vec![
                format!("{title}, {name}"),
                format!("{:.0} ms", of(|run| run.total)),
                format!("{:.1} ms", of(|run| run.p99)),
                format!("{:.1} ms", of(|run| run.longest)),
            ]);
        }
        let totals = |runs: &[Run]| runs.iter().map(|run| run.total).collect::<Vec<_>>();
        goals.push((
            title,
            updated,
            paired_ratio(&totals(&sequential), &totals(&agent)),
            millis(median(agent.iter().map(|run| run.p99).collect())),
        ));
    }
    report.table(
        "apply",
        &format!("Apply of {MODULES} modules with {PROCESSES} supervised processes"),
        &["", "total", "suspended p99", "longest"],
        &rows,
    );
    for (title, updated, ratio, p99) in goals {
        // With one update there is one walk to save: the goal is about many.
        if updated > 1 {
            report.goal(Goal {
                name: format!("apply, {title}: step by step / agent"),
                measured: ratio,
                bound: 5.0,
                at_least: true,
                unit: "x",
            });
        }
        report.goal(Goal {
            name: format!("apply, {title}: suspension of a process, p99"),
            measured: p99,
            bound: 20.0,
            at_least: false,
            unit: "ms",
        });
    }
    Ok(())
}

fn run(install: &Install, way: &str, updated: usize) -> Result<Run> {
    let work = tempfile::Builder::new().prefix("emqx-bench-").tempdir()?;
    let sources = workspace().join("shims/erl");
    let script: PathBuf = workspace().join("tests/e2e/src/bench/apply.escript");
    let mut command = install.command("escript");
    command.arg(script).arg(sources).arg(work.path()).arg(way);
    command.args([MODULES, updated, PROCESSES].map(|number| number.to_string()));
    let told = process::run(&mut command, process::HANG)?.success()?;
    let words: BTreeMap<&str, u64> = told
        .text()
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter_map(|(key, value)| Some((key, value.parse().ok()?)))
        .collect();
    let micros = |key: &str| {
        let value = words.get(key).copied();
        value
            .map(Duration::from_micros)
            .ok_or_else(|| Error::Unexpected(format!("no {key}: {told}")))
    };
    Ok(Run {
        total: micros("total_us")?,
        p99: micros("p99_us")?,
        longest: micros("longest_us")?,
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
