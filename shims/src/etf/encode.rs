//! Writes terms. See the parent module for why this is not left to `eetf`.
//!
//! Terms here are this program's own or were decoded within the limits, so that recursion is fine.

use super::tag;
use crate::term::Term;
use erl_dist::term::{Atom, BigInteger, InternalFun, Pid, Reference};

pub(crate) fn term(out: &mut Vec<u8>, term: &Term) {
    match term {
        Term::Atom(name) => atom(out, name),
        Term::FixInteger(value) => int(out, value.value),
        Term::BigInteger(value) => {
            let (_, bytes) = value.value.to_bytes_le();
            match u8::try_from(bytes.len()) {
                Ok(length) => out.extend([tag::SMALL_BIG, length]),
                Err(_) => tag_and_length(out, tag::LARGE_BIG, bytes.len()),
            }
            out.push(u8::from(value.value < BigInteger::from(0).value));
            out.extend(bytes);
        }
        Term::Float(value) => {
            out.push(tag::NEW_FLOAT);
            out.extend(value.value.to_be_bytes());
        }
        Term::Pid(value) => pid(out, value),
        Term::Port(port) => {
            out.push(tag::V4_PORT);
            atom(out, &port.node);
            out.extend(port.id.to_be_bytes());
            out.extend(port.creation.to_be_bytes());
        }
        Term::Reference(value) => reference(out, value),
        Term::ExternalFun(fun) => {
            out.push(tag::EXPORT);
            atom(out, &fun.module);
            atom(out, &fun.function);
            int(out, i32::from(fun.arity));
        }
        Term::Binary(bytes) => {
            tag_and_length(out, tag::BINARY, bytes.bytes.len());
            out.extend(&bytes.bytes);
        }
        Term::ByteList(bytes) => string(out, &bytes.bytes),
        Term::List(list) => {
            let bytes: Option<Vec<u8>> = list.elements.iter().map(byte).collect();
            if let Some(bytes) = bytes {
                return string(out, &bytes);
            }
            list_head(out, list.elements.len());
            for element in &list.elements {
                self::term(out, element);
            }
            out.push(tag::NIL);
        }
        Term::ImproperList(list) => {
            list_head(out, list.elements.len());
            for element in &list.elements {
                self::term(out, element);
            }
            self::term(out, &list.last);
        }
        Term::Tuple(tuple) => {
            tuple_head(out, tuple.elements.len());
            for element in &tuple.elements {
                self::term(out, element);
            }
        }
        Term::Map(map) => {
            tag_and_length(out, tag::MAP, map.map.len());
            for (key, value) in &map.map {
                self::term(out, key);
                self::term(out, value);
            }
        }
        Term::InternalFun(value) => match &**value {
            InternalFun::New { .. } => fun(out, value),
            // A form that no release since OTP 23 sends.
            InternalFun::Old { .. } => by_eetf(out, term),
        },
        Term::BitBinary(_) => by_eetf(out, term),
    }
}

pub(crate) fn tuple_head(out: &mut Vec<u8>, count: usize) {
    match u8::try_from(count) {
        Ok(count) => out.extend([tag::SMALL_TUPLE, count]),
        Err(_) => tag_and_length(out, tag::LARGE_TUPLE, count),
    }
}

/// The head of a list: `count` elements and the tail are to follow.
pub(crate) fn list_head(out: &mut Vec<u8>, count: usize) {
    if count > 0 {
        tag_and_length(out, tag::LIST, count);
    }
}

pub(crate) fn atom(out: &mut Vec<u8>, atom: &Atom) {
    // An atom has at most 255 characters, 1020 bytes; a longer name the peer refuses.
    let name = atom.name.as_bytes();
    match u8::try_from(name.len()) {
        Ok(length) => out.extend([tag::SMALL_ATOM_UTF8, length]),
        Err(_) => {
            out.push(tag::ATOM_UTF8);
            out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend(name.iter().take(usize::from(u16::MAX)));
}

pub(crate) fn int(out: &mut Vec<u8>, value: i32) {
    match u8::try_from(value) {
        Ok(small) => out.extend([tag::SMALL_INTEGER, small]),
        Err(_) => {
            out.push(tag::INTEGER);
            out.extend(value.to_be_bytes());
        }
    }
}

pub(crate) fn pid(out: &mut Vec<u8>, pid: &Pid) {
    out.push(tag::NEW_PID);
    atom(out, &pid.node);
    for word in [pid.id, pid.serial, pid.creation] {
        out.extend(word.to_be_bytes());
    }
}

pub(crate) fn reference(out: &mut Vec<u8>, reference: &Reference) {
    out.push(tag::NEWER_REFERENCE);
    out.extend(
        u16::try_from(reference.id.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    atom(out, &reference.node);
    out.extend(reference.creation.to_be_bytes());
    for word in reference.id.iter().take(usize::from(u16::MAX)) {
        out.extend(word.to_be_bytes());
    }
}

fn fun(out: &mut Vec<u8>, fun: &InternalFun) {
    let InternalFun::New {
        module,
        arity,
        pid: owner,
        free_vars,
        index,
        uniq,
        old_index,
        old_uniq,
    } = fun
    else {
        return;
    };
    let mut body = vec![*arity];
    body.extend(uniq);
    body.extend(index.to_be_bytes());
    body.extend(
        u32::try_from(free_vars.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    atom(&mut body, module);
    int(&mut body, *old_index);
    int(&mut body, *old_uniq);
    pid(&mut body, owner);
    for value in free_vars {
        term(&mut body, value);
    }
    // The length counts itself.
    tag_and_length(out, tag::NEW_FUN, body.len() + 4);
    out.extend(body);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    match u16::try_from(bytes.len()) {
        Ok(0) => out.push(tag::NIL),
        Ok(length) => {
            out.push(tag::STRING);
            out.extend(length.to_be_bytes());
            out.extend(bytes);
        }
        Err(_) => {
            list_head(out, bytes.len());
            for byte in bytes {
                out.extend([tag::SMALL_INTEGER, *byte]);
            }
            out.push(tag::NIL);
        }
    }
}

fn byte(term: &Term) -> Option<u8> {
    match term {
        Term::FixInteger(value) => u8::try_from(value.value).ok(),
        _ => None,
    }
}

/// Lengths on the wire have 32 bits. Nothing that this program sends comes near them, and a frame
/// that did would be refused before it was sent.
fn tag_and_length(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn by_eetf(out: &mut Vec<u8>, term: &Term) {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail, and funs and bit strings have no other limit.
    if term.encode(&mut bytes).is_ok() {
        out.extend(bytes.iter().skip(1));
    }
}
