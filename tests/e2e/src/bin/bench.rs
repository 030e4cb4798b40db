//! `make bench`: measures the launcher against what it stands in for, on the sample release.
//!
//! Prints tables and the goals, and writes `dist/bench.json` (or the path in `BENCH_JSON`). The
//! exit code tells whether the measuring worked, never whether a goal was met. `bench commands`,
//! `bench boot`, `bench staging` and `bench apply` do one part each.

use e2e::bench::{self, Report};
use e2e::install::Install;
use e2e::{Error, Result, process, sample};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = bench::run_and_tell_peak(&words).unwrap_or_else(|| measure(&words));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(words: &[OsString]) -> Result<()> {
    let parts = ["commands", "boot", "staging", "apply"];
    let chosen = match words {
        [] => parts.to_vec(),
        [word] if parts.iter().any(|part| word == part) => {
            parts.into_iter().filter(|part| word == part).collect()
        }
        _ => {
            let usage = format!("usage: bench [{}]", parts.join("|"));
            return Err(Error::Unexpected(usage));
        }
    };
    process::interrupt_on_signals()?;
    let install = Install::sample(sample::V4)?;
    let mut report = Report::default();
    tell_machine(&mut report);
    for part in chosen {
        match part {
            "commands" => {
                install.start()?;
                bench::commands(&install, &mut report)?;
                install.stop()?;
            }
            "boot" => bench::boot(&install, &mut report)?,
            "staging" => bench::staging(&install, &mut report)?,
            _ => bench::apply(&install, &mut report)?,
        }
    }
    let path = std::env::var_os("BENCH_JSON").map_or_else(
        || sample::workspace().join("dist/bench.json"),
        PathBuf::from,
    );
    report.finish(&path)
}

/// What the figures were measured on. Ratios suffer less from a busy machine than times do, but
/// they do suffer.
fn tell_machine(report: &mut Report) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let loadavg = fs_err::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loadavg
        .split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    if let Some(load) = load.filter(|load| *load >= 1.0) {
        anstream::println!("this machine is busy (load {load} on {cpus} CPUs): all is slower");
    }
    report.figures(
        "machine",
        serde_json::json!({ "cpus": cpus, "load_before": load }),
    );
}
