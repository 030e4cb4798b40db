//! Stage 4: a tarball whose bytes are the ones that its sidecar names.
//!
//! The file is opened once, before anything is read, and never again: what is extracted later comes
//! from the same open file, and is hashed again on the way (see `stage::feed`), so a file that is
//! replaced or rewritten in between can't get in. A FIFO or a device is refused, not waited for.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use relup::manifest::digest_to_hex;
use relup::sidecar::{Sidecar, parse_sidecar};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::regular::{self, ReadError};
use crate::signature::{Checking, Demand, Signature, Signed};

const CHUNK: usize = 256 * 1024;
/// Longest sidecar: a list of the digests of a whole download directory still fits.
const MAX_SIDECAR: u64 = 1024 * 1024;

/// An open tarball that nobody has vouched for.
#[derive(Debug)]
pub(crate) struct Tarball {
    path: PathBuf,
    name: String,
    file: File,
    len: u64,
}

/// An open tarball with the digest that its sidecar asks for.
#[derive(Debug)]
pub(crate) struct VerifiedTarball {
    tarball: Tarball,
    digest: [u8; 32],
    signed: Option<Signed>,
}

impl Tarball {
    /// Opens the tarball without waiting for anything.
    pub(crate) fn open(path: &Path) -> Result<Tarball, Error> {
        let (file, len) = regular::open(path).map_err(|error| match error {
            ReadError::Missing => Error::TargetTarballNotFound {
                path: path.to_owned(),
                reason: "no such file".to_owned(),
            },
            ReadError::Other(reason) => Error::CannotReadTargetTarball {
                path: path.to_owned(),
                reason,
            },
        })?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Tarball {
            path: path.to_owned(),
            name,
            file,
            len,
        })
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads the sidecar `<tarball>.sha256`.
    pub(crate) fn sidecar(&self) -> Result<Sidecar, Error> {
        let mut name = OsString::from(&self.path);
        name.push(".sha256");
        let path = PathBuf::from(name);
        let bytes = match regular::read(&path, MAX_SIDECAR) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Err(Error::MissingSha256Sidecar { path }),
            Err(ReadError::Other(reason)) => {
                return Err(Error::CannotReadSha256Sidecar { path, reason });
            }
        };
        parse_sidecar(&bytes, &self.name).map_err(|error| Error::InvalidSha256Sidecar {
            path,
            reason: error.to_string(),
        })
    }

    /// The signature beside it, as far as one is asked for.
    pub(crate) fn signature<'d>(
        &self,
        demand: &'d Demand,
        warn: &mut dyn FnMut(String),
    ) -> Result<Option<Signature<'d>>, Error> {
        demand.signature(&self.path, warn)
    }

    /// Takes the file's bytes as they are now for the right ones: what is extracted is then at least
    /// what was looked at.
    pub(crate) fn trust(
        self,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<VerifiedTarball, Error> {
        let digest = self.digest(interrupt, progress, &mut |_| {})?;
        Ok(VerifiedTarball {
            tarball: self,
            digest,
            signed: None,
        })
    }

    /// Hashes the whole file and compares, and checks its signature in the same pass. `progress` is
    /// told how many bytes have been read.
    pub(crate) fn verify(
        self,
        sidecar: &Sidecar,
        signature: Option<&Signature<'_>>,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<VerifiedTarball, Error> {
        let mut checking = signature.map(Signature::check).transpose()?;
        let digest = self.digest(interrupt, progress, &mut |piece| {
            if let Some(checking) = &mut checking {
                checking.update(piece);
            }
        })?;
        if digest != sidecar.digest {
            return Err(Error::Sha256Mismatch {
                expected: digest_to_hex(&sidecar.digest),
                actual: digest_to_hex(&digest),
                path: self.path,
            });
        }
        let signed = checking.map(Checking::finish).transpose()?;
        Ok(VerifiedTarball {
            tarball: self,
            digest,
            signed,
        })
    }

    fn digest(
        &self,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
        pieces: &mut dyn FnMut(&[u8]),
    ) -> Result<[u8; 32], Error> {
        let mut sha = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        loop {
            interrupt.check()?;
            let len =
                read_at(&self.file, &mut buffer, at).map_err(|error| self.unreadable(&error))?;
            if len == 0 {
                return Ok(sha.finalize().into());
            }
            sha.update(&buffer[..len]);
            pieces(&buffer[..len]);
            at += len as u64;
            progress(at);
        }
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        Error::CannotReadTargetTarball {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

impl VerifiedTarball {
    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.tarball.path
    }

    /// Its file name.
    pub(crate) fn name(&self) -> &str {
        &self.tarball.name
    }

    /// Its size in bytes when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.tarball.len
    }

    /// The digest that was verified.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// What its signature says, if one was checked.
    pub(crate) fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// Reads bytes at an offset; zero at the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        read_at(&self.tarball.file, buffer, at)
    }

    /// The error for a failed [`VerifiedTarball::read_at`].
    pub(crate) fn unreadable(&self, error: &io::Error) -> Error {
        self.tarball.unreadable(error)
    }

    /// The error for bytes that are not the verified ones.
    pub(crate) fn changed(&self, actual: &[u8; 32]) -> Error {
        Error::TarballChanged {
            path: self.tarball.path.clone(),
            expected: digest_to_hex(&self.digest),
            actual: digest_to_hex(actual),
        }
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
