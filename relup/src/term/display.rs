//! Prints terms on one line, close to what `~0p` prints, so that messages show people the Erlang
//! they wrote. What is printed must read back as the same term; a property test holds it to that.

use std::fmt::{self, Formatter, Write};

use erl_tokenize::{Position, TokenKind};

use super::Term;

impl fmt::Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Atom(name) if is_bare_atom(name) => f.write_str(name),
            Term::Atom(name) => quoted(f, name, '\''),
            Term::Int(digits) | Term::Float(digits) => f.write_str(digits),
            Term::Str(text) => quoted(f, text, '"'),
            Term::Binary(bytes) => binary(f, bytes),
            Term::List(elements) => {
                f.write_char('[')?;
                separated(f, elements)?;
                f.write_char(']')
            }
            Term::ImproperList(elements, tail) => {
                f.write_char('[')?;
                separated(f, elements)?;
                write!(f, "|{tail}]")
            }
            Term::Tuple(elements) => {
                f.write_char('{')?;
                separated(f, elements)?;
                f.write_char('}')
            }
            Term::Map(pairs) => {
                f.write_str("#{")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{key} => {value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn separated(f: &mut Formatter<'_>, elements: &[Term]) -> fmt::Result {
    for (index, element) in elements.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma}{element}")?;
    }
    Ok(())
}

/// The lexer itself is asked, so that no list of reserved words is kept a second time.
fn is_bare_atom(name: &str) -> bool {
    let token = erl_tokenize::scan_token(name, Position::new());
    !name.starts_with('\'')
        && matches!(token, Ok(Some(token))
            if token.kind() == TokenKind::Atom && token.end().offset() == name.len())
}

fn binary(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| !c.is_control() || is_layout(c)) => {
            f.write_str("<<")?;
            quoted(f, text, '"')?;
            f.write_str(if text.is_ascii() { ">>" } else { "/utf8>>" })
        }
        _ => {
            f.write_str("<<")?;
            for (index, byte) in bytes.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(f, "{comma}{byte}")?;
            }
            f.write_str(">>")
        }
    }
}

fn is_layout(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t')
}

fn quoted(f: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{{{:X}}}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}
