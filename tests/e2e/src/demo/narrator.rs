//! Tells what the demo does, so that a reader can repeat each step by hand.
//!
//! Commands are shown as they are typed, their output is shown as it came, and every sentence of
//! the narrator is about something that was measured or checked just before.

use crate::error::Result;
use crate::process::Finished;
use anstream::println;
use anstyle::{AnsiColor, Style};
use std::time::{Duration, Instant};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const COMMAND: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// The voice of the demo, with a stop-watch for its stages.
#[derive(Debug)]
pub struct Narrator {
    stages: Vec<(String, Duration)>,
    failures: Vec<String>,
    begun: Instant,
}

impl Default for Narrator {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            failures: Vec::new(),
            begun: Instant::now(),
        }
    }
}

impl Narrator {
    /// Announces a stage and measures it.
    pub fn stage<T>(
        &mut self,
        title: &str,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        println!("\n{TITLE}{}. {title}{TITLE:#}", self.stages.len() + 1);
        let started = Instant::now();
        // The place is taken before the work, so that stages within it would come after.
        let place = self.stages.len();
        self.stages.push((title.to_owned(), Duration::ZERO));
        let outcome = work(self);
        self.stages[place].1 = started.elapsed();
        outcome
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        println!("   {text}");
    }

    /// Shows a command and what it printed.
    pub fn ran(&self, typed: &str, finished: &Finished) {
        println!("   {COMMAND}$ {typed}{COMMAND:#}");
        for line in finished.stdout.lines().chain(finished.stderr.lines()) {
            println!("     {line}");
        }
        let millis = finished.took.as_secs_f64() * 1000.0;
        println!(
            "     {QUIET}exit code {} after {millis:.0} ms{QUIET:#}",
            finished.code.unwrap_or(-1)
        );
    }

    /// States a fact that was checked; one that does not hold makes the demo fail in the end.
    pub fn check(&mut self, holds: bool, text: &str) {
        if holds {
            println!("   {GOOD}✓{GOOD:#} {text}");
        } else {
            println!("   {BAD}✗ {text}{BAD:#}");
            self.failures.push(text.to_owned());
        }
    }

    /// Title without a number, for what is no stage.
    pub fn heading(&self, title: &str) {
        println!("\n{TITLE}{title}{TITLE:#}");
    }

    /// One line of a table.
    pub fn row(&self, name: &str, value: &str) {
        println!("   {name:<58} {value}");
    }

    /// Everything that did not hold.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Names and times of the stages so far.
    #[must_use]
    pub fn stages(&self) -> &[(String, Duration)] {
        &self.stages
    }

    /// Time since the beginning.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.begun.elapsed()
    }
}
