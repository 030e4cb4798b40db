//! Whatever the kernel refuses, at whichever call: one clear error or none, one complete release
//! boots, nothing is lost, and the next run comes to its end.

use crash::faults::{Tally, fail_everywhere};
use crash::full_disk::fill_up;
use crash::lab::Lab;
use crash::scenes::{self, scene};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = scenes::names()
        .map(|name| Trial::test(format!("refused everywhere: {name}"), move || tried(name)))
        .collect();
    trials.push(Trial::test("a disk that is full at every page", full));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn tried(name: &str) -> Result<(), Failed> {
    let lab = Lab::new()?;
    let scene = scene(&lab, name)?;
    conclude(name, &fail_everywhere(&lab, &scene)?)
}

fn full() -> Result<(), Failed> {
    match fill_up()? {
        Some(tally) => conclude("full disk", &tally),
        None => {
            println!("not tried here: it takes the right to mount");
            Ok(())
        }
    }
}

fn conclude(name: &str, tally: &Tally) -> Result<(), Failed> {
    println!(
        "{name}: {} faults, {} refused, {} came through, {} failures",
        tally.points,
        tally.refused,
        tally.harmless,
        tally.failures.len()
    );
    if tally.refused == 0 || !tally.failures.is_empty() {
        return Err(tally.failures.join("\n").into());
    }
    Ok(())
}
