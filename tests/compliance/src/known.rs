//! What this launcher does otherwise than the script, on purpose or because it can't, and what the
//! suite could not try. The suite's README says the same to users.

/// A difference that users should know about.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The statement that it belongs to.
    pub statement: &'static str,
    /// What is different.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn known(statement: &'static str, what: &'static str, why: &'static str) -> Known {
    Known {
        statement,
        what,
        why,
    }
}

/// All of them, in the order of the statements.
pub const KNOWN: &[Known] = &[
    known(
        "1.10",
        "What a shell would execute in emqx_vars is refused",
        "nothing that stands in a data file of a release may run as root",
    ),
    known(
        "2.3",
        "The switch to the runner user opens no session: no profile is read, and the limits of \
         /etc/security/limits.conf are not applied",
        "a session loses the environment and needs a login shell; set limits in the service's \
         unit, or before the command",
    ),
    known(
        "3.10",
        "`stop` and `restart` of a node that a systemd unit runs have `systemctl` do it",
        "a copy outside of the unit would be left, or the unit would start the node again at once",
    ),
    known(
        "3.16",
        "`RPC to NODE failed: REASON` is an error like others: on standard error, after `ERROR: `",
        "an answer on standard output and an error must not be mixed up by scripts",
    ),
    known(
        "3.17",
        "`eval` has its expression parsed by the node",
        "no VM is started for it, and the grammar is exactly the node's",
    ),
    known(
        "3.18",
        "Elixir shells and `eval-ex` are tried only as far as a release without Elixir goes",
        "no Elixir release was at hand",
    ),
    known(
        "3.19",
        "That `rpc` and `rpcterms` give up after 60 seconds is not tried here",
        "a test would only wait for it",
    ),
    known(
        "3.28",
        "DEBUG=1 and DEBUG=2 tell decisions and where their values came from, not shell commands",
        "there is no shell",
    ),
    known(
        "4.5",
        "With the node down, only plain lines of emqx.conf are understood (`node.name = ...`, also \
         in a block), no includes and no substitutions",
        "hocon is not re-implemented, and starting a VM for it takes seconds",
    ),
    known(
        "5.6",
        "A cookie with other characters than printable ASCII is refused at boot",
        "VMs in different locales make different bytes of it and refuse each other",
    ),
    known(
        "5.10",
        "The cookie is given to the VM in its file of arguments only, not on the command line as \
         well",
        "a VM that is given two cookies takes neither",
    ),
    known(
        "7.3",
        "A unit of an old package that says `ExecStart=/bin/bash /usr/bin/emqx foreground` has to \
         be changed to `ExecStart=/usr/bin/emqx foreground`",
        "a shell cannot read a binary",
    ),
    known(
        "7.4",
        "`emqx status`, which OpenRC's script of EMQX calls as its health check, is answered with \
         the usage and exit 1",
        "no shell script of EMQX has such a command either",
    ),
];
