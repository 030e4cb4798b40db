//! The text of a file of Erlang terms: Latin-1 unless a comment in its first two lines names UTF-8,
//! as the `ssl` application reads its options.

use std::borrow::Cow;

/// Decodes a file of options.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if !is_utf8(bytes) {
        return Ok(match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Cow::Borrowed(text),
            _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
        });
    }
    let text = std::str::from_utf8(bytes);
    text.map(Cow::Borrowed)
        .map_err(|error| format!("it says that it is UTF-8 and is not: {error}"))
}

/// `coding: utf-8` or `coding=utf-8` in a comment.
fn is_utf8(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').take(2);
    let mut comments = lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'%')?;
        std::str::from_utf8(&line[at..]).ok()
    });
    comments.any(|comment| {
        let (_, named) = comment.split_once("coding").unwrap_or_default();
        let named = named.trim_start().strip_prefix([':', '=']);
        named.is_some_and(|name| name.trim_start().to_ascii_lowercase().starts_with("utf-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_at_the_top_names_the_encoding() {
        let check = |text: &str, expected: &str| {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(expected), "{text}");
        };
        check("[].", "[].");
        check("\"é\".", "\"Ã©\".");
        check("%% coding: utf-8\n\"é\".", "%% coding: utf-8\n\"é\".");
        check(
            "#!x\n%% -*- coding=UTF-8 -*-\n\"é\".",
            "#!x\n%% -*- coding=UTF-8 -*-\n\"é\".",
        );
        check(
            "\n\n%% coding: utf-8\n\"é\".",
            "\n\n%% coding: utf-8\n\"Ã©\".",
        );
        assert!(decode(b"%% coding: utf-8\n\"\xe9\".").is_err());
    }
}
