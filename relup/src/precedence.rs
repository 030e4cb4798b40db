//! Which of two versions is the later one, where the two say so by themselves.
//!
//! Names of releases have no order in general: `5.6.1+patch.A` and `5.10.4-g1234` are what somebody
//! built. This is for the one place that has to know, a package that was installed over a
//! hot-upgraded release, and it rather knows nothing than the wrong thing.

use std::cmp::Ordering;

use crate::vsn::ReleaseVsn;

/// What has an order: three numbers, and how far a pre-release had come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Published {
    numbers: [u64; 3],
    stage: Stage,
}

/// In the order in which releases go through them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha(u64),
    Beta(u64),
    Candidate(u64),
    Release,
}

/// How `one` stands to `other`; `None` where that cannot be told. Different numbers decide, whatever
/// is behind them; the same numbers only with what EMQX publishes behind them: nothing, `-alpha.1`,
/// `-beta.2`, `-rc.3`.
#[must_use]
pub fn compare(one: &ReleaseVsn, other: &ReleaseVsn) -> Option<Ordering> {
    if one == other {
        return Some(Ordering::Equal);
    }
    let (first, second) = (numbers(one)?, numbers(other)?);
    match first.0.cmp(&second.0) {
        Ordering::Equal => Some(published(first)?.cmp(&published(second)?)),
        different => Some(different),
    }
}

/// The three numbers and what is behind them.
fn numbers(vsn: &ReleaseVsn) -> Option<([u64; 3], &str)> {
    let text = vsn.as_str();
    let end = text.find(['-', '+', '~']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let mut parts = numbers.split('.').map(number);
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some((found, rest))
}

fn published((numbers, rest): ([u64; 3], &str)) -> Option<Published> {
    let stage = if rest.is_empty() {
        Stage::Release
    } else {
        let (word, count) = rest.strip_prefix('-')?.split_once('.')?;
        let count = number(count)?;
        match word {
            "alpha" => Stage::Alpha(count),
            "beta" => Stage::Beta(count),
            "rc" => Stage::Candidate(count),
            _ => return None,
        }
    };
    Some(Published { numbers, stage })
}

/// Digits only, without the sign that `parse` would take.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, expected: Option<Ordering>) {
        let vsn = |text: &str| text.parse::<ReleaseVsn>().expect("a version");
        assert_eq!(compare(&vsn(one), &vsn(other)), expected, "{one} {other}");
        let turned = expected.map(Ordering::reverse);
        assert_eq!(compare(&vsn(other), &vsn(one)), turned, "{other} {one}");
    }

    #[test]
    fn numbers_decide_and_are_numbers() {
        check("5.10.5", "5.10.4", Some(Ordering::Greater));
        check("5.10.10", "5.10.9", Some(Ordering::Greater));
        check("6.0.0", "5.10.4", Some(Ordering::Greater));
        check("5.10.5-g1234", "5.10.4", Some(Ordering::Greater));
        check("5.6.2", "5.6.1+patch.A", Some(Ordering::Greater));
        check("6.0.0-rc.1", "5.10.4", Some(Ordering::Greater));
        check("4.4.16", "4.4.16", Some(Ordering::Equal));
        check("custom", "custom", Some(Ordering::Equal));
    }

    #[test]
    fn pre_releases_come_before_the_release() {
        check("6.0.0", "6.0.0-rc.1", Some(Ordering::Greater));
        check("6.0.0-rc.10", "6.0.0-rc.9", Some(Ordering::Greater));
        check("6.0.0-rc.1", "6.0.0-beta.2", Some(Ordering::Greater));
        check("6.0.0-beta.1", "6.0.0-alpha.2", Some(Ordering::Greater));
    }

    #[test]
    fn what_somebody_built_has_no_place_among_its_numbers() {
        for built in [
            "5.10.4-g1234",
            "5.10.4+patch.A",
            "5.10.4~pre1",
            "5.10.4-rc",
            "5.10.4-rc.1-g0a1b2c3d",
        ] {
            check(built, "5.10.4", None);
        }
        check("5.10.4-g1234", "5.10.4-g1235", None);
        for odd in ["e5.10.4", "5", "5.10", "5.10.4.1", "5.10.4_1", "5.x.4"] {
            check(odd, "5.10.5", None);
        }
    }
}
