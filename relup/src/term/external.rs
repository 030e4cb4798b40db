//! Terms in Erlang's external format: what BEAM files keep attributes and debug info in.
//!
//! Reads what a compiled module can hold: atoms, numbers, strings, binaries, lists, tuples, maps. A
//! process, a reference or a fun is none of that and is refused. No input may panic, exhaust the
//! stack or make this allocate more than a multiple of its length: containers are kept on a stack
//! of their own, and grow as their elements come. Source: the chapter on the external term format
//! in the ERTS documentation. Data: the bytes after they were inflated; [`deflated`] tells which
//! have to be.

use super::{Term, number};

const VERSION: u8 = 131;
const COMPRESSED: u8 = 80;
/// How deep containers may be nested. A list of 500 elements in a source is nested as deep as
/// twice that in its syntax tree.
const MAX_DEPTH: usize = 4000;
/// Longest integer, in bytes.
const MAX_BIG: usize = 1024;

/// Why bytes are no term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// They end before the term does.
    #[error("the term is cut after {0} bytes")]
    Cut(usize),
    /// Another version of the format, or compressed.
    #[error("the term does not begin like one")]
    Beginning,
    /// A tag that a compiled module never has.
    #[error("unknown tag {tag} at byte {at}")]
    Tag {
        /// The tag.
        tag: u8,
        /// Where it stands.
        at: usize,
    },
    /// Text or a number that can't be one.
    #[error("malformed {what} at byte {at}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Where it ends.
        at: usize,
    },
    /// Deeper than any source is nested.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Bytes after the end.
    #[error("{0} bytes after the end of the term")]
    Rest(usize),
}

/// A container whose elements are being read.
enum Open {
    Tuple(usize, Vec<Term>),
    /// Elements that are still to come; the tail comes after them.
    List(usize, Vec<Term>),
    Map(usize, Vec<(Term, Term)>, Option<Term>),
}

/// The zlib stream of a compressed term and the length of what it inflates to, which is the term
/// without the version in front: see [`parse_inflated`].
#[must_use]
pub fn deflated(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let rest = bytes.strip_prefix(&[VERSION, COMPRESSED])?;
    let (len, stream) = rest.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*len)).ok()?, stream))
}

/// Reads one term with the version in front, and nothing after it.
pub fn parse_external(bytes: &[u8]) -> Result<Term, ExternalError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => parse_inflated(rest),
        _ => Err(ExternalError::Beginning),
    }
}

