//! Every case of the suite as a test of its own, or, with `EMQX_UNDER_TEST`, the comparison.

use compliance::known::KNOWN;
use compliance::sections;
use compliance::shared;
use compliance::statement::STATEMENTS;
use compliance::subject::{Subject, UNDER_TEST};
use compliance::table;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    if shared::keep_if_asked() {
        return ExitCode::SUCCESS;
    }
    let trials = match std::env::var_os(UNDER_TEST) {
        Some(path) if !path.is_empty() => {
            let path = PathBuf::from(path);
            vec![Trial::test("the table of differences", move || {
                Ok(table::compare(&path)?)
            })]
        }
        _ => cases(),
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn cases() -> Vec<Trial> {
    let subject = Subject::sample();
    let mut trials = vec![Trial::test("every statement has a case", checklist)];
    for case in sections::all() {
        let cannot = case.obstacle(&subject).is_some();
        let subject = subject.clone();
        let trial = Trial::test(case.name(), move || Ok(case.run(&subject)?));
        trials.push(trial.with_ignored_flag(cannot));
    }
    trials
}

/// Nothing of the contract is left out in silence.
fn checklist() -> Result<(), Failed> {
    let cases = sections::all();
    let mut faults = Vec::new();
    for statement in STATEMENTS {
        let tried = cases.iter().any(|case| case.statement == statement.id);
        let told = KNOWN.iter().any(|known| known.statement == statement.id);
        if !tried && !told {
            faults.push(format!("no case for {} ({})", statement.id, statement.says));
        }
    }
    let exists = |id: &str| STATEMENTS.iter().any(|statement| statement.id == id);
    let named = cases.iter().map(|case| case.statement);
    for id in named.chain(KNOWN.iter().map(|known| known.statement)) {
        if !exists(id) {
            faults.push(format!("there is no statement {id}"));
        }
    }
    let mut names: Vec<String> = cases.iter().map(compliance::case::Case::name).collect();
    names.sort();
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.push(format!("two cases are called {:?}", pair[0]));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}
