//! `io_lib:format/2` for the formats that nearly all output uses: `~ts`, `~s`, `~n` and `~~`, and
//! `~b`, `~p` and `~w` of integers, all without widths. It saves a call to the node for each line. Anything that is not exactly the same here
//! (invalid text, other directives, a wrong number of arguments) is left to the node.

use super::chars::{Encoding, flatten};
use crate::etf::{Raw, tag};

/// The text, as UTF-8; `None`: the node has to do it.
pub(crate) fn format(directions: Raw<'_>, arguments: Raw<'_>) -> Option<Vec<u8>> {
    let directions = directions_of(directions)?;
    let arguments = arguments.list()?;
    let mut arguments = arguments.into_iter();
    let mut out = Vec::new();
    let mut rest = directions.chars();
    while let Some(character) = rest.next() {
        if character != '~' {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next()? {
            'n' => out.push(b'\n'),
            '~' => out.push(b'~'),
            's' => out.extend(text(arguments.next()?, Encoding::Latin1)?),
            'b' | 'p' | 'w' => out.extend(integer(arguments.next()?)?),
            't' => match rest.next()? {
                's' => out.extend(text(arguments.next()?, Encoding::UnicodeEach)?),
                'p' | 'w' => out.extend(integer(arguments.next()?)?),
                _ => return None,
            },
            _ => return None,
        }
    }
    arguments.next().is_none().then_some(out)
}

/// A format is a flat string, or a binary that is read as latin1.
fn directions_of(term: Raw<'_>) -> Option<String> {
    let is_flat = match term.bytes()[0] {
        tag::STRING | tag::BINARY | tag::NIL => true,
        tag::LIST => term.list()?.iter().all(|element| element.int().is_some()),
        _ => false,
    };
    let encoding = match term.binary() {
        Some(_) => Encoding::Latin1,
        None => Encoding::UnicodeEach,
    };
    String::from_utf8(flatten(term, encoding).ok().filter(|_| is_flat)?).ok()
}

fn integer(argument: Raw<'_>) -> Option<Vec<u8>> {
    Some(argument.int()?.to_string().into_bytes())
}

fn text(argument: Raw<'_>, encoding: Encoding) -> Option<Vec<u8>> {
    match argument.atom() {
        Some(name) if encoding == Encoding::Latin1 && name.chars().any(|c| c > 'ÿ') => None,
        Some(name) => Some(name.as_bytes().to_vec()),
        None => flatten(argument, encoding).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etf::RawTerm;
    use crate::term::{Term, atom, binary, int, list, string};

    #[test]
    fn common_formats_are_done_here_and_all_others_left_to_the_node() {
        let cases: [(Term, Vec<Term>, Option<&str>); 19] = [
            (string("hi~n"), vec![], Some("hi\n")),
            (
                string("~ts: ~s~~~n"),
                vec![binary("é€"), string("é")],
                Some("é€: é~\n"),
            ),
            (string("~ts"), vec![atom("ok")], Some("ok")),
            (string("~s"), vec![binary("é")], Some("Ã©")),
            (string("€~n"), vec![], Some("€\n")),
            (binary("a~n"), vec![], Some("a\n")),
            (string(""), vec![], Some("")),
            (string("~ts"), vec![binary([0xFF])], None),
            (string("~s"), vec![string("€")], None),
            (string("~s"), vec![atom("€")], None),
            (string("~ts"), vec![int(1)], None),
            (
                string("~b ~p ~tw"),
                vec![int(7), int(-1), int(1 << 20)],
                Some("7 -1 1048576"),
            ),
            (string("~b"), vec![int(1 << 40)], None),
            (string("~p"), vec![atom("ok")], None),
            (string("~10s"), vec![string("a")], None),
            (string("~s"), vec![], None),
            (string("~n"), vec![string("a")], None),
            (string("a~"), vec![], None),
            (list(vec![string("a"), string("b")]), vec![], None),
        ];
        for (directions, arguments, expected) in cases {
            let shown = format!("{directions} {arguments:?}");
            let (directions, arguments) = (RawTerm::of(&directions), RawTerm::of(&list(arguments)));
            let done = format(directions.as_raw(), arguments.as_raw());
            assert_eq!(
                done,
                expected.map(|text| text.as_bytes().to_vec()),
                "{shown}"
            );
        }
    }
}
