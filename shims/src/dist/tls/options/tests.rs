//! Files of options: what is read, what is left out, and what is refused.

use super::*;

fn read_client(text: &str) -> (Result<Options, Wrong>, Vec<String>) {
    let terms = parse_partly(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut warnings = Vec::new();
    let client = client_section(terms).unwrap_or_else(|what| panic!("{text}: {what}"));
    let options = parse(client, false, &mut warnings);
    (options, warnings)
}

fn options(text: &str) -> Options {
    let (options, warnings) = read_client(&format!("[{{client, [{text}]}}]."));
    assert_eq!(warnings, Vec::<String>::new(), "{text}");
    options.unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

#[test]
fn only_the_client_section_counts_and_it_may_be_missing() {
    let check = |text: &str, certfile: Option<&str>| {
        let (options, _) = read_client(text);
        let options = options.unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        let found = options.identities.first();
        let found = found.and_then(|identity| identity.certfile.as_deref());
        assert_eq!(found, certfile, "{text}");
    };
    check("[].", None);
    check("[{server, [{certfile, \"s\"}]}].", None);
    check("[{server, [{certfile, \"s\"}]}, {client, []}].", None);
    check("[{server, x}, {client, [{certfile, \"c\"}]}].", Some("c"));
    check("{client, [{certfile, \"c\"}]}.", Some("c"));
    check("[{client, [{certfile, <<\"c\">>}]}].", Some("c"));
    check(
        "[{client, [{certfile, \"a\"}]}, {client, [{certfile, \"b\"}]}].",
        Some("b"),
    );
    check(
        "[{client, [{certfile, \"a\"}, {certfile, \"b\"}]}].",
        Some("b"),
    );
    check("[{client, [{keyfile, \"k\"}]}].", None);
}

#[test]
fn every_option_that_can_be_honoured_is_read() {
    let read = options(
        "{certfile, \"c\"}, {keyfile, \"k\"}, {password, \"p\"}, {cacertfile, \"a\"}, \
         {verify, verify_peer}, {depth, 2}, {versions, ['tlsv1.3']}, \
         {ciphers, [\"TLS_AES_128_GCM_SHA256\"]}, {supported_groups, [x25519]}, \
         {server_name_indication, \"n\"}",
    );
    let identity = IdentityOptions {
        certfile: Some("c".into()),
        keyfile: Some("k".into()),
        password: Some(Password("p".into())),
    };
    assert_eq!(read.identities, [identity]);
    assert_eq!(read.cacertfile.as_deref(), Some("a"));
    assert_eq!(read.verify, Verify::Peer);
    assert_eq!(read.versions, [&version::TLS13]);
    assert_eq!(read.depth, 2);
    assert_eq!(read.ciphers, Some(vec!["TLS13_AES_128_GCM_SHA256"]));
    assert_eq!(read.groups, Some(vec![NamedGroup::X25519]));
    assert_eq!(read.server_name, ServerName::Name("n".into()));
    let none = options("{server_name_indication, disable}, {verify, verify_none}");
    assert_eq!(none.verify, Verify::None);
    assert_eq!(none.versions.len(), 2);
    assert_eq!(none.server_name, ServerName::Disable);
    let several = options("{certs_keys, [#{certfile => \"c\", keyfile => <<\"k\">>}]}");
    assert_eq!(several.identities[0].keyfile.as_deref(), Some("k"));
    let twice = options("{verify, verify_none}, {verify, verify_peer}");
    assert_eq!(twice.verify, Verify::Peer);
    options(
        "{fail_if_no_peer_cert, true}, {secure_renegotiate, true}, {reuse_sessions, true}, \
         {hibernate_after, 1000}, {honor_cipher_order, true}, {nodelay, true}, inet, \
         {raw, 6, 1, <<1>>}, {crl_check, false}",
    );
}

#[test]
fn what_is_left_out_is_told_once_by_its_name() {
    let check = |text: &str, expected: &[&str]| {
        let (options, warnings) = read_client(&format!("[{{client, [{text}]}}]."));
        assert!(options.is_ok(), "{text}: {options:?}");
        assert_eq!(warnings.len(), expected.len(), "{text}: {warnings:?}");
        for (warning, name) in warnings.iter().zip(expected) {
            assert!(warning.contains(name), "{text}: {warning}");
        }
    };
    check(
        "{verify_fun, {fun inet_tls_dist:verify_client/3, []}}",
        &["verify_fun"],
    );
    check(
        "{verify_fun, fun(_, _, S) -> {valid, S} end}",
        &["verify_fun"],
    );
    check("{no_such, 1}, {no_such, 2}", &["no_such"]);
    check("{crl_check, true}", &["crl_check"]);
    check("{password, fun() -> \"x\" end}", &["password"]);
    check("{versions, ['tlsv1.1', 'tlsv1.2']}", &["tlsv1.1"]);
    check(
        "{ciphers, \"ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA\"}",
        &["AES128-SHA"],
    );
    check("{supported_groups, [x25519, x448]}", &["x448"]);
    check(
        "{customize_hostname_check, [{match_fun, m:f()}]}",
        &["customize"],
    );
}

#[test]
fn values_that_an_option_cannot_have_are_named() {
    let check = |text: &str, option: &str, value: &str| {
        let (options, _) = read_client(&format!("[{{client, [{text}]}}]."));
        let wrong = options.expect_err(text);
        let told = wrong.reason.contains(option) && wrong.reason.contains(value);
        assert!(told && !wrong.hint.is_empty(), "{text}: {wrong:?}");
    };
    check("{verify, verify_pear}", "verify", "verify_pear");
    check("{verify, \"verify_peer\"}", "verify", "verify_peer");
    check("{certfile, cert}", "certfile", "cert");
    check("{certfile, \"\"}", "certfile", "\"\"");
    check(
        "{certfile, filename:join([\"a\", b])}",
        "certfile",
        "filename:join",
    );
    check("{depth, -1}", "depth", "-1");
    check("{depth, many}", "depth", "many");
    check("{versions, 'tlsv1.2'}", "versions", "tlsv1.2");
    check("{versions, []}", "versions", "[]");
    check("{versions, ['tlsv1.1']}", "versions", "tlsv1.1");
    check("{versions, ['tlsv2']}", "versions", "tlsv2");
    check("{ciphers, [\"AES128-SHA\"]}", "ciphers", "AES128-SHA");
    check("{supported_groups, [x448]}", "supported_groups", "x448");
    check("{server_name_indication, 7}", "server_name_indication", "7");
    check("{certs_keys, [#{}]}", "certs_keys", "not shown");
    check("{password, secret}", "password", "not shown");
    check("verify", "verify", "");
    check("{verify, verify_peer, x}", "", "tuple");
    check("{\"verify\", verify_peer}", "verify", "");
}

#[test]
fn what_is_no_list_of_sections_is_named() {
    let check = |text: &str, expected: &str| {
        let terms = parse_partly(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let what = client_section(terms).expect_err(text);
        assert!(what.contains(expected), "{text}: {what}");
    };
    check("[client].", "client");
    check("[{client, x}].", "x");
    check("[{client, [], 1}].", "tuple");
    check("client:options().", "client:options()");
}
