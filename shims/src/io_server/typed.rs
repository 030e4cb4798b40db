//! Cuts what was typed into what was asked for.

use super::chars::Encoding;
use crate::term::{Term, atom, string, tuple};
use std::collections::VecDeque;

/// A line with its newline; what there is at the end of the input. `None`: more must be read.
pub(crate) fn take_line(
    typed: &mut VecDeque<char>,
    at_end: bool,
    encoding: Encoding,
) -> Option<Term> {
    let length = match typed.iter().position(|c| *c == '\n') {
        Some(newline) => newline + 1,
        None if at_end => typed.len(),
        None => return None,
    };
    Some(take(typed, length, encoding))
}

/// So many characters, fewer only at the end of the input. `None`: more must be read.
pub(crate) fn take_chars(
    typed: &mut VecDeque<char>,
    at_end: bool,
    encoding: Encoding,
    count: i32,
) -> Option<Term> {
    let count = usize::try_from(count).unwrap_or(0);
    if typed.len() < count && !at_end {
        return None;
    }
    if count == 0 {
        return Some(string(""));
    }
    let length = count.min(typed.len());
    Some(take(typed, length, encoding))
}

fn take(typed: &mut VecDeque<char>, length: usize, encoding: Encoding) -> Term {
    if length == 0 {
        return atom("eof");
    }
    let text: String = typed.drain(..length).collect();
    answer_chars(&text, encoding)
}

/// The characters as a string, when the encoding that was asked for has them all.
pub(crate) fn answer_chars(text: &str, encoding: Encoding) -> Term {
    if encoding == Encoding::Latin1 && text.chars().any(|c| c > 'ÿ') {
        let reason = vec![atom("no_translation"), atom("unicode"), atom("latin1")];
        return tuple(vec![atom("error"), tuple(reason)]);
    }
    string(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::as_text;

    #[test]
    fn lines_and_characters_are_cut_and_the_end_is_eof() {
        let mut typed: VecDeque<char> = "ab\nçd€".chars().collect();
        let line = |typed: &mut _, at_end| take_line(typed, at_end, Encoding::Unicode);
        let chars = |typed: &mut _, at_end, n| take_chars(typed, at_end, Encoding::Unicode, n);
        assert_eq!(
            line(&mut typed, false)
                .as_ref()
                .and_then(as_text)
                .as_deref(),
            Some("ab\n")
        );
        assert_eq!(line(&mut typed, false), None);
        assert_eq!(chars(&mut typed, false, 0), Some(string("")));
        assert_eq!(
            chars(&mut typed, false, 2)
                .as_ref()
                .and_then(as_text)
                .as_deref(),
            Some("çd")
        );
        assert_eq!(chars(&mut typed, false, 2), None);
        assert_eq!(
            chars(&mut typed, true, 2)
                .as_ref()
                .and_then(as_text)
                .as_deref(),
            Some("€")
        );
        assert_eq!(line(&mut typed, true), Some(atom("eof")));
        assert_eq!(chars(&mut typed, true, 1), Some(atom("eof")));
    }

    #[test]
    fn characters_outside_of_latin1_are_an_error_for_who_asked_for_latin1() {
        let mut typed: VecDeque<char> = "€\n".chars().collect();
        let answer = take_line(&mut typed, false, Encoding::Latin1).expect("a line is there");
        assert_eq!(
            answer.to_string(),
            "{'error',{'no_translation','unicode','latin1'}}"
        );
    }
}
