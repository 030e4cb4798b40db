//! Hop files `*.relup`: the instructions that lead a running node from one version to another.
//!
//! The value of such a file is a map; most are literals and are read here without a VM, so that
//! hops can be listed while no node runs. A file with real expressions in it is only recognised.
//! Instructions and callbacks are closed enums, so that an unknown one is refused before anything
//! happens rather than in mid-apply. Data: the file's text. (Relup contract, sections 2 and 5.)

use std::fmt;

use crate::layout::is_component;
use crate::term::{Parsed, Term, TermError, parse_expression};
use crate::vsn::{ReleaseVsn, VsnError};

/// How many characters of a refused term a message shows.
const MESSAGE_LIMIT: usize = 160;

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

/// Reads the text of a hop file. Keys that are not known here are left to the evaluator in the VM.
pub fn parse_hop(text: &str) -> Result<HopText, HopError> {
    match parse_expression(text)? {
        Parsed::Literal(term) => Hop::from_term(term).map(HopText::Literal),
        Parsed::Expression => Ok(HopText::Expression),
    }
}

impl Hop {
    /// A hop from the value of its file.
    pub fn from_term(term: Term) -> Result<Hop, HopError> {
        let Term::Map(mut pairs) = term else {
            return Err(HopError::NotAMap(term.shortened(MESSAGE_LIMIT)));
        };
        let mut take = |key: &str| {
            let index = pairs
                .iter()
                .position(|(known, _)| known.as_atom() == Some(key))?;
            Some(pairs.swap_remove(index).1)
        };
        let from = parse_vsn("from_version", take("from_version"))?;
        let to = parse_vsn("target_version", take("target_version"))?;
        let changes = parse_list("code_changes", take("code_changes"))?;
        let callbacks = parse_list("post_upgrade_callbacks", take("post_upgrade_callbacks"))?;
        Ok(Hop {
            from,
            to,
            code_changes: numbered(changes, |index, term| {
                parse_instruction(&term).ok_or_else(|| HopError::Instruction {
                    index,
                    instruction: term.shortened(MESSAGE_LIMIT),
                })
            })?,
            callbacks: numbered(callbacks, |index, term| {
                parse_callback(&term).ok_or_else(|| HopError::Callback {
                    index,
                    callback: term.shortened(MESSAGE_LIMIT),
                })
            })?,
        })
    }
}

impl Instruction {
    /// An instruction from its term; `None` for one of no known shape.
    #[must_use]
    pub fn from_term(term: &Term) -> Option<Instruction> {
        parse_instruction(term)
    }
}

impl Callback {
    /// A callback from its term; `None` for one of no known shape.
    #[must_use]
    pub fn from_term(term: &Term) -> Option<Callback> {
        parse_callback(term)
    }
}

fn parse_vsn(key: &'static str, value: Option<Term>) -> Result<ReleaseVsn, HopError> {
    let value = value.ok_or(HopError::MissingKey(key))?;
    let text = value.to_text().ok_or_else(|| HopError::NotAString {
        key,
        value: value.shortened(MESSAGE_LIMIT),
    })?;
    text.parse().map_err(|reason| HopError::Vsn { key, reason })
}

/// A missing list is an empty one.
fn parse_list(key: &'static str, value: Option<Term>) -> Result<Vec<Term>, HopError> {
    value
        .unwrap_or(Term::List(Vec::new()))
        .into_list()
        .map_err(|value| HopError::NotAList {
            key,
            value: value.shortened(MESSAGE_LIMIT),
        })
}

fn numbered<T>(
    terms: Vec<Term>,
    parse: impl Fn(usize, Term) -> Result<T, HopError>,
) -> Result<Vec<T>, HopError> {
    terms
        .into_iter()
        .enumerate()
        .map(|(index, term)| parse(index + 1, term))
        .collect()
}

fn parse_instruction(term: &Term) -> Option<Instruction> {
    let Term::Tuple(parts) = term else {
        return None;
    };
    let (tag, rest) = parts.split_first()?;
    match (tag.as_atom()?, rest) {
        ("load_module", [module]) => Some(Instruction::LoadModule(file_name(module)?)),
        ("restart_application", [app]) => Some(Instruction::RestartApplication(file_name(app)?)),
        ("update", [module, Term::Tuple(change)]) => {
            let [kind, extra] = change.as_slice() else {
                return None;
            };
            (kind.as_atom()? == "advanced").then_some(())?;
            Some(Instruction::Update {
                module: file_name(module)?,
                extra: extra.clone(),
            })
        }
        ("apply", [module, function, args]) => Some(Instruction::Apply {
            module: module.as_atom()?.to_owned(),
            function: function.as_atom()?.to_owned(),
            args: args.clone().into_list().ok()?,
        }),
        _ => None,
    }
}

fn parse_callback(term: &Term) -> Option<Callback> {
    match term {
        Term::Atom(function) => Some(Callback::Plain(function.clone())),
        Term::Tuple(parts) => {
            let [function, args] = parts.as_slice() else {
                return None;
            };
            let args = args.clone().into_list().ok()?;
            Some(Callback::WithArgs(function.as_atom()?.to_owned(), args))
        }
        _ => None,
    }
}

/// The name of a module or application whose files will be looked up by it.
fn file_name(term: &Term) -> Option<String> {
    term.as_atom()
        .filter(|name| is_component(name))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;
