//! What reading and writing manifests promises.

use super::*;

const HEADER: &str = concat!(
    r#"{"manifest":1,"vsn":"5.10.5","tarball":"emqx.tar.gz","sha256":""#,
    "abababababababababababababababababababababababababababababababab",
    "\"}\n"
);

fn hex(byte: u8) -> String {
    digest_to_hex(&[byte; 32])
}

fn entries() -> Vec<ManifestEntry> {
    vec![
        ManifestEntry::Dir {
            path: "bin".to_owned(),
            mode: 0o755,
        },
        ManifestEntry::File {
            path: "bin/emqx ü".to_owned(),
            sha256: [1; 32],
            mode: 0o640,
            size: 8 << 30,
        },
        ManifestEntry::Link {
            path: "lib/x".to_owned(),
            target: "../y".to_owned(),
        },
    ]
}

/// Checks a manifest of the header and these lines: its number of entries, or part of the reason.
fn check(lines: &str, expected: Result<usize, &str>) {
    match (
        Manifest::parse(format!("{HEADER}{lines}").as_bytes()),
        expected,
    ) {
        (Ok(manifest), Ok(count)) => assert_eq!(manifest.entries.len(), count, "{lines}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{lines}: {error}"),
        (actual, _) => panic!("{lines}: {actual:?} instead of {expected:?}"),
    }
}

#[test]
fn a_manifest_is_written_line_by_line_and_read_back() {
    let header = ManifestHeader {
        vsn: "5.10.5".parse().expect("a version"),
        tarball: "emqx.tar.gz".to_owned(),
        sha256: [0xab; 32],
        base: None,
    };
    assert_eq!(header.to_line(), HEADER);
    let manifest = Manifest {
        header,
        entries: entries(),
    };
    let text = manifest.render();
    let expected = format!(
        "{HEADER}{}\n{{\"path\":\"bin/emqx ü\",\"sha256\":\"{}\",\"mode\":640,\"size\":8589934592}}\n{}\n",
        r#"{"path":"bin","dir":true,"mode":755}"#,
        hex(1),
        r#"{"path":"lib/x","link":"../y"}"#,
    );
    assert_eq!(text, expected);
    assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
    assert_eq!(
        entries()
            .iter()
            .map(ManifestEntry::path)
            .collect::<Vec<_>>(),
        ["bin", "bin/emqx ü", "lib/x",]
    );
}

#[test]
fn every_mode_survives_its_octal_digits() {
    for mode in 0..=0o7777 {
        assert_eq!(from_octal_digits(octal_digits(mode)), Ok(mode));
    }
    assert_eq!(
        octal_digits(0o100_755),
        755,
        "the file type is no permission"
    );
}

#[test]
fn a_manifest_that_is_not_whole_proves_nothing() {
    let other = |from: &str, to: &str| HEADER.replace(from, to);
    for (text, part) in [
        (String::new(), "empty"),
        (HEADER.trim_end().to_owned(), "cut off in line 1"),
        (
            format!("{HEADER}{{\"path\":\"bin\",\"dir\""),
            "cut off in line 2",
        ),
        (other("\"manifest\":1", "\"manifest\":2"), "format 2"),
        (
            other("\"manifest\":1,", ""),
            "line 1 of the manifest: missing field",
        ),
        (
            other("\"5.10.5\"", "\"../5\""),
            "line 1 of the manifest: the version",
        ),
        (other("abab", "ab"), "no SHA-256"),
        ("\n".to_owned(), "line 1"),
        ("{}\n".to_owned(), "line 1"),
    ] {
        let error = Manifest::parse(text.as_bytes()).expect_err(&text);
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn entries_are_read_strictly_and_stay_inside_the_tree() {
    let dir = |path: &str| format!("{{\"path\":{path:?},\"dir\":true,\"mode\":755}}\n");
    let file = |sha256: &str, mode: &str| {
        format!("{{\"path\":\"a\",\"sha256\":{sha256:?},\"mode\":{mode},\"size\":1}}\n")
    };
    for (lines, expected) in [
        (String::new(), Ok(0)),
        (dir("bin"), Ok(1)),
        (dir("lib/a-1/ebin"), Ok(1)),
        (dir("a..b/.x"), Ok(1)),
        (file(&hex(1), "4755"), Ok(1)),
        (dir("bin") + &dir("lib"), Ok(2)),
        (dir("/etc"), Err("\"/etc\" is not inside")),
        (dir("../x"), Err("\"../x\" is not inside")),
        (dir("a/../../x"), Err("is not inside")),
        (dir("."), Err("\".\" is not inside")),
        (dir(""), Err("\"\" is not inside")),
        (
            "{\"path\":\"a\\u0000\",\"link\":\"x\"}\n".to_owned(),
            Err("is not inside"),
        ),
        (
            "{\"path\":\"/a\",\"link\":\"x\"}\n".to_owned(),
            Err("is not inside"),
        ),
        (dir("bin").replace("true", "false"), Err("neither a file")),
        (file("abc", "644"), Err("\"abc\" is no SHA-256")),
        (file(&hex(1), "648"), Err("648 is no file mode")),
        (file(&hex(1), "10000"), Err("10000 is no file mode")),
        (file(&hex(1), "-1"), Err("line 2")),
        ("{\"path\":\"a\"}\n".to_owned(), Err("line 2")),
        ("\n".to_owned(), Err("line 2")),
        (dir("bin") + "x\n", Err("line 3")),
    ] {
        check(&lines, expected);
    }
}

#[test]
fn a_digest_is_64_hex_digits_of_either_case() {
    let digits = hex(0xcd);
    assert_eq!(digits, "cd".repeat(32));
    assert_eq!(digest_from_hex(&digits), Some([0xcd; 32]));
    assert_eq!(digest_from_hex(&digits.to_uppercase()), Some([0xcd; 32]));
    for text in [
        "",
        &digits[1..],
        &digits[2..],
        &format!("{digits}00"),
        &"g".repeat(64),
    ] {
        assert_eq!(digest_from_hex(text), None, "{text:?}");
    }
}
