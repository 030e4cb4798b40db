//! Release versions, as they name directories below `releases/` and `relup/`.
//!
//! A version is the one piece of text that travels from a tarball into paths, commands and the
//! marker, so it is checked once, here, and nowhere trusted as a plain string. It must never be
//! used to order releases: versions such as `5.6.1+patch.A` have no order that means anything, and
//! `precedence` knows of the others.
//! Data comes from `REL_VSN`, from hop files, from the marker and from the running node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest version accepted, in bytes. `<vsn>.manifest` and the temporary names made from a
/// version must stay within the 255 bytes of a directory entry.
pub const MAX_LEN: usize = 128;

/// Names that live beside the deployed trees in `relup/`; no version may shadow them.
const RESERVED: [&str; 6] = [
    "current",
    "current.retired",
    "catalog",
    "lock",
    "journal.jsonl",
    "assessment.json",
];

/// The version of a release, known to be one safe path component, e.g. `5.10.4`,
/// `5.6.1+patch.A` or `5.10.4-g1234`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseVsn(String);

/// Why a text is no release version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VsnError {
    /// Nothing between the quotes, or an empty marker.
    #[error("the version is empty")]
    Empty,
    /// Longer than [`MAX_LEN`] bytes.
    #[error("the version is {0} bytes long, at most {MAX_LEN} are allowed")]
    TooLong(usize),
    /// A character that could leave the directory, split a command or hide on a terminal.
    #[error(
        "the version {vsn:?} holds the character {character:?}, allowed are letters, digits and . + - _ ~"
    )]
    Character {
        /// The refused text.
        vsn: String,
        /// Its first offending character.
        character: char,
    },
    /// It does not begin with a letter or digit, so it could be a hidden file or an option.
    #[error("the version {0:?} does not begin with a letter or a digit")]
    Beginning(String),
    /// It contains `..`.
    #[error("the version {0:?} contains \"..\"")]
    DoubleDot(String),
    /// It is the name of something else in `relup/`.
    #[error("the version {0:?} is a name that relup/ uses itself")]
    Reserved(String),
}

impl ReleaseVsn {
    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether going to `target` stays within one patch series: the first two numbers are equal
    /// (relup contract, stage 7). A version whose first two parts are no numbers is in no series.
    #[must_use]
    pub fn is_patch_hop_to(&self, target: &ReleaseVsn) -> bool {
        self.series()
            .is_some_and(|series| target.series() == Some(series))
    }

    /// The first two numbers: `(5, 10)` of `5.10.4-g1234`.
    fn series(&self) -> Option<(u64, u64)> {
        let numbers = self.0.split(['-', '+', '~']).next()?;
        let mut parts = numbers.split('.');
        Some((number(parts.next()?)?, number(parts.next()?)?))
    }
}

/// A number written in digits only; `u64::from_str` alone would take a sign too.
fn number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

impl FromStr for ReleaseVsn {
    type Err = VsnError;

    fn from_str(text: &str) -> Result<Self, VsnError> {
        let Some(first) = text.chars().next() else {
            return Err(VsnError::Empty);
        };
        if text.len() > MAX_LEN {
            return Err(VsnError::TooLong(text.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".+-_~".contains(c);
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(VsnError::Character {
                vsn: text.to_owned(),
                character,
            });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(VsnError::Beginning(text.to_owned()));
        }
        if text.contains("..") {
            return Err(VsnError::DoubleDot(text.to_owned()));
        }
        let lower = text.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.ends_with(".manifest") {
            return Err(VsnError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ReleaseVsn {
    type Error = VsnError;

    fn try_from(text: String) -> Result<Self, VsnError> {
        text.parse()
    }
}

impl From<ReleaseVsn> for String {
    fn from(vsn: ReleaseVsn) -> Self {
        vsn.0
    }
}

impl fmt::Display for ReleaseVsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ReleaseVsn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let actual = text
            .parse::<ReleaseVsn>()
            .map(|vsn| assert_eq!(vsn.as_str(), text));
        match expected {
            Ok(()) => assert_eq!(actual, Ok(()), "{text:?}"),
            Err(part) => {
                let message = actual.expect_err(text).to_string();
                assert!(message.contains(part), "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn real_versions_are_accepted_as_they_are_written() {
        for vsn in [
            "5.10.4",
            "5.6.1+patch.A",
            "5.10.4-g1234",
            "6.0.0-rc.1",
            "4.4.16",
            "5.10.0-alpha.1-g0a1b2c3d",
            "6.1.0~pre1",
            "e5.10.4",
            "5",
            "5.10.4_1",
        ] {
            check(vsn, Ok(()));
        }
    }

    #[test]
    fn anything_that_is_no_safe_path_component_is_refused() {
        let long = "1".repeat(MAX_LEN + 1);
        for (text, part) in [
            ("", "empty"),
            ("../x", "character '/'"),
            ("5.10/4", "character '/'"),
            ("..", "begin with"),
            (".", "begin with"),
            (".staging-1", "begin with"),
            ("-rf", "begin with"),
            ("5..4", "\"..\""),
            ("5.10.4 ", "character ' '"),
            ("5.10.4\n", "character '\\n'"),
            ("5.10.4\0", "character '\\0'"),
            ("$(reboot)", "character '$'"),
            ("5\"4", "character '\"'"),
            ("5'4", "character '\\''"),
            ("5\\4", "character '\\\\'"),
            ("5*", "character '*'"),
            ("5:4", "character ':'"),
            ("５.１", "character '５'"),
            ("current", "relup/ uses itself"),
            ("Current", "relup/ uses itself"),
            ("lock", "relup/ uses itself"),
            ("catalog", "relup/ uses itself"),
            ("journal.jsonl", "relup/ uses itself"),
            ("assessment.json", "relup/ uses itself"),
            ("current.retired", "relup/ uses itself"),
            ("5.10.4.manifest", "relup/ uses itself"),
            (&long, "129 bytes"),
        ] {
            check(text, Err(part));
        }
    }

    #[test]
    fn a_patch_hop_keeps_the_first_two_numbers() {
        let vsn = |text: &str| text.parse::<ReleaseVsn>().expect(text);
        for (from, to, expected) in [
            ("5.10.4", "5.10.5", true),
            ("5.10.4", "5.10.5-g1234", true),
            ("5.6.1", "5.6.1+patch.A", true),
            ("5.10.4", "5.10", true),
            ("5.10.4", "5.11.0", false),
            ("5.10.4", "6.10.4", false),
            ("5.1.0", "5.10.0", false),
            ("5.10.4", "5", false),
            ("5", "5", false),
            ("e5.10.4", "e5.10.5", false),
            ("5.10-rc1", "5.10.0", true),
        ] {
            assert_eq!(
                vsn(from).is_patch_hop_to(&vsn(to)),
                expected,
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn serde_refuses_what_parsing_refuses() {
        assert_eq!(
            serde_json::from_str::<ReleaseVsn>("\"5.10.4\"").expect("a version"),
            "5.10.4".parse().expect("a version")
        );
        let error = serde_json::from_str::<ReleaseVsn>("\"../x\"").expect_err("no version");
        assert!(error.to_string().contains("character '/'"), "{error}");
    }
}
