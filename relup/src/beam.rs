//! Compiled modules: what a `.beam` file says about its code, without loading it.
//!
//! Exists so that two releases can be compared without a VM. A module is the same code when its
//! [`Module::identity`] is: that is the digest which the VM itself keeps of a loaded module
//! (`Module:module_info(md5)`, `code:module_md5/1`), so that what is equal here is what an upgrade
//! skips in the node. Line numbers, compile information, attributes and debug info are not in it.
//!
//! Read are files of OTP 25 to 28, and older ones. A module that is compressed as a whole has to be
//! inflated before: see [`is_packed`]. No input may panic. Source: `beam_lib`, and the chapter on the
//! BEAM file format in the ERTS documentation. Data: the bytes of the file.

mod chunks;
mod forms;
mod tables;

use md5::Context;

use crate::term::Term;
use crate::term::external::{ExternalError, parse_external};
use chunks::Chunks;
pub use forms::{StateChange, state_changes};
pub use tables::{Atoms, Call, Function};

/// The chunks that make up the code, in the order in which the VM digests them.
const CODE: [[u8; 4]; 9] = [
    *b"Atom", *b"AtU8", *b"Code", *b"StrT", *b"ImpT", *b"ExpT", *b"FunT", *b"LitT", *b"Meta",
];
/// An entry of the table of funs, and where in it the digest of an earlier compilation stands.
const FUN: usize = 24;
const FUN_OLD: usize = 20;

/// Why bytes are no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeamError {
    /// They do not begin like a module.
    #[error("is no module: it does not begin like one")]
    Beginning,
    /// The chunks do not fill the length that the file says it has.
    #[error("a module that is cut, or longer than it says")]
    Length,
    /// A chunk without which a module can't be loaded.
    #[error("a module without its chunk {0}")]
    Missing(&'static str),
    /// A chunk that contradicts itself.
    #[error("a module with a damaged chunk {0}")]
    Damaged(&'static str),
    /// Attributes that are no term.
    #[error("a module with damaged attributes: {0}")]
    Attributes(ExternalError),
}

/// A module, parsed as far as its tables of names.
#[derive(Debug, Clone)]
pub struct Module<'a> {
    chunks: Chunks<'a>,
    atoms: Atoms<'a>,
}

/// Whether a file is a module that is compressed as a whole (`erlc +compressed`).
#[must_use]
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

impl<'a> Module<'a> {
    /// Reads the table of chunks and the names.
    pub fn parse(bytes: &'a [u8]) -> Result<Module<'a>, BeamError> {
        let chunks = Chunks::parse(bytes)?;
        for (name, text) in [
            (*b"Code", "Code"),
            (*b"ImpT", "ImpT"),
            (*b"ExpT", "ExpT"),
            (*b"StrT", "StrT"),
        ] {
            if chunks.get(name).is_none() {
                return Err(BeamError::Missing(text));
            }
        }
        let atoms = match (chunks.get(*b"AtU8"), chunks.get(*b"Atom")) {
            (Some(utf8), _) => Atoms::parse(utf8, true)?,
            (None, Some(latin1)) => Atoms::parse(latin1, false)?,
            (None, None) => return Err(BeamError::Missing("AtU8")),
        };
        Ok(Module { chunks, atoms })
    }

    /// The module's name: its first atom.
    pub fn name(&self) -> Result<&str, BeamError> {
        self.atoms.get(1).ok_or(BeamError::Damaged("AtU8"))
    }

    /// The digest of the code, as the VM has it of the loaded module.
    #[must_use]
    pub fn identity(&self) -> [u8; 16] {
        let mut digest = Context::new();
        for name in CODE {
            let Some(bytes) = self.chunks.get(name) else {
                continue;
            };
            if name == *b"FunT" {
                digest_funs(&mut digest, bytes);
            } else {
                digest.consume(bytes);
            }
        }
        digest.finalize().0
    }

    /// What it exports, in the file's order.
    pub fn exports(&self) -> Result<Vec<Function<'_>>, BeamError> {
        tables::exports(self.required(*b"ExpT", "ExpT")?, &self.atoms)
    }

    /// Which functions of other modules (and built-in ones) it calls.
    pub fn imports(&self) -> Result<Vec<Call<'_>>, BeamError> {
        tables::imports(self.required(*b"ImpT", "ImpT")?, &self.atoms)
    }

    /// Its attributes, a list of `{Name, Values}`; none where the chunk is missing, as in a
    /// stripped module.
    pub fn attributes(&self) -> Result<Vec<(String, Vec<Term>)>, BeamError> {
        let Some(bytes) = self.chunks.get(*b"Attr") else {
            return Ok(Vec::new());
        };
        let term = parse_external(bytes).map_err(BeamError::Attributes)?;
        let pairs = term.into_list().map_err(|_| BeamError::Damaged("Attr"))?;
        pairs
            .into_iter()
            .map(|pair| match pair {
                Term::Tuple(parts) => match <[Term; 2]>::try_from(parts) {
                    Ok([Term::Atom(name), values]) => {
                        Ok((name, values.into_list().unwrap_or_else(|value| vec![value])))
                    }
                    _ => Err(BeamError::Damaged("Attr")),
                },
                _ => Err(BeamError::Damaged("Attr")),
            })
            .collect()
    }

    /// The debug info as it is in the file: a term in the external format, mostly compressed.
    #[must_use]
    pub fn debug_info(&self) -> Option<&'a [u8]> {
        self.chunks.get(*b"Dbgi").filter(|bytes| !bytes.is_empty())
    }

    fn required(&self, name: [u8; 4], text: &'static str) -> Result<&'a [u8], BeamError> {
        self.chunks.get(name).ok_or(BeamError::Missing(text))
    }
}

/// Each fun holds a digest of its own that differs from one compilation to the next.
fn digest_funs(digest: &mut Context, table: &[u8]) {
    let (count, mut funs) = table.split_at(table.len().min(4));
    digest.consume(count);
    while let Some((fun, rest)) = funs.split_at_checked(FUN) {
        digest.consume(&fun[..FUN_OLD]);
        digest.consume([0; FUN - FUN_OLD]);
        funs = rest;
    }
    digest.consume(funs);
}

#[cfg(test)]
mod tests;
