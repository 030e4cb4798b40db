//! The environment variables that the program obeys, with their meaning: for the manual pages. What
//! the release's schema reads (`EMQX_<PATH>__<KEY>`) is the release's own, except those few that
//! the program has to know before it can ask the release.

mod groups;

use crate::command::Command;
use crate::release::variables::groups::{BOOT, DAEMON, HANDED, NODE, RELEASE, VM};

/// A variable that changes what the program does.
pub struct Variable {
    /// Its name, or a pattern of names.
    pub name: &'static str,
    /// What it does, in sentences.
    pub about: &'static str,
    /// The value where it is unset or empty; empty where there is none.
    pub default: &'static str,
    /// The commands that obey it; none means every command.
    pub commands: &'static [Command],
}

/// All of them, those that an operator sets most often first.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "EMQX_NODE__NAME",
        about: "The node's name: which one to boot, or which of several running ones is meant.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "EMQX_NODE__COOKIE",
        about: "The cookie that the nodes of a cluster share, or file://PATH of a file or FIFO \
                that holds it. Must be the running node's, where one runs.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "EMQX_NODE__DATA_DIR",
        about: "The directory of data; a relative one is below the installation.",
        default: "data",
        commands: NODE,
    },
    Variable {
        name: "EMQX_<PATH>__<KEY>",
        about: "Overrides any path of emqx.conf, as the release's schema has it.",
        default: "",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_WAIT_FOR_START",
        about: "Seconds until a node that is not ready counts as failed.",
        default: "120",
        commands: DAEMON,
    },
    Variable {
        name: "EMQX_WAIT_FOR_STOP",
        about: "Seconds until a node that is still there counts as not stopped.",
        default: "120",
        commands: &[
            Command::Stop,
            Command::Start,
            Command::StartBoot,
            Command::Restart,
        ],
    },
    Variable {
        name: "EMQX_RELUP_BOOT_ATTEMPTS",
        about: "After how many boots of a hot-upgraded release that nobody saw ready the original \
                release is booted again. Off where it is unset: data that the new release has \
                migrated may not suit the old one.",
        default: "",
        commands: &[
            Command::Start,
            Command::Restart,
            Command::Foreground,
            Command::Console,
        ],
    },
    Variable {
        name: "EMQX_RELUP_PUBKEY",
        about: "The minisign public key, or its file, that signatures TARBALL.minisig of target \
                releases are checked with.",
        default: "",
        commands: &[Command::Relup],
    },
    Variable {
        name: "EMQX_LAUNCHER_HANDOVER",
        about: "never keeps commands from being handed over to a newer launcher that a hot upgrade \
                brought along.",
        default: "auto",
        commands: HANDED,
    },
    Variable {
        name: "EMQX_LICENSE__KEY",
        about: "The licence's key, before license.key of emqx.conf.",
        default: "",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_LOG__TO",
        about: "Where the log goes: console, file, both, or default for what emqx.conf says.",
        default: "default",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_DEFAULT_LOG_HANDLER",
        about: "The log handler that is on where emqx.conf says nothing: console, file or both. \
                Without a daemon the default is console.",
        default: "",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_SECURITY_PROFILE",
        about: "legacy, or hardened, which refuses the well-known default cookies.",
        default: "legacy",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_FEATURES",
        about: "ESSENTIAL loads code when it is needed instead of at the start.",
        default: "",
        commands: BOOT,
    },
    Variable {
        name: "CODE_LOADING_MODE",
        about: "embedded or interactive: when the VM loads code.",
        default: "embedded",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_SSL_DIST_OPTFILE",
        about: "The options of TLS between nodes, a file of Erlang terms; no blank in its path.",
        default: "ssl_dist.conf beside emqx.conf",
        commands: NODE,
    },
    Variable {
        name: "EPMD_ARGS",
        about: "How nodes find each other, as arguments of the VM. Without -epmd_module among them \
                a real epmd is asked for ports.",
        default: "-start_epmd false -epmd_module ekka_epmd -proto_dist ekka",
        commands: NODE,
    },
    Variable {
        name: "ERL_EPMD_PORT",
        about: "The port of a real epmd. A node that runs is asked about where it was told that \
                epmd is.",
        default: "4369",
        commands: NODE,
    },
    Variable {
        name: "EMQX_BOOT_CONFIGS",
        about: "Lines of key=value that replace the look-up of node.name and the like in emqx.conf.",
        default: "",
        commands: BOOT,
    },
    Variable {
        name: "EMQX_CONSOLE_FLAVOR",
        about: "iex gives Elixir shells without --iex.",
        default: "",
        commands: &[Command::Console, Command::ConsoleClean, Command::Remote],
    },
    Variable {
        name: "PIPE_DIR",
        about: "The directory of the daemon's console pipes.",
        default: "<data>/<user>_erl_pipes/<node>",
        commands: &[Command::Start, Command::Restart, Command::Attach],
    },
    Variable {
        name: "RUN_ERL_LOG_GENERATIONS",
        about: "How many erlang.log.N the daemon's console keeps.",
        default: "5",
        commands: DAEMON,
    },
    Variable {
        name: "RUN_ERL_LOG_MAXSIZE",
        about: "Bytes after which the daemon's console begins the next erlang.log.N.",
        default: "10485760",
        commands: DAEMON,
    },
    Variable {
        name: "ERL_FLAGS",
        about: "Further arguments of every VM, the helper's too.",
        default: "",
        commands: VM,
    },
    Variable {
        name: "LD_LIBRARY_PATH",
        about: "Where shared libraries are looked for; the release's own come first.",
        default: "",
        commands: VM,
    },
    Variable {
        name: "INVOCATION_ID",
        about: "The run of a service, as systemd sets it: commands of the node's own run do not ask \
                systemd.",
        default: "",
        commands: &[Command::Stop, Command::Restart],
    },
    Variable {
        name: "NOTIFY_SOCKET",
        about: "The socket of a service manager, as systemd sets it for Type=notify: it is told how far \
                the boot has come, and when the node is ready.",
        default: "",
        commands: &[Command::Foreground],
    },
    Variable {
        name: "PATH",
        about: "Where systemctl is looked for, when systemd runs the node.",
        default: "",
        commands: &[Command::Stop, Command::Restart],
    },
    Variable {
        name: "XDG_RUNTIME_DIR",
        about: "Where a user's own systemd listens, when it runs the node.",
        default: "/run/user/<uid>",
        commands: &[Command::Stop, Command::Restart],
    },
    Variable {
        name: "EMQX_PLUGINS__INSTALL_DIR",
        about: "The directory of plugins; a relative one is below the installation.",
        default: "plugins",
        commands: &[Command::Relup],
    },
    Variable {
        name: "EMQX_NODE_NAME",
        about: "The old name of EMQX_NODE__NAME, which it overrides.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "EMQX_NODE_COOKIE",
        about: "The old name of EMQX_NODE__COOKIE, which it overrides.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "EMQX_NAME",
        about: "With EMQX_HOST the two parts of EMQX_NODE__NAME, where that is unset; only in releases \
                before 5.0.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "EMQX_HOST",
        about: "See EMQX_NAME.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "WITH_EPMD",
        about: "Any value has nodes find each other by epmd, which is started where there is none; \
                only in releases before 5.0.",
        default: "",
        commands: NODE,
    },
    Variable {
        name: "WAIT_FOR_ERLANG",
        about: "The old name of EMQX_WAIT_FOR_START, where that is unset; only in releases before 5.0.",
        default: "",
        commands: DAEMON,
    },
    Variable {
        name: "CUTTLEFISH_ENV_OVERRIDE_PREFIX",
        about: "What the variables begin with that override emqx.conf; only in releases before 5.0.",
        default: "EMQX_",
        commands: BOOT,
    },
    Variable {
        name: "BASE_RUNNER_ROOT_DIR",
        about: "The installation whose etc, data and log are used, where it is not the one that \
                the program stands in.",
        default: "",
        commands: RELEASE,
    },
    Variable {
        name: "DEBUG",
        about: "1 tells on standard error what is decided and where each value came from; 2 tells \
                every step as well, and lets the VM's init do the same.",
        default: "",
        commands: &[],
    },
    Variable {
        name: "NO_COLOR",
        about: "Any value switches colours off. CLICOLOR=0 does the same, CLICOLOR_FORCE=1 switches \
                them on where no terminal is.",
        default: "",
        commands: &[],
    },
];

