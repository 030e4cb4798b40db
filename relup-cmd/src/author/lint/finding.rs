//! What a check of a hop has found: each with a name that stays, a place, a reason and a remedy.

use std::path::Path;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The upgrade would be refused, would fail, or would leave a node that is not the target.
    Error,
    /// It may be meant.
    Warning,
}

/// One thing that is wrong with a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    /// The stable name.
    pub(crate) name: &'static str,
    /// The line in the file, from 1, where there is one.
    pub(crate) line: Option<usize>,
    /// The thing.
    pub(crate) what: String,
    /// Why it is wrong.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    pub(super) fn error(
        name: &'static str,
        line: Option<usize>,
        what: impl Into<String>,
    ) -> Finding {
        Finding {
            class: Class::Error,
            name,
            line,
            what: what.into(),
            why: String::new(),
            remedy: String::new(),
        }
    }

    pub(super) fn warning(
        name: &'static str,
        line: Option<usize>,
        what: impl Into<String>,
    ) -> Finding {
        Finding {
            class: Class::Warning,
            ..Finding::error(name, line, what)
        }
    }

    pub(super) fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = remedy.into();
        self
    }

    /// Two lines for people, the first as compilers print them.
    pub(crate) fn lines(&self, file: &Path) -> [String; 2] {
        let class = self.class.word();
        let line = self.line.map_or(String::new(), |line| format!("{line}:"));
        let Finding {
            name,
            what,
            why,
            remedy,
            ..
        } = self;
        [
            format!("{}:{line} {class}: {name}: {what}: {why}", file.display()),
            format!("  remedy: {remedy}"),
        ]
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "class": self.class.word(),
            "name": self.name,
            "line": self.line,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
        })
    }
}

impl Class {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Class::Error => "error",
            Class::Warning => "warning",
        }
    }
}
