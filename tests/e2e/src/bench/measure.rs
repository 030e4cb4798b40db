//! Times commands in turns and finds the middle of the times.

use crate::error::{Error, Result};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One of the programs that are compared.
pub(super) struct Contender<'a> {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// It takes part in every `nth` round; slow ones would make the run last for ever.
    pub(super) every: usize,
    /// Does the work once and gives the time that counts.
    pub(super) run: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

/// Lets the contenders take turns and gives the median time of each.
pub(super) fn take_turns(
    contenders: &mut [Contender<'_>],
    rounds: usize,
) -> Result<Vec<(&'static str, Duration)>> {
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // Nobody always runs in the wake of the same rival.
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len();
            if round % contenders[index].every == 0 {
                times[index].push((contenders[index].run)()?);
            }
        }
    }
    Ok(contenders
        .iter()
        .zip(times)
        .map(|(one, times)| (one.name, median(times)))
        .collect())
}

/// Time from the start of a process to its end; any other end than success is an error.
pub(super) fn time(command: &mut Command) -> Result<Duration> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status()?;
    let took = started.elapsed();
    if status.success() {
        return Ok(took);
    }
    Err(Error::Unexpected(format!(
        "{command:?} ended with {status}"
    )))
}

/// The middle one of several times.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The middle one of the ratios between times that were taken in the same round: what the machine
/// did to a round, it did to both.
pub(super) fn paired_ratio(slower: &[Duration], faster: &[Duration]) -> f64 {
    let mut ratios: Vec<f64> = slower
        .iter()
        .zip(faster)
        .map(|(slower, faster)| slower.as_secs_f64() / faster.as_secs_f64())
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_each_round() {
        let millis = |times: [u64; 3]| times.map(Duration::from_millis);
        // One round was slow for both: it counts like the others.
        let ratio = paired_ratio(&millis([40, 800, 60]), &millis([10, 200, 10]));
        assert!((ratio - 4.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn contenders_take_turns_and_slow_ones_less_often() {
        let turns = std::cell::RefCell::new(String::new());
        let contender = |name: &'static str, every, millis| Contender {
            name,
            every,
            run: Box::new({
                let turns = &turns;
                move || {
                    turns.borrow_mut().push_str(name);
                    Ok(Duration::from_millis(millis))
                }
            }),
        };
        let mut both = [contender("a", 1, 3), contender("b", 2, 5)];
        let medians = take_turns(&mut both, 4).expect("no command fails");
        assert_eq!(
            medians,
            [
                ("a", Duration::from_millis(3)),
                ("b", Duration::from_millis(5))
            ]
        );
        drop(both);
        assert_eq!(turns.into_inner(), "abaaba");
    }
}
