//! What is read off a certificate here: whose it is, who signed it, how long it lasts, which hosts it
//! is for. Certificates of version 1 are read as well, which know no extensions.

use rustls::pki_types::UnixTime;
use std::net::IpAddr;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::name::Name;
use x509_cert::time::Time;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// A certificate, decoded.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    decoded: x509_cert::Certificate,
    /// The part that is signed, as it came.
    pub(super) signed_part: Vec<u8>,
}

/// Whom a certificate is for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) hosts: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// Common names of the subject: they count where there are no alternative names at all.
    pub(super) common: Vec<String>,
    pub(super) has_alternatives: bool,
}

impl Certificate {
    /// Decodes it; the error says what is wrong with its encoding.
    pub(super) fn parse(der: &[u8]) -> Result<Certificate, String> {
        let decoded = x509_cert::Certificate::from_der(der).map_err(|error| error.to_string())?;
        let signed_part = (|| {
            let mut reader = SliceReader::new(der)?;
            reader.sequence(|inner| {
                let part = inner.tlv_bytes()?;
                // The algorithm and the signature.
                inner.tlv_bytes()?;
                inner.tlv_bytes()?;
                Ok::<_, x509_cert::der::Error>(part)
            })
        })();
        let signed_part = signed_part.map_err(|error| error.to_string())?.to_vec();
        Ok(Certificate {
            decoded,
            signed_part,
        })
    }

    pub(super) fn subject(&self) -> String {
        shown(self.decoded.tbs_certificate().subject())
    }

    pub(super) fn issuer(&self) -> String {
        shown(self.decoded.tbs_certificate().issuer())
    }

    pub(super) fn is_issued_by(&self, other: &Certificate) -> bool {
        self.decoded.tbs_certificate().issuer() == other.decoded.tbs_certificate().subject()
    }

    /// From and until when it is valid, in words, where that is not now.
    pub(super) fn untimely(&self, now: UnixTime) -> Option<String> {
        let validity = self.decoded.tbs_certificate().validity();
        let seconds = |time: Time| time.to_unix_duration().as_secs();
        if now.as_secs() > seconds(validity.not_after) {
            let end = validity.not_after.to_date_time();
            return Some(format!("expired at {end}"));
        }
        let start = validity.not_before.to_date_time();
        (now.as_secs() < seconds(validity.not_before))
            .then(|| format!("is not valid before {start}"))
    }

    /// The public key with its algorithm, encoded.
    pub(super) fn public_key(&self) -> Vec<u8> {
        let info = self.decoded.tbs_certificate().subject_public_key_info();
        info.to_der().unwrap_or_default()
    }

    /// The identifier of the signature's algorithm, encoded without its frame.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        let encoded = self.decoded.signature_algorithm().to_der();
        let encoded = encoded.unwrap_or_default();
        let content = SliceReader::new(&encoded).and_then(|mut reader| {
            let header = x509_cert::der::Header::decode(&mut reader)?;
            Ok(reader.read_slice(header.length())?.to_vec())
        });
        content.unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.decoded.signature().as_bytes().unwrap_or_default()
    }

    /// What speaks against this certificate as a server's.
    pub(super) fn misuse_as_server(&self) -> Option<String> {
        let part = self.decoded.tbs_certificate();
        match part.get_extension::<ExtendedKeyUsage>() {
            Ok(Some((_, usage))) if !usage.0.contains(&SERVER_AUTH) => {
                Some("is not for servers: its extendedKeyUsage lacks serverAuth".to_owned())
            }
            Ok(_) => None,
            Err(_) => Some("has an extendedKeyUsage that cannot be read".to_owned()),
        }
    }

    /// Whether it may sign others: a certificate of version 1 without restriction, as trusting it is
    /// the operator's own choice.
    pub(super) fn may_sign(&self) -> bool {
        let part = self.decoded.tbs_certificate();
        if part.extensions().is_none() {
            return true;
        }
        let is_ca = part.get_extension::<BasicConstraints>();
        let usage = part.get_extension::<KeyUsage>();
        matches!(is_ca, Ok(Some((_, constraints))) if constraints.ca)
            && match usage {
                Ok(Some((_, usage))) => usage.0.contains(KeyUsages::KeyCertSign),
                Ok(None) => true,
                Err(_) => false,
            }
    }

    /// Whether it restricts the names of what it signs, which is respected elsewhere only.
    pub(super) fn constrains_names(&self) -> bool {
        let mut extensions = self.decoded.tbs_certificate().extensions().into_iter();
        extensions.any(|all| {
            all.iter()
                .any(|extension| extension.extn_id.to_string() == "2.5.29.30")
        })
    }

    /// Whom it is for.
    pub(super) fn names(&self) -> Names {
        let part = self.decoded.tbs_certificate();
        let common = part
            .subject()
            .iter()
            .filter(|value| value.oid == COMMON_NAME);
        let mut names = Names {
            common: common.filter_map(text).collect(),
            ..Names::default()
        };
        match part.get_extension::<SubjectAltName>() {
            Ok(None) => return names,
            // Names that cannot be read are names, and match nothing.
            Err(_) => {}
            Ok(Some((_, alternatives))) => {
                for name in alternatives.0 {
                    match name {
                        GeneralName::DnsName(host) => names.hosts.push(host.as_str().to_owned()),
                        GeneralName::IpAddress(octets) => {
                            names.addresses.extend(address(octets.as_bytes()));
                        }
                        _ => {}
                    }
                }
            }
        }
        names.has_alternatives = true;
        names
    }
}

impl Names {
    /// All of them for a message.
    pub(super) fn shown(&self) -> String {
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        let mut all: Vec<String> = self.hosts.iter().cloned().chain(addresses).collect();
        if !self.has_alternatives {
            all.extend(self.common.iter().cloned());
        }
        if all.is_empty() {
            return "no host".to_owned();
        }
        all.join(", ")
    }
}

fn shown(name: &Name) -> String {
    // A name may hold anything; a message is one line.
    name.to_string().replace(char::is_control, " ")
}

fn text(value: &AttributeTypeAndValue) -> Option<String> {
    String::from_utf8(value.value.value().to_vec()).ok()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok())
}
