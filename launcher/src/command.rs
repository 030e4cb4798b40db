//! The commands by name, and the words that `help` says about each. One table, so that the names
//! that are parsed and the names that are explained cannot differ.

mod arguments;
mod model;
mod usage;

pub use model::{Purpose, model};
pub use usage::{command_usage, usage};

/// Everything the program can be told to do with a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Start,
    Stop,
    Restart,
    Foreground,
    Console,
    ConsoleClean,
    StartBoot,
    ConsoleBoot,
    Attach,
    Remote,
    Ctl,
    Eval,
    EvalEx,
    Rpc,
    Rpcterms,
    Ping,
    Pid,
    RootDir,
    Ertspath,
    Escript,
    CheckConfig,
    Relup,
    Versions,
    Unpack,
    Install,
    Upgrade,
    Downgrade,
    Uninstall,
    Itself,
    Version,
    Completions,
    Man,
}

/// A command's names and explanation.
pub struct Explanation {
    /// The command.
    pub command: Command,
    /// Its name first, then its other names.
    pub names: &'static [&'static str],
    /// What follows the name.
    pub arguments: &'static str,
    /// Lines that explain it.
    pub about: &'static [&'static str],
}

/// All commands, in the order in which the usage lists them.
pub const COMMANDS: &[Explanation] = &[
    Explanation {
        command: Command::Start,
        names: &["start"],
        arguments: "",
        about: &[
            "Boot the broker as a daemon and wait until it is ready.",
            "EMQX_WAIT_FOR_START gives the seconds to wait (120).",
            "Exit code: 0 ready, 1 the node is gone, 2 it does not answer, 3 not ready in time.",
        ],
    },
    Explanation {
        command: Command::Stop,
        names: &["stop"],
        arguments: "",
        about: &[
            "Shut the running broker down gracefully and wait until its process is gone.",
            "EMQX_WAIT_FOR_STOP gives the seconds to wait (120).",
        ],
    },
    Explanation {
        command: Command::Restart,
        names: &["restart", "reboot"],
        arguments: "",
        about: &["Stop the broker if it is running, then start it as a daemon."],
    },
    Explanation {
        command: Command::Foreground,
        names: &["foreground"],
        arguments: "",
        about: &[
            "Boot the broker in the foreground without a shell.",
            "The process becomes the Erlang VM, as service managers and containers need it.",
        ],
    },
    Explanation {
        command: Command::Console,
        names: &["console"],
        arguments: "[--iex]",
        about: &[
            "Boot the broker in the foreground with an interactive shell; needs a terminal.",
            "--iex gives an Elixir shell where the release has one.",
        ],
    },
    Explanation {
        command: Command::ConsoleClean,
        names: &["console_clean"],
        arguments: "[--iex]",
        about: &[
            "Open an interactive shell with the release's code at hand.",
            "The broker is NOT started.",
        ],
    },
    Explanation {
        command: Command::StartBoot,
        names: &["start_boot"],
        arguments: "BOOTFILE",
        about: &[
            "Like start, with another boot file; only in releases before 5.0.",
            "BOOTFILE has no suffix: a file of releases/<version>, or a path.",
        ],
    },
    Explanation {
        command: Command::ConsoleBoot,
        names: &["console_boot"],
        arguments: "BOOTFILE",
        about: &[
            "Like console, with another boot file; only in releases before 5.0.",
            "BOOTFILE has no suffix: a file of releases/<version>, or a path.",
        ],
    },
    Explanation {
        command: Command::Ctl,
        names: &["ctl"],
        arguments: "ARGS...",
        about: &["Run an administration command on the running broker; `ctl help` lists them."],
    },
    Explanation {
        command: Command::Relup,
        names: &["relup"],
        arguments: "COMMAND",
        about: &["Upgrade the running broker without a restart; `relup --help` tells more."],
    },
    Explanation {
        command: Command::Versions,
        names: &["versions"],
        arguments: "[--repair] [--json]",
        about: &[
            "List the releases that OTP's release handler knows, and what they are.",
            "permanent: the next start boots it. current: it runs, but is not permanent.",
            "old: it was permanent. unpacked: it was never permanent, or does not run any more.",
            "--repair rebuilds releases/RELEASES and releases/start_erl.data where they are damaged.",
        ],
    },
    Explanation {
        command: Command::Unpack,
        names: &["unpack"],
        arguments: "[--json] VERSION",
        about: &[
            "Unpack the release package of VERSION, without running it.",
            "It is looked for in releases/ of the installation: emqx-VERSION.tar.gz,",
            "VERSION/emqx-VERSION.tar.gz, VERSION/emqx.tar.gz, emqx-*VERSION*.zip.",
        ],
    },
    Explanation {
        command: Command::Install,
        names: &["install"],
        arguments: "[--no-permanent] [--json] VERSION",
        about: &[
            "Switch the running broker to the release VERSION, which is unpacked where needed.",
            "--no-permanent lets the next start boot the release that was permanent before.",
        ],
    },
    Explanation {
        command: Command::Upgrade,
        names: &["upgrade"],
        arguments: "[--no-permanent] [--json] VERSION",
        about: &[
            "Switch the running broker to the newer release VERSION; the same as install.",
            "Releases with a hot-upgrade file of their own (EMQX 5.10 and later) take `relup upgrade`.",
        ],
    },
    Explanation {
        command: Command::Downgrade,
        names: &["downgrade"],
        arguments: "[--no-permanent] [--json] VERSION",
        about: &["Switch the running broker back to the release VERSION; the same as install."],
    },
    Explanation {
        command: Command::Uninstall,
        names: &["uninstall"],
        arguments: "[--json] VERSION",
        about: &["Delete the release VERSION, which must neither run nor be permanent."],
    },
    Explanation {
        command: Command::Remote,
        names: &["remote", "remote_console"],
        arguments: "[--iex]",
        about: &["Open a shell of a hidden node that is connected to the running broker."],
    },
    Explanation {
        command: Command::Attach,
        names: &["attach"],
        arguments: "",
        about: &[
            "Attach the terminal to the console of a broker that was started as a daemon.",
            "Ctrl-D leaves it again. The remote command is the safer way.",
        ],
    },
    Explanation {
        command: Command::Ping,
        names: &["ping"],
        arguments: "",
        about: &["Print pong and exit with 0 when the broker's node answers."],
    },
    Explanation {
        command: Command::Pid,
        names: &["pid"],
        arguments: "",
        about: &["Print the process id of the running broker."],
    },
    Explanation {
        command: Command::RootDir,
        names: &["root_dir"],
        arguments: "",
        about: &["Print the root of the release tree that is in force."],
    },
    Explanation {
        command: Command::Ertspath,
        names: &["ertspath"],
        arguments: "",
        about: &["Print the directory of the Erlang runtime system that is in force."],
    },
    Explanation {
        command: Command::CheckConfig,
        names: &["check_config", "check_conf"],
        arguments: "",
        about: &["Check the configuration against the release's schema; nothing is written."],
    },
    Explanation {
        command: Command::Escript,
        names: &["escript"],
        arguments: "PATH [ARGS...]",
        about: &[
            "Run an escript of the release with the release's own Erlang runtime.",
            "PATH is relative to the release's root.",
        ],
    },
    Explanation {
        command: Command::Eval,
        names: &["eval"],
        arguments: "EXPRESSION",
        about: &[
            "Evaluate Erlang expressions in the running broker and print the value.",
            "Where audit logging is on, the expressions are logged as they are.",
        ],
    },
    Explanation {
        command: Command::EvalEx,
        names: &["eval-ex"],
        arguments: "EXPRESSION",
        about: &["Evaluate an Elixir expression in the running broker; Elixir releases only."],
    },
    Explanation {
        command: Command::Rpc,
        names: &["rpc"],
        arguments: "MODULE FUNCTION [ARGS...]",
        about: &[
            "Call MODULE:FUNCTION with one argument, the list of ARGS as strings.",
            "Waits 60 seconds at most; exit code 0 only when the call returns ok.",
        ],
    },
    Explanation {
        command: Command::Rpcterms,
        names: &["rpcterms"],
        arguments: "MODULE FUNCTION [TERMS...]",
        about: &[
            "Call MODULE:FUNCTION with Erlang terms as arguments and print the result.",
            "Waits 60 seconds at most.",
        ],
    },
    Explanation {
        command: Command::Itself,
        names: &["self"],
        arguments: "COMMAND",
        about: &[
            "Put this program into an installation, or take it out; `self --help` tells more.",
        ],
    },
    Explanation {
        command: Command::Version,
        names: &["version"],
        arguments: "",
        about: &[
            "Print the version of this program, how it was built, and the release around it.",
            "`--version` and `-V` are the same.",
        ],
    },
    Explanation {
        command: Command::Completions,
        names: &["completions"],
        arguments: "bash|zsh|fish",
        about: &[
            "Print the completions of a shell.",
            "bash: write them to /usr/share/bash-completion/completions/emqx.",
            "zsh: write them to _emqx in a directory of $fpath.",
            "fish: write them to /usr/share/fish/vendor_completions.d/emqx.fish.",
        ],
    },
    Explanation {
        command: Command::Man,
        names: &["man"],
        arguments: "[--dir DIR] [COMMAND...]",
        about: &[
            "Print the manual page of the program or of a command.",
            "`emqx man relup upgrade | man -l -` shows one.",
            "--dir writes all pages into a directory, a file each, and prints their paths.",
        ],
    },
];

