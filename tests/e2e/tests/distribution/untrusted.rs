//! What TLS says when it fails is told, in one line and with a remedy.

use crate::authority::{Authority, Wanted};
use crate::secure::{CERTS, HOST, Secure, UNCHECKED, identity, list, verified_by};
use e2e::Result;
use e2e::install::Install;
use e2e::process::{self, Finished};
use e2e::witness::faults_of_words;
use std::path::PathBuf;

/// Options of a client, the exit code of a ping, and texts that it must print.
type Case<'a> = (&'a str, i32, &'a [&'a str]);

fn assert_told(secure: &Secure, server: &str, cases: &[Case<'_>]) -> Result<()> {
    let mut told = Vec::new();
    for (client, code, texts) in cases {
        secure.write_options(server, client)?;
        let finished = secure.install.emqx(&["ping"])?;
        told.extend(faults(&finished, *code, texts).map(|fault| format!("[{client}] {fault}")));
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    Ok(())
}

fn faults(finished: &Finished, code: i32, texts: &[&str]) -> Option<String> {
    let errors = finished
        .stderr
        .lines()
        .filter(|line| line.starts_with("ERROR: "));
    let hints = finished
        .stderr
        .lines()
        .filter(|line| line.starts_with("hint: "));
    let lacks = texts.iter().find(|text| !finished.stderr.contains(**text));
    let is_well_said = code == 0 || (errors.count() == 1 && hints.count() >= 1);
    if finished.code != Some(code) || lacks.is_some() || !is_well_said {
        return Some(format!("expected {code} and {texts:?}: {finished}"));
    }
    if code == 0 {
        return None;
    }
    let faults = faults_of_words(finished);
    (!faults.is_empty()).then(|| format!("{faults:?}: {finished}"))
}

/// A key of the fixtures that the readers of keys are tested with.
fn fixture(name: &str) -> Result<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shims/tests/fixtures/tls");
    Ok(fs_err::canonicalize(dir.join(name))?)
}

#[test]
fn every_refusal_of_a_node_that_checks_is_told_in_both_versions() -> Result<()> {
    let server = list(&[
        &verified_by("ca"),
        "{fail_if_no_peer_cert, true}",
        "{versions, ['tlsv1.3', 'tlsv1.2']}",
    ]);
    let secure = Secure::new(&server, &identity("client"))?;
    let other = Authority::new("Other CA")?;
    let certs = secure.certs();
    other.write(&certs, "other-ca")?;
    other.issue(&certs, Wanted::new("stranger", &["x"]))?;
    secure
        .authority
        .issue(&certs, Wanted::new("old", &["x"]).expired())?;
    let plain = fs_err::read_to_string(fixture("ec-pkcs8.key")?)?;
    secure
        .authority
        .issue(&certs, Wanted::new("fixed", &["x"]).with_key(&plain))?;
    let both = [
        fs_err::read_to_string(certs.join("client.key"))?,
        fs_err::read_to_string(certs.join("client.pem"))?,
    ];
    fs_err::write(certs.join("both.pem"), both.concat())?;
    secure.install.start()?;
    for version in ["{versions, ['tlsv1.3']}", "{versions, ['tlsv1.2']}"] {
        refused_by_the_node(&secure, &server, version)?;
    }
    refused_by_this_side(&secure, &server)?;
    keys_and_files(&secure, &server)?;
    left_out(&secure, &server)?;
    chosen(&secure, &server)?;
    Ok(())
}

fn refused_by_the_node(secure: &Secure, server: &str, version: &str) -> Result<()> {
    let with = |options: &str| list(&[options, UNCHECKED, version]);
    assert_told(
        secure,
        server,
        &[
            (&with(&identity("client")), 0, &[]),
            (
                &with(""),
                1,
                &["not responding to pings", "client certificate", "certfile"],
            ),
            (
                &with(&identity("stranger")),
                1,
                &["not responding", "(alert: ", "certfile"],
            ),
            (
                &with(&identity("old")),
                1,
                &["not responding", "expired", "renew"],
            ),
        ],
    )
}

fn refused_by_this_side(secure: &Secure, server: &str) -> Result<()> {
    let with = |options: &str| list(&[&identity("client"), options]);
    let checked = |options: &str| with(&list(&[&verified_by("ca"), options]));
    assert_told(
        secure,
        server,
        &[
            (&checked(""), 0, &[]),
            (
                &with(&verified_by("other-ca")),
                1,
                &[
                    "(CN=node)",
                    "signed by CN=Test CA",
                    "other-ca.pem",
                    "cacertfile",
                ],
            ),
            (
                &checked("{server_name_indication, \"elsewhere\"}"),
                1,
                &[
                    "(CN=node)",
                    "is for 127.0.0.1",
                    "not for elsewhere",
                    "subjectAltName",
                ],
            ),
            (&checked("{server_name_indication, disable}"), 0, &[]),
            (&checked("{depth, 0}"), 0, &[]),
            (
                &with("{verify, verify_peer}"),
                1,
                &["ssl_dist.conf", "cacertfile"],
            ),
        ],
    )
}

fn keys_and_files(secure: &Secure, server: &str) -> Result<()> {
    let fixed = |key: &str, password: &str| -> Result<String> {
        let path = fixture(key)?;
        let files = format!(
            "{{certfile, \"{CERTS}/fixed.pem\"}}, {{keyfile, \"{}\"}}",
            path.display()
        );
        Ok(list(&[&files, password, UNCHECKED]))
    };
    let file = |certfile: &str| list(&[&format!("{{certfile, \"{certfile}\"}}"), UNCHECKED]);
    let key = |keyfile: &str| {
        list(&[
            &file("etc/certs/client.pem"),
            &format!("{{keyfile, \"{keyfile}\"}}"),
        ])
    };
    let right = "{password, \"secret\"}";
    fs_err::write(
        secure.certs().join("broken.pem"),
        "-----BEGIN CERTIFICATE-----\nMII%\n-----END CERTIFICATE-----\n",
    )?;
    assert_told(
        secure,
        server,
        &[
            (&fixed("ec-pkcs8.key", "")?, 0, &[]),
            (&fixed("ec-sec1.key", "")?, 0, &[]),
            (&fixed("ec-pkcs8.der", "")?, 0, &[]),
            (&fixed("ec-pbes2.key", right)?, 0, &[]),
            (&fixed("ec-scrypt.key", right)?, 0, &[]),
            (&fixed("ec-aes192.key", right)?, 0, &[]),
            (
                &fixed("ec-pbes2.key", "")?,
                1,
                &["ec-pbes2.key", "no password"],
            ),
            (
                &fixed("ec-pbes2.key", "{password, \"wrong\"}")?,
                1,
                &["ssl_dist.conf", "ec-pbes2.key", "password"],
            ),
            (&file("etc/certs/both.pem"), 0, &[]),
            (
                &file("etc/certs/client.pem"),
                1,
                &["client.pem", "no private key", "keyfile"],
            ),
            (
                &file("none.pem"),
                1,
                &[
                    "ssl_dist.conf",
                    "\"none.pem\"",
                    "no such file",
                    "working directory",
                ],
            ),
            (&file("etc"), 1, &["\"etc\"", "cannot be read"]),
            (
                &file("etc/certs/client.key"),
                1,
                &["client.key", "no certificate"],
            ),
            (&file("etc/certs/broken.pem"), 1, &["broken.pem", "damaged"]),
            (
                &key("etc/certs/stranger.key"),
                1,
                &["stranger.key", "is not that of", "client.pem"],
            ),
            (
                "{verify, verify_pear}",
                1,
                &["ssl_dist.conf", "verify_pear", "verify_none"],
            ),
            (
                "{certfile, os:getenv(\"X\")}",
                1,
                &["os:getenv", "expression"],
            ),
            (
                "{certfile, \"x\"",
                1,
                &["ssl_dist.conf", "syntax error at line 1"],
            ),
        ],
    )
}

/// What is left out is told once, beside an answer that is not disturbed.
fn left_out(secure: &Secure, server: &str) -> Result<()> {
    let strange = "{verify, verify_none}, {verify_fun, {fun inet_tls_dist:verify_client/3, []}}, {no_such, 1}";
    secure.write_options(server, &list(&[&identity("client"), strange]))?;
    let finished = secure.install.emqx(&["eval", "1 + 1"])?.success()?;
    assert_eq!(finished.stdout, "2\n");
    let warnings: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(warnings.len(), 2, "{finished}");
    assert!(
        warnings[0].contains("verify_fun") && warnings[1].contains("no_such"),
        "{finished}"
    );
    let json = secure
        .install
        .emqx(&["relup", "status", "--json"])?
        .success()?;
    assert!(json.stdout.starts_with('{'), "{json}");
    Ok(())
}

fn chosen(secure: &Secure, server: &str) -> Result<()> {
    let spoken = |options: &str, expected: &str| -> Result<()> {
        secure.write_options(server, &list(&[&identity("client"), UNCHECKED, options]))?;
        let mut ping = secure.install.emqx_command(&["ping"]);
        process::run(ping.env("DEBUG", "1"), process::HANG)?
            .success()?
            .says(expected)?;
        Ok(())
    };
    spoken("", "TLSv1_3")?;
    spoken("{versions, ['tlsv1.2']}", "TLSv1_2")?;
    spoken("{ciphers, [\"TLS_CHACHA20_POLY1305_SHA256\"]}", "CHACHA20")?;
    spoken(
        "{ciphers, \"ECDHE-ECDSA-AES128-GCM-SHA256:AES128-SHA\"}",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    )
}

#[test]
fn a_node_whose_certificate_has_expired_is_refused_only_by_who_checks() -> Result<()> {
    let client = UNCHECKED;
    let secure = Secure::with_node(Wanted::new("node", &[HOST]).expired(), "", client)?;
    secure.install.start()?;
    assert_told(
        &secure,
        "",
        &[
            (client, 0, &[]),
            (
                &verified_by("ca"),
                1,
                &["(CN=node)", "expired at 2001-01-01", "renew"],
            ),
        ],
    )
}

#[test]
fn a_node_with_a_certificate_for_another_host_is_refused_only_by_who_checks() -> Result<()> {
    let elsewhere = Wanted::new("node", &["node.example.org"]);
    let secure = Secure::with_node(elsewhere, "", UNCHECKED)?;
    secure.install.start()?;
    let named = "{server_name_indication, \"NODE.example.org\"}";
    assert_told(
        &secure,
        "",
        &[
            (UNCHECKED, 0, &[]),
            (
                &verified_by("ca"),
                1,
                &[
                    "is for node.example.org",
                    "not for 127.0.0.1",
                    "subjectAltName",
                ],
            ),
            (&list(&[&verified_by("ca"), named]), 0, &[]),
        ],
    )?;
    // `start` watches with the same options: it does not begin what it could not see the end of.
    secure.install.stop()?;
    secure.write_options("", "{certfile, \"none.pem\"}")?;
    let before = generated(&secure.install)?;
    let plan = ["start", "--show-plan"];
    secure.install.emqx(&plan)?.exit_code(1)?.says("none.pem")?;
    let finished = secure
        .install
        .emqx(&["start"])?
        .exit_code(1)?
        .says("none.pem")?;
    assert_eq!(
        faults_of_words(&finished),
        Vec::<String>::new(),
        "{finished}"
    );
    assert_eq!(generated(&secure.install)?, before, "nothing was written");
    assert!(secure.install.vms().is_empty());
    Ok(())
}

fn generated(install: &Install) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(install.path("data/configs"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
