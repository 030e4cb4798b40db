//! What this program presents to a node that asks who it is: certificates and their keys.

use super::TlsOptionsError;
use super::certificate::Certificate;
use super::files::Reader;
use super::key::read_key;
use super::options::{IdentityOptions, Options};
use super::trust::Trust;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates that can be presented. Unlike `rustls`' own choice it takes certificates of
/// version 1, and presents what it has whatever authorities the node names: the node's refusal tells
/// more than an empty hand.
#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identities {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let can_sign =
            |identity: &&Arc<CertifiedKey>| identity.key.choose_scheme(schemes).is_some();
        self.0.iter().find(can_sign).cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Reads all that the options name; `None` when they name nothing.
pub(super) fn resolver(
    reader: &Reader<'_>,
    options: &Options,
    trust: &Trust,
) -> Result<Option<Arc<dyn ResolvesClientCert>>, TlsOptionsError> {
    if options.identities.is_empty() {
        return Ok(None);
    }
    let read = options
        .identities
        .iter()
        .map(|one| read_one(reader, one, trust));
    let identities = read.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Arc::new(Identities(identities))))
}

fn read_one(
    reader: &Reader<'_>,
    options: &IdentityOptions,
    trust: &Trust,
) -> Result<Arc<CertifiedKey>, TlsOptionsError> {
    let certfile = options.certfile.as_deref().unwrap_or_default();
    let mut chain = reader.certificates("certfile", certfile)?;
    let wrong = |reason: String, hint: &str| reader.refuse(reason, hint.to_owned());
    let own = Certificate::parse(&chain[0]).map_err(|reason| {
        let reason = format!("certfile \"{certfile}\" cannot be read: {reason}");
        wrong(reason, "it must begin with an X.509 certificate in PEM")
    })?;
    let (option, keyfile) = match options.keyfile.as_deref() {
        Some(keyfile) => ("keyfile", keyfile),
        // As in OTP, the key may be in the same file.
        None => ("certfile", certfile),
    };
    let password = options
        .password
        .as_ref()
        .map(|password| password.0.as_str());
    let key = read_key(reader, option, keyfile, password)?;
    let key = any_supported_type(&key).map_err(|_| {
        let reason = format!("{option} \"{keyfile}\" holds a key that this program cannot use");
        wrong(
            reason,
            "a key must be RSA of 2048 bits or more, P-256, P-384 or Ed25519",
        )
    })?;
    if let Some(public) = key.public_key()
        && *public != *own.public_key()
    {
        let reason =
            format!("the key in {option} \"{keyfile}\" is not that of certfile \"{certfile}\"");
        return Err(wrong(
            reason,
            "a certificate can only be used with the key that it was made for",
        ));
    }
    complete(&mut chain, own, trust);
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Adds the certificates that a lone certificate leads to, as far as they are in `cacertfile`: a node
/// may know only the last one.
fn complete(chain: &mut Vec<CertificateDer<'static>>, own: Certificate, trust: &Trust) {
    const LIMIT: usize = 10;
    let mut last = own;
    while chain.len() < LIMIT && !last.is_issued_by(&last) {
        let issuer = trust.authorities.iter().find(|authority| {
            last.is_issued_by(&authority.certificate) && !chain.contains(&authority.der)
        });
        let Some(issuer) = issuer else { return };
        chain.push(issuer.der.clone());
        last = issuer.certificate.clone();
    }
}