/// Reads one term without the version in front, and nothing after it.
pub fn parse_inflated(bytes: &[u8]) -> Result<Term, ExternalError> {
    let mut reader = Reader { bytes, at: 0 };
    let term = reader.term()?;
    match bytes.len() - reader.at {
        0 => Ok(term),
        rest => Err(ExternalError::Rest(rest)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Value {
    Leaf(Term),
    Container(Open),
}

impl<'a> Reader<'a> {
    fn term(&mut self) -> Result<Term, ExternalError> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.value()? {
                Value::Leaf(term) => term,
                Value::Container(container) => {
                    if open.len() == MAX_DEPTH {
                        return Err(ExternalError::TooDeep);
                    }
                    open.push(container);
                    continue;
                }
            };
            // What is complete is an element of what surrounds it.
            loop {
                let Some(container) = open.pop() else {
                    return Ok(value);
                };
                match container.take(value) {
                    Ok(whole) => value = whole,
                    Err(more) => {
                        open.push(more);
                        break;
                    }
                }
            }
        }
    }

    fn value(&mut self) -> Result<Value, ExternalError> {
        let tag = self.byte()?;
        let leaf = match tag {
            97 => Term::Int(self.byte()?.to_string()),
            98 => Term::Int(self.u32()?.cast_signed().to_string()),
            70 => self.float()?,
            100 => {
                let len = self.u16()?;
                self.latin1_atom(len)?
            }
            115 => {
                let len = self.byte()?.into();
                self.latin1_atom(len)?
            }
            118 => {
                let len = self.u16()?;
                self.atom(len)?
            }
            119 => {
                let len = self.byte()?.into();
                self.atom(len)?
            }
            104 => return self.tuple(|reader| reader.byte().map(usize::from)),
            105 => return self.tuple(Self::len),
            106 => Term::List(Vec::new()),
            107 => {
                let len = self.u16()?;
                Term::Str(
                    self.take(len)?
                        .iter()
                        .map(|byte| char::from(*byte))
                        .collect(),
                )
            }
            108 => {
                let len = self.len()?;
                return Ok(Value::Container(Open::List(len, Vec::new())));
            }
            109 => {
                let len = self.len()?;
                Term::Binary(self.take(len)?.to_vec())
            }
            110 => {
                let len = self.byte()?.into();
                self.big(len)?
            }
            111 => {
                let len = self.len()?;
                self.big(len)?
            }
            116 => match self.len()? {
                0 => Term::Map(Vec::new()),
                len => return Ok(Value::Container(Open::Map(len, Vec::new(), None))),
            },
            _ => {
                return Err(ExternalError::Tag {
                    tag,
                    at: self.at - 1,
                });
            }
        };
        Ok(Value::Leaf(leaf))
    }

    fn tuple(
        &mut self,
        len: impl Fn(&mut Self) -> Result<usize, ExternalError>,
    ) -> Result<Value, ExternalError> {
        Ok(match len(self)? {
            0 => Value::Leaf(Term::Tuple(Vec::new())),
            len => Value::Container(Open::Tuple(len, Vec::new())),
        })
    }

    fn atom(&mut self, len: usize) -> Result<Term, ExternalError> {
        let text = self.take(len)?;
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Term::Atom(text.to_owned())),
            Err(_) => Err(self.malformed("atom")),
        }
    }

    fn latin1_atom(&mut self, len: usize) -> Result<Term, ExternalError> {
        let text = self.take(len)?;
        Ok(Term::Atom(
            text.iter().map(|byte| char::from(*byte)).collect(),
        ))
    }

    fn float(&mut self) -> Result<Term, ExternalError> {
        let value = f64::from_be_bytes(self.array()?);
        if !value.is_finite() {
            return Err(self.malformed("float"));
        }
        Ok(Term::Float(number::float(value)))
    }

    /// An integer of any size: sign, then the digits to base 256, least significant first.
    fn big(&mut self, len: usize) -> Result<Term, ExternalError> {
        let negative = self.byte()? != 0;
        let digits = self.take(len)?;
        // Changing the base takes time that grows with the square of the length.
        let decimal = (len <= MAX_BIG).then(|| {
            let mut reversed = digits.to_vec();
            reversed.reverse();
            number::decimal(&format!("16#0{}", hex::encode(reversed)))
        });
        let Some(decimal) = decimal.flatten() else {
            return Err(self.malformed("integer"));
        };
        Ok(Term::Int(if negative {
            number::negated(decimal)
        } else {
            decimal
        }))
    }

    fn malformed(&self, what: &'static str) -> ExternalError {
        ExternalError::Malformed { what, at: self.at }
    }

    fn byte(&mut self) -> Result<u8, ExternalError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<usize, ExternalError> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn u32(&mut self) -> Result<u32, ExternalError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn len(&mut self) -> Result<usize, ExternalError> {
        let len = self.u32()?;
        usize::try_from(len).map_err(|_| self.malformed("length"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ExternalError> {
        let taken = self.take(N)?;
        taken
            .first_chunk()
            .copied()
            .ok_or(ExternalError::Cut(self.bytes.len()))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], ExternalError> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(ExternalError::Cut(self.bytes.len()))?;
        self.at += len;
        Ok(taken)
    }
}

impl Open {
    /// With one more element: the whole term, or what still waits for others.
    fn take(self, value: Term) -> Result<Term, Open> {
        match self {
            Open::Tuple(left, mut elements) => {
                elements.push(value);
                match left - 1 {
                    0 => Ok(Term::Tuple(elements)),
                    left => Err(Open::Tuple(left, elements)),
                }
            }
            Open::List(0, elements) => Ok(ended(elements, value)),
            Open::List(left, mut elements) => {
                elements.push(value);
                Err(Open::List(left - 1, elements))
            }
            Open::Map(left, pairs, None) => Err(Open::Map(left, pairs, Some(value))),
            Open::Map(left, mut pairs, Some(key)) => {
                pairs.push((key, value));
                match left - 1 {
                    0 => Ok(Term::Map(pairs)),
                    left => Err(Open::Map(left, pairs, None)),
                }
            }
        }
    }
}

fn ended(mut elements: Vec<Term>, tail: Term) -> Term {
    match tail.into_list() {
        Ok(more) => {
            elements.extend(more);
            Term::List(elements)
        }
        Err(tail) if elements.is_empty() => tail,
        Err(Term::ImproperList(more, tail)) => {
            elements.extend(more);
            Term::ImproperList(elements, tail)
        }
        Err(tail) => Term::ImproperList(elements, Box::new(tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        match (parse_external(bytes), expected) {
            (Ok(term), Ok(text)) => assert_eq!(term.to_string(), text),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (actual, _) => panic!("{bytes:?}: {actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn every_kind_of_term_of_a_compiled_module_is_read() {
        for (bytes, text) in [
            (&b"\x83\x61\x07"[..], "7"),
            (b"\x83\x62\xff\xff\xff\xff", "-1"),
            (b"\x83\x46\x3f\xf0\0\0\0\0\0\0", "1.0"),
            (b"\x83\x46\x44\x4b\x1a\xe4\xd6\xe2\xef\x50", "1.0e21"),
            (b"\x83\x64\0\x02ok", "ok"),
            (b"\x83\x73\x02\xe4b", "äb"),
            (b"\x83\x77\x03\xc3\xa4b", "äb"),
            (b"\x83\x68\0", "{}"),
            (b"\x83\x68\x02\x77\x01a\x68\x01\x61\x01", "{a,{1}}"),
            (b"\x83\x6a", "[]"),
            (b"\x83\x6b\0\x02hi", "\"hi\""),
            (b"\x83\x6c\0\0\0\x02\x61\x01\x77\x01b\x6a", "[1,b]"),
            (b"\x83\x6c\0\0\0\x01\x61\x01\x61\x02", "[1|2]"),
            (b"\x83\x6c\0\0\0\x01\x61\x01\x6b\0\x01a", "[1,97]"),
            (b"\x83\x6d\0\0\0\x02ab", "<<\"ab\">>"),
            (
                b"\x83\x6e\x09\x01\0\0\0\0\0\0\0\0\x01",
                "-18446744073709551616",
            ),
            (b"\x83\x74\0\0\0\x01\x77\x01a\x61\x01", "#{a => 1}"),
        ] {
            check(bytes, Ok(text));
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_place() {
        for (bytes, part) in [
            (&b""[..], "does not begin"),
            (b"\x82\x6a", "does not begin"),
            (b"\x83", "cut after"),
            (b"\x83\x61", "cut after"),
            (b"\x83\x6d\xff\xff\xff\xffab", "cut after"),
            (b"\x83\x6c\xff\xff\xff\xff\x6a", "cut after"),
            (b"\x83\x67", "unknown tag 103 at byte 0"),
            (b"\x83\x77\x01\xff", "malformed atom"),
            (b"\x83\x46\x7f\xf0\0\0\0\0\0\0", "malformed float"),
            (b"\x83\x6a\x6a", "1 bytes after"),
        ] {
            check(bytes, Err(part));
        }
        let mut deep = vec![VERSION];
        deep.extend(b"\x68\x01".repeat(100_000));
        check(&deep, Err("nested more than"));
    }

    #[test]
    fn a_compressed_term_is_told_by_its_head() {
        assert_eq!(deflated(b"\x83\x50\0\0\x01\0abc"), Some((256, &b"abc"[..])));
        assert_eq!(deflated(b"\x83\x50\0\0"), None);
        assert_eq!(deflated(b"\x83\x6a"), None);
    }
}
