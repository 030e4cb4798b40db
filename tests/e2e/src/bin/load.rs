//! `make load`: hops back and forth below many MQTT clients.
//!
//! `load [CLIENTS [HOPS]]`. Prints what the clients saw with and without the hops. The exit code is 0
//! only when nobody was cut off and no message got lost.

use e2e::load::{Load, run};
use e2e::{Error, Result, process};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let played = load().and_then(|load| {
        process::interrupt_on_signals()?;
        run(&load, &mut |text| anstream::println!("{text}"))
    });
    match played {
        Ok(outcome) => {
            anstream::println!("{}", outcome.at_rest);
            anstream::println!("{}", outcome.hops);
            anstream::println!("{} clients are still connected", outcome.connected);
            if outcome.unharmed() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            anstream::eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load() -> Result<Load> {
    let mut words = std::env::args().skip(1);
    let mut number = |default: usize| match words.next() {
        None => Ok(default),
        Some(word) => word
            .parse()
            .map_err(|_| Error::Unexpected(format!("not a number: {word}"))),
    };
    Ok(Load {
        clients: number(1000)?,
        hops: number(10)?,
        interval: Duration::from_secs(1),
    })
}
