//! Signatures made by minisign itself, through the whole command.

use std::path::Path;

use fs_err as fs;
use minisign::KeyPair;
use serde_json::json;

use super::*;
use crate::testing::{Said, Site, write_sidecar};

/// The key and the old signature of the four bytes `test`, as published with minisign.
const OLD_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const OLD_SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

fn beside(tarball: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", tarball.display()))
}

fn sign(keys: &KeyPair, tarball: &Path, comment: &str) {
    let file = std::fs::File::open(tarball).expect("there");
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, file, Some(comment), None);
    fs::write(beside(tarball), signature.expect("signed").to_string()).expect("written");
}

fn keys() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("random numbers")
}

/// Upgrades with `pubkey` in the environment.
fn upgrade(site: &mut Site, pubkey: &str, more: &[&str]) -> Said {
    site.install.pubkey = Some(pubkey.into());
    let tarball = site.outside().join("emqx-5.10.5.tar.gz");
    site.upgrade(&mut site.node(), &tarball, more)
}

#[test]
fn a_good_signature_is_told_with_its_comment() {
    let mut site = Site::with_hop();
    let keys = keys();
    sign(&keys, &site.new_tarball(), "made in a\ttest\u{1b}[2J");
    let said = upgrade(&mut site, &keys.pk.to_base64(), &["--require-signature"]);
    assert_eq!(said.code, 0, "{said:?}");
    let shown = r#"good signature, comment "made in a\ttest\u{1b}[2J""#;
    assert!(said.out.contains(shown), "{said:?}");
    fs::remove_file(site.base().marker()).expect("removed");
    let file = site.outside().join("key.pub");
    fs::write(&file, keys.pk.to_box().expect("a key").to_string()).expect("written");
    let said = upgrade(&mut site, &file.to_string_lossy(), &["--json"]);
    assert_eq!(
        said.json()["trusted_comment"],
        json!("made in a\ttest\u{1b}[2J")
    );
}

#[test]
fn a_signature_that_is_not_prehashed_is_refused_however_right_it_is() {
    let mut site = Site::with_hop();
    let tarball = site.new_tarball();
    fs::write(&tarball, "test").expect("written");
    write_sidecar(&tarball);
    fs::write(beside(&tarball), OLD_SIGNATURE).expect("written");
    let said = upgrade(&mut site, OLD_KEY, &[]);
    assert_eq!((said.code, said.error_name()), (1, "invalid_signature"));
    assert!(said.err.contains("not prehashed"), "{said:?}");
}

#[test]
fn keys_are_read_as_minisign_writes_and_prints_them() {
    let commented = format!("untrusted comment: minisign public key\n{OLD_KEY}\n");
    for (text, ok) in [
        (OLD_KEY, true),
        (&format!("{OLD_KEY}\n"), true),
        (&commented, true),
        (&commented.replace('\n', "\r\n"), true),
        (&format!("{commented}{OLD_KEY}\n"), false),
        (&OLD_KEY[1..], false),
        (OLD_SIGNATURE, false),
        ("", false),
    ] {
        assert_eq!(parse_key(text).is_some(), ok, "{text:?}");
    }
}
