//! What TLS says when it fails, in words and with a remedy.

use super::verify::Distrust;
use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};
use std::io;
use std::time::Duration;

/// Why TLS does not come about, or ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TlsFailure {
    pub(crate) reason: String,
    pub(crate) hint: String,
}

impl TlsFailure {
    fn new(reason: impl Into<String>, hint: &str) -> TlsFailure {
        TlsFailure {
            reason: reason.into(),
            hint: hint.to_owned(),
        }
    }

    /// Nothing came that could be an answer.
    pub(super) fn silence(waited: Duration) -> TlsFailure {
        let seconds = waited.as_secs_f32().round();
        TlsFailure::new(
            format!("it accepts connections, but did not finish the TLS handshake in {seconds} s"),
            SPEAKS_PLAIN,
        )
    }

    /// The peer has hung up before TLS was agreed upon.
    pub(super) fn hung_up(reason: &str) -> TlsFailure {
        TlsFailure::new(
            format!("it hung up on the TLS handshake ({reason})"),
            SPEAKS_PLAIN,
        )
    }

    /// The peer of a plain connection has answered with an alert of TLS.
    pub(crate) fn wanted() -> TlsFailure {
        TlsFailure::new(
            "it speaks TLS, and was spoken to without",
            "cluster.proto_dist of the node is inet_tls or inet6_tls: say so in emqx.conf, or in \
             EMQX_CLUSTER__PROTO_DIST",
        )
    }

    /// Reads it back from an error of the stream.
    pub(crate) fn of_io(error: &io::Error) -> Option<&TlsFailure> {
        error.get_ref()?.downcast_ref()
    }

    /// What `rustls` found. `has_identity`: whether this side has a certificate to show.
    pub(super) fn of(error: &Error, has_identity: bool) -> TlsFailure {
        match error {
            Error::AlertReceived(alert) => of_alert(*alert, has_identity),
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                match other.0.downcast_ref::<Distrust>() {
                    Some(distrust) => TlsFailure::new(distrust.reason.as_str(), &distrust.hint),
                    None => other_failure(error),
                }
            }
            Error::InvalidMessage(_) => TlsFailure::new("what it answers is not TLS", SPEAKS_PLAIN),
            Error::PeerIncompatible(why) => of_incompatible(why, error),
            _ => other_failure(error),
        }
    }
}

impl From<TlsFailure> for io::Error {
    fn from(failure: TlsFailure) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, failure)
    }
}

const SPEAKS_PLAIN: &str = "the node may speak without TLS: compare cluster.proto_dist of the node \
                            with that in emqx.conf or EMQX_CLUSTER__PROTO_DIST";
const CERTIFICATE_OF_CLIENT: &str = "certfile and keyfile in the client section must name a \
                                     certificate that the node's cacertfile leads to";
const VERSIONS: &str = "versions and ciphers of the server section and of the client section must \
                        have something in common";

fn of_alert(alert: Alert, has_identity: bool) -> TlsFailure {
    let says = |what: &str, hint: &str| {
        let alert = name(alert);
        TlsFailure::new(
            format!("the node refuses it: {what} (alert: {alert})"),
            hint,
        )
    };
    match alert {
        // In TLS 1.2 a missing certificate is only a failure of the handshake.
        Alert::CertificateRequired | Alert::HandshakeFailure | Alert::NoCertificate
            if !has_identity =>
        {
            let what = if alert == Alert::HandshakeFailure {
                "it found nothing to agree on, and may want a client certificate"
            } else {
                "it wants a client certificate"
            };
            says(what, CERTIFICATE_OF_CLIENT)
        }
        Alert::CertificateRequired | Alert::NoCertificate => says(
            "it wants a client certificate of another kind",
            CERTIFICATE_OF_CLIENT,
        ),
        Alert::HandshakeFailure => says("it found nothing to agree on", VERSIONS),
        Alert::UnknownCA => says(
            "it does not know the CA of this side's certificate",
            CERTIFICATE_OF_CLIENT,
        ),
        Alert::CertificateExpired => says(
            "this side's certificate has expired, as the node sees it",
            "renew the certificate in certfile of the client section, and look whether the clocks \
             are right",
        ),
        Alert::CertificateRevoked => says(
            "this side's certificate has been revoked",
            CERTIFICATE_OF_CLIENT,
        ),
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => says(
            "it does not accept this side's certificate",
            CERTIFICATE_OF_CLIENT,
        ),
        Alert::ProtocolVersion | Alert::InsufficientSecurity => says(
            "the two sides have no version of TLS or no cipher in common",
            VERSIONS,
        ),
        Alert::UnrecognisedName => says(
            "it has no certificate for this name",
            "server_name_indication in the client section names another one, or disable",
        ),
        _ => says("its log tells why", "look into the node's log"),
    }
}

fn of_incompatible(why: &PeerIncompatible, error: &Error) -> TlsFailure {
    match why {
        PeerIncompatible::NoCipherSuitesInCommon
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NoSignatureSchemesInCommon => TlsFailure::new(
            format!("the two sides have nothing in common: {error}"),
            VERSIONS,
        ),
        _ => other_failure(error),
    }
}

fn other_failure(error: &Error) -> TlsFailure {
    TlsFailure::new(
        error.to_string(),
        "the node's log tells how it looks from there",
    )
}

/// The alert's name in the standard, which OTP's logs have, too.
fn name(alert: Alert) -> String {
    let name = alert.as_str().unwrap_or("unknown alert");
    let mut spaced = String::new();
    for (at, c) in name.char_indices() {
        let starts_word =
            c.is_ascii_uppercase() && name[..at].ends_with(|p: char| p.is_lowercase());
        if starts_word {
            spaced.push(' ');
        }
        spaced.push(c.to_ascii_lowercase());
    }
    spaced
}

/// Whether bytes begin as an alert does that is not encrypted: what a server of TLS says to
/// something else.
pub(crate) fn is_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [21, 3, 0..=4, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_told_by_its_name_and_with_a_remedy() {
        let check = |alert, has_identity, reason: &str| {
            let failure = TlsFailure::of(&Error::AlertReceived(alert), has_identity);
            assert!(failure.reason.contains(reason), "{failure:?}");
            assert!(!failure.hint.is_empty(), "{failure:?}");
        };
        check(
            Alert::CertificateRequired,
            false,
            "wants a client certificate",
        );
        check(
            Alert::CertificateRequired,
            false,
            "(alert: certificate required)",
        );
        check(
            Alert::HandshakeFailure,
            false,
            "may want a client certificate",
        );
        check(
            Alert::HandshakeFailure,
            true,
            "nothing to agree on (alert: handshake failure)",
        );
        check(Alert::UnknownCA, true, "(alert: unknown ca)");
        check(Alert::CertificateExpired, true, "expired");
        check(Alert::ProtocolVersion, true, "version of TLS");
        check(Alert::InternalError, true, "(alert: internal error)");
    }
}
