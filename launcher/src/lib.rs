//! The launcher of EMQX: boots the release tree that is in force, talks to the running node, and
//! carries the hot-upgrade commands.
//!
//! Data goes one way: [`host`] is read once, [`invocation`] says what is asked for, [`install`] and
//! [`release`] say what is there, planners make values ([`exec::ExecSpec`], [`target::Contact`]),
//! and only then something happens.

pub mod boot;
pub mod command;
pub mod environment;
pub mod error;
pub mod exec;
pub mod host;
pub mod install;
pub mod invocation;
pub mod message;
pub mod pipe;
pub mod release;
pub mod relup_node;
pub mod run;
pub mod running;
pub mod runtime;
pub mod shell;
pub mod stop;
pub mod stopped;
pub mod syslog;
pub mod target;
pub mod trace;
pub mod user;

use crate::error::Error;
use crate::host::Host;

/// Runs the program and gives its exit code. Errors are printed here and nowhere else.
pub fn main() -> u8 {
    let result = Host::observe().map_err(Error::from).and_then(|host| {
        trace::start(host.env.get("DEBUG"));
        run::run(host)
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            message::error(&error.to_string());
            error.hints().iter().for_each(|hint| message::hint(hint));
            error.exit_code()
        }
    }
}
