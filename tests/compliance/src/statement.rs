//! The statements of the boot contract, restated briefly, with the numbers that cases go by.

/// One statement.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// Section and place in it.
    pub id: &'static str,
    /// What it says, in short.
    pub says: &'static str,
}

const fn st(id: &'static str, says: &'static str) -> Statement {
    Statement { id, says }
}

/// All statements, in the order of the contract.
pub const STATEMENTS: &[Statement] = &[
    st(
        "1.1",
        "the program finds its release through any chain of symlinks",
    ),
    st("1.2", "blanks in paths are part of the paths"),
    st(
        "1.3",
        "BASE_RUNNER_ROOT_DIR, when set and not empty, is the base; else the root is",
    ),
    st(
        "1.4",
        "relup/current, one line, names the tree that is booted, and a boot says so",
    ),
    st(
        "1.5",
        "the program boots the deployed tree itself; that tree's own script never runs",
    ),
    st(
        "1.7",
        "markers inside deployed trees are followed, reported, and never written",
    ),
    st(
        "1.8",
        "a damaged marker is refused with the remedy, never passed over",
    ),
    st(
        "1.9",
        "emqx_vars is read as a shell would read its assignments",
    ),
    st(
        "1.10",
        "anything else in emqx_vars is an error with file and line, and is not executed",
    ),
    st(
        "1.11",
        "a package's emqx_vars sends configuration, log, data and user to the system's places",
    ),
    st(
        "1.12",
        "etc, log, user and bin dir of a deployed tree come from the base's emqx_vars",
    ),
    st(
        "1.13",
        "what is derived from emqx_vars is exported to the node",
    ),
    st("1.14", "the node's working directory is the base"),
    st("1.15", "a missing log directory is made"),
    st("2.1", "with a RUNNER_USER, root becomes that user"),
    st(
        "2.2",
        "with a RUNNER_USER, any other user is told to be root, exit 1",
    ),
    st(
        "2.3",
        "the switch is in place, for good, and keeps the environment",
    ),
    st("2.4", "a user id without a name counts by its number"),
    st(
        "2.5",
        "files that the user may not write are told with path and uid",
    ),
    st("3.1", "without an argument: usage on stdout, exit 1"),
    st("3.2", "help: usage, exit 0"),
    st(
        "3.3",
        "COMMAND help: that command's text, exit 0; ctl has its own",
    ),
    st("3.4", "an unknown command: usage, exit 1"),
    st(
        "3.5",
        "start: a daemon under run_erl, waits, says so, exit 0",
    ),
    st(
        "3.6",
        "a start that fails: 1 gone, 2 no ping, 3 not ready in EMQX_WAIT_FOR_START seconds",
    ),
    st("3.7", "a node of that name runs: already running, exit 1"),
    st(
        "3.8",
        "stop: graceful, tells that it takes time, waits for the process, ok, system log",
    ),
    st(
        "3.9",
        "stop of a node that does not answer: through the daemon's console",
    ),
    st("3.10", "restart: stop if it runs, then start"),
    st("3.11", "foreground: the process becomes the VM"),
    st("3.12", "console: an interactive VM; --iex for Elixir"),
    st("3.13", "console_clean: a shell, the broker is not started"),
    st("3.14", "attach: the daemon's console"),
    st(
        "3.15",
        "remote, remote_console: a hidden remote shell after a ping",
    ),
    st(
        "3.16",
        "ctl: output as it comes; 0 only for ok; RPC to NODE failed: REASON",
    ),
    st(
        "3.17",
        "eval: words joined, dot added, value printed; a mistake is one line with its place",
    ),
    st("3.18", "eval-ex: Elixir releases only"),
    st("3.19", "rpc M F ARGS: one list of strings; 0 only for ok"),
    st("3.20", "rpcterms M F TERMS: result printed; 1 on badrpc"),
    st(
        "3.21",
        "ping: pong; else not responding to pings on stderr, exit 1",
    ),
    st("3.22", "pid: the VM's process id"),
    st("3.23", "root_dir: the tree in force"),
    st("3.24", "ertspath: the ERTS in force"),
    st("3.25", "escript: with the release's own runtime"),
    st(
        "3.26",
        "check_config: the schema's verdict, nothing written",
    ),
    st("3.27", "the second name emqx_ctl is emqx ctl"),
    st(
        "3.28",
        "errors on stderr, warnings and infos on stdout, colours on terminals, DEBUG traces",
    ),
    st(
        "3.29",
        "words that a command does not know are refused with its usage",
    ),
    st(
        "5.17",
        "ctl into a closed pipe: quiet, 141, and the command in the node is not harmed",
    ),
    st(
        "6.1",
        "hocon and the schema decide: base.hocon, cluster.hocon, emqx.conf, environment",
    ),
    st(
        "6.2",
        "overrides of the environment are printed, secrets masked",
    ),
    st("6.3", "the three newest generations are kept"),
    st(
        "6.5",
        "data/patches and /var/lib/emqx/patches go before the release's code",
    ),
    st(
        "7.1",
        "node_dump: both names, eval, goes on after what is unavailable",
    ),
    st(
        "7.2",
        "emqx_cluster_rescue: expressions of several lines that print and ask",
    ),
    st(
        "7.3",
        "systemd: foreground and stop with an environment of its own",
    ),
    st(
        "7.4",
        "OpenRC: foreground under a supervisor that signals the process",
    ),
    st(
        "7.5",
        "the entry point of a container: foreground as the first process",
    ),
    st("7.6", "Kubernetes probes: ctl status and ping"),
];
