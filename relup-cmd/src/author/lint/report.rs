//! What a check of a hop has found, for people and for programs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::finding::{Class, Finding};
use crate::quantity::counted;

/// What a check has come to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(super) file: PathBuf,
    pub(super) findings: Vec<Finding>,
    /// How much of it was checked.
    pub(super) extent: Extent,
}

/// How much of a hop could be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything.
    Whole,
    /// Without the releases.
    Form,
    /// Not what it holds: its value is not known.
    Nothing,
}

impl Report {
    pub(super) fn count(&self, class: Class) -> u64 {
        let of_class = |finding: &&Finding| finding.class == class;
        self.findings.iter().filter(of_class).count() as u64
    }

    /// `hop.relup: 1 error, 2 warnings`.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{}: {}, {}",
            self.file.display(),
            counted(self.count(Class::Error), "error", "errors"),
            counted(self.count(Class::Warning), "warning", "warnings"),
        )
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.findings.iter();
        let mut lines: Vec<String> = lines
            .flat_map(|finding| finding.lines(&self.file))
            .collect();
        match self.extent {
            Extent::Whole => {}
            Extent::Form => lines.push(
                "only the form was checked: name both releases with --from and --to for the rest"
                    .to_owned(),
            ),
            Extent::Nothing => {
                lines.push("what the hop holds was not checked: its value is not known".to_owned());
            }
        }
        lines
    }

    /// For programs.
    pub(crate) fn fields(&self) -> Vec<(String, Value)> {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        vec![
            ("file".to_owned(), json!(self.file.to_string_lossy())),
            ("findings".to_owned(), json!(findings)),
            ("errors".to_owned(), json!(self.count(Class::Error))),
            (
                "warnings_found".to_owned(),
                json!(self.count(Class::Warning)),
            ),
            (
                "schema_only".to_owned(),
                json!(self.extent != Extent::Whole),
            ),
        ]
    }
}
