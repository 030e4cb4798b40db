//! The two dialects of releases: how they are configured, and so what a launcher has to know to boot
//! them. Recognised by `releases/emqx_vars` alone, so that no file is looked for in vain.

use std::path::{Path, PathBuf};

use relup::vars::EmqxVars;

use crate::host::environment::Environment;
use crate::sourced::{Shown, Sourced};

/// The dialect of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 5.0 and later: hocon and a schema module; `emqx_machine` boots and stops the broker.
    Hocon,
    /// Before 5.0: cuttlefish and a schema file; OTP's release handler upgrades it, and there is no
    /// `emqx_machine`.
    Cuttlefish,
}

/// What a release is configured by, with what only one of the dialects has.
#[derive(Debug, Clone)]
pub enum Configuration {
    /// See [`Dialect::Hocon`].
    Hocon {
        /// The configuration schema's module.
        schema_mod: Sourced<String>,
        /// `yes` asks for a licence.
        is_enterprise: String,
    },
    /// See [`Dialect::Cuttlefish`].
    Cuttlefish {
        /// The data directory, which the configuration cannot move.
        data_dir: Sourced<PathBuf>,
    },
}

impl Configuration {
    /// The dialect alone.
    pub fn dialect(&self) -> Dialect {
        match self {
            Configuration::Hocon { .. } => Dialect::Hocon,
            Configuration::Cuttlefish { .. } => Dialect::Cuttlefish,
        }
    }
}

impl Dialect {
    /// Only releases with a schema module name one, and only those without tell where the data is.
    pub fn of(vars: &EmqxVars) -> Dialect {
        if vars.get("SCHEMA_MOD").is_none() && vars.get("RUNNER_DATA_DIR").is_some() {
            Dialect::Cuttlefish
        } else {
            Dialect::Hocon
        }
    }

    /// The variable with the configuration directory.
    pub fn etc_dir_variable(self) -> &'static str {
        match self {
            Dialect::Hocon => "EMQX_ETC_DIR",
            Dialect::Cuttlefish => "RUNNER_ETC_DIR",
        }
    }

    /// The variable with the log directory. Releases of 5.0 still have the old one.
    pub fn log_dir_variable(self, vars: &EmqxVars) -> &'static str {
        let has_old = vars.get("RUNNER_LOG_DIR").is_some();
        match self {
            Dialect::Cuttlefish => "RUNNER_LOG_DIR",
            // Where both are missing, the name of today is the one to tell.
            Dialect::Hocon if vars.get("EMQX_LOG_DIR").is_none() && has_old => "RUNNER_LOG_DIR",
            Dialect::Hocon => "EMQX_LOG_DIR",
        }
    }

    /// Gives settings the names that the rest of the launcher knows them by, where only releases of
    /// this dialect have the others: a node's name in two parts, as containers are told it, and the
    /// time that a start may take.
    pub fn adopt(self, env: &mut Environment) {
        if self == Dialect::Hocon {
            return;
        }
        if env.get("EMQX_NODE__NAME").is_none()
            && let (Some(name), Some(host)) = (env.get("EMQX_NAME"), env.get("EMQX_HOST"))
        {
            let whole = format!("{name}@{host}");
            env.set_from("EMQX_NODE__NAME", whole, "EMQX_NAME and EMQX_HOST");
        }
        if env.get("EMQX_WAIT_FOR_START").is_none() {
            env.rename("WAIT_FOR_ERLANG", "EMQX_WAIT_FOR_START");
        }
    }
}

impl Shown for Dialect {
    fn shown(&self) -> String {
        match self {
            Dialect::Hocon => "hocon, as of 5.0".to_owned(),
            Dialect::Cuttlefish => "cuttlefish, as until 4.4".to_owned(),
        }
    }
}

/// The prefix of the variables that override the configuration.
pub fn override_prefix(env: &Environment) -> &str {
    env.get(OVERRIDE_PREFIX).unwrap_or("EMQX_")
}

/// The variable with that prefix, which cuttlefish reads; the documents of 4.x let it be set.
pub const OVERRIDE_PREFIX: &str = "CUTTLEFISH_ENV_OVERRIDE_PREFIX";

/// What children find in the environment besides what those of every release do.
pub fn set_environment(
    configuration: &Configuration,
    env: &mut Environment,
    root: &Path,
    etc_dir: &Path,
    log_dir: &Path,
) {
    match configuration {
        Configuration::Hocon {
            schema_mod,
            is_enterprise,
        } => {
            // erlexec would believe it where another release's shell left it behind.
            env.take("ROOTDIR");
            env.set("EMQX_ETC_DIR", etc_dir);
            env.set("EMQX_LOG_DIR", log_dir);
            env.set("SCHEMA_MOD", schema_mod);
            env.set("IS_ENTERPRISE", is_enterprise);
            env.set("HOCON_ENV_OVERRIDE_PREFIX", "EMQX_");
            env.set_default("EMQX_SECURITY_PROFILE", "legacy");
        }
        Configuration::Cuttlefish { data_dir } => {
            // The VM of OTP 24 does not find out by itself.
            env.set("ROOTDIR", root);
            env.set("RUNNER_ETC_DIR", etc_dir);
            env.set("RUNNER_LOG_DIR", log_dir);
            env.set("RUNNER_DATA_DIR", data_dir);
            env.set_default(OVERRIDE_PREFIX, "EMQX_");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_release_tell_its_dialect() {
        let check = |text: &str, expected: Dialect| {
            let vars = EmqxVars::parse(text, &|_| None).expect("assignments");
            assert_eq!(Dialect::of(&vars), expected, "{text}");
        };
        check("SCHEMA_MOD=\"emqx_conf_schema\"\n", Dialect::Hocon);
        check("RUNNER_DATA_DIR=\"/d\"\n", Dialect::Cuttlefish);
        // Some releases of 5.0 had both.
        check("RUNNER_DATA_DIR=\"/d\"\nSCHEMA_MOD=\"s\"\n", Dialect::Hocon);
        // What is missing is told by its name of today.
        check("REL_VSN=\"1\"\n", Dialect::Hocon);
    }

    #[test]
    fn a_name_in_two_parts_counts_where_no_whole_one_is_given() {
        let check = |given: &[(&str, &str)], dialect: Dialect, expected: Option<&str>| {
            let mut env = Environment::default();
            for (name, value) in given {
                env.set(name, *value);
            }
            dialect.adopt(&mut env);
            assert_eq!(env.get("EMQX_NODE__NAME"), expected, "{given:?}");
        };
        let parts = [("EMQX_NAME", "a"), ("EMQX_HOST", "h")];
        check(&parts, Dialect::Cuttlefish, Some("a@h"));
        check(&parts, Dialect::Hocon, None);
        check(&parts[..1], Dialect::Cuttlefish, None);
        let whole = [parts[0], parts[1], ("EMQX_NODE__NAME", "b@h")];
        check(&whole, Dialect::Cuttlefish, Some("b@h"));
    }

    #[test]
    fn the_time_for_a_start_has_an_older_name() {
        let mut env = Environment::default();
        env.set("WAIT_FOR_ERLANG", "7");
        Dialect::Hocon.adopt(&mut env);
        assert_eq!(env.get("EMQX_WAIT_FOR_START"), None);
        Dialect::Cuttlefish.adopt(&mut env);
        assert_eq!(env.get("EMQX_WAIT_FOR_START"), Some("7"));
        env.set("WAIT_FOR_ERLANG", "8");
        Dialect::Cuttlefish.adopt(&mut env);
        assert_eq!(env.get("EMQX_WAIT_FOR_START"), Some("7"));
    }
}
