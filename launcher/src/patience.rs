//! How long an operator is willing to wait: `EMQX_WAIT_FOR_START` and `EMQX_WAIT_FOR_STOP`, in
//! seconds.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::host::environment::Environment;
use crate::message;
use crate::sourced::{Origin, Shown, Sourced};

/// The variable with the seconds that a boot may take.
pub const START: &str = "EMQX_WAIT_FOR_START";

/// The variable with the seconds that a process may take to vanish.
pub const STOP: &str = "EMQX_WAIT_FOR_STOP";

/// What is waited where the variable does not tell.
const DEFAULT_SECONDS: u64 = 120;

/// A number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(u64);

impl Patience {
    /// Reads a variable. A value that is no number is told and not obeyed: a stop must not fail
    /// for it.
    pub fn observe(env: &Environment, name: &str) -> Patience {
        Patience::sourced(env, name).into_value()
    }

    /// The same with where it came from.
    pub fn sourced(env: &Environment, name: &str) -> Sourced<Patience> {
        let value = env.get_os(name).map(OsStr::to_string_lossy);
        let origin = match value {
            Some(_) => Origin::Variable(name.to_owned()),
            None => Origin::Default,
        };
        let patience = match parse(value.as_deref()) {
            Ok(patience) => Sourced::new(patience, origin),
            Err(value) => {
                message::warning(&format!(
                    "{name} is '{value}', which is no number of seconds: {DEFAULT_SECONDS} it is"
                ));
                Sourced::new(Patience(DEFAULT_SECONDS), Origin::Default)
            }
        };
        patience.decided(if name == START {
            "time to start"
        } else {
            "time to stop"
        })
    }

    /// The number.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// As a length of time.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// When it ends, counted from now; `None`: never, for a number beyond the clock's end.
    pub fn deadline(self) -> Option<Instant> {
        Instant::now().checked_add(self.duration())
    }
}

impl Shown for Patience {
    fn shown(&self) -> String {
        format!("{} s", self.0)
    }
}

fn parse(value: Option<&str>) -> Result<Patience, &str> {
    let Some(value) = value else {
        return Ok(Patience(DEFAULT_SECONDS));
    };
    value.trim().parse().map(Patience).map_err(|_| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seconds_are_numbers() {
        let check = |value: Option<&str>, expected: Result<u64, &str>| {
            let parsed = parse(value).map(Patience::seconds);
            assert_eq!(parsed, expected, "{value:?}");
        };
        check(None, Ok(120));
        check(Some("0"), Ok(0));
        check(Some(" 7 "), Ok(7));
        check(Some("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["1.5", "10s", "-1", "forever", "18446744073709551616"] {
            check(Some(wrong), Err(wrong));
        }
        assert_eq!(Patience(u64::MAX).deadline(), None);
    }
}
