//! The inputs that are kept, and simple changes of them, through every target: no engine needed.

use fuzz::changes::Changes;
use fuzz::{Target, targets};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// Changed inputs for each target; the same ones in every run.
const CHANGES: usize = 3000;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for target in targets::ALL {
        let name = |what: &str| format!("{} {what}", target.name);
        trials.push(Trial::test(name("takes what is kept"), || kept(target)));
        trials.push(Trial::test(name("takes changes of it"), || changed(target)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn corpus(target: &Target) -> Result<Vec<Vec<u8>>, Failed> {
    let inputs = target.kept()?;
    if inputs.is_empty() {
        return Err(format!("{} is empty", target.corpus().display()).into());
    }
    Ok(inputs)
}

fn kept(target: &Target) -> Result<(), Failed> {
    for input in corpus(target)? {
        (target.run)(&input);
    }
    Ok(())
}

fn changed(target: &Target) -> Result<(), Failed> {
    for input in Changes::of(corpus(target)?).take(CHANGES) {
        (target.run)(&input[..input.len().min(target.max_len)]);
    }
    Ok(())
}
