//! Private keys: in PEM or DER, as PKCS#8, PKCS#1 or SEC1, encrypted or not.

use super::TlsOptionsError;
use super::decrypt::{self, Undecrypted};
use super::files::{Reader, sections};
use pem::Pem;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

type Key = PrivateKeyDer<'static>;

/// Reads the first key of the file that an option names.
pub(super) fn read_key(
    reader: &Reader<'_>,
    option: &str,
    given: &str,
    password: Option<&str>,
) -> Result<Key, TlsOptionsError> {
    let bytes = reader.read(option, given)?;
    let wrong = |what: &str, hint: &str| {
        reader.refuse(format!("{option} \"{given}\" {what}"), hint.to_owned())
    };
    let refused = |reason| match reason {
        Undecrypted::NoPassword => wrong(
            "holds an encrypted key, and there is no password",
            "give it as {password, \"...\"} in the client section",
        ),
        Undecrypted::WrongPassword => wrong(
            "holds a key that the password does not decrypt",
            "password in the client section must be the one that the key was encrypted with",
        ),
        Undecrypted::Unknown(how) => wrong(
            &format!("holds a key that is encrypted in a way this program does not know: {how}"),
            "encrypt it again: openssl pkcs8 -topk8 -in KEY -out NEWKEY",
        ),
    };
    let found = match sections(&bytes) {
        Some(Err(error)) => {
            let hint = "it must hold a private key in PEM";
            return Err(wrong(&format!("is damaged: {error}"), hint));
        }
        Some(Ok(sections)) => {
            let mut keys = sections
                .into_iter()
                .filter_map(|pem| of_pem(&pem, password));
            keys.next()
        }
        None => of_der(&bytes, password),
    };
    match found {
        Some(key) => key.map_err(refused),
        None if option == "certfile" => Err(wrong(
            "holds no private key, and there is no keyfile",
            "name the key's file in keyfile, or put the key into certfile",
        )),
        None => Err(wrong(
            "holds no private key",
            "it must hold one in PEM (-----BEGIN PRIVATE KEY-----)",
        )),
    }
}

/// `None` for a section that is no key.
fn of_pem(section: &Pem, password: Option<&str>) -> Option<Result<Key, Undecrypted>> {
    let wrap: fn(Vec<u8>) -> Key = match section.tag() {
        "PRIVATE KEY" => |der| PrivatePkcs8KeyDer::from(der).into(),
        "RSA PRIVATE KEY" => |der| PrivatePkcs1KeyDer::from(der).into(),
        "EC PRIVATE KEY" => |der| PrivateSec1KeyDer::from(der).into(),
        "ENCRYPTED PRIVATE KEY" => return Some(pkcs8(section.contents(), password)),
        _ => return None,
    };
    let contents = match section.headers().get("DEK-Info") {
        Some(how) => match decrypt::traditional(how, section.contents(), password) {
            Ok(contents) => contents,
            Err(reason) => return Some(Err(reason)),
        },
        None => section.contents().to_vec(),
    };
    Some(Ok(wrap(contents)))
}

/// Binary files do not tell what they are.
fn of_der(bytes: &[u8], password: Option<&str>) -> Option<Result<Key, Undecrypted>> {
    let kinds: [Key; 3] = [
        PrivatePkcs8KeyDer::from(bytes.to_vec()).into(),
        PrivatePkcs1KeyDer::from(bytes.to_vec()).into(),
        PrivateSec1KeyDer::from(bytes.to_vec()).into(),
    ];
    let usable = kinds
        .into_iter()
        .find(|key| any_supported_type(key).is_ok());
    usable
        .map(Ok)
        .or_else(|| decrypt::is_pkcs8(bytes).then(|| pkcs8(bytes, password)))
}

fn pkcs8(encrypted: &[u8], password: Option<&str>) -> Result<Key, Undecrypted> {
    let der = decrypt::pkcs8(encrypted, password)?;
    Ok(PrivatePkcs8KeyDer::from(der).into())
}

#[cfg(test)]
mod tests;
