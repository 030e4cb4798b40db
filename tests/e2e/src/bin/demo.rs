//! `make demo`: the main job, narrated, on the sample release or on the user's own tarballs.
//!
//! `demo [RELEASE TARGET]`, or the variables `RELEASE` and `TARGET`. The exit code is 0 only when
//! every check held, no client was cut off and no message got lost.

use e2e::demo::{self, Narrator, Outcome, Subject};
use e2e::{Error, Result, process};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut narrator = Narrator::default();
    let played = subject().and_then(|subject| {
        process::interrupt_on_signals()?;
        demo::run(&subject, &mut narrator)
    });
    match played {
        Ok(outcome) => summary(&narrator, &outcome),
        Err(Error::Interrupted) => {
            anstream::eprintln!("interrupted: the node is stopped and its directory removed");
            ExitCode::from(130)
        }
        Err(error) => {
            anstream::eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the demo is about: the arguments, else the environment, else the sample.
fn subject() -> Result<Subject> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.is_empty() {
        words.extend(given("RELEASE"));
        words.extend(given("TARGET"));
    }
    match words.as_slice() {
        [] => Subject::sample(),
        [release, target] => Subject::of_tarballs(Path::new(release), Path::new(target)),
        _ => Err(Error::Missing {
            what: "a demo on your own releases takes two tarballs".to_owned(),
            remedy: "make demo RELEASE=<installed>.tar.gz TARGET=<target>.tar.gz".to_owned(),
        }),
    }
}

fn summary(narrator: &Narrator, outcome: &Outcome) -> ExitCode {
    narrator.heading("Time of each stage");
    for (title, took) in narrator.stages() {
        narrator.row(title, &format!("{:>6.1} s", took.as_secs_f64()));
    }
    narrator.row(
        "all together",
        &format!("{:>6.1} s", narrator.total().as_secs_f64()),
    );
    for figures in &outcome.hops {
        narrator.heading(&figures.phase);
        narrator.row("client connections dropped", &figures.drops.to_string());
        narrator.row(
            "messages lost",
            &format!("{} of {}", figures.lost, figures.published),
        );
        let gap = figures.longest_gap.as_secs_f64() * 1000.0;
        narrator.row(
            "longest gap between a publish and its receipt",
            &format!("{gap:.1} ms"),
        );
    }
    if narrator.failures().is_empty() && outcome.unharmed() {
        return ExitCode::SUCCESS;
    }
    narrator.heading("What did not hold");
    for failure in narrator.failures() {
        narrator.say(failure);
    }
    ExitCode::FAILURE
}
