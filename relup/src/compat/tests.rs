//! Which pairs of releases are refused, and for which reason.

use super::*;

const LINUX: &str = "x86_64-pc-linux-gnu";

fn info(erlang: &str, os: &str, arch: &str) -> BuildInfo {
    BuildInfo::parse(&format!(
        "erlang: \"{erlang}\"\nos: \"{os}\"\narch: \"{arch}\"\n"
    ))
}

fn facts(running: BuildInfo, target: BuildInfo) -> CompatFacts {
    let vsn = |text: &str| text.parse().expect("a version");
    CompatFacts {
        running,
        target,
        running_mnesia_hook: true,
        target_has_mnesia: true,
        target_mnesia_hook: true,
        from: vsn("5.10.4"),
        to: vsn("5.10.5"),
        force: false,
    }
}

fn linux() -> CompatFacts {
    facts(
        info("26.2.5-1", "debian12", LINUX),
        info("26.2.6-1", "debian12", LINUX),
    )
}

fn check(facts: &CompatFacts, expected: Option<(&str, &str)>) {
    match (check_compat(facts), expected) {
        (Ok(()), None) => {}
        (Err(error), Some((name, part))) => {
            assert_eq!(error.name(), name, "{error}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.hint().is_empty());
        }
        (actual, _) => panic!("{facts:?}: {actual:?} instead of {expected:?}"),
    }
}

#[test]
fn only_the_major_version_of_otp_has_to_agree() {
    for (running, target, ok) in [
        ("26.2.5-1", "26.0", true),
        ("26", "26.2.5", true),
        ("26.2.5-1", "27.2-1", false),
        ("2.6", "26.2", false),
    ] {
        let facts = facts(
            info(running, "debian12", LINUX),
            info(target, "debian12", LINUX),
        );
        check(&facts, (!ok).then_some(("otp_major_vsn_mismatch", target)));
    }
}

#[test]
fn both_releases_come_from_the_same_fork_of_otp() {
    for (running, has_mnesia, target, refused) in [
        (true, true, true, None),
        (false, true, false, None),
        (
            true,
            true,
            false,
            Some("present in the running VM and absent in the target"),
        ),
        (
            false,
            true,
            true,
            Some("absent in the running VM and present in the target"),
        ),
        (true, false, false, None),
        (false, false, false, None),
    ] {
        let facts = CompatFacts {
            running_mnesia_hook: running,
            target_has_mnesia: has_mnesia,
            target_mnesia_hook: target,
            ..linux()
        };
        check(
            &facts,
            refused.map(|part| ("otp_compatible_mismatch", part)),
        );
    }
}

#[test]
fn system_and_machine_are_equal_except_for_kernel_minors() {
    for (running, target, ok) in [
        (("debian12", LINUX), ("debian12", LINUX), true),
        (("debian12", LINUX), ("debian11", LINUX), false),
        (
            ("debian12", LINUX),
            ("debian12", "aarch64-unknown-linux-gnu"),
            false,
        ),
        (
            ("m", "aarch64-apple-darwin23.1.0"),
            ("m", "aarch64-apple-darwin23.6.0"),
            true,
        ),
        (
            ("m", "aarch64-apple-darwin23.1.0"),
            ("m", "aarch64-apple-darwin24.1.0"),
            false,
        ),
        (
            ("m", "aarch64-apple-darwin23.1.0"),
            ("m", "x86_64-apple-darwin23.1.0"),
            false,
        ),
        (
            ("f", "x86_64-unknown-freebsd14.0"),
            ("f", "x86_64-unknown-freebsd14.2"),
            true,
        ),
        (
            ("f", "x86_64-unknown-freebsd14.0"),
            ("f", "x86_64-unknown-freebsd13.2"),
            false,
        ),
        (("f", "x86_64-unknown-freebsd14.0"), ("f", LINUX), false),
    ] {
        let facts = facts(
            info("26.2", running.0, running.1),
            info("26.2", target.0, target.1),
        );
        check(&facts, (!ok).then_some(("os_arch_mismatch", target.1)));
    }
}

#[test]
fn force_lifts_the_patch_rule_and_nothing_else() {
    let minor = CompatFacts {
        to: "5.11.0".parse().expect("a version"),
        ..linux()
    };
    check(&minor, Some(("not_a_patch_hop", "5.10.4 -> 5.11.0")));
    check(
        &CompatFacts {
            force: true,
            ..minor
        },
        None,
    );
    let fork = CompatFacts {
        target_mnesia_hook: false,
        force: true,
        ..linux()
    };
    check(&fork, Some(("otp_compatible_mismatch", "mnesia_hook")));
}

#[test]
fn a_build_info_that_can_not_be_compared_is_refused_by_name() {
    let good = || info("26.2", "debian12", LINUX);
    let cut = |text: &str| BuildInfo::parse(text);
    for (running, target, name, part) in [
        (
            cut(""),
            good(),
            "otp_major_vsn_mismatch",
            "running release has no `erlang`",
        ),
        (
            good(),
            cut(""),
            "otp_major_vsn_mismatch",
            "target release has no `erlang`",
        ),
        (
            good(),
            cut("erlang: \"26\""),
            "os_arch_mismatch",
            "target release has no `os`",
        ),
        (
            good(),
            cut("erlang: \"26\"\nos: \"debian12\""),
            "os_arch_mismatch",
            "target release has no `arch`",
        ),
        (
            good(),
            info("", "", ""),
            "otp_major_vsn_mismatch",
            "no `erlang`",
        ),
    ] {
        check(&facts(running, target), Some((name, part)));
    }
}

#[test]
fn the_checks_have_a_fixed_order() {
    let mut facts = facts(info("26.2", "a", LINUX), info("27.0", "b", LINUX));
    facts.target_mnesia_hook = false;
    facts.to = "6.0.0".parse().expect("a version");
    check(&facts, Some(("otp_major_vsn_mismatch", "27.0")));
    facts.target = info("26.2", "b", LINUX);
    check(&facts, Some(("otp_compatible_mismatch", "mnesia_hook")));
    facts.target_mnesia_hook = true;
    check(&facts, Some(("os_arch_mismatch", "b")));
    facts.target = info("26.2", "a", LINUX);
    check(&facts, Some(("not_a_patch_hop", "6.0.0")));
}
