//! Everything that can stop the launcher, with its words, its remedy and its exit code.
//! Printed in one place, `main_with`.

mod hint;

use std::path::PathBuf;

use relup::vsn::ReleaseVsn;
use shims::dist::TlsOptionsError;

use crate::boot::hocon::refusal::Refusal;
use crate::command::{Command, command_usage};
use crate::error::hint::{
    hint_of_command, hint_of_journal, hints_for_the_vm, last_words, still_there,
};
use crate::service::Unit;
use crate::sourced::{Origin, Sourced};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {reason}", marker.display())]
    Marker { marker: PathBuf, reason: String },

    #[error("{}:{line}: {reason}", file.display())]
    Vars {
        file: PathBuf,
        line: usize,
        reason: String,
    },

    #[error("{} is not set in {}", name, file.display())]
    VarMissing { file: PathBuf, name: &'static str },

    #[error("{} is not a release: {reason}", root.display())]
    NotARelease { root: PathBuf, reason: String },

    #[error("You need to be root or use sudo to run this command")]
    NotRunnerUser { user: Sourced<String> },

    #[error("cannot switch to user {user}: {reason}")]
    SwitchUser { user: String, reason: String },

    #[error("emqx.conf is not found in {}", etc.display())]
    NoEmqxConf { etc: Sourced<PathBuf> },

    #[error("Invalid security profile: {profile}. Valid values are: legacy, hardened.")]
    SecurityProfile { profile: String },

    #[error("the Erlang VM of the release does not start: {output}")]
    RuntimeUnusable {
        output: String,
        build_info: String,
        vsn: String,
    },

    #[error("the crypto application of the release does not load: {output}")]
    CryptoUnusable { output: String },

    #[error("{} cannot be written: {reason}", dir.display())]
    NotWritable { dir: PathBuf, reason: String },

    #[error("call_hocon_failed: {}", .0.command)]
    Hocon(Refusal),

    #[error("{} is refused by cuttlefish: {}", conf.display(), lines.join("; "))]
    Cuttlefish { conf: PathBuf, lines: Vec<String> },

    #[error("release {vsn} is not complete: {} is missing", missing.display())]
    Incomplete {
        vsn: Sourced<ReleaseVsn>,
        missing: PathBuf,
    },

    #[error("there is no boot file {}", file.display())]
    NoBootFile { file: PathBuf },

    #[error("`{}` is a command of EMQX before 5.0, and this is {vsn}", command.explanation().names[0])]
    NotInDialect { command: Command, vsn: String },

    #[error("the configuration look-up gave no {key}")]
    ConfigValue { key: &'static str },

    #[error("{0}")]
    Cookie(String),

    #[error("Cannot continue with default cookie and EMQX_SECURITY_PROFILE set to '{profile}'.")]
    DefaultCookie { profile: String },

    #[error("Invalid node name, should be of format '^[0-9A-Za-z_-]+$'.")]
    NodeName {
        name: String,
        origin: Option<Origin>,
    },

    #[error("no blank is allowed in the path of the TLS distribution options: {path}")]
    BlankInSslOptions { path: Sourced<String> },

    #[error("License not found.")]
    NoLicense,

    #[error("Error reading license: {reason}")]
    License { reason: String },

    #[error("Node {name} is already running!")]
    AlreadyRunning { name: String },

    #[error("{description} {vsn} using node name '{name}' ended before it was ready")]
    StartDied {
        description: String,
        vsn: String,
        name: String,
        log: PathBuf,
        tail: String,
    },

    #[error("{name} seems to be running, but not responding to pings.")]
    StartUnreachable {
        name: String,
        host: String,
        reason: String,
        remedy: Option<String>,
        left: Option<i32>,
    },

    #[error("{name} node is started, but failed to complete the boot sequence in time.")]
    StartTimeout { name: String, left: Option<i32> },

    #[error("More than one EMQX node found running (root dir: {}): {names}", root.display())]
    SeveralNodes { root: PathBuf, names: String },

    #[error("Node {name} is not running?")]
    NamedNodeNotRunning { name: Sourced<String> },

    #[error("EMQX_NODE__COOKIE is different from the cookie used by {name}")]
    CookieDiffers { name: String },

    #[error("{0}")]
    TlsOptions(TlsOptionsError),

    #[error("Node {name} not responding to pings.")]
    NotResponding {
        name: String,
        reason: String,
        remedy: Option<String>,
    },

    #[error("{name} has no console to attach to: {reason}")]
    NoConsole { name: String, reason: String },

    #[error("Graceful shutdown failed PID=[{pid}]: {reason}")]
    StopFailed { pid: i32, reason: String },

    #[error("Stop failed, process {pid} is still there after {seconds} seconds")]
    StopTimeout { pid: i32, seconds: u64 },

    #[error("Graceful shutdown of {name} is not complete: {reason}")]
    StopUnseen { name: String, reason: String },

    #[error("{name} belongs to {}, and systemd does not {verb} it: {reason}", unit.name)]
    OfService {
        name: String,
        unit: Unit,
        verb: &'static str,
        reason: String,
    },

    #[error("{} was restarted by systemd, and failed: {reason}", unit.name)]
    ServiceFailed {
        unit: Unit,
        code: u8,
        reason: String,
    },

    #[error("RPC to {name} failed: {reason}")]
    Rpc { name: String, reason: String },

    #[error("RPC to {name} error: {reason}")]
    Answer { name: String, reason: String },

    #[error("{0}")]
    Syntax(String),

    #[error("wrong arguments for `{}`", .0.explanation().names[0])]
    Usage(Command),

    #[error("there are no completions for the shell '{shell}'")]
    NoSuchShell { shell: String },

    #[error("there is no manual page for '{command}'")]
    NoSuchPage { command: String },

    #[error("{what} is not part of this release: {}", path.display())]
    NoElixir { what: &'static str, path: PathBuf },

    #[error("cannot execute {}: {source}", program.display())]
    Exec {
        program: PathBuf,
        source: std::io::Error,
    },

    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// What the release's own code says against the configuration, in its own words.
    pub fn told_by_the_release(&self) -> &[String] {
        match self {
            Error::Hocon(refusal) => &refusal.lines,
            _ => &[],
        }
    }

    /// The exit code, as boot-contract.md documents it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::CryptoUnusable { .. } | Error::StartUnreachable { .. } => 2,
            Error::StartTimeout { .. } => 3,
            Error::ServiceFailed { code, .. } => *code,
            Error::Exec { .. } => 126,
            Error::Marker { .. }
            | Error::Vars { .. }
            | Error::VarMissing { .. }
            | Error::NotARelease { .. }
            | Error::NotRunnerUser { .. }
            | Error::SwitchUser { .. }
            | Error::NoEmqxConf { .. }
            | Error::SecurityProfile { .. }
            | Error::RuntimeUnusable { .. }
            | Error::NotWritable { .. }
            | Error::Hocon(_)
            | Error::Cuttlefish { .. }
            | Error::Incomplete { .. }
            | Error::NoBootFile { .. }
            | Error::NotInDialect { .. }
            | Error::License { .. }
            | Error::ConfigValue { .. }
            | Error::Cookie(_)
            | Error::DefaultCookie { .. }
            | Error::NodeName { .. }
            | Error::BlankInSslOptions { .. }
            | Error::NoLicense
            | Error::AlreadyRunning { .. }
            | Error::StartDied { .. }
            | Error::SeveralNodes { .. }
            | Error::NamedNodeNotRunning { .. }
            | Error::CookieDiffers { .. }
            | Error::TlsOptions(_)
            | Error::NotResponding { .. }
            | Error::NoConsole { .. }
            | Error::StopFailed { .. }
            | Error::StopTimeout { .. }
            | Error::StopUnseen { .. }
            | Error::OfService { .. }
            | Error::Rpc { .. }
            | Error::Answer { .. }
            | Error::Syntax(_)
            | Error::Usage(_)
            | Error::NoSuchShell { .. }
            | Error::NoSuchPage { .. }
            | Error::NoElixir { .. }
            | Error::Io(_) => 1,
        }
    }

    /// What to do about it, a line each.
    #[expect(clippy::too_many_lines, reason = "each error has its own words")]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Error::Marker { .. } => vec![
                "`emqx relup rollback` boots the base release again".into(),
                "`emqx relup rollback --to VSN` boots another deployed tree \
                 (`emqx relup list` shows them)"
                    .into(),
            ],
            Error::Vars { file, .. } => vec![format!(
                "only NAME=value assignments are read from it, nothing is executed; mend {}",
                file.display()
            )],
            Error::NotRunnerUser { user } => {
                vec![format!(
                    "the release runs as user {}: use sudo, or become {user}",
                    user.told()
                )]
            }
            Error::NotARelease { .. } => {
                vec!["the program must stand in the bin directory of a release".into()]
            }
            Error::RuntimeUnusable {
                build_info, vsn, ..
            } => hints_for_the_vm(build_info, vsn),
            Error::CryptoUnusable { .. } => {
                vec!["install openssl's libcrypto in the version the release was built with".into()]
            }
            Error::NotWritable { .. } => vec![
                "give it to the user that the node runs as (chown -R), run the command as its \
                 owner, or mount it read-write"
                    .into(),
            ],
            Error::SwitchUser { .. } => vec![
                "RUNNER_USER in releases/emqx_vars names the user that the node runs as".into(),
            ],
            Error::DefaultCookie { .. } => {
                vec!["set node.cookie in emqx.conf, or EMQX_NODE__COOKIE".into()]
            }
            Error::NodeName { name, origin } => {
                let origin = origin.as_ref().map(|origin| format!(" (from {origin})"));
                let origin = origin.unwrap_or_default();
                vec![format!("the name in force is '{name}'{origin}")]
            }
            Error::BlankInSslOptions { path } => vec![
                format!("the path is {}", path.told()),
                "name another path in EMQX_SSL_DIST_OPTFILE".into(),
            ],
            Error::NoEmqxConf { etc } => {
                vec![format!("the configuration directory is {}", etc.told())]
            }
            Error::NamedNodeNotRunning { name } => {
                vec![format!("the name is {}", name.told())]
            }
            Error::Hocon(_) => vec![
                "mend emqx.conf, or the EMQX_ variable that overrides it; `emqx check_config` \
                 checks without booting"
                    .into(),
            ],
            Error::Cuttlefish { .. } => vec![
                "mend emqx.conf, or the variable of the environment that overrides it; \
                 `emqx check_conf` checks without booting"
                    .into(),
            ],
            Error::Incomplete { vsn, .. } => vec![
                format!("the version is {}", vsn.told()),
                "put the files of that release back from its package".into(),
            ],
            Error::NoBootFile { .. } => {
                vec!["name one of releases/<version>, or a path, without .boot".into()]
            }
            Error::NoLicense | Error::License { .. } => {
                vec!["set EMQX_LICENSE__KEY, or license.key in emqx.conf".into()]
            }
            Error::StartDied { log, tail, .. } => last_words(log, tail),
            Error::StartUnreachable {
                host,
                reason,
                remedy,
                left,
                ..
            } => vec![
                reason.clone(),
                remedy.clone().unwrap_or_else(|| {
                    format!("make sure that '{host}' is a resolvable and reachable host name")
                }),
                still_there(*left),
            ],
            Error::StartTimeout { left, .. } => vec![
                "EMQX_WAIT_FOR_START gives the seconds to wait; erlang.log.* tells what it did"
                    .into(),
                still_there(*left),
            ],
            Error::SeveralNodes { .. } => {
                vec!["set EMQX_NODE__NAME to the node this command is meant for".into()]
            }
            Error::CookieDiffers { .. } => vec!["unset EMQX_NODE__COOKIE".into()],
            Error::TlsOptions(error) => vec![error.hint.clone()],
            Error::NotResponding { reason, remedy, .. } => {
                std::iter::once(reason).chain(remedy).cloned().collect()
            }
            Error::NoConsole { .. } => {
                vec!["only a node that `emqx start` booted has one; try `emqx remote`".into()]
            }
            Error::OfService { unit, verb, .. } => vec![hint_of_command(verb, unit)],
            Error::ServiceFailed { unit, .. } => vec![hint_of_journal(unit)],
            Error::StopTimeout { .. } | Error::StopUnseen { .. } => {
                vec!["EMQX_WAIT_FOR_STOP gives the seconds to wait".into()]
            }
            Error::Usage(command) => command_usage("emqx", *command)
                .lines()
                .map(str::to_owned)
                .collect(),
            Error::NoSuchShell { .. } => vec!["it can be bash, zsh or fish".into()],
            Error::NoSuchPage { .. } => vec!["`emqx help` lists the commands".into()],
            Error::VarMissing { .. }
            | Error::SecurityProfile { .. }
            | Error::NotInDialect { .. }
            | Error::ConfigValue { .. }
            | Error::Cookie(_)
            | Error::AlreadyRunning { .. }
            | Error::StopFailed { .. }
            | Error::Rpc { .. }
            | Error::Answer { .. }
            | Error::Syntax(_)
            | Error::NoElixir { .. }
            | Error::Exec { .. }
            | Error::Io(_) => Vec::new(),
        }
    }
}
