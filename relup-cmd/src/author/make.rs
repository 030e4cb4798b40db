//! `relup make`: the hop file that leads from one release to another.

use super::diff::compare;
use super::read;
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::output::{Answer, Console};

/// Reads both releases and writes the hop between them.
pub(crate) fn run(
    args: &cli::Make,
    _console: &mut Console<'_>,
    interrupt: &Interrupt,
) -> Result<Answer, Error> {
    let (from, to) = read::both(&args.from, &args.to, interrupt)?;
    let diff = compare(&from, &to);
    let mut answer = Answer::default();
    for module in &diff.modules {
        answer.lines.push(format!("{} {}", module.app, module.name));
    }
    Ok(answer)
}
