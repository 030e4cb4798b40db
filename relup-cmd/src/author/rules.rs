//! The rules file: an author's own decisions, where the tool's are not what is wanted.
//!
//! ```toml
//! [module."emqx_broker"]
//! instruction = "update"        # or "load_module", "restart_application", "skip"
//! extra = "[]"                  # what code_change is given, an Erlang term
//!
//! [application."emqx_dashboard"]
//! instruction = "restart_application"   # or "load_module", "skip"
//! ```
//!
//! A key, an instruction or a name that means nothing is refused with its line: a rule with a slip
//! in it would silently not count. Data: the file's text.

use std::collections::BTreeMap;

use relup::term::{Parsed, Term, parse_expression};
use toml_span::value::{Table, Value};

/// What an author wants to be done about a module or an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Change processes, with this argument to `code_change`.
    Update(Term),
    /// Exchange the code only; for an application: never restart it.
    Load,
    /// Restart the application.
    Restart,
    /// Leave it as it is.
    Skip,
}

/// A wish, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) wish: Wish,
    /// The line of its table or value, from 1.
    pub(crate) line: usize,
}

/// All rules of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) modules: BTreeMap<String, Rule>,
    pub(crate) applications: BTreeMap<String, Rule>,
}

/// Why a text is no rules file, or why a rule can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct RuleError {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Rules {
    /// Reads the text of a rules file.
    pub(crate) fn parse(text: &str) -> Result<Rules, RuleError> {
        let lines = Lines(text);
        let root = toml_span::parse(text).map_err(|error| {
            // The place is told already.
            let reason = error.kind.to_string().replace('-', " ");
            lines.error(error.span.start, format!("is no TOML: {reason}"))
        })?;
        let mut rules = Rules::default();
        for (key, value) in table(&root, &lines)? {
            let (into, is_module) = match key.name.as_ref() {
                "module" => (&mut rules.modules, true),
                "application" => (&mut rules.applications, false),
                other => {
                    let reason = format!("unknown key {other:?}, known are module and application");
                    return Err(lines.error(key.span.start, reason));
                }
            };
            for (name, value) in table(value, &lines)? {
                let rule = rule(table(value, &lines)?, is_module, name.span.start, &lines)?;
                into.insert(name.name.to_string(), rule);
            }
        }
        Ok(rules)
    }
}

fn rule(
    table: &Table<'_>,
    is_module: bool,
    at: usize,
    lines: &Lines<'_>,
) -> Result<Rule, RuleError> {
    let mut instruction = None;
    let mut extra = None;
    for (key, value) in table {
        let text = value.as_str().ok_or_else(|| {
            let reason = format!("{} is not a string", key.name);
            lines.error(value.span.start, reason)
        })?;
        match key.name.as_ref() {
            "instruction" => instruction = Some((text, value.span.start)),
            "extra" if is_module => extra = Some((text, value.span.start)),
            other => {
                let known = if is_module {
                    "instruction and extra"
                } else {
                    "instruction"
                };
                let reason = format!("unknown key {other:?}, known: {known}");
                return Err(lines.error(key.span.start, reason));
            }
        }
    }
    let Some((word, place)) = instruction else {
        return Err(lines.error(at, "no instruction".to_owned()));
    };
    let wish = match (word, extra) {
        ("update", extra) if is_module => Wish::Update(match extra {
            Some((text, place)) => term(text).map_err(|reason| lines.error(place, reason))?,
            None => Term::List(Vec::new()),
        }),
        (_, Some((_, place))) => {
            return Err(lines.error(
                place,
                "extra goes with the instruction update only".to_owned(),
            ));
        }
        ("load_module", None) => Wish::Load,
        ("restart_application", None) => Wish::Restart,
        ("skip", None) => Wish::Skip,
        (other, None) => {
            let update = if is_module { "update, " } else { "" };
            let reason = format!(
                "unknown instruction {other:?}, known: {update}load_module, restart_application, skip"
            );
            return Err(lines.error(place, reason));
        }
    };
    let line = lines.number(place);
    Ok(Rule { wish, line })
}

