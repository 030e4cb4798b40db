//! What a manual page says beyond the command line: exit codes, files, pages to read next.

use crate::command::Command;

/// What an exit code means.
pub type Exit = (&'static str, &'static str);

/// Those of the program as a whole.
const PROGRAM: &[Exit] = &[
    ("0", "The command did what it is for."),
    ("1", "It was refused or failed; standard error says why."),
    (
        "2, 3, 4",
        "Failures of start and relup that the pages of these commands tell apart.",
    ),
    ("126", "A program of the release could not be executed."),
];

/// Those of most commands.
const PLAIN: &[Exit] = &[
    ("0", "Done."),
    ("1", "Refused or failed; standard error says why."),
];

const START: &[Exit] = &[
    ("0", "The node is ready."),
    (
        "1",
        "Refused before the boot, or the node is gone: erlang.log.N in the log directory tells why.",
    ),
    (
        "2",
        "The node is alive but does not answer; it was shut down.",
    ),
    (
        "3",
        "The node answers but was not ready in time; it was shut down.",
    ),
];

const VM: &[Exit] = &[
    ("0", "The VM ended in good order."),
    ("1", "Refused before the boot; standard error says why."),
    ("126", "The VM could not be executed."),
    ("other", "The VM's own exit code."),
];

const CALL: &[Exit] = &[
    ("0", "The call returned ok."),
    (
        "1",
        "It returned something else, or the node could not be asked.",
    ),
];

const ESCRIPT: &[Exit] = &[
    ("126", "The release's escript could not be executed."),
    ("other", "The escript's own exit code."),
];

const RELUP: &[Exit] = &[
    ("0", "Done."),
    ("1", "Refused or failed; nothing was changed."),
    ("2", "Wrong usage."),
    (
        "3",
        "Failed after the running node was changed, and then restored.",
    ),
    ("4", "Failed, and the node needs attention."),
];

const ITSELF: &[Exit] = &[
    ("0", "Done, or there was nothing to do."),
    (
        "1",
        "Refused or failed; bin/emqx is one whole program either way.",
    ),
    ("2", "Wrong usage."),
];

const HANDLER: &[Exit] = &[
    ("0", "Done."),
    ("1", "Wrong usage, or the node does not run."),
    ("2", "Refused, or not installed."),
    (
        "3",
        "The check of the release failed, or processes run its old code.",
    ),
    ("4", "The installation failed; the node may need attention."),
];

/// The exit codes of a command, or of the program.
pub fn exits(command: Option<Command>) -> &'static [Exit] {
    match command {
        None => PROGRAM,
        Some(command) => match command {
            Command::Start | Command::StartBoot | Command::Restart => START,
            Command::Foreground
            | Command::Console
            | Command::ConsoleClean
            | Command::ConsoleBoot
            | Command::Remote => VM,
            Command::Ctl | Command::Rpc => CALL,
            Command::Escript => ESCRIPT,
            Command::Relup => RELUP,
            Command::Itself => ITSELF,
            Command::Versions
            | Command::Unpack
            | Command::Install
            | Command::Upgrade
            | Command::Downgrade
            | Command::Uninstall => HANDLER,
            Command::Stop
            | Command::Attach
            | Command::Eval
            | Command::EvalEx
            | Command::Rpcterms
            | Command::Ping
            | Command::Pid
            | Command::RootDir
            | Command::Ertspath
            | Command::CheckConfig
            | Command::Version
            | Command::Completions
            | Command::Man => PLAIN,
        },
    }
}

/// The files that an operator may want to look at, and what they are for. Paths are below the
/// installation; packages have etc, data and log elsewhere, as `releases/emqx_vars` says.
pub const FILES: &[(&str, &str)] = &[
    ("etc/emqx.conf", "The configuration."),
    (
        "etc/base.hocon",
        "Defaults that emqx.conf and the cluster override.",
    ),
    (
        "etc/vm.args",
        "Arguments of the VM; those that the configuration sets override them.",
    ),
    ("etc/ssl_dist.conf", "Options of TLS between nodes."),
    (
        "data/configs/cluster.hocon",
        "What the nodes of the cluster agreed on at run time.",
    ),
    (
        "data/configs/app.<time>.config, data/configs/vm.<time>.args",
        "The generated configuration of a boot.",
    ),
    (
        "data/<user>_erl_pipes/<node>/",
        "The console of a daemon, for attach.",
    ),
    (
        "log/erlang.log.<n>",
        "What the console of a daemon printed.",
    ),
    (
        "releases/emqx_vars",
        "Version, user and directories of the release.",
    ),
    (
        "bin/emqx.sh, bin/emqx_ctl.sh",
        "The release's own scripts, where self install has put the launcher in their places.",
    ),
    (
        "relup/current",
        "The version of the deployed release that is booted instead of the original.",
    ),
    (
        "relup/current.retired",
        "What relup/current was before the launcher went back to the original release.",
    ),
    ("relup/<version>/", "A deployed release."),
    (
        "relup/catalog/<from>-to-<to>.relup",
        "Hops that the operator has put there.",
    ),
    ("relup/journal.jsonl", "The records of upgrade attempts."),
];
