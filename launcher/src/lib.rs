//! The launcher of EMQX: boots the release tree that is in force, talks to the running node, and
//! carries the hot-upgrade commands.
//!
//! Data goes one way: `host` is read once, `invocation` says what is asked for, `install` and
//! `release` say what is there, planners make values (`ExecSpec`, `Contact`),
//! and only then something happens.

mod assessment;
mod boot;
mod command;
mod completions;
mod elixir;
mod error;
mod exec;
mod handover;
mod host;
mod invocation;
mod manual;
mod message;
mod node;
mod patience;
mod plan;
mod readiness;
mod redact;
mod release;
mod relup_node;
mod restart;
mod run;
mod runtime;
mod service;
mod shell;
mod small_vm;
mod sourced;
mod stop;
mod trace;
mod version;

use crate::host::Host;

/// Runs the program and gives its exit code. Errors are printed here and nowhere else.
#[must_use]
pub fn main() -> u8 {
    let host = Host::observe();
    trace::start(host.env.get("DEBUG"));
    match run::run(host) {
        Ok(code) => code,
        Err(error) => {
            for line in error.told_by_the_release() {
                message::error(line);
            }
            message::error(&error.to_string());
            for hint in error.hints().iter().filter(|hint| !hint.is_empty()) {
                message::hint(hint);
            }
            error.exit_code()
        }
    }
}