/// An Erlang literal, with or without a dot.
fn term(text: &str) -> Result<Term, String> {
    let dotted = format!("{}.", text.trim().trim_end_matches('.'));
    match parse_expression(&dotted) {
        Ok(Parsed::Literal(term)) => Ok(term),
        Ok(Parsed::Expression) => Err(format!("extra is {text:?}, which is no literal")),
        Err(error) => Err(format!("extra is {text:?}: {}", error.reason)),
    }
}

fn table<'v, 'de>(value: &'v Value<'de>, lines: &Lines<'_>) -> Result<&'v Table<'de>, RuleError> {
    let error = || lines.error(value.span.start, "is not a table".to_owned());
    value.as_table().ok_or_else(error)
}

struct Lines<'t>(&'t str);

impl Lines<'_> {
    /// The number of the line that a byte stands in, from 1.
    fn number(&self, at: usize) -> usize {
        let before = self.0.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn error(&self, at: usize, reason: String) -> RuleError {
        let line = self.number(at);
        RuleError { line, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_is_read_with_its_line() {
        let text = "# mine\n[module.\"emqx_broker\"]\ninstruction = \"update\"\nextra = \"{a, [1]}.\"\n\
            [module.b]\ninstruction = \"load_module\"\n[module]\nc.instruction = \"skip\"\n\
            d = { instruction = \"restart_application\" }\n\
            [application.\"emqx\"]\ninstruction = \"restart_application\"\n";
        let rules = Rules::parse(text).expect("rules");
        let told = |rules: &BTreeMap<String, Rule>| -> Vec<String> {
            let each = rules.iter();
            each.map(|(name, rule)| format!("{name} {:?} {}", rule.wish, rule.line))
                .collect()
        };
        assert_eq!(
            rules.modules["emqx_broker"].wish,
            Wish::Update(term("{a,[1]}").expect("a term"))
        );
        assert_eq!(told(&rules.modules)[0], "b Load 6");
        assert_eq!(told(&rules.modules)[1], "c Skip 8");
        assert_eq!(told(&rules.modules)[2], "d Restart 9");
        assert_eq!(told(&rules.applications), ["emqx Restart 11"]);
        assert_eq!(Rules::parse(""), Ok(Rules::default()));
    }

    #[test]
    fn a_slip_is_refused_with_its_line() {
        for (text, part) in [
            ("[module", "line 1: is no TOML"),
            (
                "\n\n[modul.a]\ninstruction = \"skip\"",
                "line 3: unknown key \"modul\"",
            ),
            ("module = 1", "line 1: is not a table"),
            ("[module]\na = 1", "line 2: is not a table"),
            ("[module.a]\n", "line 1: no instruction"),
            (
                "[module.a]\ninstruction = 1",
                "line 2: instruction is not a string",
            ),
            (
                "[module.a]\ninstruction = \"reload\"",
                "line 2: unknown instruction \"reload\"",
            ),
            (
                "[application.a]\ninstruction = \"update\"",
                "line 2: unknown instruction \"update\"",
            ),
            (
                "[module.a]\ninstrucion = \"skip\"",
                "line 2: unknown key \"instrucion\"",
            ),
            (
                "[module.a]\ninstruction = \"skip\"\nextra = \"[]\"",
                "line 3: extra goes with",
            ),
            (
                "[module.a]\ninstruction = \"update\"\nextra = \"f()\"",
                "line 3: extra is \"f()\"",
            ),
            (
                "[module.a]\ninstruction = \"update\"\nextra = \"{\"",
                "line 3: extra is",
            ),
            ("[module.a]\n[module.a]", "line 2: is no TOML"),
        ] {
            let error = Rules::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(part), "{text:?}: {error}");
        }
    }
}
