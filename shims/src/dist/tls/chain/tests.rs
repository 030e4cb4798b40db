//! Which certificates lead to whom, by the fixtures of `tests/fixtures/tls`.

use super::*;
use crate::dist::tls::TlsSource;
use crate::dist::tls::files::Reader;
use crate::dist::tls::options::{self, Options};
use rustls::crypto::ring;
use std::path::PathBuf;
use std::time::Duration;

/// In the fixtures' time: the year 2030.
const NOW: u64 = 1_900_000_000;

fn source() -> TlsSource {
    TlsSource {
        file: None,
        dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls"),
        verifies_by_default: true,
    }
}

fn certificates(file: &str) -> Vec<CertificateDer<'static>> {
    let source = source();
    let read = Reader::new(&source).certificates("certfile", file);
    read.unwrap_or_else(|error| panic!("{error}"))
}

fn trust(authority: &str, depth: usize) -> Trust {
    let source = source();
    let options = Options {
        cacertfile: Some(authority.to_owned()),
        depth,
        ..options::none(options::Verify::Peer)
    };
    Trust::read(&Reader::new(&source), &options).unwrap_or_else(|error| panic!("{error}"))
}

/// The fault of what a node sends: its certificate and others.
fn fault_of(sent: &[&str], authority: &str, depth: usize, now: u64) -> Option<String> {
    let sent: Vec<_> = sent.iter().flat_map(|file| certificates(file)).collect();
    let node = Certificate::parse(&sent[0]).unwrap_or_else(|error| panic!("{error}"));
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let parts = (&sent[0], &sent[1..]);
    let checked = check(&trust(authority, depth), algorithms.all, &node, parts, now);
    checked.err().map(|fault| fault.what)
}

#[test]
fn a_certificate_leads_to_whom_the_operator_trusts() {
    let check = |sent: &[&str], authority: &str| {
        assert_eq!(
            fault_of(sent, authority, 10, NOW),
            None,
            "{sent:?} {authority}"
        );
    };
    check(&["node.pem"], "ca.pem");
    check(&["node.der"], "ca.pem");
    check(&["node-with-text.pem"], "ca.pem");
    check(&["of-between.pem", "between.pem"], "ca.pem");
    check(&["of-between.pem", "between.pem", "ca.pem"], "ca.pem");
    // What the operator names is trusted, also in the middle.
    check(&["of-between.pem"], "between.pem");
    // As a plain `openssl x509 -req` and `openssl req -x509 -CA` make them.
    check(&["v1-of-ca.pem"], "ca.pem");
    check(&["v1-of-ca.pem", "ca.pem"], "ca.pem");
    check(&["v1-of-ca-v1.pem"], "ca-v1.pem");
    check(&["v1-of-between.pem"], "between.pem");
    check(&["marked-ca.pem"], "ca.pem");
}

#[test]
fn a_certificate_that_leads_nowhere_is_told_by_what_it_lacks() {
    let check = |sent: &[&str], authority: &str, what: &str| {
        let fault = fault_of(sent, authority, 10, NOW).unwrap_or_else(|| panic!("{sent:?}"));
        assert!(fault.contains(what), "{sent:?} {authority}: {fault}");
    };
    check(
        &["node.pem"],
        "other-ca.pem",
        "signed by CN=Test CA, which is not in",
    );
    check(&["node.pem"], "same-name-ca.pem", "not with the key");
    check(
        &["of-between.pem"],
        "ca.pem",
        "signed by CN=Between, which is not in",
    );
    check(&["v1-of-ca.pem"], "other-ca.pem", "which is not in");
    check(&["v1-of-ca.pem"], "same-name-ca.pem", "not with the key");
    check(&["marked-ca.pem"], "same-name-ca.pem", "not with the key");
    check(&["self.pem"], "ca.pem", "self-signed");
    check(&["self.pem"], "self.pem", "self-signed");
    check(&["for-clients.pem"], "ca.pem", "not for servers");
    check(&["marked-ca-for-clients.pem"], "ca.pem", "not for servers");
    check(&["unknown-critical.pem"], "ca.pem", "critical extension");
    // A node's certificate is no authority, whatever it has signed.
    check(&["node.pem"], "node.pem", "which is not in");
}

#[test]
fn time_and_distance_have_their_limits() {
    let later = NOW + 200 * 365 * 86_400;
    let told = |sent: &[&str], depth, now| fault_of(sent, "ca.pem", depth, now).expect("a fault");
    assert!(told(&["node.pem"], 10, later).contains("expired at 21"));
    assert!(told(&["v1-of-ca.pem"], 10, later).contains("expired at 21"));
    assert!(told(&["node.pem"], 10, 0).contains("not valid before 20"));
    let far = ["of-between.pem", "between.pem"];
    assert!(told(&far, 0, NOW).contains("more than 0 certificates away"));
    assert_eq!(fault_of(&far, "ca.pem", 1, NOW), None);
}
