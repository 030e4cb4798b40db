//! Whether a node's certificate leads to a certificate authority that the operator trusts.
//!
//! `webpki` does it for certificates as public authorities make them. Two kinds that private ones
//! make with a plain `openssl x509 -req` or `openssl req -x509`, and that OTP accepts, it refuses to
//! look at: certificates of version 1, and certificates of servers that are marked as an authority's.
//! For those it is checked here that one of the trusted certificates itself has signed them.

use super::certificate::Certificate;
use super::trust::Trust;
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use webpki::{EndEntityCert, Error, KeyUsage, RawPublicKeyEntity, VerifiedPath};

/// The algorithms that signatures are checked with.
pub(super) type Algorithms = [&'static dyn SignatureVerificationAlgorithm];

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// In words that follow "the node's certificate (...)".
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

/// Looks for a way from the node's certificate, given decoded and encoded with the others that the
/// node sent, to one that is trusted.
pub(super) fn check(
    trust: &Trust,
    algorithms: &Algorithms,
    node: &Certificate,
    (der, others): (&CertificateDer<'_>, &[CertificateDer<'_>]),
    now: UnixTime,
) -> Result<(), Fault> {
    if let Some(what) = node.untimely(now) {
        return Err(fault(what, RENEW));
    }
    // So says OTP, even where the very certificate is in cacertfile.
    if others.is_empty() && node.is_issued_by(node) {
        let remedy = "have it signed by a CA and name that one in cacertfile, or say \
                      {verify, verify_none} in the client section";
        return Err(fault("is self-signed".to_owned(), remedy));
    }
    let verified = EndEntityCert::try_from(der).and_then(|certificate| {
        let depth = |path: &VerifiedPath<'_>| {
            let between = path.intermediate_certificates().count();
            if between <= trust.depth {
                Ok(())
            } else {
                Err(Error::MaximumPathDepthExceeded)
            }
        };
        let anchors = trust.anchors(now);
        let usage = KeyUsage::server_auth();
        certificate
            .verify_for_usage(algorithms, &anchors, others, now, usage, None, Some(&depth))
            .map(drop)
    });
    match verified {
        Ok(()) => Ok(()),
        Err(Error::UnsupportedCertVersion | Error::CaUsedAsEndEntity) => {
            signed_directly(trust, algorithms, node, now)
        }
        Err(error) => Err(explain(&error, trust, node, now)),
    }
}

/// For certificates that `webpki` does not look at.
fn signed_directly(
    trust: &Trust,
    algorithms: &Algorithms,
    node: &Certificate,
    now: UnixTime,
) -> Result<(), Fault> {
    let authorities = trust.authorities.iter().map(|one| &one.certificate);
    let mut of_that_name = authorities
        .filter(|ca| node.is_issued_by(ca) && ca.may_sign() && !ca.constrains_names())
        .filter(|ca| ca.untimely(now).is_none())
        .peekable();
    if of_that_name.peek().is_none() {
        return Err(explain(&Error::UnknownIssuer, trust, node, now));
    }
    if !of_that_name.any(|ca| has_signed(ca, algorithms, node)) {
        let error = Error::InvalidSignatureForPublicKey;
        return Err(explain(&error, trust, node, now));
    }
    match node.misuse_as_server() {
        Some(what) => Err(fault(what, REPLACE)),
        None => Ok(()),
    }
}

fn has_signed(ca: &Certificate, algorithms: &Algorithms, other: &Certificate) -> bool {
    let key = SubjectPublicKeyInfoDer::from(ca.public_key());
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else {
        return false;
    };
    let named = other.signature_algorithm();
    let mut fitting = algorithms
        .iter()
        .filter(|algorithm| *algorithm.signature_alg_id() == *named);
    fitting.any(|algorithm| {
        key.verify_signature(*algorithm, &other.signed_part, other.signature())
            .is_ok()
    })
}

const RENEW: &str = "renew it, and look whether the clocks are right";
const REPLACE: &str = "give the node another certificate";
const TRUST: &str = "cacertfile of the client section must hold the CA that signed it";

fn fault(what: String, remedy: &'static str) -> Fault {
    Fault { what, remedy }
}

fn explain(error: &Error, trust: &Trust, node: &Certificate, now: UnixTime) -> Fault {
    let issuer = node.issuer();
    let file = &trust.file;
    match error {
        Error::UnknownIssuer => {
            let authorities = trust.authorities.iter();
            let untimely = authorities
                .filter(|authority| node.is_issued_by(&authority.certificate))
                .find_map(|authority| authority.certificate.untimely(now));
            match untimely {
                Some(untimely) => fault(format!("is signed by {issuer}, which {untimely}"), RENEW),
                None => {
                    let what = format!("is signed by {issuer}, which is not in {file}");
                    fault(what, TRUST)
                }
            }
        }
        Error::InvalidSignatureForPublicKey => {
            let what =
                format!("is signed by {issuer}, but not with the key that this name has in {file}");
            fault(what, TRUST)
        }
        Error::CertExpired { .. } => fault("leads to a CA that has expired".to_owned(), RENEW),
        Error::CertNotValidYet { .. } => {
            fault("leads to a CA that is not valid yet".to_owned(), RENEW)
        }
        Error::MaximumPathDepthExceeded => {
            let what = format!("is more than {} certificates away from a CA", trust.depth);
            fault(what, "raise depth in the client section")
        }
        Error::RequiredEkuNotFoundContext(_) => {
            let what = "is not for servers: its extendedKeyUsage lacks serverAuth";
            fault(what.to_owned(), REPLACE)
        }
        Error::UnsupportedCriticalExtension => {
            let what = "has a critical extension that this program does not know";
            fault(what.to_owned(), REPLACE)
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            let what = "is signed in a way that this program does not know";
            let remedy = "sign it with SHA-256 or better and a key that is RSA of 2048 bits or \
                          more, P-256, P-384 or Ed25519";
            fault(what.to_owned(), remedy)
        }
        other => fault(format!("is not valid: {other}"), REPLACE),
    }
}

#[cfg(test)]
mod tests;
