//! Reads the files that a file of options names, and says what is wrong with them in terms of the
//! option that names them.

use super::{TlsOptionsError, TlsSource};
use pem::Pem;
use rustls::pki_types::CertificateDer;
use std::io;
use std::path::{Path, PathBuf};

/// Reads files on behalf of one file of options.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    source: &'a TlsSource,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a TlsSource) -> Reader<'a> {
        Reader { source }
    }

    /// The file of options itself.
    pub(super) fn options(&self) -> Result<Vec<u8>, TlsOptionsError> {
        let Some(file) = &self.source.file else {
            return Ok(b"[].".to_vec());
        };
        fs_err::read(file).map_err(|error| {
            let hint = "cluster.proto_dist asks for TLS between nodes; EMQX_SSL_DIST_OPTFILE names \
                        another file of options";
            self.refuse(
                format!("it cannot be read: {}", reason(&error)),
                hint.to_owned(),
            )
        })
    }

    /// The name of the file of options, or of what was not given.
    pub(super) fn file(&self) -> PathBuf {
        let file = self.source.file.clone();
        file.unwrap_or_else(|| PathBuf::from("-ssl_dist_optfile"))
    }

    /// An error in the file of options.
    pub(super) fn refuse(&self, reason: String, hint: String) -> TlsOptionsError {
        TlsOptionsError {
            file: self.file(),
            reason,
            hint,
        }
    }

    /// Where a file is that an option names.
    pub(super) fn path(&self, given: &str) -> PathBuf {
        self.source.dir.join(given)
    }

    /// A file that an option names.
    pub(super) fn read(&self, option: &str, given: &str) -> Result<Vec<u8>, TlsOptionsError> {
        fs_err::read(self.path(given)).map_err(|error| {
            let hint = if Path::new(given).is_absolute() {
                format!("name another file in {option}, or let this user read it")
            } else {
                format!(
                    "the path starts from {}, the node's working directory",
                    self.source.dir.display()
                )
            };
            let reason = format!("{option} \"{given}\" cannot be read: {}", reason(&error));
            self.refuse(reason, hint)
        })
    }

    /// The certificates in a file: PEM, or a single one in DER.
    pub(super) fn certificates(
        &self,
        option: &str,
        given: &str,
    ) -> Result<Vec<CertificateDer<'static>>, TlsOptionsError> {
        let bytes = self.read(option, given)?;
        let wrong = |what: String| {
            let hint = "it must hold certificates in PEM (-----BEGIN CERTIFICATE-----)";
            self.refuse(format!("{option} \"{given}\" {what}"), hint.to_owned())
        };
        let found: Vec<_> = match sections(&bytes) {
            Some(sections) => sections
                .map_err(|error| wrong(format!("is damaged: {error}")))?
                .into_iter()
                .filter(|section| section.tag() == "CERTIFICATE")
                .map(|section| CertificateDer::from(section.into_contents()))
                .collect(),
            None if bytes.first() == Some(&DER_SEQUENCE) => vec![CertificateDer::from(bytes)],
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(wrong("holds no certificate".to_owned()));
        }
        Ok(found)
    }
}

/// The first byte of every structure in DER that can be meant here.
pub(super) const DER_SEQUENCE: u8 = 0x30;

/// The sections of a PEM file; `None` for one that is not PEM.
pub(super) fn sections(bytes: &[u8]) -> Option<Result<Vec<Pem>, pem::PemError>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    bytes
        .windows(BEGIN.len())
        .any(|window| window == BEGIN)
        .then(|| pem::parse_many(bytes))
}

/// The system's words without the path, which is told beside them.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => match error.kind() {
            io::ErrorKind::NotFound => "no such file".to_owned(),
            kind => kind.to_string(),
        },
    }
}
