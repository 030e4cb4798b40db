//! The environment as a value: read once, edited here, handed whole to a child.
//! Nothing in this program changes the process's own environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::sourced::{Origin, Sourced};

/// Environment variables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// New names whose value was found under an old one.
    renamed: BTreeMap<String, String>,
}

impl Environment {
    /// Wraps variables.
    pub fn new(variables: BTreeMap<OsString, OsString>) -> Environment {
        Environment {
            variables,
            renamed: BTreeMap::new(),
        }
    }

    /// A variable's text; an empty value counts as unset, as the shell's `${X:-}` treats it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(OsStr::new(name))
            .and_then(|value| value.to_str())
            .filter(|v| !v.is_empty())
    }

    /// A variable's text and its name as where it came from: the name that the caller gave it.
    pub fn sourced(&self, name: &str) -> Option<Sourced<String>> {
        let given = self.renamed.get(name).map_or(name, String::as_str);
        let origin = Origin::Variable(given.to_owned());
        self.get(name)
            .map(|value| Sourced::new(value.to_owned(), origin))
    }

    /// A variable's raw value; an empty value counts as unset.
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Sets a variable unless it has a non-empty value.
    pub fn set_default(&mut self, name: &str, value: impl Into<OsString>) {
        if self.get_os(name).is_none() {
            self.set(name, value);
        }
    }

    /// Removes a variable and returns its text when it had one.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.variables
            .remove(OsStr::new(name))
            .and_then(|value| value.into_string().ok())
    }

    /// Moves the value of an old name to the new one, which it overrides, as releases before 5.0
    /// named them.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(value) = self.take(old).filter(|value| !value.is_empty()) {
            self.set(new, value);
            self.renamed.insert(new.to_owned(), old.to_owned());
        }
    }

    /// Sets a variable to what follows from others, whose names are told as where it came from.
    pub fn set_from(&mut self, name: &str, value: impl Into<OsString>, from: &str) {
        self.set(name, value);
        self.renamed.insert(name.to_owned(), from.to_owned());
    }

    /// What became of variables since an earlier state: the new value, or `None` where it is gone.
    pub fn changes_since<'a>(
        &'a self,
        earlier: &'a Environment,
    ) -> impl Iterator<Item = (&'a OsStr, Option<&'a OsStr>)> {
        let set = self
            .variables
            .iter()
            .filter(|(name, value)| earlier.variables.get(*name) != Some(*value));
        let gone = earlier
            .variables
            .keys()
            .filter(|name| !self.variables.contains_key(*name));
        set.map(|(name, value)| (name.as_os_str(), Some(value.as_os_str())))
            .chain(gone.map(|name| (name.as_os_str(), None)))
    }

    /// All variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.variables.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_counts_as_unset_and_old_names_override() {
        let mut env = Environment::default();
        env.set("EMQX_NODE__NAME", "");
        assert_eq!(env.get("EMQX_NODE__NAME"), None);
        env.set_default("EMQX_NODE__NAME", "emqx@127.0.0.1");
        assert_eq!(env.get("EMQX_NODE__NAME"), Some("emqx@127.0.0.1"));
        env.set("EMQX_NODE_NAME", "other@127.0.0.1");
        env.rename("EMQX_NODE_NAME", "EMQX_NODE__NAME");
        assert_eq!(env.get("EMQX_NODE__NAME"), Some("other@127.0.0.1"));
        assert_eq!(env.get("EMQX_NODE_NAME"), None);
        let name = env.sourced("EMQX_NODE__NAME").expect("it is set");
        assert_eq!(
            name.told(),
            "other@127.0.0.1 (from environment variable EMQX_NODE_NAME)"
        );
    }
}
