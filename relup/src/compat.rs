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
mod tests;
