//! Character data (`unicode:chardata()`, `iodata()`) to UTF-8, straight from the bytes of the term:
//! lists of lists may nest as deep as a program has gathered its output, and are never decoded.
//!
//! Exact: what OTP would refuse is refused, so that the caller learns of it in OTP's way.

use crate::etf::{Raw, tag};

/// How binaries and integers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Integers are code points; binaries are UTF-8 that may be cut anywhere between them.
    Unicode,
    /// The same, but each binary stands for itself, as `~ts` reads them.
    UnicodeEach,
    /// Integers and bytes up to 255.
    Latin1,
}

/// It is no character data of that encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotChars;

/// All characters of a list or a binary, as UTF-8.
pub(crate) fn flatten(term: Raw<'_>, encoding: Encoding) -> Result<Vec<u8>, NotChars> {
    let bytes = term.bytes();
    let mut out = Vec::new();
    // For each open list: its elements still to come, and one more for the tail.
    let mut open: Vec<u64> = Vec::new();
    let mut at = 0;
    loop {
        at += match bytes[at] {
            tag::NIL => 1,
            tag::LIST => {
                open.push(u64::from(u32_at(bytes, at + 1)) + 1);
                at += 5;
                continue;
            }
            tag::STRING => {
                let length = usize::from(u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]));
                latin1(&mut out, &bytes[at + 3..at + 3 + length]);
                3 + length
            }
            tag::BINARY => {
                let length = u32_at(bytes, at + 1) as usize;
                binary(&mut out, &bytes[at + 5..at + 5 + length], encoding)?;
                5 + length
            }
            // A character is neither data by itself nor the tail of a list.
            _ if open.last().is_none_or(|left| *left == 1) => return Err(NotChars),
            tag::SMALL_INTEGER => {
                latin1(&mut out, &bytes[at + 1..at + 2]);
                2
            }
            tag::INTEGER => {
                code_point(&mut out, u32_at(bytes, at + 1), encoding)?;
                5
            }
            _ => return Err(NotChars),
        };
        loop {
            let Some(left) = open.last_mut() else {
                // Only whole text may have been cut between binaries.
                let valid = encoding == Encoding::Latin1 || std::str::from_utf8(&out).is_ok();
                return if valid { Ok(out) } else { Err(NotChars) };
            };
            *left -= 1;
            if *left > 0 {
                break;
            }
            open.pop();
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn latin1(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_ascii() {
        out.extend_from_slice(bytes);
    } else {
        for byte in bytes {
            push(out, char::from(*byte));
        }
    }
}

fn binary(out: &mut Vec<u8>, bytes: &[u8], encoding: Encoding) -> Result<(), NotChars> {
    match encoding {
        Encoding::Latin1 => latin1(out, bytes),
        Encoding::UnicodeEach if std::str::from_utf8(bytes).is_err() => return Err(NotChars),
        Encoding::UnicodeEach | Encoding::Unicode => out.extend_from_slice(bytes),
    }
    Ok(())
}

fn code_point(out: &mut Vec<u8>, value: u32, encoding: Encoding) -> Result<(), NotChars> {
    if encoding == Encoding::Latin1 && value > 255 {
        return Err(NotChars);
    }
    // A negative integer is far above the last code point here.
    push(out, char::from_u32(value).ok_or(NotChars)?);
    Ok(())
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etf::RawTerm;
    use crate::term::{atom, binary, int, list, string};
    use erl_dist::term::ImproperList;

    #[test]
    fn character_data_becomes_utf8_and_everything_else_is_refused() {
        use Encoding::{Latin1, Unicode, UnicodeEach};
        let split = list(vec![binary([0xC3]), binary([0xA4])]);
        let tail = |last| ImproperList::from((vec![int(97)], last)).into();
        let cases = [
            (string("aé€😀"), Unicode, Some("aé€😀")),
            (string(""), Unicode, Some("")),
            (string("aé"), Latin1, Some("aé")),
            (string("€"), Latin1, None),
            (binary("é"), Unicode, Some("é")),
            (binary("é"), Latin1, Some("Ã©")),
            (binary([0xFF]), Unicode, None),
            (binary([0xFF]), Latin1, Some("ÿ")),
            (split.clone(), Unicode, Some("ä")),
            (split, UnicodeEach, None),
            (
                list(vec![
                    string("a"),
                    list(vec![binary("b"), int(0x20AC)]),
                    int(100),
                ]),
                Unicode,
                Some("ab€d"),
            ),
            (tail(binary("b")), Unicode, Some("ab")),
            (tail(int(98)), Unicode, None),
            (list(vec![int(0xD800)]), Unicode, None),
            (list(vec![int(-1), int(1000)]), Unicode, None),
            (list(vec![atom("a")]), Unicode, None),
            (atom("a"), Unicode, None),
            (int(97), Unicode, None),
        ];
        for (term, encoding, expected) in cases {
            let flat = flatten(RawTerm::of(&term).as_raw(), encoding).ok();
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(flat, expected, "{term} {encoding:?}");
        }
    }

    #[test]
    fn text_may_nest_as_deep_as_it_likes() {
        let depth = 900_000;
        let mut bytes = vec![tag::VERSION];
        for _ in 0..depth {
            bytes.extend([tag::LIST, 0, 0, 0, 1]);
        }
        bytes.extend([tag::BINARY, 0, 0, 0, 1, b'x']);
        bytes.extend(std::iter::repeat_n(tag::NIL, depth));
        let (term, rest) = Raw::take_versioned(&bytes).expect("it is a term");
        assert!(rest.is_empty());
        assert_eq!(flatten(term, Encoding::Unicode), Ok(b"x".to_vec()));
    }
}
