//! Every case of the suite as a test of its own, or, with `EMQX_UNDER_TEST`, the comparison.

use compliance::case::Case;
use compliance::known::KNOWN;
use compliance::sections;
use compliance::shared;
use compliance::statement::{ELSEWHERE, STATEMENTS};
use compliance::subject::{Subject, UNDER_TEST};
use compliance::table;
use e2e::sample::workspace;
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
        _ => tests(),
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn tests() -> Vec<Trial> {
    let subject = Subject::sample();
    let mut trials = vec![
        Trial::test("every statement has a case", checklist),
        Trial::test("the README tells every known difference", readme),
    ];
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
    for (id, says) in STATEMENTS {
        let tried = cases.iter().any(|case| case.statement == *id);
        let elsewhere = ELSEWHERE.iter().any(|(statement, _)| statement == id);
        let told = KNOWN.iter().any(|known| known.statement == *id);
        if !tried && !elsewhere && !told {
            faults.push(format!("no case for {id} ({says})"));
        }
    }
    let named = cases.iter().map(|case| case.statement);
    let named = named.chain(KNOWN.iter().map(|known| known.statement));
    for id in named.chain(ELSEWHERE.iter().map(|(id, _)| *id)) {
        if !STATEMENTS.iter().any(|(statement, _)| *statement == id) {
            faults.push(format!("there is no statement {id}"));
        }
    }
    for (id, file) in ELSEWHERE {
        if !workspace().join(file).is_file() {
            faults.push(format!("{id} is not tried in {file}: it does not exist"));
        }
    }
    let mut names: Vec<String> = cases.iter().map(Case::name).collect();
    names.sort();
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        faults.push(format!("two cases are called {:?}", pair[0]));
    }
    verdict(&faults)
}

/// Users read the README, not the sources.
fn readme() -> Result<(), Failed> {
    let text = fs_err::read_to_string(workspace().join("tests/compliance/README.md"))?;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = words(&text);
    let mut faults = Vec::new();
    for known in KNOWN {
        for part in [known.what, known.why] {
            if !text.contains(&words(part)) {
                faults.push(format!("{}: it does not say {part:?}", known.statement));
            }
        }
    }
    verdict(&faults)
}

fn verdict(faults: &[String]) -> Result<(), Failed> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
}
