//! Stage 7 of an upgrade: may the target's tree take over a VM of the running release?
//!
//! The order of the checks is fixed, so that the same pair of releases is always refused for the
//! same reason. Nothing here reads a file: both `BUILD_INFO`s and the few facts about `mnesia`
//! come in as [`CompatFacts`]. (Relup contract, section 3, stage 7.)

use crate::build_info::BuildInfo;
use crate::vsn::ReleaseVsn;

/// What must be known about both releases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one observed fact, not a state"
)]
pub struct CompatFacts {
    /// `BUILD_INFO` of the running release.
    pub running: BuildInfo,
    /// `BUILD_INFO` of the target.
    pub target: BuildInfo,
    /// Whether the running VM has the module `mnesia_hook` (EMQX's own build of OTP has).
    pub running_mnesia_hook: bool,
    /// Whether the target carries `lib/mnesia-*`.
    pub target_has_mnesia: bool,
    /// Whether the target's `mnesia` has `mnesia_hook.beam`.
    pub target_mnesia_hook: bool,
    /// The running version.
    pub from: ReleaseVsn,
    /// The target version.
    pub to: ReleaseVsn,
    /// `--force`, which lifts the patch rule and nothing else here.
    pub force: bool,
}

/// Why the target can't take over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompatError {
    /// The releases were built on different major versions of OTP.
    #[error("the running release was built on OTP {running}, the target on OTP {target}")]
    OtpMajor {
        /// `erlang` of the running release.
        running: String,
        /// `erlang` of the target.
        target: String,
    },
    /// One of the releases was built on EMQX's own build of OTP and the other was not.
    #[error(
        "mnesia_hook is {} in the running VM and {} in the target: they were built on different forks of OTP",
        presence(*.running), presence(*.target)
    )]
    OtpFork {
        /// Whether the running VM has `mnesia_hook`.
        running: bool,
        /// Whether the target has it.
        target: bool,
    },
    /// The native parts of the target are for another system.
    #[error("the running release was built for {running}, the target for {target}")]
    OsArch {
        /// `os` and `arch` of the running release.
        running: String,
        /// `os` and `arch` of the target.
        target: String,
    },
    /// The first two version numbers differ.
    #[error("{from} -> {to} is not a patch hop: the first two version numbers differ")]
    NotAPatchHop {
        /// The running version.
        from: ReleaseVsn,
        /// The target version.
        to: ReleaseVsn,
    },
    /// `BUILD_INFO` lacks what has to be compared, so the check could not be made.
    #[error("BUILD_INFO of the {release} release has no `{key}` line")]
    Unknown {
        /// `running` or `target`.
        release: &'static str,
        /// The missing key.
        key: &'static str,
    },
}

impl CompatError {
    /// The error's name in the relup contract.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OtpMajor { .. } | Self::Unknown { key: "erlang", .. } => "otp_major_vsn_mismatch",
            Self::OtpFork { .. } => "otp_compatible_mismatch",
            Self::OsArch { .. } | Self::Unknown { .. } => "os_arch_mismatch",
            Self::NotAPatchHop { .. } => "not_a_patch_hop",
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OtpMajor { .. } => "such an upgrade needs a restart: install the target release",
            Self::OtpFork { .. } => {
                "use a running release and a target package that both come from EMQX"
            }
            Self::OsArch { .. } => "take the target package for this operating system and machine",
            Self::NotAPatchHop { .. } => {
                "install the target release and restart, or insist with --force"
            }
            Self::Unknown { .. } => "the release is damaged or was not made by EMQX's build",
        }
    }
}

/// Whether `facts` allow the hop; the first check that fails is reported.
pub fn check_compat(facts: &CompatFacts) -> Result<(), CompatError> {
    check_otp_major(facts)?;
    check_otp_fork(facts)?;
    check_os_arch(facts)?;
    if facts.force || facts.from.is_patch_hop_to(&facts.to) {
        return Ok(());
    }
    Err(CompatError::NotAPatchHop {
        from: facts.from.clone(),
        to: facts.to.clone(),
    })
}

fn check_otp_major(facts: &CompatFacts) -> Result<(), CompatError> {
    let (running, target) = both(facts, "erlang")?;
    if major(running) == major(target) {
        return Ok(());
    }
    Err(CompatError::OtpMajor {
        running: running.to_owned(),
        target: target.to_owned(),
    })
}

/// A target without `lib/mnesia-*` brings no `mnesia` that could disagree.
fn check_otp_fork(facts: &CompatFacts) -> Result<(), CompatError> {
    let (running, target) = (facts.running_mnesia_hook, facts.target_mnesia_hook);
    if !facts.target_has_mnesia || running == target {
        return Ok(());
    }
    Err(CompatError::OtpFork { running, target })
}

fn check_os_arch(facts: &CompatFacts) -> Result<(), CompatError> {
    let (running_os, target_os) = both(facts, "os")?;
    let (running_arch, target_arch) = both(facts, "arch")?;
    if running_os == target_os && same_arch(running_arch, target_arch) {
        return Ok(());
    }
    Err(CompatError::OsArch {
        running: format!("{running_os} {running_arch}"),
        target: format!("{target_os} {target_arch}"),
    })
}

/// Triples of Darwin and FreeBSD end in the kernel's version, of which only the major counts.
fn same_arch(running: &str, target: &str) -> bool {
    let majors = |arch: &str| {
        ["darwin", "freebsd"].iter().find_map(|system| {
            let end = arch.find(system)? + system.len();
            Some((arch[..end].to_owned(), major(&arch[end..]).to_owned()))
        })
    };
    match (majors(running), majors(target)) {
        (Some(running), Some(target)) => running == target,
        _ => running == target,
    }
}

fn both<'a>(facts: &'a CompatFacts, key: &'static str) -> Result<(&'a str, &'a str), CompatError> {
    let value = |info: &'a BuildInfo, release| {
        info.get(key)
            .filter(|value| !value.is_empty())
            .ok_or(CompatError::Unknown { release, key })
    };
    Ok((
        value(&facts.running, "running")?,
        value(&facts.target, "target")?,
    ))
}

/// The text before the first dot.
fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

fn presence(present: bool) -> &'static str {
    if present { "present" } else { "absent" }
}

#[cfg(test)]
mod tests {
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
}
