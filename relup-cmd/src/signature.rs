//! The optional signature `<tarball>.minisig`: who made a tarball, where a digest only says which
//! tarball it is.
//!
//! Asked for by `--require-signature`, or checked where there is one as soon as a public key is
//! known. The bytes that are checked are those of the pass that computes the digest, from the one
//! open file, before anything is extracted. Only prehashed signatures are taken, as minisign makes
//! them since 0.10: those of old need the whole tarball in memory before the first byte of it can be
//! trusted.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use minisign_verify::{PublicKey, StreamVerifier};

use crate::cli;
use crate::error::Error;
use crate::install::Install;
use crate::regular::{self, ReadError};

/// The longest key or signature file; real ones have a few hundred bytes.
const MAX_FILE: u64 = 16 * 1024;

/// The variable that holds a key or names its file.
pub(crate) const VARIABLE: &str = "EMQX_RELUP_PUBKEY";

/// What is asked of a tarball.
#[derive(Debug)]
pub(crate) struct Demand {
    key: Option<Key>,
    required: bool,
}

#[derive(Debug)]
struct Key {
    key: PublicKey,
    /// Where it comes from, for messages.
    origin: String,
}

/// A signature that is there, not yet checked.
pub(crate) struct Signature<'k> {
    key: &'k Key,
    content: minisign_verify::Signature,
    path: PathBuf,
}

/// A signature that is being checked while the file is read.
pub(crate) struct Checking<'s> {
    signature: &'s Signature<'s>,
    verifier: StreamVerifier<'s>,
}

/// What a signature that was found good says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The comment that the signature covers.
    pub(crate) trusted_comment: String,
}

impl Demand {
    /// What the command line and the environment ask for.
    pub(crate) fn read(args: &cli::Signature, install: &Install) -> Result<Demand, Error> {
        let key = match (&args.pubkey, &install.pubkey) {
            (Some(path), _) => Some(Key::of_file(path, path.display().to_string())?),
            (None, Some(value)) => Some(Key::of_variable(value)?),
            (None, None) => None,
        };
        if key.is_none() && args.require_signature {
            return Err(Error::MissingPubkey);
        }
        Ok(Demand {
            key,
            required: args.require_signature,
        })
    }

    /// The signature beside a tarball. That there is none is an error, a warning, or nothing at all.
    pub(crate) fn signature(
        &self,
        tarball: &Path,
        warn: &mut dyn FnMut(String),
    ) -> Result<Option<Signature<'_>>, Error> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let mut path = OsString::from(tarball);
        path.push(".minisig");
        let path = PathBuf::from(path);
        let invalid = |reason: &str| Error::InvalidSignature {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let bytes = match regular::read(&path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) if self.required => {
                return Err(Error::MissingSignature { path });
            }
            Err(ReadError::Missing) => {
                warn(format!(
                    "the tarball is not signed: there is no {}",
                    path.display()
                ));
                return Ok(None);
            }
            Err(ReadError::Other(reason)) => {
                return Err(Error::CannotReadSignature { path, reason });
            }
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| invalid("is no text"))?;
        let content =
            minisign_verify::Signature::decode(text).map_err(|error| invalid(&explain(&error)))?;
        Ok(Some(Signature { key, content, path }))
    }
}

impl Key {
    fn of_file(path: &Path, origin: String) -> Result<Key, Error> {
        let cannot = |reason: String| Error::CannotReadPubkey {
            origin: origin.clone(),
            reason,
        };
        let text = regular::read_text(path, MAX_FILE).map_err(|error| cannot(error.to_string()))?;
        match parse_key(&text) {
            Some(key) => Ok(Key { key, origin }),
            None => Err(Error::InvalidPubkey { origin }),
        }
    }

    /// The variable holds a key, or the path of its file.
    fn of_variable(value: &OsStr) -> Result<Key, Error> {
        let key = value.to_str().and_then(parse_key);
        match key {
            Some(key) => Ok(Key {
                key,
                origin: VARIABLE.to_owned(),
            }),
            None => {
                let path = Path::new(value);
                Key::of_file(path, format!("{VARIABLE}: {}", path.display()))
            }
        }
    }
}

impl Signature<'_> {
    /// Begins to check.
    pub(crate) fn check(&self) -> Result<Checking<'_>, Error> {
        let verifier = self
            .key
            .key
            .verify_stream(&self.content)
            .map_err(|error| self.invalid(&error))?;
        Ok(Checking {
            signature: self,
            verifier,
        })
    }

    fn invalid(&self, error: &minisign_verify::Error) -> Error {
        Error::InvalidSignature {
            path: self.path.clone(),
            reason: format!("{} (key: {})", explain(error), self.key.origin),
        }
    }
}

impl Checking<'_> {
    /// The next bytes of the tarball.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.verifier.update(bytes);
    }

    /// The verdict, after the last byte.
    pub(crate) fn finish(mut self) -> Result<Signed, Error> {
        let verdict = self.verifier.finalize();
        verdict.map_err(|error| self.signature.invalid(&error))?;
        Ok(Signed {
            trusted_comment: self.signature.content.trusted_comment().to_owned(),
        })
    }
}

/// A key as minisign writes it into a file, under a comment, or as it prints it, alone.
fn parse_key(text: &str) -> Option<PublicKey> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let key = match (lines.next(), lines.next(), lines.next()) {
        (Some(key), None, None) => key,
        (Some(comment), Some(key), None) if comment.starts_with("untrusted comment:") => key,
        _ => return None,
    };
    PublicKey::from_base64(key.trim()).ok()
}

/// Reads a key and a signature and checks a short text.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(key: &str, text: &str) {
    let Some(key) = parse_key(key) else { return };
    let Ok(content) = minisign_verify::Signature::decode(text) else {
        return;
    };
    let _ = content.trusted_comment();
    if let Ok(mut verifier) = key.verify_stream(&content) {
        verifier.update(b"test");
        let _ = verifier.finalize();
    }
}

fn explain(error: &minisign_verify::Error) -> String {
    use minisign_verify::Error;
    match error {
        Error::InvalidEncoding => "is no minisign signature, or not all of one".to_owned(),
        Error::InvalidSignature => "is not this tarball's by this key".to_owned(),
        Error::UnexpectedKeyId => "was made with another key".to_owned(),
        Error::UnsupportedLegacyMode | Error::UnexpectedAlgorithm => {
            "is not prehashed, as minisign before 0.10 made them".to_owned()
        }
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests;
