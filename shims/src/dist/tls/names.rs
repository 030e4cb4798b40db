//! OTP's names for what TLS can use, in this program's own.

use relup::term::Term;

/// A cipher suite by its names: here, in OpenSSL, and OTP's parts of it.
struct Suite {
    ours: &'static str,
    standard: &'static str,
    openssl: &'static str,
    exchange: &'static str,
    cipher: &'static str,
}

/// All that can be spoken here: what is forward secret and authenticates what it encrypts.
const SUITES: &[Suite] = &[
    suite(
        "TLS13_AES_256_GCM_SHA384",
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_256_GCM_SHA384",
        "any",
        "aes_256_gcm",
    ),
    suite(
        "TLS13_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "any",
        "aes_128_gcm",
    ),
    suite(
        "TLS13_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "any",
        "chacha20_poly1305",
    ),
    suite(
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ecdhe_ecdsa",
        "aes_256_gcm",
    ),
    suite(
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ecdhe_ecdsa",
        "aes_128_gcm",
    ),
    suite(
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ecdhe_ecdsa",
        "chacha20_poly1305",
    ),
    suite(
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ecdhe_rsa",
        "aes_256_gcm",
    ),
    suite(
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ecdhe_rsa",
        "aes_128_gcm",
    ),
    suite(
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ecdhe_rsa",
        "chacha20_poly1305",
    ),
];

const fn suite(
    ours: &'static str,
    standard: &'static str,
    openssl: &'static str,
    exchange: &'static str,
    cipher: &'static str,
) -> Suite {
    Suite {
        ours,
        standard,
        openssl,
        exchange,
        cipher,
    }
}

/// This program's name of a cipher suite that OTP names by a string, a map or a tuple.
pub(super) fn cipher(term: &Term) -> Option<&'static str> {
    let found = match term {
        Term::Map(pairs) => {
            let part = |key: &str| {
                let mut values = pairs.iter().filter(|(k, _)| k.as_atom() == Some(key));
                values.next().and_then(|(_, value)| value.as_atom())
            };
            by_parts(part("key_exchange"), part("cipher"))
        }
        Term::Tuple(parts) => match parts.as_slice() {
            [exchange, cipher, ..] => by_parts(exchange.as_atom(), cipher.as_atom()),
            _ => None,
        },
        other => {
            let name = other.to_text()?;
            SUITES
                .iter()
                .find(|suite| name == suite.standard || name == suite.openssl)
        }
    };
    found.map(|suite| suite.ours)
}

fn by_parts(exchange: Option<&str>, cipher: Option<&str>) -> Option<&'static Suite> {
    let (exchange, cipher) = (exchange?, cipher?);
    SUITES
        .iter()
        .find(|suite| suite.exchange == exchange && suite.cipher == cipher)
}

/// A group for the exchange of keys.
pub(super) fn group(name: &str) -> Option<rustls::NamedGroup> {
    match name {
        "x25519" => Some(rustls::NamedGroup::X25519),
        "secp256r1" => Some(rustls::NamedGroup::secp256r1),
        "secp384r1" => Some(rustls::NamedGroup::secp384r1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relup::term::{Parsed, parse_expression};
    use rustls::crypto::ring;

    #[test]
    fn ciphers_are_found_by_every_way_to_name_them() {
        let check = |text: &str, expected: Option<&str>| {
            let Ok(Parsed::Literal(term)) = parse_expression(text) else {
                panic!("{text}");
            };
            assert_eq!(cipher(&term), expected, "{text}");
        };
        let rsa = Some("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
        check("\"ECDHE-RSA-AES256-GCM-SHA384\".", rsa);
        check("<<\"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\">>.", rsa);
        check("{ecdhe_rsa, aes_256_gcm, null, sha384}.", rsa);
        check(
            "#{key_exchange => ecdhe_rsa, cipher => aes_256_gcm, mac => aead, prf => sha384}.",
            rsa,
        );
        check(
            "\"TLS_AES_128_GCM_SHA256\".",
            Some("TLS13_AES_128_GCM_SHA256"),
        );
        check("\"AES256-SHA\".", None);
        check("{rsa, aes_256_cbc, sha}.", None);
        check("7.", None);
    }

    #[test]
    fn every_cipher_of_the_table_can_be_spoken_and_none_is_missing() {
        let provider = ring::default_provider();
        let names: Vec<_> = provider
            .cipher_suites
            .iter()
            .filter_map(|suite| suite.suite().as_str())
            .collect();
        assert_eq!(names.len(), SUITES.len());
        for suite in SUITES {
            assert!(names.contains(&suite.ours), "{}", suite.ours);
        }
    }
}