impl Command {
    /// The command of that name.
    pub fn by_name(name: &str) -> Option<Command> {
        COMMANDS
            .iter()
            .find(|explanation| explanation.names.contains(&name))
            .map(|explanation| explanation.command)
    }

    /// Its explanation.
    pub fn explanation(self) -> &'static Explanation {
        COMMANDS
            .iter()
            .find(|explanation| explanation.command == self)
            .unwrap_or(&COMMANDS[0])
    }

    /// Commands that tell about the program itself: they need no release around it.
    pub fn is_about_program(self) -> bool {
        matches!(self, Command::Version | Command::Completions | Command::Man)
    }

    /// Commands of OTP's release handler.
    pub fn manages_releases(self) -> bool {
        matches!(
            self,
            Command::Versions
                | Command::Unpack
                | Command::Install
                | Command::Upgrade
                | Command::Downgrade
                | Command::Uninstall
        )
    }

    /// Commands whose words go on to the node or to another program as they are.
    pub fn passes_words_on(self) -> bool {
        matches!(
            self,
            Command::Ctl
                | Command::Eval
                | Command::EvalEx
                | Command::Rpc
                | Command::Rpcterms
                | Command::Escript
        )
    }

    /// Boot commands end in a VM or check what a VM would be given.
    pub fn boots(self) -> bool {
        matches!(
            self,
            Command::Start
                | Command::Restart
                | Command::Foreground
                | Command::Console
                | Command::ConsoleClean
                | Command::StartBoot
                | Command::ConsoleBoot
                | Command::CheckConfig
        )
    }

    /// Commands that only releases before 5.0 have.
    pub fn is_of_cuttlefish(self) -> bool {
        matches!(self, Command::StartBoot | Command::ConsoleBoot)
    }

    /// Boot commands that end with a daemon.
    pub fn makes_daemon(self) -> bool {
        matches!(self, Command::Start | Command::StartBoot | Command::Restart)
    }
}
