//! Killed and refused at every system call, `self install` and `self uninstall` leave one whole program
//! under the name, lose no script, and come to their end when they are run again.

use crash::seat::{Seat, Tally};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// A name, and how it is set up.
type Scene = (&'static str, fn() -> e2e::Result<Seat>);

const SCENES: [Scene; 3] = [
    ("install", Seat::install),
    ("install over a newer script", Seat::install_again),
    ("uninstall", Seat::uninstall),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let killed = SCENES.map(|(name, setup)| {
        Trial::test(format!("killed everywhere: self {name}"), move || {
            conclude(name, &setup()?.kill_everywhere()?)
        })
    });
    let refused = SCENES.map(|(name, setup)| {
        Trial::test(format!("refused everywhere: self {name}"), move || {
            conclude(name, &setup()?.fail_everywhere()?)
        })
    });
    let full = Trial::test(
        "a disk that is full: self install",
        || match Seat::fill_up()? {
            Some(tally) => conclude("install on a full disk", &tally),
            None => {
                println!("not tried here: it takes the right to mount");
                Ok(())
            }
        },
    );
    let trials = killed.into_iter().chain(refused).chain([full]).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn conclude(name: &str, tally: &Tally) -> Result<(), Failed> {
    println!(
        "self {name}: {} points tried, {} the script, {} the launcher, {} failures",
        tally.points,
        tally.script,
        tally.launcher,
        tally.failures.len()
    );
    if !tally.failures.is_empty() {
        return Err(tally.failures.join("\n").into());
    }
    if tally.script == 0 || tally.launcher == 0 {
        return Err(format!("only one side was seen: {tally:?}").into());
    }
    Ok(())
}
