//! Whom the operator trusts: the certificates of `cacertfile`, and what is demanded of a node's.

use super::TlsOptionsError;
use super::certificate::Certificate;
use super::files::Reader;
use super::options::{Options, Verify};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::anchor_from_trusted_cert;

/// A certificate authority.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) certificate: Certificate,
    pub(super) der: CertificateDer<'static>,
}

/// The demands on a node's certificate.
#[derive(Debug)]
pub(super) struct Trust {
    /// Whether there are any.
    pub(super) verifies: bool,
    pub(super) authorities: Vec<Authority>,
    /// The file that they come from, for messages.
    pub(super) file: String,
    /// How many certificates may be between the node's and an authority's.
    pub(super) depth: usize,
    /// Whether a wildcard in an alternative name stands for hosts.
    pub(super) wildcards: bool,
}

impl Trust {
    /// Reads the certificates of the authorities, which are of use without a check, too: one's own
    /// certificate is presented with those that it leads to.
    pub(super) fn read(reader: &Reader<'_>, options: &Options) -> Result<Trust, TlsOptionsError> {
        let (authorities, file) = match &options.cacertfile {
            Some(given) => (
                authorities(reader, given)?,
                reader.path(given).display().to_string(),
            ),
            None if options.verify != Verify::None => return Err(no_authorities(reader, options)),
            None => (Vec::new(), String::new()),
        };
        Ok(Trust {
            verifies: options.verify != Verify::None,
            authorities,
            file,
            depth: options.depth,
            wildcards: options.wildcards,
        })
    }

    /// The authorities that are valid now, as `webpki` wants them.
    pub(super) fn anchors(&self, now: UnixTime) -> Vec<TrustAnchor<'_>> {
        let valid = self
            .authorities
            .iter()
            .filter(|authority| authority.certificate.untimely(now).is_none());
        valid
            .filter_map(|authority| anchor_from_trusted_cert(&authority.der).ok())
            .collect()
    }
}

/// Bundles may hold certificates that nobody can read; one that can be read must be there.
fn authorities(reader: &Reader<'_>, given: &str) -> Result<Vec<Authority>, TlsOptionsError> {
    let mut unreadable = String::new();
    let mut authorities = Vec::new();
    for der in reader.certificates("cacertfile", given)? {
        let parsed =
            Certificate::parse(&der).and_then(|certificate| match anchor_from_trusted_cert(&der) {
                Ok(_) => Ok(certificate),
                Err(error) => Err(error.to_string()),
            });
        match parsed {
            Ok(certificate) => authorities.push(Authority { certificate, der }),
            Err(reason) => unreadable = reason,
        }
    }
    if authorities.is_empty() {
        let reason = format!("cacertfile \"{given}\" holds no certificate that can be read: ");
        let hint = "it must hold the certificate of a CA in PEM".to_owned();
        return Err(reader.refuse(reason + &unreadable, hint));
    }
    Ok(authorities)
}

fn no_authorities(reader: &Reader<'_>, options: &Options) -> TlsOptionsError {
    let reason = if options.verify == Verify::Peer {
        "verify_peer needs a cacertfile, and the client section has none"
    } else {
        "the client section has neither verify nor cacertfile: since OTP 26 the node's certificate \
         is checked then"
    };
    let hint = "name the file with the CA that signed the node's certificate in cacertfile, or say \
                {verify, verify_none}";
    reader.refuse(reason.to_owned(), hint.to_owned())
}
