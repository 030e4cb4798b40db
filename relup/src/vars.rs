//! `releases/emqx_vars`: assignments in the shell's syntax, read without a shell.
//!
//! The file decides where a release's code, configuration and logs are, and upgrades append lines
//! to it, so the last assignment of a name counts. Everything outside the grammar of plain
//! assignments is an error with its line: nothing in the file may ever be executed. The syntax is
//! in `vars/parse.rs`, what variables mean is here. Data: the file's text, and a look-up for the
//! variables it takes from outside (environment, root directories). (Boot contract, section 1.)

mod parse;

use parse::{Piece, Statement};

/// Longest value that expansion may build, in bytes: half of what Linux allows for a variable.
/// Without a bound `A="$A$A"` would double with every line.
const MAX_VALUE: usize = 64 * 1024;

/// The variables that an `emqx_vars` file sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmqxVars {
    values: Vec<Assigned>,
    exported: Vec<String>,
}

/// A variable with its value and the line of its last assignment, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assigned {
    name: String,
    value: String,
    line: usize,
}

/// Text outside the grammar, or a variable without a value, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct VarsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl EmqxVars {
    /// Reads the whole file.
    ///
    /// The file's own earlier lines come before `lookup`, which is asked for everything else
    /// (`RUNNER_ROOT_DIR`, `BASE_RUNNER_ROOT_DIR` and the caller's environment). As under
    /// `set -u`, a variable that is nowhere set is an error unless it has a default.
    pub fn parse(
        text: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<EmqxVars, VarsError> {
        let mut vars = EmqxVars::default();
        for (index, line) in text.split('\n').enumerate() {
            let at = |reason| VarsError {
                line: index + 1,
                reason,
            };
            let Some(statement) = parse::statement(line).map_err(at)? else {
                continue;
            };
            vars.perform(index + 1, statement, lookup).map_err(at)?;
        }
        Ok(vars)
    }

    /// The value that the file gives `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|assigned| assigned.value.as_str())
    }

    /// The line, from 1, of the assignment that counts for `name`.
    #[must_use]
    pub fn line(&self, name: &str) -> Option<usize> {
        self.find(name).map(|assigned| assigned.line)
    }

    /// All names and values that the file sets, in the order of their first assignment.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|assigned| (assigned.name.as_str(), assigned.value.as_str()))
    }

    /// Whether the file exports `name`. A variable that the caller's environment has is exported
    /// anyway, with the file's value, as any shell does.
    #[must_use]
    pub fn is_exported(&self, name: &str) -> bool {
        self.exported.iter().any(|known| known == name)
    }

    fn find(&self, name: &str) -> Option<&Assigned> {
        self.values.iter().find(|assigned| assigned.name == name)
    }

    fn perform(
        &mut self,
        line: usize,
        statement: Statement,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let Statement {
            name,
            value,
            exported,
        } = statement;
        if exported && !self.is_exported(&name) {
            self.exported.push(name.clone());
        }
        let Some(pieces) = value else { return Ok(()) };
        let mut expanded = String::new();
        self.expand(&pieces, lookup, &mut expanded)?;
        let assigned = Assigned {
            name,
            value: expanded,
            line,
        };
        match self
            .values
            .iter_mut()
            .find(|known| known.name == assigned.name)
        {
            Some(known) => *known = assigned,
            None => self.values.push(assigned),
        }
        Ok(())
    }

    /// Defaults are expanded only when they are needed, so that an unset variable inside an unused
    /// one is no error.
    fn expand(
        &self,
        pieces: &[Piece],
        lookup: &dyn Fn(&str) -> Option<String>,
        into: &mut String,
    ) -> Result<(), String> {
        let value = |name: &str| self.get(name).map(str::to_owned).or_else(|| lookup(name));
        for piece in pieces {
            match piece {
                Piece::Text(text) => into.push_str(text),
                Piece::Variable(name) => match value(name) {
                    Some(value) => into.push_str(&value),
                    None => return Err(format!("the variable {name} is not set")),
                },
                Piece::OrDefault(name, default) => match value(name) {
                    Some(value) if !value.is_empty() => into.push_str(&value),
                    _ => self.expand(default, lookup, into)?,
                },
            }
            if into.len() > MAX_VALUE {
                return Err(format!("the value is longer than {MAX_VALUE} bytes"));
            }
        }
        Ok(())
    }
}

/// The version in the `REL_VSN="..."` line, the last one if there are several: the reading that an
/// upgrade makes of a tarball's `emqx_vars`, which needs no other variable to be known. It is not
/// checked to be a version.
#[must_use]
pub fn rel_vsn_line(text: &str) -> Option<String> {
    rel_vsn_lines(text).pop()
}

/// The versions in all `REL_VSN="..."` lines. A tarball as it is published has one.
#[must_use]
pub fn rel_vsn_lines(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("REL_VSN=\"")?.split_once('"'))
        .map(|(vsn, _)| vsn.to_owned())
        .filter(|vsn| !vsn.is_empty())
        .collect()
}

/// An assignment of exactly `value`, as a line to be appended to the file; `None` when `name` is no
/// name or the value has characters that the grammar excludes.
#[must_use]
pub fn render_assignment(name: &str, value: &str) -> Option<String> {
    if !parse::is_name(name) || value.len() > MAX_VALUE || !value.chars().all(parse::is_allowed) {
        return None;
    }
    let mut line = format!("{name}=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push_str("\"\n");
    Some(line)
}

#[cfg(test)]
mod tests;
