//! Hop files `*.relup`: the instructions that lead a running node from one version to another.

use std::fmt;

use crate::term::{Term, TermError};
use crate::vsn::{ReleaseVsn, VsnError};

/// A hop, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The version it starts from.
    pub from: ReleaseVsn,
    /// The version it leads to.
    pub to: ReleaseVsn,
    /// What to do to the code, in this order.
    pub code_changes: Vec<Instruction>,
    /// What to call afterwards, in this order.
    pub callbacks: Vec<Callback>,
}

/// One instruction of a hop (relup contract, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `{load_module, M}`.
    LoadModule(String),
    /// `{update, M, {advanced, Extra}}`.
    Update {
        /// The callback module.
        module: String,
        /// What `code_change/3` is given.
        extra: Term,
    },
    /// `{restart_application, A}`.
    RestartApplication(String),
    /// `{apply, M, F, Args}`.
    Apply {
        /// The module.
        module: String,
        /// The function.
        function: String,
        /// Its arguments.
        args: Vec<Term>,
    },
}

/// One post-upgrade callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// `F`, called as `Mod:F(FromVsn)`.
    Plain(String),
    /// `{F, Args}`, called as `Mod:F(FromVsn, Args...)`.
    WithArgs(String, Vec<Term>),
}

/// What the text of a hop file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HopText {
    /// A literal map: no VM is needed to know it.
    Literal(Hop),
    /// It has expressions in it and takes a VM to read.
    Expression,
}

/// A pair of versions that a hop connects; what listing shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopPath {
    /// The version it starts from.
    pub from: String,
    /// The version it leads to.
    pub to: String,
}

/// Why a text is no hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// It is no Erlang.
    #[error(transparent)]
    Term(#[from] TermError),
    /// Its value is no map.
    #[error("the value is {0}, not a map")]
    NotAMap(String),
    /// A key that every hop needs is absent.
    #[error("the key {0} is missing")]
    MissingKey(&'static str),
    /// A version is no text.
    #[error("{key} is {value}, not a string")]
    NotAString {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A version can't be one.
    #[error("{key}: {reason}")]
    Vsn {
        /// The key.
        key: &'static str,
        /// Why its value is no version.
        reason: VsnError,
    },
    /// A value that must be a list is none.
    #[error("{key} is {value}, not a list")]
    NotAList {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// An instruction of no known shape.
    #[error("instruction {index} of code_changes is unknown or malformed: {instruction}")]
    Instruction {
        /// Its place in `code_changes`, from 1.
        index: usize,
        /// The instruction as Erlang prints it.
        instruction: String,
    },
    /// A callback of no known shape.
    #[error("entry {index} of post_upgrade_callbacks is malformed: {callback}")]
    Callback {
        /// Its place in `post_upgrade_callbacks`, from 1.
        index: usize,
        /// The callback as Erlang prints it.
        callback: String,
    },
}

impl HopError {
    /// The error's name in the relup contract.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Instruction { .. } => "invalid_instr",
            _ => "invalid_relup_file",
        }
    }
}

impl Hop {
    /// The versions it connects.
    #[must_use]
    pub fn path(&self) -> HopPath {
        HopPath {
            from: self.from.to_string(),
            to: self.to.to_string(),
        }
    }
}

impl fmt::Display for HopPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// Reads the text of a hop file.
pub fn parse_hop(text: &str) -> Result<HopText, HopError> {
    match crate::term::parse_expression(text)? {
        crate::term::Parsed::Literal(term) => Err(HopError::NotAMap(term.to_string())),
        crate::term::Parsed::Expression => Ok(HopText::Expression),
    }
}
