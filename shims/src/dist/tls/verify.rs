//! The check of the node's certificate, where `rustls` asks for it.

use super::certificate::Certificate;
use super::trust::Trust;
use super::{chain, host};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use std::sync::Arc;
use webpki::RawPublicKeyEntity;

/// Why a node's certificate is refused, and what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Distrust {
    pub(super) reason: String,
    pub(super) hint: String,
}

/// Checks certificates for one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Arc<Trust>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// The name that the certificate must have; `None`: any.
    pub(super) host: Option<String>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        node: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.trust.verifies {
            return Ok(ServerCertVerified::assertion());
        }
        let certificate = Certificate::parse(node).map_err(|reason| refuse(unreadable(&reason)))?;
        let sent = (node, others);
        chain::check(&self.trust, self.algorithms.all, &certificate, sent, now).map_err(
            |fault| {
                let subject = certificate.subject();
                refuse(Distrust {
                    reason: format!("the node's certificate ({subject}) {}", fault.what),
                    hint: fault.remedy.to_owned(),
                })
            },
        )?;
        if let Some(host) = &self.host {
            self.check_host(&certificate, host)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed, usize::MAX)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // TLS 1.3 ties each scheme to one algorithm, the first one.
        self.check_signature(message, certificate, signed, 1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if !self.trust.verifies {
            // What is not checked may be anything.
            schemes.extend([
                SignatureScheme::ECDSA_NISTP521_SHA512,
                SignatureScheme::ED448,
            ]);
        }
        schemes
    }
}

impl Verifier {
    fn check_host(&self, certificate: &Certificate, host: &str) -> Result<(), Error> {
        let names = certificate.names();
        if host::is_for(&names, host, self.trust.wildcards) {
            return Ok(());
        }
        Err(refuse(Distrust {
            reason: format!(
                "the node's certificate ({}) is for {}, not for {host}",
                certificate.subject(),
                names.shown()
            ),
            hint: format!(
                "give the node a certificate with {host} as subjectAltName, or name the one that \
                 it has: {{server_name_indication, \"...\"}} in the client section"
            ),
        }))
    }

    /// Checks that the node has the certificate's key. This is done by the key alone, whatever the
    /// version of the certificate is.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        candidates: usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.trust.verifies {
            // Anybody's certificate will do, so anybody's key does.
            return Ok(HandshakeSignatureValid::assertion());
        }
        let certificate =
            Certificate::parse(certificate).map_err(|reason| refuse(unreadable(&reason)))?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key());
        let mapping = self.algorithms.mapping.iter();
        let algorithms = mapping
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter().take(candidates));
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        for algorithm in algorithms {
            if key
                .verify_signature(*algorithm, message, signed.signature())
                .is_ok()
            {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(refuse(Distrust {
            reason: format!(
                "the node's certificate ({}) does not have the key that the node signs with",
                certificate.subject()
            ),
            hint: "somebody else answers with the node's certificate, or the node's keyfile does \
                   not belong to its certfile"
                .to_owned(),
        }))
    }
}

fn unreadable(reason: &str) -> Distrust {
    Distrust {
        reason: format!("the node's certificate cannot be read: {reason}"),
        hint: "give the node an X.509 certificate".to_owned(),
    }
}

fn refuse(distrust: Distrust) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(distrust))))
}
