//! The configuration values that decide how to boot: read by the release's own hocon, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relup::term::{Parsed, Term, parse_expression};

use crate::error::Error;
use crate::host::environment::Environment;
use crate::node::stopped::{PlainLines, plain_lines};
use crate::release::dialect::Dialect;
use crate::sourced::{Origin, Sourced};

/// The keys that are looked up; the licence's key only where one is needed.
pub const KEYS: [&str; 6] = [
    "node.data_dir",
    "node.name",
    "node.cookie",
    "node.db_backend",
    "cluster.proto_dist",
    "node.dist_net_ticktime",
];

/// The key of the licence.
pub const LICENSE_KEY: &str = "license.key";

/// Values as `hocon multi_get` prints them: `key=<term>`, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootConfigs {
    text: String,
    values: BTreeMap<String, String>,
    /// The file that was read, and its plain lines; `None` for values that were preset.
    conf: Option<(PathBuf, PlainLines)>,
    /// Whose values they are.
    dialect: Dialect,
}

impl BootConfigs {
    /// Reads the lines; what is no `key=value` line is a log message and is left out.
    pub fn parse(text: &str) -> BootConfigs {
        let values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| key.contains('.') && !key.contains(char::is_whitespace))
            .filter_map(|(key, value)| Some((key.to_owned(), plain(value)?)))
            .collect();
        BootConfigs {
            text: text.to_owned(),
            values,
            conf: None,
            dialect: Dialect::Hocon,
        }
    }

    /// The same values, read from this file with that content.
    #[must_use]
    pub fn of_conf(self, file: PathBuf, content: &str) -> BootConfigs {
        BootConfigs {
            conf: Some((file, plain_lines(content))),
            ..self
        }
    }

    /// The same for values that cuttlefish read.
    #[must_use]
    pub fn of_cuttlefish(self, file: PathBuf, content: &str) -> BootConfigs {
        BootConfigs {
            dialect: Dialect::Cuttlefish,
            ..self.of_conf(file, content)
        }
    }

    /// A value and where it came from. Both readers let a variable of the environment override a path.
    pub fn sourced(&self, env: &Environment, key: &'static str) -> Option<Sourced<String>> {
        let variable = override_name(key);
        let origin = match &self.conf {
            None => Origin::Preset(key),
            Some(_) if env.get_os(&variable).is_some() => Origin::Variable(variable),
            Some((file, lines)) => match lines.get(key) {
                Some((line, _)) => Origin::Conf(file.clone(), *line),
                None => match self.dialect {
                    Dialect::Hocon => Origin::Hocon(key, file.clone()),
                    Dialect::Cuttlefish => Origin::Cuttlefish(key, file.clone()),
                },
            },
        };
        Some(Sourced::new(self.get(key)?.to_owned(), origin))
    }

    /// The lines as they were read, for the process that continues this boot.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A value as text; `None` where it is not set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The data directory, absolute: a relative one is below the base.
    ///
    /// # Errors
    /// When the configuration names none.
    pub fn data_dir(&self, env: &Environment, base: &Path) -> Result<Sourced<PathBuf>, Error> {
        const KEY: &str = "node.data_dir";
        let dir = self.sourced(env, KEY);
        let dir = dir.ok_or(Error::ConfigValue { key: KEY })?;
        Ok(dir.map(|dir| absolute_dir(&dir, base)))
    }
}

/// The variable that overrides a path: `node.data_dir` is `EMQX_NODE__DATA_DIR`.
fn override_name(key: &str) -> String {
    format!("EMQX_{}", key.to_uppercase().replace('.', "__"))
}

/// A directory of the configuration: no trailing slash, relative to the base.
pub fn absolute_dir(dir: &str, base: &Path) -> PathBuf {
    let trimmed = dir.trim_end_matches('/');
    base.join(if trimmed.is_empty() { "/" } else { trimmed })
}

/// An Erlang term as the shell would use it: strings and binaries without their quotes,
/// `undefined` as nothing.
fn plain(value: &str) -> Option<String> {
    match parse_expression(&format!("{value}.")) {
        Ok(Parsed::Literal(Term::Str(text))) => Some(text),
        Ok(Parsed::Literal(Term::Binary(bytes))) => String::from_utf8(bytes).ok(),
        Ok(Parsed::Literal(Term::Atom(name))) if name == "undefined" => None,
        Ok(Parsed::Literal(Term::Atom(name))) => Some(name),
        Ok(Parsed::Literal(Term::Int(number))) => Some(number),
        // What is no term was not printed by hocon, but preset by a user.
        Ok(_) | Err(_) => Some(value.trim().replace('"', "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_erlang_quotes() {
        let check = |line: &str, key: &str, expected: Option<&str>| {
            assert_eq!(BootConfigs::parse(line).get(key), expected, "{line}");
        };
        check(
            "node.name=\"emqx@127.0.0.1\"",
            "node.name",
            Some("emqx@127.0.0.1"),
        );
        check(
            "node.name='emqx@127.0.0.1'",
            "node.name",
            Some("emqx@127.0.0.1"),
        );
        check(
            "cluster.proto_dist=inet_tcp",
            "cluster.proto_dist",
            Some("inet_tcp"),
        );
        check(
            "node.dist_net_ticktime=120",
            "node.dist_net_ticktime",
            Some("120"),
        );
        check(
            "license.key=<<\"evaluation\">>",
            "license.key",
            Some("evaluation"),
        );
        check("license.key=undefined", "license.key", None);
        check(
            "node.name=emqx@127.0.0.1",
            "node.name",
            Some("emqx@127.0.0.1"),
        );
        check(
            "node.data_dir=/var/lib/emqx",
            "node.data_dir",
            Some("/var/lib/emqx"),
        );
        check("[warning] a=b", "[warning] a", None);
        check("node.cookie=\"a=b\"", "node.cookie", Some("a=b"));
    }

    #[test]
    fn a_value_comes_from_the_variable_before_the_line_before_the_schema() {
        let mut env = Environment::default();
        env.set("EMQX_NODE__DATA_DIR", "/d");
        let text = "node.data_dir=\"/d\"\nnode.name=\"a@h\"\nnode.cookie=\"c\"";
        let conf = "# mine\nnode {\n  name = \"a@h\"\n}\n";
        let configs = BootConfigs::parse(text).of_conf("/e/emqx.conf".into(), conf);
        let check = |configs: &BootConfigs, key, expected: Origin| {
            let value = configs.sourced(&env, key).expect("it is there");
            assert_eq!(value.origin(), &expected);
        };
        let variable = Origin::Variable("EMQX_NODE__DATA_DIR".into());
        check(&configs, "node.data_dir", variable);
        check(
            &configs,
            "node.name",
            Origin::Conf("/e/emqx.conf".into(), 3),
        );
        check(
            &configs,
            "node.cookie",
            Origin::Hocon("node.cookie", "/e/emqx.conf".into()),
        );
        let preset = BootConfigs::parse(text);
        check(&preset, "node.name", Origin::Preset("node.name"));
        assert!(preset.sourced(&env, "license.key").is_none());
    }

    #[test]
    fn a_relative_data_dir_is_below_the_base() {
        let check = |dir: &str, expected: &str| {
            assert_eq!(
                absolute_dir(dir, Path::new("/opt/emqx")),
                PathBuf::from(expected)
            );
        };
        check("data", "/opt/emqx/data");
        check("data/", "/opt/emqx/data");
        check("/var/lib/emqx/", "/var/lib/emqx");
    }
}
