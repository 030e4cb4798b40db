//! Commands that obey the same variables.

use crate::command::Command;

/// Those that end in a VM of the broker, or check what it would be given.
pub const BOOT: &[Command] = &[
    Command::Start,
    Command::Restart,
    Command::Foreground,
    Command::Console,
    Command::StartBoot,
    Command::ConsoleBoot,
    Command::CheckConfig,
];

/// Those that end with a daemon.
pub const DAEMON: &[Command] = &[Command::Start, Command::StartBoot, Command::Restart];

/// Those that end in a VM, of whatever kind.
pub const VM: &[Command] = &[
    Command::Start,
    Command::Restart,
    Command::Foreground,
    Command::Console,
    Command::ConsoleClean,
    Command::StartBoot,
    Command::ConsoleBoot,
    Command::Remote,
    Command::EvalEx,
];

/// Those that have to know which node is meant.
pub const NODE: &[Command] = &[
    Command::Start,
    Command::Stop,
    Command::Restart,
    Command::Foreground,
    Command::Console,
    Command::ConsoleClean,
    Command::StartBoot,
    Command::ConsoleBoot,
    Command::CheckConfig,
    Command::Ctl,
    Command::Relup,
    Command::Itself,
    Command::Versions,
    Command::Unpack,
    Command::Install,
    Command::Upgrade,
    Command::Downgrade,
    Command::Uninstall,
    Command::Remote,
    Command::Attach,
    Command::Ping,
    Command::Pid,
    Command::Eval,
    Command::EvalEx,
    Command::Rpc,
    Command::Rpcterms,
];

/// Those that a newer launcher may take over.
pub const HANDED: &[Command] = &[
    Command::Start,
    Command::Stop,
    Command::Restart,
    Command::Foreground,
    Command::Console,
    Command::ConsoleClean,
    Command::StartBoot,
    Command::ConsoleBoot,
    Command::CheckConfig,
    Command::Ctl,
    Command::Remote,
    Command::Attach,
    Command::Ping,
    Command::Pid,
    Command::Eval,
    Command::EvalEx,
    Command::Rpc,
    Command::Rpcterms,
    Command::Escript,
];

/// Those that look at the release they stand in.
pub const RELEASE: &[Command] = &[
    Command::Start,
    Command::Stop,
    Command::Restart,
    Command::Foreground,
    Command::Console,
    Command::ConsoleClean,
    Command::StartBoot,
    Command::ConsoleBoot,
    Command::CheckConfig,
    Command::Ctl,
    Command::Relup,
    Command::Itself,
    Command::Versions,
    Command::Unpack,
    Command::Install,
    Command::Upgrade,
    Command::Downgrade,
    Command::Uninstall,
    Command::Remote,
    Command::Attach,
    Command::Ping,
    Command::Pid,
    Command::Eval,
    Command::EvalEx,
    Command::Rpc,
    Command::Rpcterms,
    Command::RootDir,
    Command::Ertspath,
    Command::Escript,
    Command::Version,
];
