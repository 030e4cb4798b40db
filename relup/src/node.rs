//! The data that crosses between the upgrade commands and a running node.
//!
//! Plain values only: the trait that carries them belongs to the commands, its implementation to
//! the launcher, and no cookie is among them, nor a node's name that anything is done with. Nothing here
//! may hold a connection or do I/O. Data: what the node and its apply agent report.

use std::path::PathBuf;

/// What a running node says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// The version that runs, from `emqx_release:version()`; not yet checked to be safe as a path.
    pub running_vsn: String,
    /// `code:root_dir()`: the tree that was booted.
    pub root_dir: PathBuf,
    /// `emqx:data_dir()`, when the node can tell.
    pub data_dir: Option<PathBuf>,
    /// The VM's process id.
    pub os_pid: u32,
    /// The major OTP version, e.g. `26`.
    pub otp_release: String,
    /// Whether the VM has the module `mnesia_hook`, the mark of EMQX's own build of OTP.
    pub mnesia_hook: bool,
    /// The product's name, e.g. `EMQX Enterprise`.
    pub description: String,
}

/// A node of the cluster that the running node belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its name, to be shown.
    pub name: String,
    /// What is known of it.
    pub state: ClusterNodeState,
}

/// What is known of a node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterNodeState {
    /// It belongs to the cluster and does not run.
    Stopped,
    /// It does not answer; the text says why.
    Silent(String),
    /// It answers.
    Running {
        /// The version that runs; empty where it cannot tell.
        version: String,
        /// `code:root_dir()`: the tree that was booted.
        root_dir: PathBuf,
        /// The content of its marker, `None` where there is none, or why that cannot be known.
        marker: Result<Option<Vec<u8>>, String>,
    },
}

/// A hop file that needs an evaluator, with the name it is reported by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopScript {
    /// The file's path as text, for messages.
    pub file: String,
    /// Its content.
    pub source: Vec<u8>,
}

/// What evaluating a hop file found out: the versions it leads from and to, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopSummary {
    /// `from_version`.
    pub from: String,
    /// `target_version`.
    pub to: String,
}

/// A compiled module that a hop brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionBeam {
    /// The module's name.
    pub module: String,
    /// Where it was read, for the code server and for messages.
    pub file: String,
    /// The object code.
    pub beam: Vec<u8>,
}

/// Everything the apply agent in the VM needs to carry an upgrade to its end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRequest {
    /// The attempt's id in the journal.
    pub attempt: String,
    /// The version that runs.
    pub from: String,
    /// The version to reach.
    pub to: String,
    /// The base installation.
    pub base_root: PathBuf,
    /// The deployed tree of the target version.
    pub tree: PathBuf,
    /// `REL_NAME` of the target, which names its `.rel` file.
    pub rel_name: String,
    /// The hop to apply.
    pub hop: HopScript,
    /// Modules to load before the hop's first instruction.
    pub beams: Vec<CompanionBeam>,
    /// `<data>/patches`, which stays in front of the code path, when there is one.
    pub patches_dir: Option<PathBuf>,
    /// The marker to swap at the end.
    pub marker: PathBuf,
    /// The journal to append to.
    pub journal: PathBuf,
    /// Whether processes that run old code may be killed.
    pub brutal_purge: bool,
    /// Whether a post-upgrade callback that fails takes everything back; otherwise the new code
    /// stays, without a marker.
    pub undo_on_callback_failure: bool,
    /// How long one process may take to be suspended, in milliseconds.
    pub suspend_timeout_ms: u64,
}

/// Progress of a running apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyEvent {
    /// A step was reached.
    Step {
        /// The step's name, as in the journal.
        step: String,
        /// More words for people; may be empty.
        detail: String,
    },
}

/// A finished apply: the VM runs the target version and the marker is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplyDone {
    /// The version read back from the VM.
    pub version: String,
    /// Modules loaded.
    pub loaded: u64,
    /// Modules skipped because the same code was loaded already.
    pub skipped: u64,
    /// Processes whose state was changed.
    pub updated_processes: u64,
    /// Applications restarted.
    pub restarted: Vec<String>,
    /// Post-upgrade callbacks run.
    pub callbacks: u64,
    /// What people should know although it did not stop the upgrade.
    pub warnings: Vec<String>,
    /// How long each stage took, in microseconds, in order.
    pub stages_us: Vec<(String, u64)>,
}

/// An apply that did not reach its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyFailure {
    /// The error's name in the relup contract, e.g. `module_not_found`.
    pub name: String,
    /// `plan`, `apply`, `post_upgrade`, `verify` or `permanent`.
    pub stage: String,
    /// What went wrong, with the values, for people.
    pub detail: String,
    /// Whether anything in the VM was changed.
    pub changed: bool,
    /// Whether everything that was changed has been put back.
    pub restored: bool,
}

/// What an apply would do, proven in the VM without a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// In the order in which it would be done.
    pub steps: Vec<ProvenStep>,
    /// Modules that would be skipped because the same code is loaded already.
    pub skipped: u64,
    /// What people should know although it does not stop the upgrade.
    pub warnings: Vec<String>,
}

/// One step of a proven plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvenStep {
    /// Modules that are made current at one moment.
    Load {
        /// Their names.
        modules: Vec<String>,
    },
    /// Processes that are suspended while they change their state.
    Update {
        /// Their callback module.
        module: String,
        /// How many they are.
        processes: u64,
        /// Whether the module's code is exchanged too.
        loads: bool,
    },
    /// An application that is stopped and started.
    Restart {
        /// Its name.
        application: String,
        /// Its version afterwards; `None` where the target does not have it.
        version: Option<String>,
        /// Its modules.
        modules: Vec<String>,
        /// Modules that the target does not have any more.
        removed: Vec<String>,
    },
    /// A function of the hop that is called, `module:function/arity`.
    Apply {
        /// The function.
        call: String,
    },
    /// A post-upgrade callback.
    Callback {
        /// The function.
        call: String,
    },
}
