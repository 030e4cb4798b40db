//! Which sidecars are accepted: cases 108 to 115 of the hostile inputs, and more forms.

use super::*;

const NAME: &str = "emqx-enterprise-5.10.5-debian12-amd64.tar.gz";

/// 64 hex digits, all the same.
fn digits(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// `expected` is the byte of the digest and the other name, or a part of the message.
fn check(sidecar: &str, expected: Result<(u8, Option<&str>), &str>) {
    match (parse_sidecar(sidecar.as_bytes(), NAME), expected) {
        (Ok(actual), Ok((byte, other))) => {
            assert_eq!(actual.digest, [byte; 32], "{sidecar:?}");
            assert_eq!(actual.names_other.as_deref(), other, "{sidecar:?}");
        }
        (Err(error), Err(part)) => {
            assert!(error.to_string().contains(part), "{sidecar:?}: {error}");
            assert_eq!(error.name(), "invalid_sha256_sidecar");
            assert!(!error.hint().is_empty());
        }
        (actual, _) => panic!("{sidecar:?}: {actual:?} instead of {expected:?}"),
    }
}

#[test]
fn every_form_that_checksum_tools_write_is_read() {
    let a = digits('a');
    let upper = digits('A');
    for sidecar in [
        a.clone(),
        upper.clone(),
        format!("{a}\n"),
        format!("\n  {a}  \n\n"),
        format!("{a}  {NAME}\n"),
        format!("{a} *{NAME}\n"),
        format!("{a}\t{NAME}\n"),
        format!("{upper}  {NAME}\r\n"),
        format!("{a}\r\n"),
        format!("{a}  ./dist/{NAME}\n"),
        format!("{a}  /srv/{NAME}"),
        format!("SHA256 ({NAME}) = {a}\n"),
        format!("SHA256 (dist/{NAME}) = {upper}\r\n"),
        format!("SHA256({NAME})= {a}\n"),
        format!("SHA2-256({NAME})= {a}\n"),
    ] {
        check(&sidecar, Ok((0xaa, None)));
    }
}

#[test]
fn of_several_lines_the_one_that_names_the_tarball_counts() {
    let (a, b) = (digits('a'), digits('b'));
    for (sidecar, expected) in [
        (format!("{b}  other\n{a}  {NAME}\n"), Ok((0xaa, None))),
        (format!("{a} *x/{NAME}\r\n{b} *other\r\n"), Ok((0xaa, None))),
        (
            format!("SHA256 (other) = {b}\nSHA256 ({NAME}) = {a}\n"),
            Ok((0xaa, None)),
        ),
        (format!("{b}\n{a}  {NAME}\n"), Ok((0xaa, None))),
        (format!("{a}  {NAME}\n{a}  {NAME}\n"), Ok((0xaa, None))),
        (
            format!("{a}  {NAME}\n{b}  {NAME}\n"),
            Err("different digests"),
        ),
        (format!("{a}  one\n{b}  two\n"), Err("only one, two")),
        (
            format!("{a}  1\n{a}  2\n{a}  3\n{a}  4\n"),
            Err("only 1, 2, 3, others"),
        ),
        (format!("{a}\n{b}\n"), Err("only no file")),
        (format!("{a}\n{a}\n"), Err("only no file")),
        (
            format!("{a}  {NAME}\nnot a checksum\n"),
            Err("line 2 is no SHA-256"),
        ),
        (
            format!("\n{a}  {NAME}\n{b}c  other\n"),
            Err("line 3: the digest has 65"),
        ),
    ] {
        check(&sidecar, expected);
    }
}

#[test]
fn the_right_digest_under_another_name_is_accepted_and_reported() {
    let a = digits('a');
    for (sidecar, other) in [
        (format!("{a}  renamed.tar.gz\n"), "renamed.tar.gz"),
        (format!("{a} *dist/renamed.tar.gz\n"), "dist/renamed.tar.gz"),
        (format!("{a}  two words.tar.gz\r\n"), "two words.tar.gz"),
    ] {
        check(&sidecar, Ok((0xaa, Some(other))));
    }
    check(
        &format!("SHA256 (renamed.tar.gz) = {a}\n"),
        Err("only renamed.tar.gz"),
    );
}

#[test]
fn the_directory_of_the_tarball_does_not_count() {
    let sidecar = format!("{}  {NAME}\n", digits('a'));
    let read = parse_sidecar(sidecar.as_bytes(), &format!("/opt/upgrade/{NAME}"));
    assert_eq!(
        read,
        Ok(Sidecar {
            digest: [0xaa; 32],
            names_other: None
        })
    );
}

#[test]
fn garbage_is_refused_with_its_line() {
    let a = digits('a');
    for (sidecar, part) in [
        (String::new(), "empty"),
        (" \r\n\n".to_owned(), "empty"),
        (a[1..].to_owned(), "line 1: the digest has 63 hex digits"),
        (format!("{a}a"), "line 1: the digest has 65 hex digits"),
        (format!("{}  {NAME}", &a[1..]), "63 hex digits"),
        (format!("SHA256 ({NAME}) = {a}b"), "65 hex digits"),
        (digits('g'), "no SHA-256 checksum line"),
        (format!("0x{}", &a[2..]), "no SHA-256 checksum line"),
        (format!("{a},{NAME}"), "no SHA-256 checksum line"),
        (format!("\\{a}  {NAME}"), "no SHA-256 checksum line"),
        (format!("sha256:{a}"), "no SHA-256 checksum line"),
        (format!("SHA256 {NAME} = {a}"), "no SHA-256 checksum line"),
        (format!("SHA256 ({NAME}) {a}"), "no SHA-256 checksum line"),
        (format!("SHA256 ({NAME}) = "), "no SHA-256 checksum line"),
        (format!("SHA512 ({NAME}) = {a}"), "no SHA-256 checksum line"),
        (format!("{a}  {NAME}\u{1b}[2J"), "no SHA-256 checksum line"),
        (format!("{a}\0"), "no SHA-256 checksum line"),
        (
            "<html>404</html>".to_owned(),
            "no SHA-256 checksum line: \"<html>404",
        ),
        ("a".repeat(MAX_LEN + 1), "65537 bytes long"),
    ] {
        check(&sidecar, Err(part));
    }
    let utf16: Vec<u8> = a.bytes().flat_map(|byte| [byte, 0]).collect();
    let error = parse_sidecar(&utf16, NAME).expect_err("no text");
    assert!(error.to_string().contains("line 1 is no"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        text in "(SHA256 ?\\(|[0-9a-fA-F]{60,68}|[ *=)\\\\/a-z\r\n]){0,12}",
    ) {
        let _ = parse_sidecar(&bytes, NAME);
        let _ = parse_sidecar(text.as_bytes(), &text);
    }
}
