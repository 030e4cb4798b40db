//! Decrypts private keys: PKCS#8 with PBES2, and the older way of PEM files that OpenSSL calls
//! traditional (`DEK-Info: AES-256-CBC,<salt>`).

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use pkcs8::EncryptedPrivateKeyInfoRef;

/// Why a key stays encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undecrypted {
    NoPassword,
    WrongPassword,
    /// Its encryption is of a kind that is named here.
    Unknown(String),
}

/// From a key, an initial vector and what is encrypted to what was.
type Run = fn(&[u8], &[u8], &[u8]) -> Option<Vec<u8>>;

/// Whether this is an encrypted key in PKCS#8.
pub(super) fn is_pkcs8(der: &[u8]) -> bool {
    EncryptedPrivateKeyInfoRef::try_from(der).is_ok()
}

/// Decrypts a key in PKCS#8.
pub(super) fn pkcs8(der: &[u8], password: Option<&str>) -> Result<Vec<u8>, Undecrypted> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|error| Undecrypted::Unknown(error.to_string()))?;
    let password = password.ok_or(Undecrypted::NoPassword)?;
    let decrypted = encrypted.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            error @ (pkcs8::pkcs5::Error::NoPbes1CryptSupport
            | pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. }),
        ) => Undecrypted::Unknown(error.to_string()),
        // Noise where the key should be is what another password makes of it.
        _ => Undecrypted::WrongPassword,
    })?;
    Ok(decrypted.as_bytes().to_vec())
}

/// Decrypts the contents of a PEM section; `how` is its `DEK-Info`.
pub(super) fn traditional(
    how: &str,
    contents: &[u8],
    password: Option<&str>,
) -> Result<Vec<u8>, Undecrypted> {
    let unknown = || Undecrypted::Unknown(how.to_owned());
    let (cipher, iv) = how.split_once(',').ok_or_else(unknown)?;
    let iv = hex::decode(iv.trim()).map_err(|_| unknown())?;
    let run: Run = match cipher.trim() {
        "AES-128-CBC" => cbc::<aes::Aes128>,
        "AES-192-CBC" => cbc::<aes::Aes192>,
        "AES-256-CBC" => cbc::<aes::Aes256>,
        "DES-EDE3-CBC" => cbc::<des::TdesEde3>,
        "DES-CBC" => cbc::<des::Des>,
        _ => return Err(unknown()),
    };
    let password = password.ok_or(Undecrypted::NoPassword)?;
    let salt = iv.get(..8).ok_or_else(unknown)?;
    let key = stretched(password.as_bytes(), salt);
    let plain = run(&key, &iv, contents).ok_or(Undecrypted::WrongPassword)?;
    // One wrong password in 256 leaves a padding that looks right.
    if pkcs8::der::asn1::AnyRef::try_from(plain.as_slice()).is_err() {
        return Err(Undecrypted::WrongPassword);
    }
    Ok(plain)
}

/// `None` where the padding shows that the key is wrong.
fn cbc<C>(key: &[u8], iv: &[u8], contents: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipherDecrypt + KeyInit,
    cbc::Decryptor<C>: KeyIvInit,
{
    let length = <cbc::Decryptor<C> as cbc::cipher::KeySizeUser>::key_size();
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key.get(..length)?, iv).ok()?;
    let mut buffer = contents.to_vec();
    let plain = decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok()?;
    Some(plain.to_vec())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, long enough for every cipher.
fn stretched(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < 32 {
        last.extend_from_slice(password);
        last.extend_from_slice(salt);
        last = md5::compute(&last).to_vec();
        key.extend_from_slice(&last);
    }
    key
}
