//! Numbers of any size between their source text and the decimal text that [`super::Term`] keeps.
//!
//! No big-number arithmetic is needed beyond changing the base once, so there is no dependency for
//! it; the number of digits is bounded because that takes quadratic time.

/// Longest integer literal, in characters: enough for 16,000 bits.
const MAX_DIGITS: usize = 5000;

/// The decimal digits of an integer token (`1_000`, `16#ff`), without leading zeros; `None` when
/// it is longer than any number that belongs into a release file.
pub(super) fn decimal(token: &str) -> Option<String> {
    let clean: String = token.chars().filter(|c| *c != '_').collect();
    if clean.len() > MAX_DIGITS {
        return None;
    }
    let Some((base, digits)) = clean.split_once('#') else {
        return Some(without_leading_zeros(&clean));
    };
    let base: u32 = base.parse().ok()?;
    let mut little_endian = vec![0_u32];
    for digit in digits.chars() {
        let mut carry = digit.to_digit(base)?;
        for decimal in &mut little_endian {
            let value = *decimal * base + carry;
            *decimal = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            little_endian.push(carry % 10);
            carry /= 10;
        }
    }
    let digits: Option<String> = little_endian
        .iter()
        .rev()
        .map(|digit| char::from_digit(*digit, 10))
        .collect();
    Some(without_leading_zeros(&digits?))
}

/// `digits` with a minus sign, unless it is zero.
pub(super) fn negated(digits: String) -> String {
    if digits == "0" {
        digits
    } else {
        format!("-{digits}")
    }
}

/// The lowest byte of a decimal number, as a binary segment without a type keeps it.
pub(super) fn low_byte(decimal: &str) -> u8 {
    let (negative, digits) = match decimal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, decimal),
    };
    let byte = digits.bytes().fold(0_u8, |byte, digit| {
        byte.wrapping_mul(10).wrapping_add(digit.wrapping_sub(b'0'))
    });
    if negative { byte.wrapping_neg() } else { byte }
}

/// A finite float as Erlang writes it: always with a point, `1.0e21` where Rust writes `1e21`.
pub(super) fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}

fn without_leading_zeros(digits: &str) -> String {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: &str, expected: Option<&str>) {
        assert_eq!(decimal(token).as_deref(), expected, "{token}");
    }

    #[test]
    fn integers_of_every_base_become_decimal() {
        for (token, expected) in [
            ("0", "0"),
            ("007", "7"),
            ("1_000_000", "1000000"),
            ("16#ff", "255"),
            ("16#FF_FF", "65535"),
            ("2#1010", "10"),
            ("36#zz", "1295"),
            ("8#0", "0"),
            ("18446744073709551616", "18446744073709551616"),
            (
                "16#100000000000000000000000000000000",
                "340282366920938463463374607431768211456",
            ),
        ] {
            check(token, Some(expected));
        }
        check(&"9".repeat(MAX_DIGITS + 1), None);
    }

    #[test]
    fn an_untyped_segment_keeps_the_lowest_byte() {
        for (number, expected) in [
            ("0", 0),
            ("255", 255),
            ("256", 0),
            ("-1", 255),
            ("-256", 0),
            ("9731", 3),
        ] {
            assert_eq!(low_byte(number), expected, "{number}");
        }
    }

    #[test]
    fn floats_are_written_the_way_erlang_reads_them() {
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e21, "1.0e21"),
            (1.5e-9, "1.5e-9"),
            (0.1, "0.1"),
        ] {
            assert_eq!(float(value), expected);
        }
    }
}
