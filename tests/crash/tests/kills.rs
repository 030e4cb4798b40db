//! Killed at every system call, each command leaves one complete release and comes to its end when
//! it is run again.

use crash::kills::kill_everywhere;
use crash::lab::Lab;
use crash::scenes::{self, scene};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = scenes::names()
        .map(|name| Trial::test(format!("killed everywhere: {name}"), move || tried(name)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn tried(name: &str) -> Result<(), Failed> {
    let lab = Lab::new()?;
    let scene = scene(&lab, name)?;
    let tally = kill_everywhere(&lab, &scene)?;
    println!(
        "{name}: {} points tried, {} boot old, {} boot new, {} with debris, {} failures",
        tally.points,
        tally.old,
        tally.new,
        tally.debris,
        tally.failures.len()
    );
    if !tally.failures.is_empty() {
        return Err(tally.failures.join("\n").into());
    }
    // A harness that never catches the command between its two ends proves nothing.
    if tally.points == 0 || scene.switches() && (tally.old == 0 || tally.new == 0) {
        return Err(format!("only one side was seen: {tally:?}").into());
    }
    Ok(())
}
