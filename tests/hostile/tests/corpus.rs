//! Every case as a test of its own, and the proof that none is missing.

use hostile::cases::{self, LAST};
use hostile::{measured, node};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = measured::measure_if_asked() {
        return code;
    }
    if node::keep_if_asked() {
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![Trial::test(
        "every number of the list has a case",
        checklist,
    )];
    for case in cases::all() {
        trials.push(Trial::test(case.title(), move || Ok(case.run()?)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Nothing of the list is left out in silence.
fn checklist() -> Result<(), Failed> {
    let cases = cases::all();
    let mut faults: Vec<String> = (1..=LAST)
        .filter(|number| !cases.iter().any(|case| case.number == *number))
        .map(|number| format!("no case for {number}"))
        .collect();
    let mut titles: Vec<String> = cases.iter().map(hostile::case::Case::title).collect();
    titles.sort();
    let twice = titles.windows(2).filter(|pair| pair[0] == pair[1]);
    faults.extend(twice.map(|pair| format!("two cases are called {:?}", pair[0])));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}
