//! Building and reading Erlang terms: short names over the term type of `erl_dist`.
//!
//! Pure. The readers never fail: they say `None` for a term of another shape.

pub use erl_dist::term::Term;
use erl_dist::term::{Atom, BigInteger, Binary, FixInteger, List, Map, Tuple};

/// The atom `name`.
#[must_use]
pub fn atom(name: &str) -> Term {
    Atom::from(name).into()
}

/// An integer.
#[must_use]
pub fn int(value: i64) -> Term {
    match i32::try_from(value) {
        Ok(small) => FixInteger::from(small).into(),
        Err(_) => BigInteger::from(value).into(),
    }
}

/// An Erlang string: the list of the code points of `text`.
#[must_use]
pub fn string(text: &str) -> Term {
    list(text.chars().map(|c| int(i64::from(u32::from(c)))).collect())
}

/// A binary. Text goes as UTF-8, as Erlang programs expect of `binary()`.
#[must_use]
pub fn binary(bytes: impl AsRef<[u8]>) -> Term {
    Binary::from(bytes.as_ref().to_vec()).into()
}

/// A proper list; `[]` for no elements.
#[must_use]
pub fn list(elements: Vec<Term>) -> Term {
    List::from(elements).into()
}

/// A tuple.
#[must_use]
pub fn tuple(elements: Vec<Term>) -> Term {
    Tuple::from(elements).into()
}

/// A map; the last of two equal keys wins.
#[must_use]
pub fn map(entries: Vec<(Term, Term)>) -> Term {
    Map::from(
        entries
            .into_iter()
            .collect::<std::collections::HashMap<_, _>>(),
    )
    .into()
}

/// The name of an atom.
#[must_use]
pub fn as_atom(term: &Term) -> Option<&str> {
    match term {
        Term::Atom(atom) => Some(&atom.name),
        _ => None,
    }
}

/// An integer that fits 64 bits.
#[must_use]
pub fn as_int(term: &Term) -> Option<i64> {
    match term {
        Term::FixInteger(small) => Some(i64::from(small.value)),
        Term::BigInteger(big) => i64::try_from(&big.value).ok(),
        _ => None,
    }
}

/// The elements of a tuple.
#[must_use]
pub fn as_tuple(term: &Term) -> Option<&[Term]> {
    match term {
        Term::Tuple(tuple) => Some(&tuple.elements),
        _ => None,
    }
}

/// The elements of a proper list. A list of bytes may have travelled as a string: see [`as_text`].
#[must_use]
pub fn as_list(term: &Term) -> Option<Vec<Term>> {
    match term {
        Term::List(list) => Some(list.elements.clone()),
        Term::ByteList(bytes) => Some(bytes.bytes.iter().map(|b| int(i64::from(*b))).collect()),
        _ => None,
    }
}

/// The bytes of a binary.
#[must_use]
pub fn as_binary(term: &Term) -> Option<&[u8]> {
    match term {
        Term::Binary(binary) => Some(&binary.bytes),
        _ => None,
    }
}

/// The value of `key` (an atom) in a map.
#[must_use]
pub fn map_get<'a>(term: &'a Term, key: &str) -> Option<&'a Term> {
    match term {
        Term::Map(map) => map.map.get(&atom(key)),
        _ => None,
    }
}

/// Text from a string, a binary or an atom; what is not UTF-8 or not a code point is replaced.
#[must_use]
pub fn as_text(term: &Term) -> Option<String> {
    match term {
        Term::Atom(atom) => Some(atom.name.clone()),
        Term::Binary(binary) => Some(String::from_utf8_lossy(&binary.bytes).into_owned()),
        Term::ByteList(bytes) => Some(bytes.bytes.iter().map(|b| char::from(*b)).collect()),
        Term::List(list) => list
            .elements
            .iter()
            .map(|element| {
                let code = u32::try_from(as_int(element)?).ok()?;
                Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            })
            .collect(),
        _ => None,
    }
}