/// The variables that a command obeys; all of them for the program as a whole.
pub fn obeyed_by(command: Option<Command>) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| match command {
        None => true,
        Some(command) => variable.commands.is_empty() || variable.commands.contains(&command),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_stands_once_and_says_something() {
        for (at, variable) in VARIABLES.iter().enumerate() {
            let twice = VARIABLES[..at]
                .iter()
                .any(|other| other.name == variable.name);
            assert!(!twice && variable.about.ends_with('.'), "{}", variable.name);
        }
        let check = |command, expected: &[&str]| {
            let names: Vec<_> = obeyed_by(Some(command)).map(|v| v.name).collect();
            assert_eq!(names, expected, "{command:?}");
        };
        check(
            Command::RootDir,
            &["BASE_RUNNER_ROOT_DIR", "DEBUG", "NO_COLOR"],
        );
        check(Command::Man, &["DEBUG", "NO_COLOR"]);
    }

    #[test]
    fn the_readme_has_the_same_table() {
        let readme = include_str!("../../../README.md");
        let rows: Vec<&str> = readme
            .lines()
            .skip_while(|line| *line != "| variable | default | what it does |")
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let code = |text: &str| match text {
            "" => String::new(),
            text => format!(" `{text}`"),
        };
        let expected: Vec<String> = VARIABLES
            .iter()
            .map(|v| format!("|{} |{} | {} |", code(v.name), code(v.default), v.about))
            .collect();
        assert_eq!(rows, expected, "it has to be:\n{}", expected.join("\n"));
    }
}
