//! `EMQX_LOG__TO` of older releases, translated to what the schema knows.

use crate::command::Command;
use crate::host::environment::Environment;
use crate::release::dialect::override_prefix;
use crate::sourced::{Origin, Sourced};

/// How the node is started, as far as its log is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logging {
    /// As a daemon: the log handlers are the configuration's.
    Daemon,
    /// With a console at hand: the console handler is on unless something else was asked for.
    Console,
}

impl Logging {
    /// How a command starts the node.
    pub fn of(command: Command) -> Logging {
        match command {
            Command::Foreground
            | Command::Console
            | Command::ConsoleClean
            | Command::ConsoleBoot => Logging::Console,
            _ => Logging::Daemon,
        }
    }
}

/// Releases that are configured by cuttlefish have the setting themselves: `log.to`.
pub fn of_cuttlefish(env: &mut Environment, logging: Logging) {
    if logging == Logging::Console {
        let variable = format!("{}LOG__TO", override_prefix(env));
        env.set_default(&variable, "console");
    }
}

/// Translates the variable and removes it. Returns a warning for a value that means nothing.
pub fn translate(env: &mut Environment, logging: Logging) -> Option<String> {
    let asked = env.sourced("EMQX_LOG__TO");
    let asked = asked.map(|asked| asked.decided("log").into_value());
    env.take("EMQX_LOG__TO");
    let (console, file) = match asked.as_deref() {
        Some("console") => (Some("true"), Some("false")),
        Some("file") => (Some("false"), Some("true")),
        Some("both") => (Some("true"), Some("true")),
        Some(_) | None => (None, None),
    };
    if let (Some(console), Some(file)) = (console, file) {
        env.set("EMQX_LOG__CONSOLE__ENABLE", console);
        env.set("EMQX_LOG__FILE__ENABLE", file);
    }
    if logging == Logging::Console && asked.as_deref() != Some("default") {
        let handler = env
            .sourced("EMQX_DEFAULT_LOG_HANDLER")
            .unwrap_or_else(|| Sourced::new("console".to_owned(), Origin::Default))
            .decided("default log handler");
        env.set("EMQX_DEFAULT_LOG_HANDLER", handler.into_value());
    }
    match asked.as_deref() {
        None | Some("console" | "file" | "both" | "default") => None,
        Some(other) => Some(format!("EMQX_LOG__TO={other} is unknown and has no effect")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_variable_becomes_the_new_ones() {
        let check = |to: Option<&str>, logging, console: Option<&str>, handler: Option<&str>| {
            let mut env = Environment::default();
            if let Some(to) = to {
                env.set("EMQX_LOG__TO", to);
            }
            translate(&mut env, logging);
            assert_eq!(env.get("EMQX_LOG__TO"), None);
            assert_eq!(env.get("EMQX_LOG__CONSOLE__ENABLE"), console);
            assert_eq!(env.get("EMQX_DEFAULT_LOG_HANDLER"), handler);
        };
        check(None, Logging::Daemon, None, None);
        check(None, Logging::Console, None, Some("console"));
        check(Some("default"), Logging::Console, None, None);
        check(Some("file"), Logging::Daemon, Some("false"), None);
        check(
            Some("both"),
            Logging::Console,
            Some("true"),
            Some("console"),
        );
        check(Some("nonsense"), Logging::Daemon, None, None);
    }
}
