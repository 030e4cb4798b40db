//! Erlang literals in text form: what `.rel` files and most `.relup` files consist of.
//!
//! Reading them here means that hops can be listed while no VM runs. Text that needs an evaluator
//! (a call, a fun, an operator) is recognised as such and left to a VM; nothing is ever evaluated
//! here, and no input may panic or exhaust the stack. Tokens come from `erl_tokenize`, which
//! follows OTP's `erl_scan`; the parser of literals on top of them is in `term/parse.rs`, the
//! printer in `term/display.rs`.
//!
//! Where OTP versions differ the newest is followed: triple-quoted strings and sigils are read.

mod display;
pub mod external;
mod lex;
mod number;
mod parse;
mod partial;
mod places;

pub use parse::{parse_expression, parse_terms};
pub use partial::{Partial, parse_partly};
pub use places::Places;

/// An Erlang term that a literal can denote.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// An atom, without quotes and escapes.
    Atom(String),
    /// An integer of any size in decimal digits, with `-` in front when negative. Characters are
    /// integers too.
    Int(String),
    /// A finite float, in the shortest form that Erlang reads back, e.g. `1.0e21`.
    Float(String),
    /// A list of characters that was written as `"..."`.
    Str(String),
    /// A binary.
    Binary(Vec<u8>),
    /// A proper list that was not written as a string; the empty list may be this or an empty
    /// [`Term::Str`].
    List(Vec<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A map, keys in the order they were written, each once.
    Map(Vec<(Term, Term)>),
    /// A list that ends in something other than a list; it has at least one element, and the tail
    /// is no list.
    ImproperList(Vec<Term>, Box<Term>),
}

/// What a text that should hold one expression turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A literal, and here is its value.
    Literal(Term),
    /// Fine as far as the lexer goes, but it takes an evaluator to know its value.
    Expression,
}

/// Text that is no Erlang.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct TermError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Term {
    /// The name, when this is an atom.
    #[must_use]
    pub fn as_atom(&self) -> Option<&str> {
        match self {
            Term::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// The characters, when this is a string however it was written: `"..."`, a list of code
    /// points, or a binary in UTF-8.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Term::Str(text) => Some(text.clone()),
            Term::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
            Term::List(elements) => elements
                .iter()
                .map(|element| match element {
                    Term::Int(digits) => digits.parse().ok().and_then(char::from_u32),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }

    /// The term as Erlang prints it, cut after `limit` characters: for messages, which must stay
    /// one line whatever a file holds.
    #[must_use]
    pub fn shortened(&self, limit: usize) -> String {
        let text = self.to_string();
        match text.char_indices().nth(limit) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    /// The elements, when this is a proper list however it was written (a string is a list of its
    /// code points); otherwise the term itself.
    pub fn into_list(self) -> Result<Vec<Term>, Term> {
        match self {
            Term::List(elements) => Ok(elements),
            Term::Str(text) => Ok(text
                .chars()
                .map(|c| Term::Int(u32::from(c).to_string()))
                .collect()),
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests;
