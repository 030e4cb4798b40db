//! The tables of a module: its atoms, and the functions that it exports and calls.
//!
//! Counts in the file are claims: nothing is reserved for them before the bytes are there.

use std::borrow::Cow;

use super::BeamError;

/// The tag of an unsigned number in the compact form, and the bits that tell its length.
const TAG: u8 = 0b111;
const LONG: u8 = 0b1000;
const LONGER: u8 = 0b1_0000;

/// All atoms of a module, numbered from 1.
#[derive(Debug, Clone)]
pub struct Atoms<'a>(Vec<Cow<'a, str>>);

/// An exported function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many arguments it takes.
    pub arity: u8,
}

/// A function of another module that is called by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call<'a> {
    /// The module.
    pub module: &'a str,
    /// The function's name.
    pub name: &'a str,
    /// How many arguments it takes.
    pub arity: u8,
}

impl<'a> Atoms<'a> {
    /// Since OTP 28 lengths are compact numbers, which a negative count tells.
    pub(super) fn parse(bytes: &'a [u8], utf8: bool) -> Result<Atoms<'a>, BeamError> {
        let damaged = BeamError::Damaged(if utf8 { "AtU8" } else { "Atom" });
        let read = || {
            let (count, mut rest) = bytes.split_first_chunk::<4>()?;
            let count = i32::from_be_bytes(*count);
            let mut atoms = Vec::new();
            for _ in 0..count.unsigned_abs() {
                let (len, after) = if count < 0 {
                    compact(rest)?
                } else {
                    rest.split_first()
                        .map(|(len, after)| (usize::from(*len), after))?
                };
                let (text, after) = after.split_at_checked(len)?;
                atoms.push(if utf8 {
                    Cow::Borrowed(std::str::from_utf8(text).ok()?)
                } else {
                    Cow::Owned(text.iter().map(|byte| char::from(*byte)).collect())
                });
                rest = after;
            }
            Some(Atoms(atoms))
        };
        read().ok_or(damaged)
    }

    /// The atom of a number from 1.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.get(index).map(AsRef::as_ref)
    }
}

/// A number in the compact form of the instructions' arguments.
fn compact(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & TAG != 0 {
        return None;
    }
    if first & LONG == 0 {
        return Some((usize::from(first >> 4), rest));
    }
    if first & LONGER == 0 {
        let (second, rest) = rest.split_first()?;
        return Some((usize::from(first >> 5) << 8 | usize::from(*second), rest));
    }
    // Longer than any atom may be.
    None
}

pub(super) fn exports<'m>(
    table: &[u8],
    atoms: &'m Atoms<'_>,
) -> Result<Vec<Function<'m>>, BeamError> {
    rows(table)
        .and_then(|rows| {
            rows.map(|[name, arity, _label]| {
                Some(Function {
                    name: atoms.get(name)?,
                    arity: u8::try_from(arity).ok()?,
                })
            })
            .collect()
        })
        .ok_or(BeamError::Damaged("ExpT"))
}

pub(super) fn imports<'m>(table: &[u8], atoms: &'m Atoms<'_>) -> Result<Vec<Call<'m>>, BeamError> {
    rows(table)
        .and_then(|rows| {
            rows.map(|[module, name, arity]| {
                Some(Call {
                    module: atoms.get(module)?,
                    name: atoms.get(name)?,
                    arity: u8::try_from(arity).ok()?,
                })
            })
            .collect()
        })
        .ok_or(BeamError::Damaged("ImpT"))
}

/// The rows of three numbers each that fill a table.
fn rows(table: &[u8]) -> Option<impl Iterator<Item = [u32; 3]>> {
    let (count, rest) = table.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    if rest.len() != count.checked_mul(12)? {
        return None;
    }
    Some(rest.chunks_exact(12).map(|row| {
        let number = |at: usize| {
            let bytes = [row[at], row[at + 1], row[at + 2], row[at + 3]];
            u32::from_be_bytes(bytes)
        };
        [number(0), number(4), number(8)]
    }))
}
