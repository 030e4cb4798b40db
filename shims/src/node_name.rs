//! Node names as EMQX takes them: `emqx@127.0.0.1` (long), `emqx@host` or `emqx` (short), and the
//! distribution port that EMQX derives from a name instead of asking epmd.
//!
//! Pure: nothing is resolved or read here. Source of the rules: `ekka_dist` and the boot contract.

use std::fmt;
use std::str::FromStr;

/// What can be wrong with a node name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// The part before `@` is empty or has other characters than `[0-9A-Za-z_-]`.
    #[error("invalid node name '{0}', should be of format '^[0-9A-Za-z_-]+$' before the '@'")]
    Short(String),
    /// The part after `@` is empty or cannot be a host.
    #[error("invalid host in node name '{0}'")]
    Host(String),
    /// Longer than the 255 characters of an Erlang atom.
    #[error("node name of {0} characters, an Erlang node name has at most 255")]
    TooLong(usize),
}

/// A node name, checked. It may lack the host part, as in `-sname emqx`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeName {
    short: String,
    host: Option<String>,
}

/// Offsets above this wrap around, as `ekka_dist` has it.
const PORT_OFFSET_LIMIT: u32 = 60_000;

impl NodeName {
    /// Parses `short` or `short@host`.
    pub fn parse(text: &str) -> Result<NodeName, NodeNameError> {
        if text.len() > 255 {
            return Err(NodeNameError::TooLong(text.len()));
        }
        let (short, host) = match text.split_once('@') {
            Some((short, host)) => (short, Some(host)),
            None => (text, None),
        };
        let is_short = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if short.is_empty() || !short.chars().all(is_short) {
            return Err(NodeNameError::Short(text.to_owned()));
        }
        let is_host = |c: char| !c.is_whitespace() && !c.is_control() && !"@'\"\\/".contains(c);
        if host.is_some_and(|host| host.is_empty() || !host.chars().all(is_host)) {
            return Err(NodeNameError::Host(text.to_owned()));
        }
        Ok(NodeName {
            short: short.to_owned(),
            host: host.map(str::to_owned),
        })
    }

    /// The part before `@`.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.short
    }

    /// The part after `@`, when the name has one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Whether a VM takes this name with `-name`: the launcher's rule is that a name with an `@` is
    /// a long one, and one without is for `-sname`.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.host.is_some()
    }

    /// The port that EMQX listens on for this name when there is no epmd: `base` (4370 unless
    /// `kernel inet_dist_base_port` says otherwise) plus the decimal number at the end of the short
    /// name, modulo 60000. 0, which nobody can connect to, for `remsh...` names and for a sum above
    /// 65535.
    #[must_use]
    pub fn dist_port(&self, base: u16) -> u16 {
        if self.short.starts_with("remsh") {
            return 0;
        }
        let digits = self
            .short
            .bytes()
            .rev()
            .take_while(u8::is_ascii_digit)
            .count();
        // Folding keeps the remainder right for numbers of any length.
        let offset = self
            .short
            .bytes()
            .skip(self.short.len() - digits)
            .fold(0u32, |sum, digit| {
                (sum * 10 + u32::from(digit - b'0')) % PORT_OFFSET_LIMIT
            });
        u16::try_from(u32::from(base) + offset).unwrap_or(0)
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<NodeName, NodeNameError> {
        NodeName::parse(text)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{}@{host}", self.short),
            None => f.write_str(&self.short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_the_number_at_the_end_of_the_short_name() {
        let cases = [
            ("emqx@h", 4370),
            ("emqx", 4370),
            ("emqx2@h", 4372),
            ("node12@h", 4382),
            ("n1@10.0.0.7", 4371),
            ("e5x@h3", 4370),
            ("emqx60001@h", 4371),
            ("emqx60000000000000000000000000002@h", 4372),
            ("7", 4377),
            ("remsh5@h", 0),
        ];
        for (name, port) in cases {
            let parsed = NodeName::parse(name).expect(name);
            assert_eq!(parsed.dist_port(4370), port, "{name}");
        }
        let name = NodeName::parse("emqx59999").expect("a good name");
        assert_eq!(name.dist_port(u16::MAX), 0, "no port above 65535");
    }

    #[test]
    fn names_outside_the_rule_are_refused_and_good_ones_print_as_given() {
        for good in [
            "emqx",
            "emqx@127.0.0.1",
            "e_-9@a.b",
            "emqx@::1",
            "emqx@fe80::1%eth0",
        ] {
            let name = NodeName::parse(good).expect(good);
            assert_eq!(name.to_string(), good);
            assert_eq!(name.is_long(), good.contains('@'));
        }
        let long = "x".repeat(256);
        for bad in [
            "", "@", "@h", "emqx@", "em qx@h", "emq.x@h", "émqx@h", "a@b@c", "a@b c", &long,
        ] {
            assert!(NodeName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
