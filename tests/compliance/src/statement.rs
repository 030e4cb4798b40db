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
];
