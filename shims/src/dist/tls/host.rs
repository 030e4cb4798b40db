//! Whether a certificate is for a host.
//!
//! The rules of OTP's `public_key:pkix_verify_hostname`, which nodes apply to each other: alternative
//! names are compared whole and without regard to case; only a certificate without any is judged by
//! its common names, and those may begin with a wildcard. An address in the node's name may stand in
//! the certificate as an address or, as OTP wants it, as the name of a host.

use super::certificate::Names;
use std::net::IpAddr;

/// Whether a certificate with these names is for `host`. `wildcards`: also in alternative names.
pub(super) fn is_for(names: &Names, host: &str, wildcards: bool) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if names.has_alternatives {
        let is_address = address.is_some_and(|address| names.addresses.contains(&address));
        return is_address
            || names.hosts.iter().any(|name| {
                name.eq_ignore_ascii_case(host) || wildcards && matches_wildcard(host, name)
            });
    }
    // A common name is never an address.
    address.is_none()
        && names
            .common
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host) || matches_wildcard(host, name))
}

/// `*.example.org` or `node*.example.org`: one wildcard in the first label.
fn matches_wildcard(host: &str, pattern: &str) -> bool {
    let (Some((host, host_rest)), Some((pattern, pattern_rest))) =
        (host.split_once('.'), pattern.split_once('.'))
    else {
        return false;
    };
    let Some((before, after)) = pattern.split_once('*') else {
        return false;
    };
    let host = host.to_ascii_lowercase();
    let fits = host.strip_prefix(before.to_ascii_lowercase().as_str());
    fits.is_some_and(|rest| rest.ends_with(after.to_ascii_lowercase().as_str()))
        && !after.contains('*')
        && host_rest.eq_ignore_ascii_case(pattern_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternative(hosts: &[&str], addresses: &[&str]) -> Names {
        Names {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            addresses: addresses.iter().filter_map(|a| a.parse().ok()).collect(),
            common: vec!["common.example.org".to_owned()],
            has_alternatives: true,
        }
    }

    fn common(name: &str) -> Names {
        Names {
            common: vec![name.to_owned()],
            ..Names::default()
        }
    }

    #[test]
    fn a_certificate_is_for_the_names_that_otp_takes_it_for() {
        let check = |names: &Names, host: &str, expected: bool| {
            assert_eq!(is_for(names, host, false), expected, "{names:?} {host}");
        };
        let names = alternative(
            &["a.example.org", "127.0.0.1", "*.w.org"],
            &["::1", "10.0.0.1"],
        );
        check(&names, "a.example.org", true);
        check(&names, "A.Example.ORG", true);
        check(&names, "127.0.0.1", true);
        check(&names, "::1", true);
        check(&names, "0:0:0:0:0:0:0:1", true);
        check(&names, "10.0.0.1", true);
        check(&names, "10.0.0.2", false);
        check(&names, "b.example.org", false);
        check(&names, "x.w.org", false);
        check(&names, "common.example.org", false);
        check(&common("h"), "h", true);
        check(&common("h"), "H", true);
        check(&common("127.0.0.1"), "127.0.0.1", false);
        check(&common("*.example.org"), "a.example.org", true);
        check(&common("n*1.example.org"), "node1.example.org", true);
        check(&common("n*1.example.org"), "n1.example.org", true);
        check(&common("n*1.example.org"), "n2.example.org", false);
        check(&common("1*1.example.org"), "1.example.org", false);
        check(&common("*.example.org"), "a.b.example.org", false);
        check(&common("*"), "h", false);
        check(&common("**.example.org"), "a.example.org", false);
        check(&Names::default(), "h", false);
        assert!(is_for(&names, "x.w.org", true));
        assert!(!is_for(&names, "x.y.w.org", true));
    }
}
