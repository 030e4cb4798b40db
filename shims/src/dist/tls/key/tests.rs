//! Keys in every form, by the fixtures of `tests/fixtures/tls`.

use super::*;
use crate::dist::tls::TlsSource;
use std::path::PathBuf;

fn source() -> TlsSource {
    TlsSource {
        file: Some(PathBuf::from("/x/ssl_dist.conf")),
        dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls"),
        verifies_by_default: false,
    }
}

fn read(file: &str, password: Option<&str>) -> Result<Key, TlsOptionsError> {
    let source = source();
    read_key(&Reader::new(&source), "keyfile", file, password)
}

/// The public key that belongs to the private one in a file.
fn public(file: &str, password: Option<&str>) -> Vec<u8> {
    let key = read(file, password).unwrap_or_else(|error| panic!("{file}: {error}"));
    let key = any_supported_type(&key).unwrap_or_else(|error| panic!("{file}: {error}"));
    key.public_key().expect("a public key").to_vec()
}

#[test]
fn a_key_is_the_same_in_every_form() {
    for file in ["rsa-pkcs1.key", "rsa-pkcs8.key"] {
        assert_eq!(public(file, None), public("rsa-pkcs1.key", None), "{file}");
    }
    for file in ["ec-sec1.key", "ec-pkcs8.key", "ec-pkcs8.der"] {
        assert_eq!(public(file, None), public("ec-sec1.key", None), "{file}");
    }
    public("ed25519.key", None);
    // A password for a key that is not encrypted is not used.
    public("ec-sec1.key", Some("secret"));
}

#[test]
fn a_key_is_decrypted_whatever_encrypted_it() {
    let secret = Some("secret");
    for file in ["rsa-aes256.key", "rsa-aes128.key", "rsa-des3.key"] {
        assert_eq!(
            public(file, secret),
            public("rsa-pkcs1.key", None),
            "{file}"
        );
    }
    for file in [
        "ec-pbes2.key",
        "ec-pbes2.der",
        "ec-pbes2-sha1.key",
        "ec-pbes2-des3.key",
        "ec-scrypt.key",
        "ec-aes192.key",
    ] {
        assert_eq!(public(file, secret), public("ec-sec1.key", None), "{file}");
    }
}

#[test]
fn a_key_that_cannot_be_read_is_named_with_what_is_wrong() {
    let check = |file: &str, password: Option<&str>, reason: &str| {
        let error = read(file, password).expect_err(file);
        let told = error.reason.contains(file) && error.reason.contains(reason);
        assert!(told && !error.hint.is_empty(), "{error:?}");
    };
    check("none.key", None, "no such file");
    check("ca.pem", None, "no private key");
    check("make", None, "no private key");
    for file in ["ec-pbes2.key", "ec-pbes2.der", "rsa-aes256.key"] {
        check(file, None, "no password");
        check(file, Some(""), "does not decrypt");
        check(file, Some("Secret"), "does not decrypt");
    }
    check(
        "ec-pbes1.key",
        Some("secret"),
        "a way this program does not know",
    );
}

#[test]
fn no_wrong_password_makes_a_key_of_noise() {
    for number in 0..2000 {
        let password = format!("wrong{number}");
        assert!(
            read("ec-aes192.key", Some(&password)).is_err(),
            "{password}"
        );
    }
}

#[test]
fn a_key_of_an_unknown_kind_is_not_usable() {
    let key = read("ec-p521.key", None).expect("it can be read");
    assert!(any_supported_type(&key).is_err());
}
